// Keys of elements, byte by byte. Private to element.cc, derived.cc and decode.cc.
#pragma once

#include <cstring>

#include "base/check.h"
#include "dataplane/nft/element.h"

namespace caracal::dataplane::nft {

inline constexpr size_t kNameSize = 16;  // IFNAMSIZ
inline constexpr size_t kWord = 4;

inline void put_number(Element& element, size_t offset, uint32_t value) {
  std::memcpy(element.key.data() + offset, &value, sizeof value);
}
inline uint32_t get_number(const Element& element, size_t offset) {
  uint32_t value;
  std::memcpy(&value, element.key.data() + offset, sizeof value);
  return value;
}
inline void put_port(Element& element, size_t offset, uint16_t port) {
  element.key[offset] = static_cast<uint8_t>(port >> 8);
  element.key[offset + 1] = static_cast<uint8_t>(port & 0xff);
}
inline uint16_t get_port(const Element& element, size_t offset) {
  return static_cast<uint16_t>(element.key[offset] << 8 | element.key[offset + 1]);
}
inline void put_name(Element& element, const std::string& name) {
  CARACAL_CHECK(name.size() < kNameSize);
  std::memcpy(element.key.data(), name.data(), name.size());
}
inline std::string get_name(const Element& element) {
  const auto* text = reinterpret_cast<const char*>(element.key.data());
  return std::string(text, ::strnlen(text, kNameSize));
}
inline void put_address(Element& element, const net::IpAddr& address) {
  std::memcpy(element.key.data(), address.data(), address.size());
}
inline net::IpAddr get_address(const Element& element, size_t offset) {
  return net::IpAddr::from_bytes(element.key.data() + offset,
                                 spec_of(element.set).key_size - offset);
}

// The first key behind all keys that begin with the first `size` bytes of the element's; nullopt
// when there is none.
inline std::optional<Element> behind_prefix(const Element& element, size_t size) {
  Element out;
  out.set = element.set;
  out.end = true;
  std::memcpy(out.key.data(), element.key.data(), size);
  for (size_t i = size; i-- > 0;)
    if (++out.key[i] != 0) return out;
  return std::nullopt;
}

// Port spaces in packed keys: never zero, so that the listing shows them.
inline uint32_t space_number(desired::PortSpace space) { return static_cast<uint32_t>(space) + 1; }

// A number . space . first port, packed; the protocol for kOther.
inline Element packed_port(SetId set, uint32_t number, desired::PortSpace space, uint16_t port) {
  Element out;
  out.set = set;
  put_number(out, 0, number);
  put_number(out, kWord, space_number(space));
  if (space == desired::PortSpace::kOther)
    out.key[2 * kWord] = static_cast<uint8_t>(port);
  else
    put_port(out, 2 * kWord, port);
  return out;
}

}  // namespace caracal::dataplane::nft
