#include "calico/decode.h"

#include <array>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "calico/auto_host_endpoint.h"
#include "calico/decode_felix_configuration.h"
#include "calico/decode_host_endpoint.h"
#include "calico/decode_network_set.h"
#include "calico/decode_policy.h"
#include "calico/decode_tier.h"
#include "calico/twin_table.h"
#include "kube/decode.h"
#include "kube/decode_cluster_policy.h"

namespace caracal::calico {
namespace {

using model::ObjectName;
using model::PolicyKind;

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
constexpr auto kCollections = [] {
  std::array<Collection, kKubernetes.size() + 2 * kCalico.size()> all{};
  size_t at = 0;
  for (const Collection& collection : kKubernetes) all[at++] = collection;
  for (const bool shown : {true, false}) {
    for (Collection collection : kCalico) {
      collection.group = shown ? kShownGroup : kStoredGroup;
      collection.version = shown ? "v3" : "v1";
      all[at++] = collection;
    }
  }
  return all;
}();

bool is_calico(const Collection& collection) {
  return collection.group == kShownGroup || collection.group == kStoredGroup;
}

// What one object says by itself.
struct Part {
  std::vector<model::Update> updates;
  std::vector<Finding> findings;
  std::optional<FelixSettings> felix;
  std::optional<AutoHostEndpoints> auto_endpoints;
};

std::optional<PolicyKind> policy_kind(const Collection& c) {
  if (is_calico(c)) {
    if (c.kind == "NetworkPolicy") return PolicyKind::kCalicoNetworkPolicy;
    if (c.kind == "GlobalNetworkPolicy") return PolicyKind::kGlobalNetworkPolicy;
    if (c.kind == "StagedNetworkPolicy") return PolicyKind::kStagedNetworkPolicy;
    if (c.kind == "StagedGlobalNetworkPolicy") return PolicyKind::kStagedGlobalNetworkPolicy;
    if (c.kind == "StagedKubernetesNetworkPolicy") {
      return PolicyKind::kStagedKubernetesNetworkPolicy;
    }
    return std::nullopt;
  }
  if (c.kind == "NetworkPolicy") return PolicyKind::kNetworkPolicy;
  if (c.kind == "ClusterNetworkPolicy") return PolicyKind::kClusterNetworkPolicy;
  if (c.kind == "AdminNetworkPolicy") return PolicyKind::kAdminNetworkPolicy;
  if (c.kind == "BaselineAdminNetworkPolicy") return PolicyKind::kBaselineAdminNetworkPolicy;
  return std::nullopt;
}

// The update that says that an object does not exist; FelixConfiguration and
// KubeControllersConfiguration have none.
std::vector<model::Update> removal(const Collection& c, const ObjectName& name) {
  if (const auto kind = policy_kind(c)) {
    return {model::PolicyUpdate{{*kind, name}, std::nullopt, std::nullopt}};
  }
  if (c.kind == "Pod") return {model::PodUpdate{name, std::nullopt}};
  if (c.kind == "Namespace") return {model::NamespaceUpdate{name.name, std::nullopt}};
  if (c.kind == "Node") return {model::NodeUpdate{name.name, std::nullopt}};
  if (c.kind == "ServiceAccount") return {model::ServiceAccountUpdate{name, std::nullopt}};
  if (c.kind == "EndpointSlice") return {model::EndpointSliceUpdate{name, std::nullopt}};
  if (c.kind == "Tier") return {model::TierUpdate{name.name, std::nullopt}};
  if (c.kind == "NetworkSet" || c.kind == "GlobalNetworkSet") {
    return {model::NetworkSetUpdate{name, std::nullopt}};
  }
  if (c.kind == "HostEndpoint") return {model::HostEndpointUpdate{name.name, std::nullopt}};
  return {};
}

class PartDecoder {
 public:
  PartDecoder(const Collection& collection, const ObjectName& name)
      : collection_(collection), name_(name) {}

