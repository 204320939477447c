#include "calico/object_rules.h"

#include <algorithm>

#include "base/strings.h"
#include "calico/auto_host_endpoint.h"
#include "calico/decode_bgp.h"
#include "calico/decode_felix_configuration.h"
#include "calico/decode_host_endpoint.h"
#include "calico/decode_ip_pool.h"
#include "calico/decode_network_set.h"
#include "calico/decode_policy.h"
#include "calico/decode_tier.h"
#include "kube/decode_cluster_policy.h"
#include "model/world.h"

namespace caracal::calico {
namespace {

using model::PolicyKind;

std::string_view name_of(const json::value& object) {
  return jsonio::get_string(object, {"metadata", "name"});
}
model::ObjectName object_name(const json::value& object) {
  return {std::string(jsonio::get_string(object, {"metadata", "namespace"})),
          std::string(name_of(object))};
}

// Lower-case letters, digits and '-', as in a DNS label, but as long as a name may be.
bool is_word(std::string_view text) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && good(text.front()) && good(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return good(c) || c == '-'; });
}
bool is_dns_label(std::string_view text) { return text.size() <= 63 && is_word(text); }

// "NAME" or "TIER.NAME"; those that stand for other systems' policies may be longer.
void check_policy_name(const json::value& object, bool namespaced, ObjectReader& reader) {
  const std::string_view name = name_of(object);
  if (name.empty()) return;  // generateName
  if (namespaced && (name.starts_with("knp.default.") || name.starts_with("ossg.default."))) return;
  const std::vector<std::string_view> parts = split(name, '.');
  if (parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), is_word)) return;
  reader.invalid(FieldPath("metadata").member("name"), json::string(name),
                 "must be NAME or TIER.NAME, each of lower-case letters, digits and '-', a letter "
                 "or digit at both ends");
}

template <PolicyKind kKind>
void check_policy(const json::value& object, ObjectReader& reader) {
  constexpr bool kGlobal =
      kKind == PolicyKind::kGlobalNetworkPolicy || kKind == PolicyKind::kStagedGlobalNetworkPolicy;
  check_policy_name(object, !kGlobal, reader);
  if constexpr (kKind == PolicyKind::kStagedKubernetesNetworkPolicy) {
    // Its decoder asks for the name.
    json::value named = object;
    if (name_of(named).empty()) jsonio::ensure(named, {"metadata", "name"}) = "unnamed";
    (void)decode_policy(kKind, object_name(named), named.get_object(), reader);
  } else {
    (void)decode_policy(kKind, object_name(object), object.get_object(), reader);
  }
}

template <model::PolicyUpdate (*kDecode)(const json::value&)>
void check_cluster_policy(const json::value& object, ObjectReader& reader) {
  json::value named = object;
  if (name_of(named).empty()) jsonio::ensure(named, {"metadata", "name"}) = "unnamed";
  const model::PolicyUpdate update = kDecode(named);
  if (update.invalid) {
    std::string_view text = *update.invalid;
    const std::string title = update.key.to_string() + ": ";
    if (text.starts_with(title)) text.remove_prefix(title.size());
    reader.reject(std::string(text));
  }
  if (!update.value) return;
  for (const std::string& warning : update.value->warnings) reader.warn(FieldPath(""), warning);
}

void check_tier(const json::value& object, ObjectReader& reader) {
  const std::string_view name = name_of(object);
  if (!name.empty() && !is_dns_label(name)) {
    reader.invalid(FieldPath("metadata").member("name"), json::string(name),
                   "must be lower-case letters, digits and '-', at most 63 characters, a letter or "
                   "digit at both ends");
  }
  (void)decode_tier(std::string(name), object.get_object(), reader);
}
void check_network_set(const json::value& object, ObjectReader& reader) {
  (void)decode_network_set(object_name(object), object.get_object(), reader);
}
void check_host_endpoint(const json::value& object, ObjectReader& reader) {
  (void)decode_host_endpoint(std::string(name_of(object)), object.get_object(), reader);
}
void check_felix_configuration(const json::value& object, ObjectReader& reader) {
  (void)decode_felix_configuration(object.get_object(), reader);
}
void check_controllers(const json::value& object, ObjectReader& reader) {
  const std::string_view name = name_of(object);
  if (!name.empty() && name != "default") {
    reader.invalid(FieldPath("metadata").member("name"), json::string(name), "must be \"default\"");
  }
  (void)decode_auto_host_endpoints(object.get_object(), reader);
}

