// Netlink messages of every kind we read: attributes, interfaces, connections, logged packets. The
// kernel is trusted, lengths are not.
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/conntrack/judge.h"
#include "dataplane/conntrack/message.h"
#include "dataplane/nft/log_groups.h"
#include "flowlog/nflog_message.h"
#include "flowlog/packet.h"
#include "netlink/attributes.h"
#include "netlink/rtnetlink.h"

namespace {

size_t walk(const caracal::netlink::Attributes& attributes, int depth) {
  size_t count = 0;
  for (const caracal::netlink::Attribute& a : attributes) {
    count += 1 + a.string().size() + a.be32().value_or(0) % 2 + a.u8().value_or(0) % 2;
    if (depth < 6) count += walk(caracal::netlink::Attributes(a), depth + 1);
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  if (size < sizeof(nlmsghdr)) return 0;
  // Aligned, and exactly as long as the message says: reading on is found out.
  std::vector<uint64_t> storage((size + 7) / 8);
  std::memcpy(storage.data(), data, size);
  auto* message = reinterpret_cast<nlmsghdr*>(storage.data());
  message->nlmsg_len = static_cast<uint32_t>(size);
  size_t seen = walk(netlink::Attributes(message, 4), 0);
  if (const auto link = netlink::parse_link(message)) seen += link->name.size();
  if (const auto connection = dataplane::conntrack::parse_connection(message)) {
    seen += dataplane::conntrack::to_string(*connection).size();
    netlink::MessageBatch batch;
    dataplane::conntrack::put_delete(batch, 1, *connection);
    dataplane::conntrack::judge({}, {}, *connection);
  }
  message->nlmsg_type = NFNL_SUBSYS_ULOG << 8;
  if (const auto capture = flowlog::parse_capture(message)) {
    seen += dataplane::nft::parse_prefix(capture->prefix).has_value() ? 1 : 0;
    seen += flowlog::parse_packet(capture->payload).has_value() ? 1 : 0;
  }
  return seen == SIZE_MAX ? 1 : 0;
}
