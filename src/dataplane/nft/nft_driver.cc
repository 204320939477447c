#include "dataplane/nft/nft_driver.h"

#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>

#include "base/log.h"
#include "dataplane/nft/plan.h"
#include "dataplane/nft/read_back.h"
#include "dataplane/nft/ruleset.h"
#include "dataplane/nft/transaction.h"
#include "netlink/network_namespace.h"
#include "netlink/socket.h"

namespace caracal::dataplane::nft {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxName = 15;  // of an interface

// The first difference of two sorted-alike listings, in words; empty when there is none.
std::string first_difference(const std::vector<std::string>& present,
                             const std::vector<std::string>& wanted) {
  const auto shown = [](std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c == 127; }, ' ');
    return text;
  };
  const auto [p, w] = std::mismatch(present.begin(), present.end(), wanted.begin(), wanted.end());
  if (p == present.end() && w == wanted.end()) return {};
  if (p == present.end()) return "missing: " + shown(*w);
  if (w == wanted.end()) return "not ours: " + shown(*p);
  return fmt::format("found: {}; ours: {}", shown(*p), shown(*w));
}

// Is everything but chains and rules the same: the table itself, and the sets?
bool same_sets(const std::vector<std::string>& present, const std::vector<std::string>& wanted) {
  const auto part = [](const std::vector<std::string>& all) {
    std::vector<std::string_view> out;
    for (const std::string& line : all)
      if (line.starts_with("table ") || line.starts_with("set ")) out.push_back(line);
    return out;
  };
  return part(present) == part(wanted);
}

Status check_names(const std::map<desired::InterfaceKey, desired::InterfacePolicy>& interfaces,
                   const std::set<desired::SourceKey>& sources,
                   const std::map<desired::HostKey, desired::InterfacePolicy>& hosts) {
  const auto check = [](const std::string& name) -> Status {
    if (name.empty() || name.size() > kMaxName)
      return fail(Errc::kInvalid,
                  fmt::format("interface \"{}\": a name has 1 to {} bytes", name, kMaxName));
    return {};
  };
  for (const auto& [key, policy] : interfaces) CARACAL_TRY(check(key.interface));
  for (const auto& key : sources) CARACAL_TRY(check(key.interface));
  for (const auto& [key, policy] : hosts) CARACAL_TRY(check(key.interface));
  return {};
}

}  // namespace

struct NftDriver::State {
  State(NftOptions o, netlink::Socket s)
      : options(std::move(o)), socket(std::move(s)), ruleset(make(parts)) {}

  Ruleset make(Parts wanted) const {
    return make_ruleset({options.table, options.interface_prefix, options.host_label, wanted});
  }
  void use(Parts wanted, Ruleset made) {
    parts = wanted;
    ruleset = std::move(made);
    lines.clear();
  }
  // The ruleset's signatures. Made when they are asked for: a part that comes or goes costs less.
  const std::vector<std::string>& structure() {
    if (lines.empty()) lines = signatures(ruleset);
    return lines;
  }

  Status commit(Transaction& transaction) {
    auto committed = transaction.commit();
    refused = transaction.refused();
    return committed;
  }

  NftOptions options;
  netlink::Socket socket;
  Parts parts = 0;  // of the ruleset
  Ruleset ruleset;
  std::vector<std::string> lines;  // see structure()
  desired::PolicyTables tables;
  bool in_sync = false;
  std::optional<RefusedObject> refused;
};

NftDriver::NftDriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
NftDriver::NftDriver(NftDriver&&) noexcept = default;
NftDriver& NftDriver::operator=(NftDriver&&) noexcept = default;
NftDriver::~NftDriver() = default;

