#include "dataplane/netrules/net_rules_driver.h"

#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <linux/netlink.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "dataplane/netrules/members.h"
#include "dataplane/netrules/net_table.h"
#include "dataplane/netrules/rules_transaction.h"
#include "dataplane/nft/read_back.h"
#include "netlink/network_namespace.h"
#include "netlink/socket.h"

namespace caracal::dataplane::netrules {
namespace {

// A dump of a hash that is just being resized can miss a member; then a removal or insertion is
// refused, and another reading tells better.
constexpr int kAttempts = 5;

std::vector<Member> minus(const std::set<Member>& a, const std::set<Member>& b) {
  std::vector<Member> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

// Every field but the nodes.
bool only_nodes_differ(const desired::NetworkRules& a, const desired::NetworkRules& b) {
  const auto rest = [](const desired::NetworkRules& r) {
    return std::tie(r.nat_sources, r.no_nat, r.nat_address_v4, r.nat_address_v6, r.nat_first_port,
                    r.nat_last_port, r.vxlan_port, r.vxlan_vni, r.ipip);
  };
  return rest(a) == rest(b);
}

// What the kernel has, or is to have: signatures by object.
struct Structure {
  std::string table;
  std::set<std::string> sets;
  std::set<std::string> chains;
  std::vector<std::string> rules;
  bool operator==(const Structure&) const = default;
};

Structure structure_of(const std::vector<std::string>& signatures) {
  Structure out;
  for (const std::string& signature : signatures) {
    if (signature.starts_with("table "))
      out.table = signature;
    else if (signature.starts_with("set "))
      out.sets.insert(signature);
    else if (signature.starts_with("chain "))
      out.chains.insert(signature);
    else
      out.rules.push_back(signature);
  }
  // The kernel lists chains in the order they came, which need not be ours; within a chain the
  // order counts.
  const auto chain_of = [](const std::string& rule) {
    return std::string_view(rule).substr(0, rule.find(':'));
  };
  std::stable_sort(
      out.rules.begin(), out.rules.end(),
      [&](const std::string& a, const std::string& b) { return chain_of(a) < chain_of(b); });
  return out;
}

// "chain postrouting nat hook ..." -> "postrouting".
std::string name_in(const std::string& signature) {
  const size_t start = signature.find(' ') + 1;
  return signature.substr(start, signature.find(' ', start) - start);
}

std::string difference_of(const Structure& present, const Structure& wanted) {
  if (present.table != wanted.table) return "the table is of another format or another program's";
  if (present.sets != wanted.sets) return "its sets differ";
  if (present.chains != wanted.chains) return "its chains differ";
  if (present.rules != wanted.rules) return "its rules differ";
  return {};
}

}  // namespace

struct NetRulesDriver::State {
  State(NetRulesOptions o, netlink::Socket s) : options(std::move(o)), socket(std::move(s)) {}

  // Puts the changes of structure into the transaction. Returns the sets that are new, whose
  // members all have to be put in.
  std::set<NetSet> restructure(RulesTransaction& transaction, const Structure& present,
                               const NetTable& wanted);
  Result<NetRulesReport> try_sync(const desired::NetworkRules& next);
  // Nodes that come and go, one by one, among thousands: nothing else is looked at.
  Result<NetRulesReport> change_nodes(const std::set<net::IpAddr>& nodes);
  void note(const desired::NetworkRules& next, const NetTable& table);

