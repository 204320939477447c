// EntityRule: one side (source, destination) of a rule of Calico's policies (calico.md 2.1, 3.4),
// into what model::Rule says of that side.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kube/object_reader.h"
#include "model/policy.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Of what is stored; see kMaxRules. A writer may give 256 and 50.
inline constexpr size_t kMaxNets = 100'000;
inline constexpr size_t kMaxPorts = 10'000;

// Labels that endpoints have besides their own (model/policy.h, EndpointPeer).
inline constexpr std::string_view kNamespaceLabel = "projectcalico.org/namespace";
inline constexpr std::string_view kServiceAccountLabel = "projectcalico.org/serviceaccount";
inline constexpr std::string_view kNamespacePrefix = "pcns.";
inline constexpr std::string_view kServiceAccountPrefix = "pcsa.";

// What all() means in the selectors of a policy that pods, namespaces or service accounts restrict.
selector::Selector in_some_namespace();
selector::Selector with_some_service_account();

using PortSpec = std::variant<net::PortRange, std::string>;

struct EntityRule {
  model::EndMatch match;
  std::vector<PortSpec> ports;
  std::vector<PortSpec> not_ports;
  bool has_service = false;
  bool unknown_field = false;
  std::vector<net::Family> families;  // of nets and notNets

  bool numeric_ports() const;
};

// `ns`: of the policy; empty: a global one. `service_side`: services may stand here (the source of
// ingress, the destination of egress).
EntityRule decode_entity_rule(const json::object& entity, const FieldPath& path,
                              const std::string& ns, bool destination, bool service_side,
                              ObjectReader& reader);

// A selector field: what it selects, or nothing when it is empty, absent or wrong.
struct SelectorField {
  std::string_view name;
  std::string_view key_prefix;
  const selector::Selector* all_means = nullptr;
  bool global_allowed = false;
};
std::optional<selector::Selector> decode_selector(const json::object& parent, const FieldPath& path,
                                                  const SelectorField& field, ObjectReader& reader);

}  // namespace caracal::calico
