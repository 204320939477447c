// networking.k8s.io/v1 NetworkPolicy into model::Policy. The rules about what an absent field means
// are those of the API's documentation of NetworkPolicySpec; the checks are those of its
// validation.
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "kube/decode.h"
#include "kube/decode_fields.h"

namespace caracal::kube {

namespace {

using model::EndpointPeer;
using selector::Selector;

// Reads one policy and gathers everything that is wrong with it, as the API server does.
class NetworkPolicyReader {
 public:
  explicit NetworkPolicyReader(model::ObjectName name) {
    policy_.id = {model::PolicyKind::kNetworkPolicy, std::move(name)};
    policy_.selects.in_namespace = policy_.id.name.ns;
  }

  void read(const json::object& object) {
    const FieldPath path("spec");
    if (policy_.id.name.ns.empty()) problems_.emplace_back("metadata.namespace: required");
    static const json::object kNoSpec;
    const json::object* spec = &kNoSpec;
    if (const json::value* value = member(object, "spec")) {
      const auto found = keep(as_object(*value, path));
      if (found) spec = *found;
    }
    if (auto selects = selector(*spec, "podSelector", path)) {
      policy_.selects.pods = std::move(*selects);
    }
    const auto ingress = keep(array_member(*spec, "ingress", path)).value_or(nullptr);
    const auto egress = keep(array_member(*spec, "egress", path)).value_or(nullptr);
    read_types(*spec, path, egress != nullptr && !egress->empty());
    std::vector<model::Rule> ingress_rules = rules(ingress, path.member("ingress"), "from");
    std::vector<model::Rule> egress_rules = rules(egress, path.member("egress"), "to");
    if (!problems_.empty()) return;
    // Rules of a direction that policyTypes leaves out have no effect.
    if (policy_.applies_ingress) policy_.ingress = std::move(ingress_rules);
    if (policy_.applies_egress) policy_.egress = std::move(egress_rules);
  }

  model::PolicyUpdate update() && {
    model::PolicyUpdate update{policy_.id, std::nullopt, std::nullopt};
    if (!problems_.empty()) update.invalid = update.key.to_string() + ": " + join(problems_, "; ");
    update.value = std::move(policy_);
    return update;
  }

 private:
  // The value, or notes the error.
  template <typename T>
  std::optional<T> keep(Result<T> result) {
    if (result) return std::move(*result);
    problems_.push_back(std::move(result.error().message));
    return std::nullopt;
  }

  void wrong(const FieldPath& path, const json::value& value, std::string_view text) {
    problems_.push_back(wrong_field(path, value, text).message);
  }
  void wrong(const FieldPath& path, std::string_view text) {
    problems_.push_back(path.to_string() + ": " + std::string(text));
  }

  // A LabelSelector; absent: nullopt.
  std::optional<Selector> selector(const json::object& object, std::string_view name,
                                   const FieldPath& parent) {
    const json::value* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    const FieldPath path = parent.member(name);
    if (!value->is_object()) {
      wrong(path, *value, "must be an object");
      return std::nullopt;
    }
    auto result = Selector::from_label_selector(*value);
    if (result) return std::move(*result);
    const std::string& message = result.error().message;
    problems_.push_back(path.to_string() + (message.starts_with("match") ? "." : ": ") + message);
    return std::nullopt;
  }

  // Not set: ingress always, and egress when there are egress rules.
  void read_types(const json::object& spec, const FieldPath& parent, bool has_egress_rules) {
    const auto list = keep(array_member(spec, "policyTypes", parent));
    if (!list) {  // unreadable: isolates in both directions
      policy_.applies_ingress = true;
      policy_.applies_egress = true;
      return;
    }
    if (*list == nullptr || (*list)->empty()) {
      policy_.applies_ingress = true;
      policy_.applies_egress = has_egress_rules;
      return;
    }
    const FieldPath path = parent.member("policyTypes");
    for (size_t i = 0; i < (*list)->size(); ++i) {
      const json::value& type = (**list)[i];
      if (type == json::value("Ingress")) {
        policy_.applies_ingress = true;
      } else if (type == json::value("Egress")) {
        policy_.applies_egress = true;
      } else {
        wrong(path.element(i), type, "unsupported, must be \"Ingress\" or \"Egress\"");
      }
    }
    if (!policy_.applies_ingress && !policy_.applies_egress) {  // none was readable
      policy_.applies_ingress = true;
      policy_.applies_egress = true;
    }
  }

  std::vector<model::Rule> rules(const json::array* list, const FieldPath& path,
                                 std::string_view peers_name) {
    std::vector<model::Rule> result;
    if (list == nullptr) return result;
    result.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath rule_path = path.element(i);
      const auto object = keep(as_object((*list)[i], rule_path));
      if (!object) continue;
      model::Rule rule;
      // An absent list and an empty one both mean everything.
      const auto peers = keep(array_member(**object, peers_name, rule_path)).value_or(nullptr);
      if (peers != nullptr && !peers->empty()) {
        rule.peer.all_of.push_back(this->peers(*peers, rule_path.member(peers_name)));
      }
      const auto ports = keep(array_member(**object, "ports", rule_path)).value_or(nullptr);
      if (ports != nullptr && !ports->empty()) {
        rule.ports = this->ports(*ports, rule_path.member("ports"));
      }
      result.push_back(std::move(rule));
    }
    return result;
  }

