#include "kube/decode_cluster_policy.h"

#include <array>
#include <limits>

#include "kube/decode.h"
#include "kube/decode_fields.h"
#include "kube/object_reader.h"

namespace caracal::kube {
namespace {

using model::Action;
using model::Direction;
using model::EndpointPeer;
using model::PolicyKind;
using selector::Selector;

constexpr std::array kWithPorts = {net::kTcp, net::kUdp, net::kSctp};

// How the three kinds differ.
struct Form {
  PolicyKind kind;
  std::string_view accept;  // the action's word
  bool passes;              // knows the action Pass
  bool has_priority;
  std::string_view ports;  // the member of a rule that holds its ports
};
constexpr Form kCluster{PolicyKind::kClusterNetworkPolicy, "Accept", true, true, "protocols"};
constexpr Form kAdmin{PolicyKind::kAdminNetworkPolicy, "Allow", true, true, "ports"};
constexpr Form kBaseline{PolicyKind::kBaselineAdminNetworkPolicy, "Allow", false, false, "ports"};

class ClusterPolicyReader {
 public:
  ClusterPolicyReader(const Form& form, model::ObjectName name) : form_(form) {
    policy_.id = {form.kind, std::move(name)};
    policy_.tier = form.kind == PolicyKind::kBaselineAdminNetworkPolicy ? model::kBaselineTier.name
                                                                        : model::kAdminTier.name;
    policy_.order = std::numeric_limits<double>::infinity();
  }

  model::PolicyUpdate read(const json::object& object) && {
    const FieldPath path("spec");
    ObjectReader reader;
    static const json::object kEmpty;
    const json::object* found = reader.object(object, "spec", FieldPath(""));
    const json::object& spec = found == nullptr ? kEmpty : *found;
    read_place(spec, path, reader);
    const json::object* subject = reader.object(spec, "subject", path);
    if (member(spec, "subject") == nullptr) reader.required(path.member("subject"));
    // Until it is known whom the policy is for, it is for nobody.
    policy_.selects.pods = Selector::negation(Selector());
    if (subject != nullptr) {
      if (auto peer = pods_peer(*subject, path.member("subject"), reader)) {
        policy_.selects = std::move(*peer);
      }
    }
    policy_.ingress = rules(spec, "ingress", path, Direction::kIngress, reader);
    policy_.egress = rules(spec, "egress", path, Direction::kEgress, reader);
    policy_.applies_ingress = !policy_.ingress.empty();
    policy_.applies_egress = !policy_.egress.empty();
    model::PolicyUpdate update{policy_.id, std::nullopt, std::nullopt};
    if (!reader.ok()) {
      update.invalid = update.key.to_string() + ": " + reader.problems_text();
      policy_.ingress.clear();
      policy_.egress.clear();
    }
    update.value = std::move(policy_);
    return update;
  }

 private:
  void read_place(const json::object& spec, const FieldPath& path, ObjectReader& reader) {
    if (form_.kind == PolicyKind::kClusterNetworkPolicy) {
      const std::string_view tier = reader.word(spec, "tier", path, {"Admin", "Baseline"});
      if (member(spec, "tier") == nullptr) reader.required(path.member("tier"));
      if (tier == "Baseline") policy_.tier = model::kBaselineTier.name;
    }
    if (!form_.has_priority) return;
    const auto priority = reader.integer(spec, "priority", path, 0, 1000);
    if (priority) policy_.order = static_cast<double>(*priority);
    if (member(spec, "priority") == nullptr) reader.required(path.member("priority"));
  }

  static std::optional<Selector> labels(const json::object& parent, std::string_view name,
                                        const FieldPath& path, ObjectReader& reader) {
    const json::value* value = member(parent, name);
    if (value == nullptr) {
      reader.required(path.member(name), "{} selects all");
      return std::nullopt;
    }
    auto selector = Selector::from_label_selector(*value);
    if (selector) return std::move(*selector);
    const std::string& text = selector.error().message;
    reader.reject(path.member(name).to_string() + (text.starts_with("match") ? "." : ": ") + text);
    return std::nullopt;
  }

  // {namespaces: LabelSelector} or {pods: {namespaceSelector, podSelector}}; both at once, or
  // anything else, is a problem.
  static std::optional<EndpointPeer> pods_peer(const json::object& object, const FieldPath& path,
                                               ObjectReader& reader) {
    const bool by_namespace = member(object, "namespaces") != nullptr;
    const json::object* pods = reader.object(object, "pods", path);
    if (by_namespace == (pods != nullptr) || object.size() != 1) {
      reader.forbidden(path, "needs exactly one of namespaces and pods");
      return std::nullopt;
    }
    EndpointPeer peer;
    if (by_namespace) {
      auto namespaces = labels(object, "namespaces", path, reader);
      if (!namespaces) return std::nullopt;
      peer.namespaces = std::move(*namespaces);
      return peer;
    }
    const FieldPath pods_path = path.member("pods");
    auto namespaces = labels(*pods, "namespaceSelector", pods_path, reader);
    auto own = labels(*pods, "podSelector", pods_path, reader);
    if (!namespaces || !own) return std::nullopt;
    peer.namespaces = std::move(*namespaces);
    peer.pods = std::move(*own);
    return peer;
  }

