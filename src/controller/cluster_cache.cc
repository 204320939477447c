#include "controller/cluster_cache.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "calico/decode_ip_pool.h"
#include "ipam/block_json.h"
#include "kube/decode.h"

namespace caracal::controller {
namespace {

constexpr std::string_view kCore = "v1";

struct FollowedKind {
  std::string_view plural;
  std::string_view kind;
  enum class Use : uint8_t { kTable, kNetwork, kRecord } use;
};
constexpr std::array<FollowedKind, 10> kCalicoKinds = {{
    {"ippools", "IPPool", FollowedKind::Use::kNetwork},
    {"ipreservations", "IPReservation", FollowedKind::Use::kNetwork},
    {"ipamconfigs", "IPAMConfig", FollowedKind::Use::kNetwork},
    {"ipamconfigurations", "IPAMConfiguration", FollowedKind::Use::kNetwork},
    {"hostendpoints", "HostEndpoint", FollowedKind::Use::kTable},
    {"kubecontrollersconfigurations", "KubeControllersConfiguration", FollowedKind::Use::kTable},
    {"clusterinformations", "ClusterInformation", FollowedKind::Use::kTable},
    {"blockaffinities", "BlockAffinity", FollowedKind::Use::kRecord},
    {"ipamblocks", "IPAMBlock", FollowedKind::Use::kRecord},
    {"ipamhandles", "IPAMHandle", FollowedKind::Use::kRecord},
}};

const FollowedKind* find_kind(std::string_view plural) {
  for (const FollowedKind& one : kCalicoKinds) {
    if (one.plural == plural) return &one;
  }
  return nullptr;
}

std::string title_of(std::string_view kind, const std::string& name) {
  return std::string(kind) + " " + name;
}

}  // namespace

ClusterCache::ClusterCache(kube::Client& client, OnChange on_change, telemetry::Metrics& metrics,
                           event::Duration discovery)
    : client_(client),
      on_change_(std::move(on_change)),
      metrics_(metrics),
      served_(client, discovery,
              [this](const ServedKinds::Served& served) { follow_served(served); }) {
  for (const FollowedKind& kind : kCalicoKinds) {
    if (kind.use != FollowedKind::Use::kRecord) tables_[std::string(kind.plural)];
  }
  follow({std::string(kCore), "nodes"});
  follow({std::string(kCore), "pods"});
}

void ClusterCache::start() {
  for (const auto& [key, followed] : followed_) followed.reflector->start();
  served_.start();
}

void ClusterCache::follow(const Key& key) {
  const auto& [group_version, plural] = key;
  Followed& followed = followed_[key];
  const std::string resource =
      group_version == kCore ? plural
                             : plural + "." + group_version.substr(0, group_version.find('/'));
  followed.objects =
      &metrics_.gauge("caracal_watch_objects", "Objects known", "resource=\"" + resource + "\"");
  kube::ReflectorOptions options;
  options.path = kube::resource_path(group_version, "", plural);
  kube::Reflector::Callbacks callbacks;
  callbacks.on_object = [this, key](const model::ObjectName& name, const json::value* object) {
    take(key, name.ns, name.name, object);
  };
  callbacks.on_synced = [resource] { log::info("in sync", {{"resource", resource}}); };
  callbacks.on_state = [this, resource](const kube::ReflectorState& state) {
    if (state.connected) {
      log::info("API server answers", {{"resource", resource}});
    } else {
      log::warn("API server does not answer; what was known stays",
                {{"resource", resource}, {"error", state.error}});
      served_.hurry();
    }
  };
  followed.reflector =
      std::make_unique<kube::Reflector>(client_, std::move(options), std::move(callbacks));
}

// A collection that is served no more stays as it was, not connected: what depends on it rests.
void ClusterCache::follow_served(const ServedKinds::Served& served) {
  const auto consider = [&](const FollowedKind& kind, std::string_view group) {
    const Key key{std::string(group), std::string(kind.plural)};
    if (!served.contains(key) || followed_.contains(key)) return;
    follow(key);
    followed_.at(key).reflector->start();
  };
  for (const FollowedKind& kind : kCalicoKinds) {
    if (kind.use != FollowedKind::Use::kRecord) {
      consider(kind, kShownGroup);
      consider(kind, kStoredGroup);
      continue;
    }
    const Key stored{std::string(kStoredGroup), std::string(kind.plural)};
    const Key shown{std::string(kShownGroup), std::string(kind.plural)};
    if (!followed_.contains(stored) && !followed_.contains(shown))
      consider(kind, served.contains(stored) ? kStoredGroup : kShownGroup);
  }
}

void ClusterCache::take(const Key& key, const std::string& ns, const std::string& name,
                        const json::value* object) {
  if (key.second == "nodes") return take_node(name, object);
  if (key.second == "pods") return take_pod({ns, name}, object);
  const FollowedKind* kind = find_kind(key.second);
  if (kind->use == FollowedKind::Use::kRecord) return take_record(key, name, object);
  if (const auto table = tables_.find(key.second); table != tables_.end())
    table->second.put(key.first, name, object);
  if (kind->use == FollowedKind::Use::kNetwork) return take_network(key, name);
  on_change_(key.second == "hostendpoints"         ? Part::kHostEndpoints
             : key.second == "clusterinformations" ? Part::kInformation
                                                   : Part::kSettings);
}

// Most changes of a node are its heartbeat.
void ClusterCache::take_node(const std::string& name, const json::value* object) {
  if (object == nullptr) {
    nodes_.erase(name);
    addresses_.nodes.erase(name);
    note(title_of("Node", name), "");
    on_change_(Part::kNodes);
    on_change_(Part::kNodeGone);
    return;
  }
  addresses_.nodes.insert(name);  // it is there, even if it cannot be read
  auto node = kube::decode_node(*object);
  note(title_of("Node", name), node ? "" : node.error().message);
  if (!node) return;
  const auto before = nodes_.find(name);
  if (before != nodes_.end() && before->second == *node) return;
  nodes_.insert_or_assign(name, std::move(*node));
  on_change_(Part::kNodes);
}

void ClusterCache::take_pod(const model::ObjectName& name, const json::value* object) {
  if (object == nullptr) {
    addresses_.pods.erase(name);
    note(title_of("Pod", name.to_string()), "");
    return on_change_(Part::kPods);
  }
  auto pod = kube::decode_pod(*object);
  note(title_of("Pod", name.to_string()), pod ? "" : pod.error().message);
  ipam::PodPlace place;  // one that cannot be read is there, with addresses nobody knows
  if (pod) place = {pod->node, std::move(pod->addresses), pod->finished, pod->host_network};
  addresses_.pods.insert_or_assign(name, std::move(place));
  on_change_(Part::kPods);
}

void ClusterCache::take_record(const Key& key, const std::string& name, const json::value* object) {
  ipam::AddressRecords& records = addresses_.records;
  const std::string title = title_of(find_kind(key.second)->kind, name);
  std::string problem;
  if (key.second == "ipamblocks") {
    if (const auto before = block_names_.find(name); before != block_names_.end()) {
      records.blocks.erase(before->second);
      block_names_.erase(before);
    }
    if (object != nullptr) {
      if (auto block = ipam::decode_block(*object)) {
        block_names_.insert_or_assign(name, block->value.cidr());
        records.blocks.insert_or_assign(block->value.cidr(), std::move(*block));
      } else {
        problem = block.error().message;
      }
    }
  } else if (key.second == "blockaffinities") {
    records.affinities.erase(name);
    if (object != nullptr) {
      if (auto affinity = ipam::decode_affinity(*object)) {
        records.affinities.insert_or_assign(name, std::move(*affinity));
      } else {
        problem = affinity.error().message;
      }
    }
  } else {
    records.handles.erase(name);
    if (object != nullptr) {
      if (auto handle = ipam::decode_handle(*object)) {
        records.handles.insert_or_assign(name, std::move(*handle));
      } else {
        problem = handle.error().message;
      }
    }
  }
  note(title, problem);
  on_change_(Part::kRecords);
}

// What cannot be read counts as absent: nobody is given an address of such a pool either.
void ClusterCache::take_network(const Key& key, const std::string& name) {
  calico::ObjectReader reader;
  if (key.second == "ippools") {
    addresses_.pools.erase(name);
    if (const json::value* object = pools().find(name).object; object != nullptr) {
      if (auto pool = calico::decode_ip_pool(name, *object->if_object(), reader))
        addresses_.pools.emplace(name, std::move(*pool));
    }
  } else if (key.second == "ipreservations") {
    addresses_.reservations.erase(name);
    if (const json::value* object = tables_.at("ipreservations").find(name).object;
        object != nullptr) {
      if (auto reservation = calico::decode_ip_reservation(name, *object->if_object(), reader))
        addresses_.reservations.emplace(name, std::move(*reservation));
    }
  } else {
    // IPAMConfiguration of projectcalico.org/v3 is what IPAMConfig is in crd.projectcalico.org/v1.
    const json::value* object = tables_.at("ipamconfigurations").find("default").object;
    if (object == nullptr) object = tables_.at("ipamconfigs").find("default").object;
    addresses_.settings = {};
    if (object != nullptr) {
      if (const auto settings = calico::decode_ipam_settings(*object->if_object(), reader))
        addresses_.settings = *settings;
    }
  }
  note(title_of(find_kind(key.second)->kind, name), reader.ok() ? "" : reader.problems_text());
  on_change_(Part::kPools);
}

void ClusterCache::note(const std::string& title, const std::string& problem) {
  if (problem.empty()) {
    problems_.erase(title);
    return;
  }
  std::string& known = problems_[title];
  if (known == problem) return;
  known = problem;
  log::error("object not taken as it stands", {{"object", title}, {"error", problem}});
}

bool ClusterCache::synced() const {
  return served_.known() && std::all_of(followed_.begin(), followed_.end(), [](const auto& entry) {
           return entry.second.reflector->synced();
         });
}

bool ClusterCache::follows(std::string_view plural) const {
  bool any = false;
  for (const auto& [key, followed] : followed_) {
    if (key.second != plural) continue;
    any = true;
    if (!followed.reflector->synced() || !followed.reflector->state().connected) return false;
  }
  return any;
}

bool ClusterCache::connected() const {
  return std::all_of(followed_.begin(), followed_.end(),
                     [](const auto& entry) { return entry.second.reflector->state().connected; });
}

std::string ClusterCache::error() const {
  for (const auto& [key, followed] : followed_) {
    const std::string& text = followed.reflector->state().error;
    if (!text.empty()) return key.second + ": " + text;
  }
  for (const auto& [key, followed] : followed_) {
    if (!followed.reflector->synced()) return key.second + ": not listed yet";
  }
  return served_.known() ? std::string() : "API groups: not known yet " + served_.error();
}

ApiKind ClusterCache::where(std::string_view plural) const {
  const FollowedKind* kind = find_kind(plural);
  if (kind == nullptr) return {};
  for (const std::string_view group : {kShownGroup, kStoredGroup}) {
    if (served_.served().contains({std::string(group), std::string(plural)}))
      return {std::string(group), std::string(kind->kind), std::string(plural)};
  }
  return {"", std::string(kind->kind), std::string(plural)};
}

json::object ClusterCache::status() const {
  json::object out;
  for (const auto& [key, followed] : followed_) {
    json::object& one = out[key.second + "." + key.first].emplace_object();
    one["synced"] = followed.reflector->synced();
    one["connected"] = followed.reflector->state().connected;
    if (!followed.reflector->state().error.empty())
      one["error"] = followed.reflector->state().error;
    one["objects"] = followed.reflector->objects();
  }
  return out;
}

void ClusterCache::measure() const {
  for (const auto& [key, followed] : followed_)
    followed.objects->set(static_cast<double>(followed.reflector->objects()));
}

}  // namespace caracal::controller
