#include "dataplane/netrules/rules_transaction.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "netlink/attributes.h"

namespace caracal::dataplane::netrules {
namespace {

using netlink::Attribute;
using netlink::Attributes;

constexpr size_t kNestLimit = 65000;  // a nest's length is 16 bits
constexpr size_t kObjectBuffer = 64 * 1024;
constexpr int kAttempts = 50;

constexpr uint16_t nft_type(uint16_t type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

nfgenmsg header_of_family(uint8_t family) {
  nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  return header;
}

// A key as the kernel lists it; `end` marks the first one behind an interval.
struct Key {
  net::IpAddr address;
  bool end = false;
};

Result<std::vector<Key>> dump_keys(netlink::Socket& socket, const std::string& table, NetSet set) {
  std::vector<Key> out;
  netlink::Message message(nft_type(NFT_MSG_GETSETELEM), NLM_F_DUMP,
                           header_of_family(NFPROTO_INET));
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table);
  message.put_string(NFTA_SET_ELEM_LIST_SET, spec_of(set).name);
  CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
    const auto list = Attributes(answer, sizeof(nfgenmsg)).find(NFTA_SET_ELEM_LIST_ELEMENTS);
    if (!list) return {};
    for (const Attribute& element : Attributes(*list)) {
      Key key;
      bool whole = false;
      for (const Attribute& part : Attributes(element)) {
        if (part.type == NFTA_SET_ELEM_FLAGS)
          key.end = (part.be32().value_or(0) & NFT_SET_ELEM_INTERVAL_END) != 0;
        if (part.type != NFTA_SET_ELEM_KEY) continue;
        const auto value = Attributes(part).find(NFTA_DATA_VALUE);
        if (!value || (value->payload.size() != 4 && value->payload.size() != 16)) continue;
        key.address = net::IpAddr::from_bytes(value->payload.data(), value->payload.size());
        whole = true;
      }
      if (whole) out.push_back(key);
    }
    return {};
  }));
  return out;
}

}  // namespace

RulesTransaction::RulesTransaction(netlink::Socket& socket, const std::string& table)
    : socket_(socket), table_(table) {
  begin_batch(NFNL_MSG_BATCH_BEGIN);
}

void RulesTransaction::begin_batch(uint16_t type) {
  nfgenmsg header = header_of_family(AF_UNSPEC);
  header.res_id = htons(NFNL_SUBSYS_NFTABLES);
  batch_.begin(type, NLM_F_REQUEST, socket_.next_sequence(), header);
}

void RulesTransaction::begin(uint16_t type, uint16_t flags, std::string what) {
  steps_.push_back({socket_.next_sequence(), std::move(what)});
  batch_.begin(nft_type(type), static_cast<uint16_t>(NLM_F_REQUEST | flags), steps_.back().sequence,
               header_of_family(NFPROTO_INET));
}

template <typename Object, typename Build>
void RulesTransaction::append(uint16_t type, uint16_t flags, Object* object, Build build,
                              std::string what) {
  if (!buffer_) buffer_ = std::make_unique<nlmsghdr[]>(kObjectBuffer / sizeof(nlmsghdr));
  steps_.push_back({socket_.next_sequence(), std::move(what)});
  nlmsghdr* message = nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(buffer_.get()), type,
                                            NFPROTO_INET, flags, steps_.back().sequence);
  build(message, object);
  batch_.append(message);
}

void RulesTransaction::delete_table() {
  begin(NFT_MSG_DELTABLE, 0, "removal of the table");
  batch_.put_string(NFTA_TABLE_NAME, table_);
}
void RulesTransaction::delete_rules() {
  begin(NFT_MSG_DELRULE, 0, "removal of the rules");
  batch_.put_string(NFTA_RULE_TABLE, table_);
}
void RulesTransaction::delete_chain(const std::string& chain) {
  begin(NFT_MSG_DELCHAIN, 0, "removal of chain " + chain);
  batch_.put_string(NFTA_CHAIN_TABLE, table_);
  batch_.put_string(NFTA_CHAIN_NAME, chain);
}
void RulesTransaction::delete_set(const std::string& set) {
  begin(NFT_MSG_DELSET, 0, "removal of set " + set);
  batch_.put_string(NFTA_SET_TABLE, table_);
  batch_.put_string(NFTA_SET_NAME, set);
}
void RulesTransaction::create(nftnl_table* table) {
  append(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, table, nftnl_table_nlmsg_build_payload,
         "the table");
}
void RulesTransaction::create(nftnl_set* set) {
  append(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, set, nftnl_set_nlmsg_build_payload,
         nft::signature(set));
}
void RulesTransaction::create(nftnl_chain* chain) {
  append(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, chain, nftnl_chain_nlmsg_build_payload,
         nft::signature(chain));
}
void RulesTransaction::create(nftnl_rule* rule) {
  append(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, rule, nftnl_rule_nlmsg_build_payload,
         nft::signature(rule));
}