  NetRulesOptions options;
  netlink::Socket socket;
  desired::NetworkRules rules;
  Structure structure;  // of what we left; no table when empty
  std::set<Member> members;
  bool in_sync = false;
  uint32_t generation = 0;  // at our last look
};

std::set<NetSet> NetRulesDriver::State::restructure(RulesTransaction& transaction,
                                                    const Structure& present,
                                                    const NetTable& wanted) {
  const Structure next = structure_of(nft::signatures(wanted.ruleset));
  const bool anew = present.table != next.table;
  if (anew && !present.table.empty()) transaction.delete_table();
  if (anew) transaction.create_table(wanted);
  // Chains that are right stay, with their place among those of others; the rules in them change
  // at the commit, all at once.
  if (!anew) {
    if (!present.rules.empty()) transaction.delete_rules();
    for (const std::string& chain : present.chains)
      if (!next.chains.contains(chain)) transaction.delete_chain(name_in(chain));
    for (const std::string& set : present.sets)
      if (!next.sets.contains(set)) transaction.delete_set(name_in(set));
  }
  std::set<NetSet> created;
  for (size_t i = 0; i < wanted.sets.size(); ++i) {
    nftnl_set* set = wanted.ruleset.sets[i].get();
    if (!anew && present.sets.contains(nft::signature(set))) continue;
    transaction.create(set);
    created.insert(wanted.sets[i]);
  }
  for (const auto& chain : wanted.ruleset.chains)
    if (anew || !present.chains.contains(nft::signature(chain.get())))
      transaction.create(chain.get());
  for (const auto& rule : wanted.ruleset.rules) transaction.create(rule.get());
  return created;
}

void NetRulesDriver::State::note(const desired::NetworkRules& next, const NetTable& table) {
  rules = next;
  structure = table.empty() ? Structure() : structure_of(nft::signatures(table.ruleset));
  members = table.empty() ? std::set<Member>() : members_of(next);
  in_sync = true;
}

Result<NetRulesReport> NetRulesDriver::State::try_sync(const desired::NetworkRules& next) {
  NetRulesReport report;
  const NetTable wanted = make_net_table(options.table, next);
  CARACAL_ASSIGN(const std::optional<nft::KernelTable> found,
                 nft::read_structure(socket, options.table));
  RulesTransaction transaction(socket, options.table);
  if (wanted.empty()) {
    if (found) {
      transaction.delete_table();
      report.rebuilt = true;
      report.reason = "nothing needs the table";
    }
  } else {
    const Structure present = found ? structure_of(found->signatures) : Structure();
    const Structure after = structure_of(nft::signatures(wanted.ruleset));
    report.reason = found ? difference_of(present, after) : "there was no table";
    report.rebuilt = !report.reason.empty();
    std::set<NetSet> created;
    if (report.rebuilt) created = restructure(transaction, present, wanted);
    const std::set<Member> to_be = members_of(next);
    std::set<Member> there;
    for (const NetSet set : wanted.sets) {
      if (created.contains(set)) continue;
      CARACAL_ASSIGN(std::set<Member> of_set, read_members(socket, options.table, set));
      there.merge(of_set);
    }
    const std::vector<Member> remove = minus(there, to_be);
    const std::vector<Member> insert = minus(to_be, there);
    transaction.remove(remove);
    transaction.insert(insert);
    report.removed = remove.size();
    report.added = insert.size();
    report.right = there.size() - remove.size();
  }
  report.messages = transaction.messages();
  CARACAL_TRY(transaction.commit());
  note(next, wanted);
  if (const auto now = nft::read_generation(socket)) generation = *now;
  return report;
}

Result<NetRulesReport> NetRulesDriver::State::change_nodes(const std::set<net::IpAddr>& nodes) {
  NetRulesReport report;
  std::vector<net::IpAddr> come;
  std::vector<net::IpAddr> gone;
  std::set_difference(nodes.begin(), nodes.end(), rules.nodes.begin(), rules.nodes.end(),
                      std::back_inserter(come));
  std::set_difference(rules.nodes.begin(), rules.nodes.end(), nodes.begin(), nodes.end(),
                      std::back_inserter(gone));
  const bool guarded = rules.vxlan_port != 0 || rules.ipip;
  std::vector<Member> insert;
  std::vector<Member> remove;
  const auto member = [](const net::IpAddr& node) {
    return Member{node.is_v4() ? NetSet::kNodes4 : NetSet::kNodes6, node, std::nullopt};
  };
  if (guarded) {  // else there are no such sets
    for (const net::IpAddr& node : come) insert.push_back(member(node));
    for (const net::IpAddr& node : gone) remove.push_back(member(node));
  }
  RulesTransaction transaction(socket, options.table);
  transaction.remove(remove);
  transaction.insert(insert);
  report.added = insert.size();
  report.removed = remove.size();
  report.messages = transaction.messages();
  CARACAL_TRY(transaction.commit());
  for (const Member& m : remove) members.erase(m);
  members.insert(insert.begin(), insert.end());
  for (const net::IpAddr& node : gone) rules.nodes.erase(node);
  rules.nodes.insert(come.begin(), come.end());
  return report;
}

NetRulesDriver::NetRulesDriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
NetRulesDriver::NetRulesDriver(NetRulesDriver&&) noexcept = default;
NetRulesDriver& NetRulesDriver::operator=(NetRulesDriver&&) noexcept = default;
NetRulesDriver::~NetRulesDriver() = default;

Result<NetRulesDriver> NetRulesDriver::open(NetRulesOptions options) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_NETFILTER));
  // Tells early when the kernel has no nf_tables or we may not use it.
  if (auto asked = nft::read_generation(socket); !asked)
    return fail(asked.error().within("nftables cannot be used"));
  return NetRulesDriver(std::make_unique<State>(std::move(options), std::move(socket)));
}