Result<NftDriver> NftDriver::open(NftOptions options) {
  if (options.table.empty() || options.interface_prefix.empty() ||
      options.interface_prefix.size() > kMaxName)
    return fail(Errc::kInvalid,
                fmt::format("nftables: table \"{}\" and interface prefix \"{}\" must not "
                            "be empty, a prefix has at most {} bytes",
                            options.table, options.interface_prefix, kMaxName));
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_NETFILTER));
  if (options.host_label > 127)
    return fail(Errc::kInvalid, fmt::format("nftables: connection label {}: there are 0 to 127",
                                            options.host_label));
  // Tells early when the kernel has no nf_tables or we may not use it.
  if (auto asked = read_generation(socket); !asked)
    return fail(asked.error().within("nftables cannot be used"));
  return NftDriver(std::make_unique<State>(std::move(options), std::move(socket)));
}

Result<NftDriver> NftDriver::open_in(const netlink::NetworkNamespace& ns, NftOptions options) {
  return ns.run([&] { return open(std::move(options)); });
}

Result<SyncReport> NftDriver::sync(const desired::PolicyTables& tables) {
  const auto start = Clock::now();
  State& s = *state_;
  CARACAL_TRY(check_names(tables.interfaces, tables.sources, tables.hosts));
  s.refused.reset();
  s.in_sync = false;
  SyncReport report;
  if (const Parts needed = parts_needed(tables); needed != s.parts) s.use(needed, s.make(needed));
  CARACAL_ASSIGN(const std::optional<KernelTable> found, read_structure(s.socket, s.options.table));
  if (!found)
    report.reason = "there was no table";
  else
    report.reason = first_difference(found->signatures, s.structure());
  report.rebuilt = !report.reason.empty();

  Transaction transaction(s.socket, s.options.table);
  std::vector<Element> wanted = encode(tables);
  Comparison comparison;
  const bool repair = report.rebuilt && found && same_sets(found->signatures, s.structure());
  if (report.rebuilt && !repair) {
    if (found) transaction.delete_table();
    transaction.create(s.ruleset);
    report.missing = wanted.size();
    std::sort(wanted.begin(), wanted.end(), [](const Element& a, const Element& b) {
      // Interval ends follow their starts, so an end goes before the start with the same key.
      return std::tuple(a.set, a.key, !a.end) < std::tuple(b.set, b.key, !b.end);
    });
    transaction.insert(wanted);
  } else {
    wanted.insert(wanted.end(), s.ruleset.constants.begin(), s.ruleset.constants.end());
    CARACAL_ASSIGN(std::vector<Element> present, read_elements(s.socket, s.options.table, wanted));
    if (repair) {
      transaction.repair(*found, s.ruleset);
      const auto constant = [](const Element& e) { return is_constant(e.set); };
      std::erase_if(present, constant);
      std::erase_if(wanted, constant);
    }
    comparison = compare(std::move(present), std::move(wanted));
    report.right = comparison.right;
    report.wrong = comparison.wrong;
    report.orphan = comparison.orphan;
    report.missing = comparison.missing;
    for (const SetId set : comparison.flush) transaction.flush(set);
    transaction.remove(comparison.change.remove);
    transaction.insert(comparison.change.insert);
  }
  report.messages = transaction.messages();
  if (report.messages > 0) CARACAL_TRY(s.commit(transaction));
  s.tables = tables;
  s.in_sync = true;
  report.elapsed = Clock::now() - start;
  return report;
}

Result<ApplyReport> NftDriver::apply(const desired::PolicyDelta& delta) {
  const auto start = Clock::now();
  State& s = *state_;
  s.refused.reset();
  if (!s.in_sync) return fail(Errc::kConflict, "nftables: apply() before a successful sync()");
  CARACAL_TRY(check_names(delta.interfaces.set, delta.sources.add, delta.hosts.set));
  ApplyReport report;
  const Plan plan = plan_and_apply(s.tables, delta);
  const Parts parts = parts_needed(s.tables);
  if (!plan.change.empty() || parts != s.parts) {
    Transaction transaction(s.socket, s.options.table);
    std::optional<Ruleset> changed;
    if (parts != s.parts) {
      changed = s.make(parts);
      transaction.change_parts(s.ruleset, *changed);
    }
    transaction.remove(plan.change.remove);
    transaction.insert(plan.change.insert);
    if (auto committed = s.commit(transaction); !committed) {
      desired::apply(s.tables, plan.undo);
      return fail(std::move(committed).error());
    }
    if (changed) s.use(parts, std::move(*changed));
    report.elements = transaction.elements();
    report.messages = transaction.messages();
    report.bytes = transaction.bytes();
  }
  report.elapsed = Clock::now() - start;
  return report;
}

