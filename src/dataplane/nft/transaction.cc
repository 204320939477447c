#include "dataplane/nft/transaction.h"

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
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "dataplane/nft/read_back.h"

namespace caracal::dataplane::nft {
namespace {

// A nest's length is 16 bits; the longest element takes less than 256 bytes.
constexpr size_t kNestLimit = 65000;
constexpr size_t kObjectBuffer = 64 * 1024;

constexpr uint16_t nft_type(uint16_t type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

// The rules of each chain, in their order; chains without rules as well.
std::map<std::string, std::vector<nftnl_rule*>> rules_by_chain(const Ruleset& ruleset) {
  std::map<std::string, std::vector<nftnl_rule*>> out;
  for (const auto& chain : ruleset.chains) out[nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME)];
  for (const auto& rule : ruleset.rules)
    out[nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN)].push_back(rule.get());
  return out;
}

}  // namespace

Transaction::Transaction(netlink::Socket& socket, const std::string& table)
    : socket_(socket), table_(table) {
  begin_batch(NFNL_MSG_BATCH_BEGIN);
}

void Transaction::begin_batch(uint16_t type) {
  nfgenmsg header{};
  header.nfgen_family = AF_UNSPEC;
  header.version = NFNETLINK_V0;
  header.res_id = htons(NFNL_SUBSYS_NFTABLES);
  batch_.begin(type, NLM_F_REQUEST, socket_.next_sequence(), header);
}

void Transaction::begin(uint16_t type, uint16_t flags, uint8_t family) {
  nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  Step& step = steps_.emplace_back();
  step.sequence = socket_.next_sequence();
  batch_.begin(nft_type(type), static_cast<uint16_t>(NLM_F_REQUEST | flags), step.sequence, header);
  step.start = batch_.message_start();
}

template <typename Object, typename Build>
void Transaction::append(uint16_t type, uint16_t flags, Object* object, Build build,
                         std::string what) {
  // libnftnl writes the attributes into a message of its own; they are taken over as they are.
  if (!buffer_) buffer_ = std::make_unique<nlmsghdr[]>(kObjectBuffer / sizeof(nlmsghdr));
  Step& step = steps_.emplace_back();
  step.sequence = socket_.next_sequence();
  step.what = std::move(what);
  nlmsghdr* message = nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(buffer_.get()), type,
                                            NFPROTO_INET, flags, step.sequence);
  build(message, object);
  batch_.append(message);
  step.start = batch_.message_start();
}

void Transaction::delete_table() {
  begin(NFT_MSG_DELTABLE, 0, NFPROTO_INET);
  steps_.back().what = "removal of the table";
  batch_.put_string(NFTA_TABLE_NAME, table_);
}

void Transaction::create(const Ruleset& ruleset) {
  append(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, ruleset.table.get(),
         nftnl_table_nlmsg_build_payload, "the table");
  for (const auto& set : ruleset.sets)
    append(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, set.get(), nftnl_set_nlmsg_build_payload,
           signature(set.get()));
  for (const auto& chain : ruleset.chains) create_chain(chain.get());
  for (const auto& rule : ruleset.rules) create_rule(rule.get());
  constants_ = ruleset.constants;
  std::sort(constants_.begin(), constants_.end());
  insert(constants_);
}

void Transaction::create_chain(nftnl_chain* chain) {
  append(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, chain, nftnl_chain_nlmsg_build_payload,
         signature(chain));
}

void Transaction::create_rule(nftnl_rule* rule) {
  append(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, rule, nftnl_rule_nlmsg_build_payload, {});
  steps_.back().rule = rule;
}

// Compared as they would be sent.
bool Transaction::same_rules(const std::vector<nftnl_rule*>& a, const std::vector<nftnl_rule*>& b) {
  constexpr size_t kHeaders = kObjectBuffer / sizeof(nlmsghdr);
  if (!buffer_) buffer_ = std::make_unique<nlmsghdr[]>(kHeaders);
  if (!other_buffer_) other_buffer_ = std::make_unique<nlmsghdr[]>(kHeaders);
  const auto message_of = [](nftnl_rule* rule, nlmsghdr* buffer) {
    nlmsghdr* message =
        nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(buffer), NFT_MSG_NEWRULE, NFPROTO_INET, 0, 0);
    nftnl_rule_nlmsg_build_payload(message, rule);
    return std::string_view(reinterpret_cast<const char*>(message), message->nlmsg_len);
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](nftnl_rule* x, nftnl_rule* y) {
    return message_of(x, buffer_.get()) == message_of(y, other_buffer_.get());
  });
}

