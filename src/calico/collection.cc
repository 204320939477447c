#include "calico/collection.h"

#include <array>

namespace caracal::calico {
namespace {

constexpr std::string_view kShownGroup = "projectcalico.org";
constexpr std::string_view kStoredGroup = "crd.projectcalico.org";
constexpr std::string_view kClusterGroup = "policy.networking.k8s.io";

// Of Kubernetes; then Calico's kinds, once in each of Calico's groups.
constexpr std::array kKubernetes = {
    Collection{"", "v1", "namespaces", "Namespace", false, true},
    Collection{"", "v1", "nodes", "Node", false, true},
    Collection{"", "v1", "pods", "Pod", true, true},
    Collection{"", "v1", "serviceaccounts", "ServiceAccount", true, true},
    Collection{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, true},
    Collection{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true},
    Collection{kClusterGroup, "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy"},
    Collection{kClusterGroup, "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy"},
    Collection{kClusterGroup, "v1alpha1", "baselineadminnetworkpolicies",
               "BaselineAdminNetworkPolicy"},
};
constexpr std::array kCalico = {
    Collection{"", "", "tiers", "Tier"},
    Collection{"", "", "networkpolicies", "NetworkPolicy", true},
    Collection{"", "", "globalnetworkpolicies", "GlobalNetworkPolicy"},
    Collection{"", "", "stagednetworkpolicies", "StagedNetworkPolicy", true},
    Collection{"", "", "stagedglobalnetworkpolicies", "StagedGlobalNetworkPolicy"},
    Collection{"", "", "stagedkubernetesnetworkpolicies", "StagedKubernetesNetworkPolicy", true},
    Collection{"", "", "networksets", "NetworkSet", true},
    Collection{"", "", "globalnetworksets", "GlobalNetworkSet"},
    Collection{"", "", "hostendpoints", "HostEndpoint"},
    Collection{"", "", "felixconfigurations", "FelixConfiguration"},
    Collection{"", "", "kubecontrollersconfigurations", "KubeControllersConfiguration"},
};
constexpr Collection kServices = {"", "v1", "services", "Service", true, true};
// IPAMConfig is IPAMConfiguration in projectcalico.org.
constexpr std::array kNetwork = {
    Collection{"", "", "ippools", "IPPool"},
    Collection{"", "", "ipreservations", "IPReservation"},
    Collection{"", "", "ipamconfigurations", "IPAMConfiguration"},
    Collection{"", "", "ipamblocks", "IPAMBlock"},
    Collection{"", "", "bgpconfigurations", "BGPConfiguration"},
    Collection{"", "", "bgppeers", "BGPPeer"},
    Collection{"", "", "bgpfilters", "BGPFilter"},
    Collection{"", "", "clusterinformations", "ClusterInformation"},
};
constexpr size_t kPolicyCount = kKubernetes.size() + 2 * kCalico.size();
constexpr size_t kNetworkCount = 1 + 2 * kNetwork.size();

constexpr auto kAll = [] {
  std::array<Collection, kPolicyCount + kNetworkCount> all{};
  size_t at = 0;
  const auto add_twice = [&](const auto& list) {
    for (const bool shown : {true, false}) {
      for (Collection collection : list) {
        collection.group = shown ? kShownGroup : kStoredGroup;
        collection.version = shown ? "v3" : "v1";
        if (!shown && collection.kind == "IPAMConfiguration") {
          collection.plural = "ipamconfigs";
          collection.kind = "IPAMConfig";
        }
        all[at++] = collection;
      }
    }
  };
  for (const Collection& collection : kKubernetes) all[at++] = collection;
  add_twice(kCalico);
  all[at++] = kServices;
  add_twice(kNetwork);
  return all;
}();

}  // namespace

std::string Collection::api_version() const {
  return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}
std::string Collection::path() const {
  return (group.empty() ? "/api/" : "/apis/") + api_version() + "/" + std::string(plural);
}

std::span<const Collection> collections() { return std::span(kAll).first<kPolicyCount>(); }
std::span<const Collection> network_collections() { return std::span(kAll).last<kNetworkCount>(); }
std::span<const Collection> all_collections() { return kAll; }

const Collection* find_collection(std::string_view api_version, std::string_view kind) {
  for (const Collection& collection : kAll) {
    if (collection.kind == kind && collection.api_version() == api_version) return &collection;
  }
  return nullptr;
}

bool is_calico(const Collection& collection) {
  return collection.group == kShownGroup || collection.group == kStoredGroup;
}
bool is_shown(const Collection& collection) { return collection.group == kShownGroup; }

std::string Finding::title() const {
  return std::string(collection == nullptr ? "object" : collection->kind) + " " + name.to_string();
}

}  // namespace caracal::calico