  Part decode(const json::value& object) {
    if (!object.is_object()) {
      find(true, "must be an object");
      part_.updates = removal(collection_, name_);
    } else if (const auto kind = policy_kind(collection_)) {
      decode_policy_of(*kind, object);
    } else if (is_calico(collection_)) {
      decode_calico(object.get_object());
    } else {
      decode_kubernetes(object);
    }
    return std::move(part_);
  }

 private:
  void find(bool invalid, std::string text) {
    part_.findings.push_back({&collection_, name_, invalid, std::move(text)});
  }
  void take_findings(const kube::ObjectReader& reader, bool invalid) {
    for (const kube::FieldProblem& problem : reader.problems()) find(invalid, problem.to_string());
    for (const std::string& warning : reader.warnings()) find(false, warning);
  }

  void decode_policy_of(PolicyKind kind, const json::value& object) {
    model::PolicyUpdate update;
    if (is_calico(collection_)) {
      kube::ObjectReader reader;
      update.value = decode_policy(kind, name_, object.get_object(), reader);
      update.key = update.value->id;
      if (!reader.ok()) update.invalid = update.key.to_string() + ": " + reader.problems_text();
    } else if (kind == PolicyKind::kNetworkPolicy) {
      update = kube::decode_network_policy(object);
    } else if (kind == PolicyKind::kClusterNetworkPolicy) {
      update = kube::decode_cluster_network_policy(object);
    } else if (kind == PolicyKind::kAdminNetworkPolicy) {
      update = kube::decode_admin_network_policy(object);
    } else {
      update = kube::decode_baseline_admin_network_policy(object);
    }
    if (update.invalid) {
      std::string_view text = *update.invalid;
      const std::string title = update.key.to_string() + ": ";
      if (text.starts_with(title)) text.remove_prefix(title.size());
      find(true, std::string(text));
    }
    if (update.value) {
      for (const std::string& warning : update.value->warnings) find(false, warning);
    }
    part_.updates.emplace_back(std::move(update));
  }

  void decode_calico(const json::object& object) {
    kube::ObjectReader reader;
    bool usable = true;
    if (collection_.kind == "Tier") {
      auto tier = decode_tier(name_.name, object, reader);
      usable = tier.has_value();
      part_.updates.emplace_back(model::TierUpdate{name_.name, std::move(tier)});
    } else if (collection_.kind == "HostEndpoint") {
      auto endpoint = decode_host_endpoint(name_.name, object, reader);
      usable = endpoint.has_value();
      part_.updates.emplace_back(model::HostEndpointUpdate{name_.name, std::move(endpoint)});
    } else if (collection_.kind == "FelixConfiguration") {
      part_.felix = decode_felix_configuration(object, reader);
    } else if (collection_.kind == "KubeControllersConfiguration") {
      part_.auto_endpoints = decode_auto_host_endpoints(object, reader);
    } else {
      part_.updates.emplace_back(
          model::NetworkSetUpdate{name_, decode_network_set(name_, object, reader)});
    }
    take_findings(reader, !usable);
  }

  template <typename UpdateType, typename Key, typename Value>
  void take(Key key, Result<Value> value) {
    if (value) {
      part_.updates.emplace_back(UpdateType{std::move(key), std::move(*value)});
      return;
    }
    std::string_view text = value.error().message;
    const std::string title = std::string(collection_.kind) + " " + name_.to_string() + ": ";
    if (text.starts_with(title)) text.remove_prefix(title.size());
    find(true, std::string(text));
    part_.updates = removal(collection_, name_);
  }

  // What cannot be read is as good as absent: a pod without labels is closed.
  void decode_kubernetes(const json::value& object) {
    if (collection_.kind == "Pod") return take<model::PodUpdate>(name_, kube::decode_pod(object));
    if (collection_.kind == "Namespace") {
      return take<model::NamespaceUpdate>(name_.name, kube::decode_namespace(object));
    }
    if (collection_.kind == "Node") {
      return take<model::NodeUpdate>(name_.name, kube::decode_node(object));
    }
    if (collection_.kind == "ServiceAccount") {
      return take<model::ServiceAccountUpdate>(name_, kube::decode_service_account(object));
    }
    take<model::EndpointSliceUpdate>(name_, kube::decode_endpoint_slice(object));
  }

