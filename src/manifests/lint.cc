#include "manifests/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "analysis/peer_table.h"
#include "analysis/port_text.h"
#include "analysis/rule_compiler.h"
#include "base/strings.h"

namespace caracal::manifests {
namespace {

using analysis::Cell;
using analysis::CompiledRule;
using analysis::PeerId;
using analysis::PreparedRule;
using analysis::RangeSet;
using model::Direction;
using policy::PortSet;

// Beyond this many pieces a rule is taken for not shadowed.
constexpr size_t kMostPieces = 512;

std::string_view list_of(Direction direction) {
  return direction == Direction::kIngress ? "ingress" : "egress";
}
const std::vector<model::Rule>& rules_of(const model::Policy& policy, Direction direction) {
  return direction == Direction::kIngress ? policy.ingress : policy.egress;
}

// Takes from a rule's cells what an earlier rule decides.
void take_away(std::vector<Cell>& left, const CompiledRule& earlier) {
  for (const Cell& cell : earlier.cells) {
    std::vector<Cell> next;
    for (Cell& piece : left) {
      RangeSet both = intersect(piece.where, cell.where);
      if (both.empty()) {
        next.push_back(std::move(piece));
        continue;
      }
      PortSet rest = piece.what;
      rest.subtract(cell.what);
      if (!rest.empty()) next.push_back({std::move(both), std::move(rest)});
      RangeSet elsewhere = subtract(piece.where, cell.where);
      if (!elsewhere.empty()) next.push_back({std::move(elsewhere), std::move(piece.what)});
    }
    left = std::move(next);
    if (left.empty() || left.size() > kMostPieces) return;
  }
}

// Names of service accounts that a selector asks for.
void account_names(const selector::Node& node, std::set<std::string>& out) {
  if (node.op == selector::Op::kIn && node.key == "projectcalico.org/serviceaccount")
    out.insert(node.values.begin(), node.values.end());
  for (const auto& child : node.children) account_names(*child, out);
}

class Linter {
 public:
  explicit Linter(const Manifests& manifests)
      : manifests_(manifests), world_(manifests.world), peers_(manifests.world, space_) {}

  std::vector<Finding> run() {
    read_problems();
    for (const auto& [id, policy] : world_.policies)
      policies_.push_back({&policy, {}, {}, 0, false});
    for (const auto& [id, invalid] : world_.invalid_policies)
      policies_.push_back({&invalid.policy, {}, {}, 0, true});
    for (Entry& entry : policies_) prepare(entry);
    space_.build();
    classes_.emplace(world_, peers_.questions());
    peers_.match(*classes_);
    line_.emplace(world_, *classes_, space_);
    peers_.resolve(*line_);
    compiler_.emplace(*classes_, *line_, peers_);
    compiler_->set_families();
    for (const Entry& entry : policies_) {
      for (const PreparedRule& rule : entry.egress)
        compiler_->learn_names(rule, Direction::kEgress);
    }
    declare_ports();
    for (const Entry& entry : policies_) {
      if (!entry.invalid) check_policy(entry);
    }
    check_isolation();
    check_backends();
    return std::move(findings_);
  }

 private:
  struct Entry {
    const model::Policy* policy = nullptr;
    std::vector<PreparedRule> ingress;
    std::vector<PreparedRule> egress;
    PeerId target = 0;
    bool invalid = false;  // told by the reading; here it only isolates
    const std::vector<PreparedRule>& rules(Direction direction) const {
      return direction == Direction::kIngress ? ingress : egress;
    }
  };

  void prepare(Entry& entry) {
    entry.target = peers_.add_target(entry.policy->selects);
    for (const model::Rule& rule : entry.policy->ingress)
      entry.ingress.push_back(analysis::RuleCompiler::prepare(rule, Direction::kIngress, peers_));
    for (const model::Rule& rule : entry.policy->egress)
      entry.egress.push_back(analysis::RuleCompiler::prepare(rule, Direction::kEgress, peers_));
  }

  void read_problems() {
    for (const Problem& problem : manifests_.problems) {
      Finding finding;
      finding.id = problem.error ? "invalid-object" : "object-passed-over";
      finding.severity = find_check(finding.id).severity;
      finding.object = problem.object;
      finding.message = problem.message;
      finding.source = problem.source;
      findings_.push_back(std::move(finding));
    }
  }

  const Document* document_of(const model::PolicyId& id) const {
    ObjectKey key{std::string(model::to_string(id.kind)), id.name};
    auto it = manifests_.objects.find(key);
    if (it != manifests_.objects.end()) return &it->second;
    // Calico's API takes the tier for a part of the name, and a policy of it without.
    for (const auto& [other, document] : manifests_.objects) {
      if (other.kind == key.kind && other.name.ns == key.name.ns &&
          (other.name.name.ends_with("." + key.name.name) ||
           key.name.name.ends_with("." + other.name.name)))
        return &document;
    }
    return nullptr;
  }