Result<NetRulesDriver> NetRulesDriver::open_in(const netlink::NetworkNamespace& ns,
                                               NetRulesOptions options) {
  return ns.run([&] { return open(std::move(options)); });
}

Result<NetRulesReport> NetRulesDriver::sync(const desired::NetworkRules& rules) {
  CARACAL_TRY(validate(rules));
  const desired::NetworkRules wanted = rules;  // may be a reference to our own
  for (int attempt = 1;; ++attempt) {
    auto report = state_->try_sync(wanted);
    if (report || report.error().code != Errc::kConflict || attempt == kAttempts) return report;
  }
}

Result<NetRulesReport> NetRulesDriver::apply(const desired::NetworkRules& rules) {
  State& s = *state_;
  if (!s.in_sync) return fail(Errc::kConflict, "network rules: apply() before a successful sync()");
  CARACAL_TRY(validate(rules));
  if (only_nodes_differ(s.rules, rules)) {
    auto changed = s.change_nodes(rules.nodes);
    if (!changed && changed.error().code == Errc::kConflict) return sync(rules);
    return changed;
  }
  NetRulesReport report;
  const NetTable wanted = make_net_table(s.options.table, rules);
  RulesTransaction transaction(s.socket, s.options.table);
  if (wanted.empty()) {
    if (!s.structure.table.empty()) transaction.delete_table();
  } else {
    report.reason = s.structure.table.empty()
                        ? "there was no table"
                        : difference_of(s.structure, structure_of(nft::signatures(wanted.ruleset)));
    report.rebuilt = !report.reason.empty();
    std::set<NetSet> created;
    if (report.rebuilt) created = s.restructure(transaction, s.structure, wanted);
    const std::set<NetSet> kept(wanted.sets.begin(), wanted.sets.end());
    // Members of sets that go, go with them.
    std::set<Member> there;
    for (const Member& member : s.members)
      if (kept.contains(member.set) && !created.contains(member.set)) there.insert(member);
    const std::set<Member> to_be = members_of(rules);
    const std::vector<Member> remove = minus(there, to_be);
    const std::vector<Member> insert = minus(to_be, there);
    transaction.remove(remove);
    transaction.insert(insert);
    report.removed = remove.size();
    report.added = insert.size();
  }
  report.messages = transaction.messages();
  auto committed = transaction.commit();
  if (!committed && committed.error().code == Errc::kConflict)
    return sync(rules);  // not as we left it
  CARACAL_TRY(std::move(committed));
  s.note(rules, wanted);
  return report;
}

const desired::NetworkRules& NetRulesDriver::rules() const { return state_->rules; }

Result<bool> NetRulesDriver::changed() {
  State& s = *state_;
  if (!s.in_sync) return false;
  CARACAL_ASSIGN(const uint32_t now, nft::read_generation(s.socket));
  if (now == s.generation) return false;
  CARACAL_ASSIGN(const std::optional<nft::KernelTable> found,
                 nft::read_structure(s.socket, s.options.table));
  if (found.has_value() == s.structure.table.empty()) return true;
  if (found) {
    if (structure_of(found->signatures) != s.structure) return true;
    std::set<Member> there;
    for (const NetSetSpec& spec : net_set_specs()) {
      const bool ours =
          std::any_of(s.structure.sets.begin(), s.structure.sets.end(),
                      [&](const std::string& set) { return name_in(set) == spec.name; });
      if (!ours) continue;
      CARACAL_ASSIGN(std::set<Member> of_set, read_members(s.socket, s.options.table, spec.set));
      there.merge(of_set);
    }
    if (there != s.members) return true;
  }
  s.generation = now;
  return false;
}

Result<uint32_t> NetRulesDriver::generation() { return nft::read_generation(state_->socket); }

Status NetRulesDriver::remove() {
  CARACAL_TRY(sync({}));
  state_->in_sync = false;
  return {};
}

}  // namespace caracal::dataplane::netrules