  std::vector<model::Peer> peers(const json::array& list, const FieldPath& path) {
    std::vector<model::Peer> result;
    result.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const FieldPath peer_path = path.element(i);
      const auto object = keep(as_object(list[i], peer_path));
      if (!object) continue;
      const json::value* block = member(**object, "ipBlock");
      const bool has_pods = member(**object, "podSelector") != nullptr;
      const bool has_namespaces = member(**object, "namespaceSelector") != nullptr;
      if (block != nullptr) {
        if (has_pods || has_namespaces) {
          wrong(peer_path, "ipBlock cannot stand beside podSelector or namespaceSelector");
          continue;
        }
        if (auto peer = cidr_peer(*block, peer_path.member("ipBlock"))) {
          result.emplace_back(std::move(*peer));
        }
        continue;
      }
      if (!has_pods && !has_namespaces) {
        wrong(peer_path, "needs a peer: podSelector, namespaceSelector, both, or ipBlock");
        continue;
      }
      EndpointPeer peer;
      if (auto pods = selector(**object, "podSelector", peer_path)) peer.pods = std::move(*pods);
      if (auto namespaces = selector(**object, "namespaceSelector", peer_path)) {
        peer.namespaces = std::move(*namespaces);
      }
      // podSelector alone: pods of the policy's own namespace.
      if (!has_namespaces) peer.in_namespace = policy_.id.name.ns;
      result.emplace_back(std::move(peer));
    }
    return result;
  }

  std::optional<net::Cidr> cidr(const json::value& value, const FieldPath& path) {
    const json::string* text = value.if_string();
    if (text == nullptr) {
      wrong(path, value, "must be a string");
      return std::nullopt;
    }
    auto parsed = net::Cidr::parse(std::string_view(text->data(), text->size()));
    if (parsed) return *parsed;
    wrong(path, value, "must be a CIDR such as 10.9.8.0/24 or 2001:db8::/64");
    return std::nullopt;
  }

  std::optional<model::CidrPeer> cidr_peer(const json::value& block, const FieldPath& path) {
    const auto object = keep(as_object(block, path));
    if (!object) return std::nullopt;
    const json::value* net = member(**object, "cidr");
    if (net == nullptr) {
      wrong(path.member("cidr"), "required");
      return std::nullopt;
    }
    const auto whole = cidr(*net, path.member("cidr"));
    const auto list = keep(array_member(**object, "except", path)).value_or(nullptr);
    if (!whole) return std::nullopt;
    model::CidrPeer peer{*whole, {}};
    if (list == nullptr) return peer;
    const FieldPath except_path = path.member("except");
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath element = except_path.element(i);
      const auto except = cidr((*list)[i], element);
      if (!except) continue;
      if (!whole->contains(*except) || *whole == *except) {
        wrong(element, (*list)[i], "must be inside " + whole->to_string() + " and smaller than it");
        continue;
      }
      peer.except.push_back(*except);
    }
    return peer;
  }

  std::vector<model::PortMatch> ports(const json::array& list, const FieldPath& path) {
    std::vector<model::PortMatch> result;
    result.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const FieldPath port_path = path.element(i);
      const auto object = keep(as_object(list[i], port_path));
      if (!object) continue;
      if (auto match = port_match(**object, port_path)) result.push_back(std::move(*match));
    }
    return result;
  }

  std::optional<model::PortMatch> port_match(const json::object& object, const FieldPath& path) {
    const auto protocol = keep(protocol_member(object, path));
    const json::value* port = member(object, "port");
    const json::value* end = member(object, "endPort");
    if (!protocol) return std::nullopt;
    model::PortMatch match{*protocol, net::PortRange{}};
    if (end != nullptr && (port == nullptr || port->is_string())) {
      wrong(path.member("endPort"), *end, "needs a numeric port beside it");
      return std::nullopt;
    }
    if (port == nullptr) return match;
    const FieldPath number_path = path.member("port");
    if (const json::string* name = port->if_string()) {
      if (const auto bad = check_port_name({name->data(), name->size()})) {
        wrong(number_path, *port, *bad);
        return std::nullopt;
      }
      match.port = std::string(name->data(), name->size());
      return match;
    }
    const auto first = keep(decode_port(*port, number_path));
    if (!first) return std::nullopt;
    uint16_t last = *first;
    if (end != nullptr) {
      const auto number = keep(decode_port(*end, path.member("endPort")));
      if (!number) return std::nullopt;
      if (*number < *first) {
        wrong(path.member("endPort"), *end, "must not be below port " + std::to_string(*first));
        return std::nullopt;
      }
      last = *number;
    }
    match.port = net::PortRange{*first, last};
    return match;
  }

  model::Policy policy_;
  std::vector<std::string> problems_;
};

}  // namespace

model::PolicyUpdate decode_network_policy(const json::value& object) {
  auto name = decode_name(object);
  if (!name) {
    return {{}, std::nullopt, "NetworkPolicy: " + name.error().message};
  }
  NetworkPolicyReader reader(std::move(*name));
  reader.read(*object.if_object());
  return std::move(reader).update();
}

}  // namespace caracal::kube