  static void add_networks(const json::object& object, const FieldPath& path,
                           std::vector<model::Peer>& peers, ObjectReader& reader) {
    const FieldPath list = path.member("networks");
    for (const auto& [text, index] : reader.texts(object, "networks", path)) {
      const auto cidr = net::Cidr::parse(text);
      if (cidr) {
        peers.emplace_back(model::CidrPeer{*cidr, {}});
      } else {
        reader.invalid(list.element(index), json::string(text),
                       "must be a CIDR such as 10.9.8.0/24 or 2001:db8::/64");
      }
    }
  }

  static std::vector<model::Peer> peers(const json::array& list, const FieldPath& path,
                                        Direction direction, ObjectReader& reader) {
    std::vector<model::Peer> result;
    for (size_t i = 0; i < list.size(); ++i) {
      const FieldPath element = path.element(i);
      const json::object* object = reader.as_object(list[i], element);
      if (object == nullptr) continue;
      if (direction == Direction::kEgress && object->size() == 1) {
        if (member(*object, "networks") != nullptr) {
          add_networks(*object, element, result, reader);
          continue;
        }
        for (const std::string_view name : {"nodes", "domainNames"}) {
          if (member(*object, name) != nullptr) {
            reader.forbidden(element.member(name), "is not supported as a peer");
          }
        }
        if (!reader.ok()) continue;
      }
      if (auto peer = pods_peer(*object, element, reader)) result.emplace_back(std::move(*peer));
    }
    return result;
  }

  static std::optional<net::PortRange> range(const json::object& object, const FieldPath& path,
                                             ObjectReader& reader) {
    const auto first = reader.integer(object, "start", path, 1, 65535);
    const auto last = reader.integer(object, "end", path, 1, 65535);
    if (!first || !last || *first > *last) {
      reader.forbidden(path, "needs start and end, the end not below the start");
      return std::nullopt;
    }
    return net::PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
  }

  // v1alpha2: {tcp|udp|sctp: {destinationPort: {number} or {range}}} or {destinationNamedPort}.
  static void add_protocol(const json::object& entry, const FieldPath& path,
                           std::vector<model::PortMatch>& ports, ObjectReader& reader) {
    if (entry.size() == 1) {
      const std::string_view name = reader.text(entry, "destinationNamedPort", path);
      if (!name.empty()) return add_named(name, ports);
      constexpr std::string_view kNames[] = {"tcp", "udp", "sctp"};
      for (size_t i = 0; i < std::size(kNames); ++i) {
        const json::object* transport = reader.object(entry, kNames[i], path);
        if (transport == nullptr) continue;
        const FieldPath transport_path = path.member(kNames[i]);
        const FieldPath port_path = transport_path.member("destinationPort");
        const json::object* port = reader.object(*transport, "destinationPort", transport_path);
        if (port == nullptr || transport->size() != 1 || port->size() != 1) break;
        if (const auto number = reader.integer(*port, "number", port_path, 1, 65535)) {
          const auto value = static_cast<uint16_t>(*number);
          ports.push_back({kWithPorts[i], net::PortRange{value, value}});
          return;
        }
        const json::object* span = reader.object(*port, "range", port_path);
        if (span == nullptr) break;
        if (const auto both = range(*span, port_path.member("range"), reader)) {
          ports.push_back({kWithPorts[i], *both});
        }
        return;
      }
    }
    reader.forbidden(path,
                     "needs exactly one of tcp, udp and sctp with a destinationPort (number "
                     "or range), or destinationNamedPort");
  }

