#include "manifests/networks.h"

#include <algorithm>

#include "selector/selector.h"

namespace caracal::manifests {
namespace {

constexpr std::string_view kPrimaryLabel = "k8s.ovn.org/primary-user-defined-network";

// The role, in the part of the specification that the topology names.
bool is_primary(const json::value& network) {
  for (const char* topology : {"layer2", "layer3"}) {
    if (jsonio::get_string(network, {topology, "role"}) == "Primary") return true;
  }
  return false;
}

bool holds(const json::value& label_selector, const model::Namespace& ns) {
  const auto selector = selector::Selector::from_label_selector(label_selector);
  if (!selector) return false;
  return selector->matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto it = ns.labels.find(key);
    if (it == ns.labels.end()) return std::nullopt;
    return std::string_view(it->second);
  });
}

}  // namespace

std::map<std::string, std::string> primary_networks(const model::World& world,
                                                    const std::vector<json::value>& objects) {
  std::map<std::string, std::string> out;
  for (const auto& [name, ns] : world.namespaces) {
    if (!ns.labels.contains(kPrimaryLabel)) continue;
    for (const json::value& object : objects) {
      const bool cluster = jsonio::get_string(object, {"kind"}) == "ClusterUserDefinedNetwork";
      const json::value* spec =
          cluster ? jsonio::get(object, {"spec", "network"}) : jsonio::get(object, {"spec"});
      if (spec == nullptr || !is_primary(*spec)) continue;
      if (cluster) {
        const json::value* selector = jsonio::get(object, {"spec", "namespaceSelector"});
        if (selector == nullptr || !holds(*selector, ns)) continue;
        out[name] = "CUDN " + std::string(jsonio::get_string(object, {"metadata", "name"}));
      } else if (jsonio::get_string(object, {"metadata", "namespace"}) == name) {
        out[name] = "UDN " + name;  // a namespace has one primary network at most
      }
    }
  }
  return out;
}

}  // namespace caracal::manifests
