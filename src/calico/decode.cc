#include "calico/decode.h"

#include <algorithm>
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
#include "calico/felix_table.h"
#include "calico/network_decoder.h"
#include "calico/twin_table.h"
#include "kube/decode.h"
#include "kube/decode_cluster_policy.h"

namespace caracal::calico {
namespace {

using model::ObjectName;
using model::PolicyKind;

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

struct ObjectDecoder::State {
  using Twins = TwinTable<Part>;

  explicit State(std::string node) : node_name(node), felix(std::move(node)) {}

  std::string node_name;
  std::map<std::string_view, Twins> twins;  // by kind
  FelixTable felix;
  NetworkDecoder network;
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
    if (is_of_policy(collection)) apply_policy(collection, name, object, out);
    NetworkDecoder::Decoded said = network.apply(collection, name, object);
    std::move(said.updates.begin(), said.updates.end(), std::back_inserter(out.network));
    for (Finding& finding : said.findings) {
      const auto& known = out.findings;  // both have read the fields that they share
      const bool told = std::any_of(known.begin(), known.end(), [&](const Finding& other) {
        return other.name == finding.name && other.text == finding.text;
      });
      if (!told) out.findings.push_back(std::move(finding));
    }
    return out;
  }

 private:
  static bool is_of_policy(const Collection& collection) {
    static const std::span<const Collection> kOwn = collections();
    return &collection >= kOwn.data() && &collection < kOwn.data() + kOwn.size();
  }

  void apply_policy(const Collection& collection, const ObjectName& name, const json::value* object,
                    Decoded& out) {
    std::optional<Part> part;
    if (object != nullptr) part = PartDecoder(collection, name).decode(*object);
    const Part* given = part ? &*part : nullptr;
    if (is_calico(collection)) {
      const auto source = is_shown(collection) ? Twins::Source::kShown : Twins::Source::kStored;
      tell(collection, twins_of(collection.kind).put(source, name, given), out);
      return;
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
  }

  void tell(const Collection& collection, const std::vector<Twins::Change>& changes, Decoded& out) {
    for (const Twins::Change& change : changes) tell(collection, change.name, change.part, out);
  }

  void tell(const Collection& collection, const ObjectName& name, const Part* part, Decoded& out) {
    if (part != nullptr) {
      out.findings.insert(out.findings.end(), part->findings.begin(), part->findings.end());
    }
    if (collection.kind == "FelixConfiguration") {
      felix.put(name.name, part != nullptr && part->felix ? &*part->felix : nullptr);
      return tell_settings(out);
    }
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

  void tell_settings(Decoded& out) {
    if (auto change = felix.policy_change()) {
      out.updates.emplace_back(model::PolicySettingsUpdate{std::move(change->now)});
    }
    if (auto change = felix.network_change()) {
      out.network.emplace_back(model::NetworkSettingsUpdate{std::move(change->now)});
    }
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
    if (name == node_name) {
      felix.set_labels(node == nullptr ? model::Labels() : node->labels);
      tell_settings(out);
    }
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
                                        ": nothing depends on this kind");
  }
  CARACAL_ASSIGN(model::ObjectName name, kube::decode_name(object));
  if (!collection->namespaced) name.ns.clear();
  return state_->apply(*collection, name, &object);
}

}  // namespace caracal::calico