void check_ip_pool(const json::value& object, ObjectReader& reader) {
  (void)decode_ip_pool(std::string(name_of(object)), object.get_object(), reader);
}
void check_pool_change(const json::value& object, const json::value& old, ObjectReader& reader) {
  check_ip_pool_change(object.get_object(), old.get_object(), reader);
}
void check_ip_reservation(const json::value& object, ObjectReader& reader) {
  (void)decode_ip_reservation(std::string(name_of(object)), object.get_object(), reader);
}
void check_ipam_settings(const json::value& object, ObjectReader& reader) {
  const std::string_view name = name_of(object);
  if (!name.empty() && name != "default") {
    reader.invalid(FieldPath("metadata").member("name"), json::string(name), "must be \"default\"");
  }
  (void)decode_ipam_settings(object.get_object(), reader);
}
void check_bgp_configuration(const json::value& object, ObjectReader& reader) {
  (void)decode_bgp_configuration(std::string(name_of(object)), object.get_object(), reader);
}
void check_bgp_peer(const json::value& object, ObjectReader& reader) {
  (void)decode_bgp_peer(std::string(name_of(object)), object.get_object(), reader);
}
void check_bgp_filter(const json::value& object, ObjectReader& reader) {
  (void)decode_bgp_filter(std::string(name_of(object)), object.get_object(), reader);
}

json::object& writable_spec(json::value& object) {
  json::value& spec = jsonio::ensure(object, {"spec"});
  if (!spec.is_object()) spec = json::object();
  return spec.get_object();
}

// Metadata of a wrong type is left to its own checks.
void set_label(json::value& object, std::string_view key, std::string_view value) {
  json::value* metadata = object.get_object().if_contains("metadata");
  if (metadata == nullptr || !metadata->is_object()) return;
  json::value& labels = metadata->get_object()["labels"];
  if (labels.is_null()) labels = json::object();
  if (labels.is_object()) labels.get_object()[key] = value;
}

bool has_elements(const json::object& spec, std::string_view name) {
  const json::value* list = spec.if_contains(name);
  return list != nullptr && list->is_array() && !list->get_array().empty();
}

// Tier, its label, and types as calico.md 4.4 infers them.
void default_policy(json::value& object) {
  if (const json::value* spec = jsonio::get(object, {"spec"}); spec && !spec->is_object()) return;
  json::object& spec = writable_spec(object);
  json::value& tier = spec["tier"];
  if (tier.is_null() || tier == json::value("")) tier = model::kDefaultTier.name;
  if (tier.is_string()) set_label(object, kTierLabel, tier.get_string());
  if (has_elements(spec, "types")) return;
  json::array types;
  const bool egress = has_elements(spec, "egress");
  if (has_elements(spec, "ingress") || !egress) types.emplace_back("Ingress");
  if (egress) types.emplace_back("Egress");
  spec["types"] = std::move(types);
}

void default_staged_kubernetes(json::value& object) {
  if (const json::value* spec = jsonio::get(object, {"spec"}); spec && !spec->is_object()) return;
  json::object& spec = writable_spec(object);
  if (has_elements(spec, "policyTypes")) return;
  json::array types{"Ingress"};
  if (has_elements(spec, "egress")) types.emplace_back("Egress");
  spec["policyTypes"] = std::move(types);
}