void Transaction::change_parts(const Ruleset& from, const Ruleset& to) {
  const auto old_rules = rules_by_chain(from), new_rules = rules_by_chain(to);
  std::vector<const std::string*> gone;
  std::set<std::string_view> rewritten;
  // A chain can go when neither a rule nor an element leads to it any more.
  for (const auto& [chain, rules] : old_rules) {
    const auto now = new_rules.find(chain);
    if (now == new_rules.end()) {
      gone.push_back(&chain);
    } else if (same_rules(rules, now->second)) {
      continue;
    } else {
      rewritten.insert(now->first);
    }
    if (!rules.empty()) delete_rules_of(chain);
  }
  const std::set<Element> before(from.constants.begin(), from.constants.end());
  const std::set<Element> after(to.constants.begin(), to.constants.end());
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(stale_constants_));
  remove(stale_constants_);
  for (const std::string* chain : gone) delete_chain(*chain);
  for (const auto& chain : to.chains) {
    const char* name = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME);
    if (old_rules.contains(name)) continue;
    create_chain(chain.get());
    rewritten.insert(name);
  }
  for (const auto& rule : to.rules)
    if (rewritten.contains(nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN)))
      create_rule(rule.get());
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(constants_));
  insert(constants_);
}

void Transaction::delete_chain(const std::string& name) {
  begin(NFT_MSG_DELCHAIN, 0, NFPROTO_INET);
  steps_.back().what = "removal of chain " + name;
  batch_.put_string(NFTA_CHAIN_TABLE, table_);
  batch_.put_string(NFTA_CHAIN_NAME, name);
}

void Transaction::delete_rules() {
  begin(NFT_MSG_DELRULE, 0, NFPROTO_INET);
  steps_.back().what = "removal of the rules";
  batch_.put_string(NFTA_RULE_TABLE, table_);
}

void Transaction::delete_rules_of(const std::string& chain) {
  begin(NFT_MSG_DELRULE, 0, NFPROTO_INET);
  steps_.back().what = "removal of the rules of chain " + chain;
  batch_.put_string(NFTA_RULE_TABLE, table_);
  batch_.put_string(NFTA_RULE_CHAIN, chain);
}

void Transaction::repair(const KernelTable& found, const Ruleset& ruleset) {
  const std::set<std::string_view> present(found.signatures.begin(), found.signatures.end());
  std::set<std::string_view> kept;
  for (const auto& chain : ruleset.chains)
    if (present.contains(signature(chain.get())))
      kept.insert(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME));
  delete_rules();
  for (const SetSpec& spec : set_specs())
    if (is_constant(spec.id)) flush(spec.id);
  for (const std::string& chain : found.chains) {
    if (kept.contains(chain)) continue;
    delete_chain(chain);
  }
  for (const auto& chain : ruleset.chains)
    if (!kept.contains(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME)))
      create_chain(chain.get());
  for (const auto& rule : ruleset.rules) create_rule(rule.get());
  constants_ = ruleset.constants;
  std::sort(constants_.begin(), constants_.end());
  insert(constants_);
}

void Transaction::flush(SetId set) {
  begin(NFT_MSG_DELSETELEM, 0, NFPROTO_INET);
  steps_.back().set = set;
  batch_.put_string(NFTA_SET_ELEM_LIST_TABLE, table_);
  batch_.put_string(NFTA_SET_ELEM_LIST_SET, spec_of(set).name);
}

void Transaction::remove(std::span<const Element> elements) {
  change_elements(NFT_MSG_DELSETELEM, 0, elements);
}

void Transaction::insert(std::span<const Element> elements) {
  change_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, elements);
}

void Transaction::change_elements(uint16_t type, uint16_t flags,
                                  std::span<const Element> elements) {
  elements_ += elements.size();
  for (size_t at = 0; at < elements.size();) {
    const size_t first = at;
    const SetId set = elements[at].set;
    begin(type, flags, NFPROTO_INET);
    batch_.put_string(NFTA_SET_ELEM_LIST_TABLE, table_);
    batch_.put_string(NFTA_SET_ELEM_LIST_SET, spec_of(set).name);
    const size_t list = batch_.begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    for (; at < elements.size() && elements[at].set == set && batch_.nest_size(list) < kNestLimit;
         ++at)
      put_element(elements[at], type == NFT_MSG_NEWSETELEM);
    batch_.end_nest(list);
    steps_.back().set = set;
    steps_.back().elements = elements.subspan(first, at - first);
  }
}