void RulesTransaction::put_key(const net::IpAddr& address, bool end) {
  const size_t nest = batch_.begin_nest(NFTA_LIST_ELEM);
  if (end) batch_.put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
  const size_t key = batch_.begin_nest(NFTA_SET_ELEM_KEY);
  batch_.put(NFTA_DATA_VALUE, address.data(), address.size());
  batch_.end_nest(key);
  batch_.end_nest(nest);
}

void RulesTransaction::change(uint16_t type, uint16_t flags, const std::vector<Member>& members) {
  for (size_t at = 0; at < members.size();) {
    const NetSet set = members[at].set;
    begin(type, flags, fmt::format("members of set {}", spec_of(set).name));
    batch_.put_string(NFTA_SET_ELEM_LIST_TABLE, table_);
    batch_.put_string(NFTA_SET_ELEM_LIST_SET, spec_of(set).name);
    const size_t list = batch_.begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    for (; at < members.size() && members[at].set == set && batch_.nest_size(list) < kNestLimit;
         ++at) {
      put_key(members[at].first, false);
      if (members[at].behind) put_key(*members[at].behind, true);
    }
    batch_.end_nest(list);
  }
}

void RulesTransaction::remove(const std::vector<Member>& members) {
  change(NFT_MSG_DELSETELEM, 0, members);
}
void RulesTransaction::insert(const std::vector<Member>& members) {
  change(NFT_MSG_NEWSETELEM, NLM_F_CREATE, members);
}

Status RulesTransaction::commit() {
  if (steps_.empty()) return {};
  begin_batch(NFNL_MSG_BATCH_END);
  CARACAL_ASSIGN(const std::vector<netlink::Refusal> refusals, socket_.exchange(batch_.bytes()));
  if (refusals.empty()) return {};
  const netlink::Refusal& refusal = refusals.front();  // the others often follow from it
  const auto step = std::find_if(steps_.begin(), steps_.end(),
                                 [&](const Step& s) { return s.sequence == refusal.sequence; });
  auto error =
      fail_errno(refusal.error_number,
                 fmt::format("table inet {}: kernel refused {}", table_,
                             step == steps_.end() ? std::string("the transaction") : step->what));
  if (!refusal.text.empty()) error.value().message += fmt::format(" ({})", refusal.text);
  if (refusal.error_number == ENOENT || refusal.error_number == EEXIST)
    error.value().code = Errc::kConflict;
  return error;
}

Result<std::set<Member>> read_members(netlink::Socket& socket, const std::string& table,
                                      NetSet set) {
  for (int attempt = 1;; ++attempt) {
    auto keys = dump_keys(socket, table, set);
    if (!keys && (keys.error().code != Errc::kUnavailable || attempt == kAttempts))
      return fail(keys.error().within(fmt::format("cannot list set {}", spec_of(set).name)));
    if (!keys) continue;  // a dump starts over when anybody commits meanwhile
    std::set<Member> out;
    if (!spec_of(set).interval) {
      for (const Key& key : *keys) out.insert({set, key.address, std::nullopt});
      return out;
    }
    // Of an end and a start with one key, the end belongs to the interval before.
    std::sort(keys->begin(), keys->end(), [](const Key& a, const Key& b) {
      return std::pair(a.address, !a.end) < std::pair(b.address, !b.end);
    });
    std::optional<net::IpAddr> open;
    for (const Key& key : *keys) {
      if (open) out.insert({set, *open, key.address});
      open.reset();
      if (!key.end) open = key.address;
    }
    if (open) out.insert({set, *open, std::nullopt});
    return out;
  }
}

}  // namespace caracal::dataplane::netrules