void default_tier(json::value& object) {
  if (const json::value* spec = jsonio::get(object, {"spec"}); spec && !spec->is_object()) return;
  json::value& action = writable_spec(object)["defaultAction"];
  if (!action.is_null()) return;
  action = "Deny";
  for (const model::Tier& tier : model::initial_tiers()) {
    if (tier.name == name_of(object) && tier.default_action == model::Action::kPass)
      action = "Pass";
  }
}

// The size of blocks depends on the family.
void default_ip_pool(json::value& object) {
  const json::value* spec = jsonio::get(object, {"spec"});
  if (spec == nullptr || !spec->is_object()) return;
  const json::value* size = jsonio::get(*spec, {"blockSize"});
  const auto cidr = net::Cidr::parse(jsonio::get_string(*spec, {"cidr"}));
  if (!cidr || (size != nullptr && !size->is_null())) return;
  writable_spec(object)["blockSize"] =
      cidr->family() == net::Family::kIPv4 ? kBlockBitsV4 : kBlockBitsV6;
}

constexpr ObjectRules kCalicoRules[] = {
    {"NetworkPolicy", check_policy<PolicyKind::kCalicoNetworkPolicy>, default_policy, true},
    {"GlobalNetworkPolicy", check_policy<PolicyKind::kGlobalNetworkPolicy>, default_policy, true},
    {"StagedNetworkPolicy", check_policy<PolicyKind::kStagedNetworkPolicy>, default_policy, true},
    {"StagedGlobalNetworkPolicy", check_policy<PolicyKind::kStagedGlobalNetworkPolicy>,
     default_policy, true},
    {"StagedKubernetesNetworkPolicy", check_policy<PolicyKind::kStagedKubernetesNetworkPolicy>,
     default_staged_kubernetes},
    {"Tier", check_tier, default_tier},
    {"NetworkSet", check_network_set},
    {"GlobalNetworkSet", check_network_set},
    {"HostEndpoint", check_host_endpoint},
    {"FelixConfiguration", check_felix_configuration},
    {"KubeControllersConfiguration", check_controllers},
    {"IPPool", check_ip_pool, default_ip_pool, false, check_pool_change},
    {"IPReservation", check_ip_reservation},
    {"IPAMConfig", check_ipam_settings},
    {"IPAMConfiguration", check_ipam_settings},
    {"BGPConfiguration", check_bgp_configuration},
    {"BGPPeer", check_bgp_peer},
    {"BGPFilter", check_bgp_filter},
};
constexpr ObjectRules kClusterRules[] = {
    {"ClusterNetworkPolicy", check_cluster_policy<kube::decode_cluster_network_policy>},
    {"AdminNetworkPolicy", check_cluster_policy<kube::decode_admin_network_policy>},
    {"BaselineAdminNetworkPolicy",
     check_cluster_policy<kube::decode_baseline_admin_network_policy>},
};

}  // namespace

const ObjectRules* find_rules(std::string_view group, std::string_view kind) {
  const auto find = [kind](const auto& rules) -> const ObjectRules* {
    for (const ObjectRules& one : rules) {
      if (one.kind == kind) return &one;
    }
    return nullptr;
  };
  if (group == "projectcalico.org" || group == "crd.projectcalico.org") return find(kCalicoRules);
  if (group == "policy.networking.k8s.io") return find(kClusterRules);
  return nullptr;
}

std::vector<json::value> builtin_tiers() {
  std::vector<json::value> tiers;
  for (const model::Tier& tier : model::initial_tiers()) {
    const bool pass = tier.default_action == model::Action::kPass;
    tiers.push_back(
        json::object{{"metadata", json::object{{"name", tier.name}}},
                     {"spec", json::object{{"order", static_cast<int64_t>(tier.order)},
                                           {"defaultAction", pass ? "Pass" : "Deny"}}}});
  }
  return tiers;
}

bool is_builtin_tier(std::string_view name) {
  const std::vector<model::Tier> tiers = model::initial_tiers();
  return std::any_of(tiers.begin(), tiers.end(),
                     [name](const model::Tier& tier) { return tier.name == name; });
}

}  // namespace caracal::calico