  const Collection& collection_;
  const ObjectName& name_;
  Part part_;
};

}  // namespace

std::string Collection::api_version() const {
  return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}
std::string Collection::path() const {
  return (group.empty() ? "/api/" : "/apis/") + api_version() + "/" + std::string(plural);
}

std::span<const Collection> collections() { return kCollections; }

const Collection* find_collection(std::string_view api_version, std::string_view kind) {
  for (const Collection& collection : kCollections) {
    if (collection.kind == kind && collection.api_version() == api_version) return &collection;
  }
  return nullptr;
}

std::string Finding::title() const {
  return std::string(collection == nullptr ? "object" : collection->kind) + " " + name.to_string();
}

struct ObjectDecoder::State {
  using Twins = TwinTable<Part>;

  explicit State(std::string node) : node_name(std::move(node)) {}

  std::string node_name;
  std::map<std::string_view, Twins> twins;  // by kind
  std::map<std::string, FelixSettings> felix;
  AutoHostEndpoints wanted;
  std::map<std::string, model::Node> nodes;
  std::map<std::string, std::vector<model::HostEndpoint>> made;  // by node
  std::set<std::string> host_endpoints;                          // of those that exist as objects

  Twins& twins_of(std::string_view kind) {
    const bool policy = kind.ends_with("NetworkPolicy");
    return twins.try_emplace(kind, policy).first->second;
  }

  Decoded apply(const Collection& collection, const ObjectName& name, const json::value* object) {
    Decoded out;
    std::optional<Part> part;
    if (object != nullptr) part = PartDecoder(collection, name).decode(*object);
    const Part* given = part ? &*part : nullptr;
    if (is_calico(collection)) {
      const auto source =
          collection.group == kShownGroup ? Twins::Source::kShown : Twins::Source::kStored;
      tell(collection, twins_of(collection.kind).put(source, name, given), out);
      return out;
    }
    if (collection.kind == "NetworkPolicy") {
      static const Collection* const kDerived =
          find_collection("projectcalico.org/v3", "NetworkPolicy");
      tell(*kDerived, twins_of("NetworkPolicy").set_original(name, object != nullptr), out);
    } else if (collection.kind == "Node") {
      follow_node(name.name, given, out);
    }
    // Moved, not copied: these are the many.
    std::vector<model::Update> own = part ? std::move(part->updates) : removal(collection, name);
    std::move(own.begin(), own.end(), std::back_inserter(out.updates));
    if (part)
      std::move(part->findings.begin(), part->findings.end(), std::back_inserter(out.findings));
    return out;
  }

 private:
  void tell(const Collection& collection, const std::vector<Twins::Change>& changes, Decoded& out) {
    for (const Twins::Change& change : changes) tell(collection, change.name, change.part, out);
  }

  void tell(const Collection& collection, const ObjectName& name, const Part* part, Decoded& out) {
    if (part != nullptr) {
      out.findings.insert(out.findings.end(), part->findings.begin(), part->findings.end());
    }
    if (collection.kind == "FelixConfiguration") return follow_felix(collection, name, part, out);
    if (collection.kind == "KubeControllersConfiguration") {
      return follow_controllers(name, part, out);
    }
    const std::vector<model::Update> updates =
        part != nullptr ? part->updates : removal(collection, name);
    if (collection.kind == "HostEndpoint") {
      for (const model::Update& update : updates) {
        const auto& endpoint = std::get<model::HostEndpointUpdate>(update);
        follow_host_endpoint(endpoint, out);
      }
      return;
    }
    out.updates.insert(out.updates.end(), updates.begin(), updates.end());
  }