  // v1alpha1: {portNumber: {protocol, port}}, {portRange: {protocol, start, end}} or {namedPort}.
  static void add_port(const json::object& entry, const FieldPath& path,
                       std::vector<model::PortMatch>& ports, ObjectReader& reader) {
    if (entry.size() == 1) {
      const std::string_view name = reader.text(entry, "namedPort", path);
      if (!name.empty()) return add_named(name, ports);
      for (const std::string_view form : {"portNumber", "portRange"}) {
        const json::object* object = reader.object(entry, form, path);
        if (object == nullptr) continue;
        const FieldPath form_path = path.member(form);
        const auto protocol = protocol_member(*object, form_path);
        if (!protocol) {
          reader.reject(protocol.error().message);
          return;
        }
        if (form == "portRange") {
          if (const auto both = range(*object, form_path, reader)) {
            ports.push_back({*protocol, *both});
          }
          return;
        }
        const auto number = reader.integer(*object, "port", form_path, 1, 65535);
        if (!number) {
          reader.required(form_path.member("port"));
          return;
        }
        const auto value = static_cast<uint16_t>(*number);
        ports.push_back({*protocol, net::PortRange{value, value}});
        return;
      }
    }
    reader.forbidden(path, "needs exactly one of portNumber, portRange and namedPort");
  }

  // The name says the protocol: that of the pod's port.
  static void add_named(std::string_view name, std::vector<model::PortMatch>& ports) {
    for (const net::Protocol protocol : kWithPorts) ports.push_back({protocol, std::string(name)});
  }

  Action action(const json::object& rule, const FieldPath& path, ObjectReader& reader) const {
    const std::string_view word = reader.text(rule, "action", path);
    if (word == form_.accept) return Action::kAllow;
    if (word == "Pass" && form_.passes) return Action::kPass;
    if (word != "Deny") {
      reader.invalid(path.member("action"), json::string(word),
                     "must be one of \"" + std::string(form_.accept) + "\", \"Deny\"" +
                         (form_.passes ? ", \"Pass\"" : ""));
    }
    return Action::kDeny;
  }

  // Reads one rule with a reader of its own: what is wrong with it stays its own.
  model::Rule rule(const json::object& object, const FieldPath& path, Direction direction) {
    ObjectReader reader;
    const std::string_view peers_name = direction == Direction::kIngress ? "from" : "to";
    model::Rule rule;
    rule.action = action(object, path, reader);
    rule.name = reader.text(object, "name", path);
    const std::array<std::string_view, 4> known = {"action", "name", peers_name, form_.ports};
    if (reader.has_unknown(object, path, known)) reader.reject(reader.warnings().front());
    const json::array* list = reader.array(object, peers_name, path);
    if (list == nullptr || list->empty()) {
      reader.required(path.member(peers_name), "at least one peer");
    } else {
      rule.peer.all_of.push_back(peers(*list, path.member(peers_name), direction, reader));
    }
    const json::array* ports = reader.array(object, form_.ports, path);
    if (ports != nullptr && !ports->empty()) {
      rule.ports.emplace();
      const FieldPath ports_path = path.member(form_.ports);
      for (size_t i = 0; i < ports->size(); ++i) {
        const FieldPath element = ports_path.element(i);
        const json::object* entry = reader.as_object((*ports)[i], element);
        if (entry == nullptr) continue;
        if (form_.ports == "protocols") {
          add_protocol(*entry, element, *rule.ports, reader);
        } else {
          add_port(*entry, element, *rule.ports, reader);
        }
      }
    }
    if (reader.ok()) return rule;
    const bool accepts = rule.action == Action::kAllow;
    policy_.warnings.push_back(reader.problems_text() + (accepts ? ": the rule never matches"
                                                                 : ": the rule denies everything"));
    model::Rule closed;
    closed.name = rule.name;
    closed.action = accepts ? Action::kAllow : Action::kDeny;
    if (accepts) closed.ports.emplace();
    return closed;
  }

  std::vector<model::Rule> rules(const json::object& spec, std::string_view name,
                                 const FieldPath& path, Direction direction, ObjectReader& reader) {
    std::vector<model::Rule> result;
    const json::array* list = reader.array(spec, name, path);
    if (list == nullptr) return result;
    const FieldPath list_path = path.member(name);
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath element = list_path.element(i);
      if (const json::object* object = reader.as_object((*list)[i], element)) {
        result.push_back(rule(*object, element, direction));
      }
    }
    return result;
  }

  const Form& form_;
  model::Policy policy_;
};

model::PolicyUpdate decode(const Form& form, const json::value& object) {
  auto name = decode_name(object);
  if (!name) {
    const model::PolicyId id{form.kind, {}};
    return {id, std::nullopt,
            std::string(model::to_string(form.kind)) + ": " + name.error().message};
  }
  name->ns.clear();
  return ClusterPolicyReader(form, std::move(*name)).read(*object.if_object());
}

}  // namespace

model::PolicyUpdate decode_cluster_network_policy(const json::value& object) {
  return decode(kCluster, object);
}
model::PolicyUpdate decode_admin_network_policy(const json::value& object) {
  return decode(kAdmin, object);
}
model::PolicyUpdate decode_baseline_admin_network_policy(const json::value& object) {
  return decode(kBaseline, object);
}

}  // namespace caracal::kube
