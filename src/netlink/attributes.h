// Attributes: read access to the attributes of a netlink message, checked against its length.
//
// Untrusted enough to be fuzzed: nothing here reads outside the span it was given.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace caracal::netlink {

struct Attribute {
  uint16_t type = 0;  // without the NLA_F_ flags
  std::span<const std::byte> payload;

  std::optional<uint8_t> u8() const { return number<uint8_t>(); }
  std::optional<uint16_t> u16() const { return number<uint16_t>(); }
  std::optional<uint32_t> u32() const { return number<uint32_t>(); }
  std::optional<uint32_t> be32() const;
  std::string_view string() const;  // up to the first zero

 private:
  template <typename T>
  std::optional<T> number() const {
    if (payload.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
  }
};

// for (const Attribute& a : Attributes(message, sizeof(ifinfomsg))) ...
class Attributes {
 public:
  explicit Attributes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  explicit Attributes(const Attribute& nest) : bytes_(nest.payload) {}
  // Those after the family header of `header_size` bytes. A short message has none.
  Attributes(const nlmsghdr* message, size_t header_size);

  class Iterator {
   public:
    explicit Iterator(std::span<const std::byte> rest) : rest_(rest) { read(); }
    const Attribute& operator*() const { return current_; }
    const Attribute* operator->() const { return &current_; }
    Iterator& operator++();
    bool operator!=(std::nullptr_t) const { return !done_; }

   private:
    void read();
    std::span<const std::byte> rest_;
    Attribute current_;
    size_t length_ = 0;
    bool done_ = false;
  };
  Iterator begin() const { return Iterator(bytes_); }
  std::nullptr_t end() const { return nullptr; }
  std::optional<Attribute> find(uint16_t type) const;

 private:
  std::span<const std::byte> bytes_;
};

// The family header behind nlmsghdr, or nullptr when the message is too short for it.
template <typename Header>
const Header* header_of(const nlmsghdr* message) {
  if (message->nlmsg_len < sizeof(nlmsghdr) + sizeof(Header)) return nullptr;
  return reinterpret_cast<const Header*>(reinterpret_cast<const std::byte*>(message) +
                                         sizeof(nlmsghdr));
}

}  // namespace caracal::netlink