  void add(std::string_view id, const model::Policy& policy, std::string field,
           std::string message) {
    Finding finding;
    finding.id = id;
    finding.severity = find_check(id).severity;
    finding.object = policy.id.to_string();
    finding.message = std::move(message);
    if (const Document* document = document_of(policy.id)) {
      finding.source = document->source;
      finding.source->line = line_of(*document, field);
    }
    finding.field = std::move(field);
    findings_.push_back(std::move(finding));
  }

  void check_policy(const Entry& entry) {
    const model::Policy& policy = *entry.policy;
    const bool known_tier =
        std::any_of(world_.tiers.begin(), world_.tiers.end(),
                    [&](const model::Tier& tier) { return tier.name == policy.tier; });
    if (!known_tier) {
      add("missing-tier", policy, "spec.tier",
          fmt::format("tier \"{}\" does not exist", policy.tier));
    }
    check_references(policy);
    const RangeSet& selected = peers_.classes(entry.target);
    if (classes_->size() == 0) return;
    if (selected.empty()) {
      const bool hosts = policy.selects.inherited && !world_.host_endpoints.empty();
      if (!hosts)
        add("policy-selects-nothing", policy, "spec", "its selectors match none of the pods");
      return;
    }
    for (const Direction direction : {Direction::kIngress, Direction::kEgress})
      check_rules(entry, direction, selected);
  }

  void check_rules(const Entry& entry, Direction direction, const RangeSet& selected) {
    const std::vector<PreparedRule>& rules = entry.rules(direction);
    std::vector<CompiledRule> compiled;
    std::vector<bool> alike;  // the same for every selected endpoint
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string field = fmt::format("spec.{}[{}]", list_of(direction), i);
      const bool own = rules[i].needs_own_place || rules[i].needs_own_ports;
      alike.push_back(!own);
      compiled.push_back(CompiledRule{rules[i].rule->action, {}});
      if (own) {
        if (!matches_for_one(rules[i], direction, selected)) never(entry, field, rules[i]);
        continue;
      }
      compiled.back() = compiler_->compile(rules[i], direction, 0);
      if (compiled.back().cells.empty()) {
        never(entry, field, rules[i]);
        continue;
      }
      if (direction == Direction::kIngress) check_ports(entry, field, *rules[i].rule, selected);
      std::vector<Cell> left = compiled.back().cells;
      for (size_t before = 0; before < i && !left.empty() && left.size() <= kMostPieces; ++before) {
        if (alike[before] && compiled[before].action != model::Action::kLog)
          take_away(left, compiled[before]);
      }
      if (left.empty()) {
        add("rule-shadowed", *entry.policy, field,
            "everything it matches is decided by the rules before it");
      }
    }
  }

  bool matches_for_one(const PreparedRule& rule, Direction direction, const RangeSet& selected) {
    const RangeSet places = line_->of_classes(selected);
    for (const RangeSet::Range& range : places.ranges()) {
      for (uint32_t place = range.begin; place < range.end; ++place) {
        if (line_->pod_class(place) == analysis::kNoPod) continue;
        if (!compiler_->compile(rule, direction, place).cells.empty()) return true;
      }
    }
    return false;
  }

  void never(const Entry& entry, const std::string& field, const PreparedRule& rule) {
    std::string why = "its peers and ports together match nothing";
    for (const auto& list : rule.peer.all_of) {
      const bool nobody = std::all_of(list.begin(), list.end(),
                                      [&](PeerId id) { return peers_.places(id).empty(); });
      if (nobody) why = "its peers match no pod and no address";
    }
    if (rule.needs_own_ports) why = "no selected pod has a port of the name it gives";
    add("rule-never-matches", *entry.policy, field, why);
  }

  // What pods declare; unnamed ports are not part of the world of policy.
  void declare_ports() {
    for (const auto& [pod, ports] : manifests_.declared_ports) {
      PortSet& set = declared_[pod];
      for (const auto& [protocol, port] : ports) set.add(protocol, {port, port});
    }
  }

  void check_ports(const Entry& entry, const std::string& field, const model::Rule& rule,
                   const RangeSet& selected) {
    if (!rule.ports || rule.action != model::Action::kAllow) return;
    for (size_t i = 0; i < rule.ports->size(); ++i) {
      const model::PortMatch& match = (*rule.ports)[i];
      const auto* range = std::get_if<net::PortRange>(&match.port);
      if (range == nullptr || range->all()) continue;
      PortSet wanted;
      wanted.add(match.protocol, *range);
      bool served = false;
      size_t index = 0;
      for (const auto& [name, pod] : world_.pods) {
        const analysis::PodClass pod_class = classes_->of_pods()[index++];
        if (served || pod_class == analysis::kNoPod || !selected.contains(pod_class)) continue;
        const auto it = declared_.find(name);
        if (it == declared_.end()) {  // it says nothing of its ports
          served = true;
          continue;
        }
        PortSet both = wanted;
        both.intersect(it->second);
        served = !both.empty();
      }
      if (!served) {
        add("port-not-served", *entry.policy, fmt::format("{}.ports[{}]", field, i),
            fmt::format("no selected pod declares {}", analysis::port_text(wanted)));
      }
    }
  }

