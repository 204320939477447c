#include "netlink/attributes.h"

#include <arpa/inet.h>

#include <algorithm>

namespace caracal::netlink {

std::optional<uint32_t> Attribute::be32() const {
  if (auto value = u32()) return ntohl(*value);
  return std::nullopt;
}

std::string_view Attribute::string() const {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  return text.substr(0, text.find('\0'));
}

Attributes::Attributes(const nlmsghdr* message, size_t header_size) {
  const size_t skip = sizeof(nlmsghdr) + NLMSG_ALIGN(header_size);
  if (message->nlmsg_len > skip)
    bytes_ = {reinterpret_cast<const std::byte*>(message) + skip, message->nlmsg_len - skip};
}

void Attributes::Iterator::read() {
  nlattr header{};
  if (rest_.size() < sizeof header) {
    done_ = true;
    return;
  }
  std::memcpy(&header, rest_.data(), sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > rest_.size()) {
    done_ = true;
    return;
  }
  length_ = header.nla_len;
  current_.type = header.nla_type & NLA_TYPE_MASK;
  current_.payload = rest_.subspan(sizeof header, length_ - sizeof header);
}

Attributes::Iterator& Attributes::Iterator::operator++() {
  rest_ = rest_.subspan(std::min<size_t>(NLA_ALIGN(length_), rest_.size()));
  read();
  return *this;
}

std::optional<Attribute> Attributes::find(uint16_t type) const {
  for (const Attribute& attribute : *this)
    if (attribute.type == type) return attribute;
  return std::nullopt;
}

}  // namespace caracal::netlink