void Transaction::put_element(const Element& element, bool with_value) {
  const SetSpec& spec = spec_of(element.set);
  const size_t nest = batch_.begin_nest(NFTA_LIST_ELEM);
  if (element.end) batch_.put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
  const size_t key = batch_.begin_nest(NFTA_SET_ELEM_KEY);
  batch_.put(NFTA_DATA_VALUE, element.key.data(), spec.key_size);
  batch_.end_nest(key);
  if (with_value && !element.end && spec.value != ValueKind::kNone) {
    const size_t data = batch_.begin_nest(NFTA_SET_ELEM_DATA);
    switch (spec.value) {
      case ValueKind::kNone:
        break;
      case ValueKind::kNumber:
        batch_.put(NFTA_DATA_VALUE, &element.value, sizeof element.value);
        break;
      case ValueKind::kPadded: {
        const std::array<uint32_t, 2> value = {0, element.value};
        batch_.put(NFTA_DATA_VALUE, value.data(), sizeof value);
        break;
      }
      case ValueKind::kVerdict: {
        const size_t verdict = batch_.begin_nest(NFTA_DATA_VERDICT);
        const int code = element.value == kReturn     ? int{NFT_RETURN}
                         : element.value == kDrop     ? NF_DROP
                         : element.value == kContinue ? int{NFT_CONTINUE}
                         : element.value == kAccept   ? NF_ACCEPT
                                                      : int{NFT_GOTO};
        batch_.put_be32(NFTA_VERDICT_CODE, static_cast<uint32_t>(code));
        if (code == NFT_GOTO)
          batch_.put_string(NFTA_VERDICT_CHAIN, chain_specs()[element.value - kGotoChain].name);
        batch_.end_nest(verdict);
        break;
      }
    }
    batch_.end_nest(data);
  }
  batch_.end_nest(nest);
}

Status Transaction::commit() {
  begin_batch(NFNL_MSG_BATCH_END);
  CARACAL_ASSIGN(const std::vector<netlink::Refusal> refusals, socket_.exchange(batch_.bytes()));
  if (refusals.empty()) return {};
  // The first is the cause; the others often follow from it.
  const netlink::Refusal& refusal = refusals.front();
  refused_ = trace(refusal);
  std::string what = "kernel refused the nftables transaction";
  if (!refused_->set.empty()) what += fmt::format(": set {}", refused_->set);
  if (!refused_->element.empty()) what += fmt::format(": {}", refused_->element);
  auto error = fail_errno(refusal.error_number, what);
  if (!refusal.text.empty()) error.value().message += fmt::format(" ({})", refusal.text);
  if (refusal.error_number == ENOENT || refusal.error_number == EEXIST)
    error.value().code = Errc::kConflict;
  return error;
}

RefusedObject Transaction::trace(const netlink::Refusal& refusal) const {
  RefusedObject out;
  out.error_number = refusal.error_number;
  const auto step = std::find_if(steps_.begin(), steps_.end(),
                                 [&](const Step& s) { return s.sequence == refusal.sequence; });
  if (step == steps_.end()) return out;  // the batch as a whole
  if (!step->set) {
    out.element = step->rule != nullptr ? signature(step->rule) : step->what;
    return out;
  }
  out.set = spec_of(*step->set).name;
  if (step->elements.size() == 1) {
    out.element = to_string(step->elements.front());
    return out;
  }
  if (!refusal.offset) return out;
  // Walk the element attributes of the message up to the offset.
  const std::byte* message = batch_.bytes().data() + step->start;
  size_t at = sizeof(nlmsghdr) + sizeof(nfgenmsg);
  const auto length_at = [&](size_t offset) {
    nlattr attribute{};
    std::memcpy(&attribute, message + offset, sizeof attribute);
    return static_cast<size_t>(NLA_ALIGN(attribute.nla_len));
  };
  at += length_at(at);   // table
  at += length_at(at);   // set
  at += sizeof(nlattr);  // into the list
  for (const Element& element : step->elements) {
    const size_t end = at + length_at(at);
    if (*refusal.offset >= at && *refusal.offset < end) {
      out.element = to_string(element);
      break;
    }
    at = end;
  }
  return out;
}

}  // namespace caracal::dataplane::nft