  void check_references(const model::Policy& policy) {
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
      const auto& rules = rules_of(policy, direction);
      for (size_t i = 0; i < rules.size(); ++i) {
        const std::string field = fmt::format("spec.{}[{}]", list_of(direction), i);
        for (const model::EndMatch* end : {&rules[i].peer, &rules[i].self}) {
          for (const auto& list : end->all_of) {
            for (const model::Peer& peer : list) check_reference(policy, field, peer);
          }
        }
      }
    }
  }

  void check_reference(const model::Policy& policy, const std::string& field,
                       const model::Peer& peer) {
    if (const auto* service = std::get_if<model::ServicePeer>(&peer)) {
      if (!has_service(service->service))
        add("missing-service", policy, field,
            fmt::format("there is no service {}", service->service.to_string()));
      return;
    }
    const auto* endpoints = std::get_if<model::EndpointPeer>(&peer);
    if (endpoints == nullptr || world_.service_accounts.empty()) return;
    std::set<std::string> names;
    account_names(endpoints->pods.root(), names);
    for (const std::string& name : names) {
      if (name == "default") continue;  // every namespace has it
      const bool found = std::any_of(
          world_.service_accounts.begin(), world_.service_accounts.end(), [&](const auto& account) {
            return account.first.name == name &&
                   (!endpoints->in_namespace || account.first.ns == *endpoints->in_namespace);
          });
      if (!found)
        add("missing-service-account", policy, field,
            fmt::format("there is no service account \"{}\"", name));
    }
  }

  bool has_service(const model::ObjectName& name) const {
    const bool declared = std::any_of(manifests_.services.begin(), manifests_.services.end(),
                                      [&](const Service& service) { return service.name == name; });
    return declared ||
           std::any_of(world_.endpoint_slices.begin(), world_.endpoint_slices.end(),
                       [&](const auto& slice) {
                         return slice.first.ns == name.ns && slice.second.service == name.name;
                       });
  }

  // By namespace: pods that no enforced policy applies to, by direction.
  void check_isolation() {
    std::array<RangeSet, 2> isolated;
    for (const Entry& entry : policies_) {
      if (entry.policy->staged) continue;
      const RangeSet& selected = peers_.classes(entry.target);
      if (entry.policy->applies_ingress) isolated[0] = unite(isolated[0], selected);
      if (entry.policy->applies_egress) isolated[1] = unite(isolated[1], selected);
    }
    struct Counts {
      size_t pods = 0;
      std::array<size_t, 2> open{};
    };
    std::map<std::string, Counts> namespaces;
    size_t index = 0;
    for (const auto& [name, pod] : world_.pods) {
      const analysis::PodClass pod_class = classes_->of_pods()[index++];
      if (pod_class == analysis::kNoPod || manifests_.view.ingress_controller == name) continue;
      Counts& counts = namespaces[name.ns];
      ++counts.pods;
      for (size_t d = 0; d < 2; ++d) counts.open[d] += isolated[d].contains(pod_class) ? 0 : 1;
    }
    for (const auto& [name, counts] : namespaces) {
      if (counts.open[0] == 0 && counts.open[1] == 0) continue;
      std::vector<std::string> parts;
      for (size_t d = 0; d < 2; ++d) {
        if (counts.open[d] != 0)
          parts.push_back(fmt::format("{} for {}", counts.open[d], d == 0 ? "ingress" : "egress"));
      }
      Finding finding;
      finding.id = "namespace-without-default-deny";
      // Egress alone is often left open on purpose.
      finding.severity = counts.open[0] == 0 ? Severity::kNote : Severity::kWarning;
      finding.object = "Namespace " + name;
      finding.message =
          fmt::format("of its {} pods no policy isolates {}", counts.pods, join(parts, ", "));
      const auto document = manifests_.objects.find({"Namespace", {"", name}});
      if (document != manifests_.objects.end()) finding.source = document->second.source;
      findings_.push_back(std::move(finding));
    }
  }

  // Ingress and Route objects that lead nowhere.
  void check_backends() {
    std::set<model::ObjectName> told;
    for (const Backend& backend : manifests_.backends) {
      if (has_service(backend.service) || !told.insert(backend.service).second) continue;
      Finding finding;
      finding.id = "missing-service";
      finding.object = "Service " + backend.service.to_string();
      finding.message = "an Ingress or Route leads to it, but it does not exist";
      findings_.push_back(std::move(finding));
    }
  }

  const Manifests& manifests_;
  const model::World& world_;
  analysis::AddressSpace space_;
  analysis::PeerTable peers_;
  std::vector<Entry> policies_;
  std::optional<analysis::PodClasses> classes_;
  std::optional<analysis::PeerLine> line_;
  std::optional<analysis::RuleCompiler> compiler_;
  std::map<model::ObjectName, PortSet> declared_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> lint(const Manifests& manifests) { return Linter(manifests).run(); }

}  // namespace caracal::manifests
