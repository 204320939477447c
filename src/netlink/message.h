// Message, MessageBatch: build netlink messages in a buffer that grows.
//
// A thin face over the wire format (include/uapi/linux/netlink.h): lengths and padding are kept
// right by begin/end of nests, integers are host order unless the name says big endian. Values, no
// I/O.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace caracal::netlink {

// Several messages after each other in one buffer; the last one begun is the one written to.
class MessageBatch {
 public:
  // Starts a message with room for a family header of `extra` bytes, zeroed.
  void begin(uint16_t type, uint16_t flags, uint32_t sequence, const void* extra,
             size_t extra_size);
  template <typename Extra>
  void begin(uint16_t type, uint16_t flags, uint32_t sequence, const Extra& extra) {
    begin(type, flags, sequence, &extra, sizeof extra);
  }
  // Appends a whole message built by somebody else (libnftnl).
  void append(const nlmsghdr* message);

  void put(uint16_t type, const void* bytes, size_t size);
  void put_u8(uint16_t type, uint8_t value) { put(type, &value, sizeof value); }
  void put_u16(uint16_t type, uint16_t value) { put(type, &value, sizeof value); }
  void put_u32(uint16_t type, uint32_t value) { put(type, &value, sizeof value); }
  void put_be32(uint16_t type, uint32_t value);
  void put_string(uint16_t type, std::string_view text);  // with a terminating zero
  void put_flag(uint16_t type) { put(type, nullptr, 0); }
  // Opens a nested attribute; the returned mark goes to end_nest().
  size_t begin_nest(uint16_t type);
  void end_nest(size_t mark);
  // Bytes of the attribute a mark opened, so far; a nest must stay below 65536.
  size_t nest_size(size_t mark) const { return bytes_.size() - mark; }
  // Bytes not described by an attribute, padded to 4 (a header inside a nest).
  void put_raw(const void* bytes, size_t size);

  // The message begun last. Valid until the next change.
  nlmsghdr* message() { return at<nlmsghdr>(start_); }
  size_t message_start() const { return start_; }
  size_t size() const { return bytes_.size(); }
  size_t count() const { return count_; }
  bool empty() const { return bytes_.empty(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  void clear();

 private:
  template <typename T>
  T* at(size_t offset) {
    return reinterpret_cast<T*>(bytes_.data() + offset);
  }
  void grow(const void* bytes, size_t size);

  std::vector<std::byte> bytes_;
  size_t start_ = 0;
  size_t count_ = 0;
};

// One message: a batch of one.
class Message : public MessageBatch {
 public:
  template <typename Extra>
  Message(uint16_t type, uint16_t flags, const Extra& extra) {
    begin(type, static_cast<uint16_t>(flags | NLM_F_REQUEST), 0, extra);
  }
  nlmsghdr* header() { return message(); }
};

}  // namespace caracal::netlink
