#include "agent/drop_counters.h"

#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::agent {
namespace {

using netlink::Attribute;
using netlink::Attributes;

constexpr const char* kTable = "caracal";

uint16_t message_type(int type) {
  return static_cast<uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type);
}

// nft keeps a rule's comment as type, length and text in the rule's user data (libnftnl's udata.h).
std::string comment_of(const Attribute& user_data) {
  constexpr uint8_t kComment = 0;
  std::span<const std::byte> rest = user_data.payload;
  while (rest.size() >= 2) {
    const auto type = std::to_integer<uint8_t>(rest[0]);
    const auto length = std::to_integer<size_t>(rest[1]);
    rest = rest.subspan(2);
    if (length > rest.size()) break;
    if (type == kComment) {
      const std::string_view text(reinterpret_cast<const char*>(rest.data()), length);
      return std::string(text.substr(0, text.find('\0')));
    }
    rest = rest.subspan(length);
  }
  return {};
}

std::optional<uint64_t> packets_of(const Attribute& expressions) {
  for (const Attribute& expression : Attributes(expressions)) {
    const auto name = Attributes(expression).find(NFTA_EXPR_NAME);
    const auto data = Attributes(expression).find(NFTA_EXPR_DATA);
    if (!name || !data || name->string() != "counter") continue;
    const auto packets = Attributes(*data).find(NFTA_COUNTER_PACKETS);
    if (!packets || packets->payload.size() < sizeof(uint64_t)) continue;
    uint64_t value = 0;
    std::memcpy(&value, packets->payload.data(), sizeof value);
    return be64toh(value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::pair<DropCounters::Key, uint64_t>> DropCounters::parse(const nlmsghdr* message) {
  std::string chain;
  std::string comment;
  std::optional<uint64_t> packets;
  for (const Attribute& a : Attributes(message, sizeof(nfgenmsg))) {
    if (a.type == NFTA_RULE_CHAIN) chain = a.string();
    if (a.type == NFTA_RULE_USERDATA) comment = comment_of(a);
    if (a.type == NFTA_RULE_EXPRESSIONS) packets = packets_of(a);
  }
  if (!packets) return std::nullopt;
  return std::pair{Key{std::move(chain), std::move(comment)}, *packets};
}

Result<DropCounters> DropCounters::open(telemetry::Metrics& metrics) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_NETFILTER));
  return DropCounters(std::move(socket), metrics);
}

Status DropCounters::read() {
  nfgenmsg header{};
  header.nfgen_family = NFPROTO_INET;
  header.version = NFNETLINK_V0;
  netlink::Message request(message_type(NFT_MSG_GETRULE), NLM_F_DUMP, header);
  request.put_string(NFTA_RULE_TABLE, kTable);
  // Rules of one chain with the same comment count together.
  std::map<Key, uint64_t> now;
  Status asked = socket_.query(request.header(), [&](const nlmsghdr* answer) -> Status {
    if (answer->nlmsg_type != message_type(NFT_MSG_NEWRULE)) return {};
    if (const auto one = parse(answer)) now[one->first] += one->second;
    return {};
  });
  // A listing that was disturbed counts the next time.
  if (!asked && asked.error().code == Errc::kUnavailable) return {};
  if (!asked && asked.error().code != Errc::kNotFound) return asked;
  for (const auto& [key, packets] : now) {
    uint64_t& last = last_[key];
    // A table made anew begins at zero.
    const uint64_t more = packets >= last ? packets - last : packets;
    last = packets;
    metrics_
        ->counter("caracal_dropped_packets_total", "Packets the ruleset dropped, by rule",
                  "chain=\"" + key.first + "\",reason=\"" + key.second + "\"")
        .add(more);
  }
  return {};
}

}  // namespace caracal::agent