  void follow_felix(const Collection& collection, const ObjectName& name, const Part* part,
                    Decoded& out) {
    const bool own = name.name == "node." + node_name;
    if (part != nullptr && name.name != "default" && !name.name.starts_with("node.")) {
      out.findings.push_back(
          {&collection, name, false, "metadata.name: only default and node.NAME have an effect"});
    }
    if (name.name != "default" && (!own || node_name.empty())) return;
    if (part != nullptr && part->felix) {
      felix.insert_or_assign(name.name, *part->felix);
    } else {
      felix.erase(name.name);
    }
    const auto find = [this](const std::string& key) {
      const auto it = felix.find(key);
      return it == felix.end() ? nullptr : &it->second;
    };
    if (felix.empty()) {
      out.updates.emplace_back(model::PolicySettingsUpdate{std::nullopt});
      return;
    }
    out.updates.emplace_back(
        model::PolicySettingsUpdate{merge_settings(find("default"), find("node." + node_name))});
  }

  void follow_controllers(const ObjectName& name, const Part* part, Decoded& out) {
    if (name.name != "default") return;
    wanted = part != nullptr && part->auto_endpoints ? *part->auto_endpoints : AutoHostEndpoints();
    for (const auto& [node, value] : nodes) make_endpoints(node, &value, out);
  }

  void follow_node(const std::string& name, const Part* part, Decoded& out) {
    const model::Node* node = nullptr;
    for (const model::Update& update :
         part == nullptr ? std::vector<model::Update>() : part->updates) {
      const auto& value = std::get<model::NodeUpdate>(update).value;
      if (value) node = &nodes.insert_or_assign(name, *value).first->second;
    }
    if (node == nullptr) nodes.erase(name);
    make_endpoints(name, node, out);
  }

  void follow_host_endpoint(const model::HostEndpointUpdate& update, Decoded& out) {
    if (update.value) {
      host_endpoints.insert(update.key);
    } else {
      host_endpoints.erase(update.key);
      for (const auto& [node, endpoints] : made) {
        for (const model::HostEndpoint& endpoint : endpoints) {
          if (endpoint.name != update.key) continue;
          out.updates.emplace_back(model::HostEndpointUpdate{update.key, endpoint});
          return;
        }
      }
    }
    out.updates.emplace_back(update);
  }

  // An object of the same name goes before.
  void make_endpoints(const std::string& name, const model::Node* node, Decoded& out) {
    std::vector<model::HostEndpoint> now;
    if (node != nullptr) now = host_endpoints_of(wanted, *node);
    std::vector<model::HostEndpoint>& before = made[name];
    if (now != before) {
      const auto say = [&](const model::HostEndpoint& endpoint, bool exists) {
        if (host_endpoints.contains(endpoint.name)) return;
        model::HostEndpointUpdate update{endpoint.name, std::nullopt};
        if (exists) update.value = endpoint;
        out.updates.emplace_back(std::move(update));
      };
      for (const model::HostEndpoint& endpoint : before) say(endpoint, false);
      for (const model::HostEndpoint& endpoint : now) say(endpoint, true);
      before = std::move(now);
    }
    if (before.empty()) made.erase(name);
  }
};

ObjectDecoder::ObjectDecoder(std::string node) : state_(std::make_unique<State>(std::move(node))) {}
ObjectDecoder::~ObjectDecoder() = default;
ObjectDecoder::ObjectDecoder(ObjectDecoder&&) noexcept = default;
ObjectDecoder& ObjectDecoder::operator=(ObjectDecoder&&) noexcept = default;

Decoded ObjectDecoder::apply(const Collection& collection, const ObjectName& name,
                             const json::value* object) {
  return state_->apply(collection, name, object);
}

Result<Decoded> ObjectDecoder::apply(const json::value& object) {
  const std::string_view version = jsonio::get_string(object, {"apiVersion"});
  const std::string_view kind = jsonio::get_string(object, {"kind"});
  const Collection* collection = find_collection(version, kind);
  if (collection == nullptr) {
    return fail(Errc::kUnsupported, std::string(kind.empty() ? "object without kind" : kind) +
                                        " of " + std::string(version) +
                                        ": policy does not depend on this kind");
  }
  CARACAL_ASSIGN(model::ObjectName name, kube::decode_name(object));
  if (!collection->namespaced) name.ns.clear();
  return state_->apply(*collection, name, &object);
}

}  // namespace caracal::calico