Status NftDriver::close_interface(const std::string& interface) {
  desired::PolicyDelta delta;
  for (const auto direction : {desired::Direction::kIngress, desired::Direction::kEgress})
    delta.interfaces.set[{direction, interface}] = {desired::Disposition::kClosed, 0};
  CARACAL_TRY(apply(delta));
  return {};
}

const std::optional<RefusedObject>& NftDriver::refused() const { return state_->refused; }

const desired::PolicyTables& NftDriver::tables() const { return state_->tables; }

Result<desired::PolicyTables> NftDriver::read_back() {
  State& s = *state_;
  CARACAL_ASSIGN(const std::optional<KernelTable> found, read_structure(s.socket, s.options.table));
  if (!found)
    return fail(Errc::kNotFound, fmt::format("there is no table inet {}", s.options.table));
  // Somebody else's driver may have written more or fewer parts than ours.
  Parts parts = 0;
  for (const ChainSpec& chain : chain_specs())
    if (std::binary_search(found->chains.begin(), found->chains.end(), chain.name))
      parts |= chain.parts;
  const std::vector<std::string> structure =
      parts == s.parts ? s.structure() : signatures(s.make(parts));
  if (std::string reason = first_difference(found->signatures, structure); !reason.empty())
    return fail(Errc::kConflict, fmt::format("table inet {}: {}", s.options.table, reason));
  CARACAL_ASSIGN(const std::vector<Element> elements, read_elements(s.socket, s.options.table));
  return decode(elements);
}

Status NftDriver::remove() {
  State& s = *state_;
  s.refused.reset();
  CARACAL_ASSIGN(const std::optional<KernelTable> found, read_structure(s.socket, s.options.table));
  if (found) {
    Transaction transaction(s.socket, s.options.table);
    transaction.delete_table();
    CARACAL_TRY(s.commit(transaction));
  }
  s.tables = {};
  s.in_sync = false;
  return {};
}

std::string NftDriver::describe(const desired::PolicyDelta& delta) const {
  // Planned on the tables themselves, and undone: a copy would cost as much as the tables.
  const Plan plan = plan_and_apply(state_->tables, delta);
  const Parts parts = parts_needed(state_->tables);
  const Parts more = parts & ~state_->parts, fewer = state_->parts & ~parts;
  desired::apply(state_->tables, plan.undo);
  std::string out;
  for (const auto& [change, what] : {std::pair{more, "with"}, {fewer, "without"}})
    if (change != 0)
      out += fmt::format("# rules of table inet {} change, {} {}\n", state_->options.table, what,
                         describe_parts(change));
  const auto list = [&](std::string_view verb, const std::vector<Element>& elements) {
    for (size_t i = 0; i < elements.size(); ++i) {
      const Element& element = elements[i];
      const bool pair = !element.end && spec_of(element.set).interval && i + 1 < elements.size() &&
                        elements[i + 1].end;
      if (element.end) continue;
      out += fmt::format("{} element inet {} {} {{ {}", verb, state_->options.table,
                         spec_of(element.set).name, to_string(element));
      if (pair) out += fmt::format(" until {}", to_string(elements[i + 1]));
      out += " }\n";
    }
  };
  list("delete", plan.change.remove);
  list("add", plan.change.insert);
  return out;
}

Result<uint32_t> NftDriver::generation() { return read_generation(state_->socket); }

}  // namespace caracal::dataplane::nft
