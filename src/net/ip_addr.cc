#include "net/ip_addr.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/check.h"

namespace caracal::net {

std::string_view to_string(Family family) { return family == Family::kIPv4 ? "IPv4" : "IPv6"; }

IpAddr IpAddr::from_bytes(const void* bytes, size_t size) {
  CARACAL_CHECK(size == 4 || size == 16);
  IpAddr address;
  address.family_ = size == 4 ? Family::kIPv4 : Family::kIPv6;
  std::memcpy(address.bytes_.data(), bytes, size);
  return address;
}

Result<IpAddr> IpAddr::parse(std::string_view text) {
  const std::string copy(text);  // inet_pton wants a terminated text
  std::array<uint8_t, 16> bytes{};
  if (copy.size() == text.size() && copy.find('\0') == std::string::npos) {
    if (::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) return from_bytes(bytes.data(), 4);
    if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return from_bytes(bytes.data(), 16);
  }
  return fail(Errc::kInvalid,
              "\"" + copy + "\" is not an IP address (for example 10.9.8.7 or 2001:db8::1)");
}

IpAddr IpAddr::next() const {
  IpAddr out = *this;
  for (size_t i = size(); i-- > 0;) {
    if (++out.bytes_[i] != 0) break;
  }
  return out;
}

IpAddr IpAddr::previous() const {
  IpAddr out = *this;
  for (size_t i = size(); i-- > 0;) {
    if (out.bytes_[i]-- != 0) break;
  }
  return out;
}

namespace {
// The bits of byte `index` that belong to a prefix of `bits` bits.
uint8_t mask_byte(size_t index, int bits) {
  const int left = bits - static_cast<int>(index) * 8;
  if (left >= 8) return 0xff;
  if (left <= 0) return 0;
  return static_cast<uint8_t>(0xff00 >> left);
}
}  // namespace

IpAddr IpAddr::masked(int bits) const {
  IpAddr out = *this;
  for (size_t i = 0; i < size(); ++i) out.bytes_[i] &= mask_byte(i, bits);
  return out;
}

IpAddr IpAddr::last_of(int bits) const {
  IpAddr out = *this;
  for (size_t i = 0; i < size(); ++i) out.bytes_[i] |= static_cast<uint8_t>(~mask_byte(i, bits));
  return out;
}

IpAddr IpAddr::first(Family family) {
  IpAddr out;
  out.family_ = family;
  return out;
}

IpAddr IpAddr::last(Family family) { return first(family).last_of(0); }

std::string IpAddr::to_string() const {
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

}  // namespace caracal::net
