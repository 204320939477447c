#include "netlink/message.h"

#include <arpa/inet.h>

#include "base/check.h"

namespace caracal::netlink {
namespace {
constexpr size_t kMaxNest = 0xffff;
}

void MessageBatch::grow(const void* bytes, size_t size) {
  const size_t offset = bytes_.size();
  bytes_.resize(offset + NLMSG_ALIGN(size));
  if (size > 0) std::memcpy(bytes_.data() + offset, bytes, size);
}

void MessageBatch::begin(uint16_t type, uint16_t flags, uint32_t sequence, const void* extra,
                         size_t extra_size) {
  start_ = bytes_.size();
  ++count_;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + NLMSG_ALIGN(extra_size));
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  grow(&header, sizeof header);
  grow(extra, extra_size);
}

void MessageBatch::append(const nlmsghdr* message) {
  start_ = bytes_.size();
  ++count_;
  grow(message, message->nlmsg_len);
}

void MessageBatch::put(uint16_t type, const void* bytes, size_t size) {
  CARACAL_CHECK(size + sizeof(nlattr) <= kMaxNest);
  nlattr attribute{};
  attribute.nla_len = static_cast<uint16_t>(sizeof attribute + size);
  attribute.nla_type = type;
  grow(&attribute, sizeof attribute);
  grow(bytes, size);
  message()->nlmsg_len = static_cast<uint32_t>(bytes_.size() - start_);
}

void MessageBatch::put_be32(uint16_t type, uint32_t value) { put_u32(type, htonl(value)); }

void MessageBatch::put_string(uint16_t type, std::string_view text) {
  nlattr attribute{};
  CARACAL_CHECK(text.size() + 1 + sizeof attribute <= kMaxNest);
  attribute.nla_len = static_cast<uint16_t>(sizeof attribute + text.size() + 1);
  attribute.nla_type = type;
  grow(&attribute, sizeof attribute);
  const size_t offset = bytes_.size();
  bytes_.resize(offset + NLMSG_ALIGN(text.size() + 1));
  std::memcpy(bytes_.data() + offset, text.data(), text.size());
  message()->nlmsg_len = static_cast<uint32_t>(bytes_.size() - start_);
}

size_t MessageBatch::begin_nest(uint16_t type) {
  const size_t mark = bytes_.size();
  put(static_cast<uint16_t>(type | NLA_F_NESTED), nullptr, 0);
  return mark;
}

void MessageBatch::end_nest(size_t mark) {
  const size_t size = bytes_.size() - mark;
  CARACAL_CHECK(size <= kMaxNest);
  at<nlattr>(mark)->nla_len = static_cast<uint16_t>(size);
}

void MessageBatch::put_raw(const void* bytes, size_t size) {
  grow(bytes, size);
  message()->nlmsg_len = static_cast<uint32_t>(bytes_.size() - start_);
}

void MessageBatch::clear() {
  bytes_.clear();
  start_ = 0;
  count_ = 0;
}

}  // namespace caracal::netlink
