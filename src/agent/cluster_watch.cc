#include "agent/cluster_watch.h"

#include <algorithm>

#include "base/log.h"
#include "kube/decode.h"

namespace caracal::agent {
namespace {

template <typename UpdateType, typename Key, typename Value>
Result<model::Update> present(Key key, Result<Value> value) {
  if (!value) return fail(std::move(value).error());
  return model::Update(UpdateType{std::move(key), std::move(*value)});
}

Result<model::Update> decode_pod(const model::ObjectName& name, const json::value* object) {
  if (object == nullptr) return model::Update(model::PodUpdate{name, std::nullopt});
  return present<model::PodUpdate>(name, kube::decode_pod(*object));
}

Result<model::Update> decode_namespace(const model::ObjectName& name, const json::value* object) {
  if (object == nullptr) return model::Update(model::NamespaceUpdate{name.name, std::nullopt});
  return present<model::NamespaceUpdate>(name.name, kube::decode_namespace(*object));
}

Result<model::Update> decode_node(const model::ObjectName& name, const json::value* object) {
  if (object == nullptr) return model::Update(model::NodeUpdate{name.name, std::nullopt});
  return present<model::NodeUpdate>(name.name, kube::decode_node(*object));
}

Result<model::Update> decode_policy(const model::ObjectName& name, const json::value* object) {
  if (object != nullptr) return model::Update(kube::decode_network_policy(*object));
  return model::Update(
      model::PolicyUpdate{{model::PolicyKind::kNetworkPolicy, name}, std::nullopt, std::nullopt});
}

}  // namespace

ClusterWatch::ClusterWatch(kube::Client& client, Callbacks callbacks, Metrics& metrics)
    : callbacks_(std::move(callbacks)) {
  // An object that cannot be read is as good as absent: a pod without labels is closed.
  add(client, "namespaces", "/api/v1/namespaces", "Namespace", decode_namespace, metrics);
  add(client, "nodes", "/api/v1/nodes", "Node", decode_node, metrics);
  add(client, "pods", "/api/v1/pods", "Pod", decode_pod, metrics);
  add(client, "networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies", "NetworkPolicy",
      decode_policy, metrics);
}

void ClusterWatch::add(kube::Client& client, const std::string& name, const std::string& path,
                       const std::string& kind, Decode decode, Metrics& metrics) {
  const std::string label = "resource=\"" + name + "\"";
  Counter& events =
      metrics.counter("caracal_watch_events_total", "Objects reported by the API server", label);
  Gauge& objects = metrics.gauge("caracal_watch_objects", "Objects known", label);
  kube::ReflectorOptions options;
  options.path = path;
  kube::Reflector::Callbacks callbacks;
  callbacks.on_object = [this, kind, decode = std::move(decode), &events](
                            const model::ObjectName& object_name, const json::value* object) {
    events.add();
    auto update = decode(object_name, object);
    const std::string title = kind + " " + object_name.to_string();
    if (update) {
      unreadable_.erase(title);
    } else {
      log::error("object not readable, taken as absent", {{"error", update.error().message}});
      unreadable_[title] = update.error().message;
      update = decode(object_name, nullptr);
    }
    callbacks_.on_update(*update);
  };
  callbacks.on_synced = [this, name] {
    log::info("in sync", {{"resource", name}});
    if (synced()) callbacks_.on_synced();
  };
  callbacks.on_state = [name](const kube::ReflectorState& state) {
    if (state.connected) {
      log::info("API server answers", {{"resource", name}});
    } else {
      log::warn("API server does not answer; what is enforced stays",
                {{"resource", name}, {"error", state.error}});
    }
  };
  collections_.push_back(
      {name, std::make_unique<kube::Reflector>(client, std::move(options), std::move(callbacks)),
       &events, &objects,
       &metrics.gauge("caracal_watch_lists",
                      "Complete lists since the start: one, and one a resync", label),
       &metrics.gauge("caracal_watch_failures", "Failed exchanges with the API server", label)});
}

void ClusterWatch::start() {
  for (const Collection& collection : collections_) collection.reflector->start();
}

bool ClusterWatch::synced() const {
  return std::all_of(collections_.begin(), collections_.end(),
                     [](const Collection& c) { return c.reflector->synced(); });
}

bool ClusterWatch::connected() const {
  return std::all_of(collections_.begin(), collections_.end(),
                     [](const Collection& c) { return c.reflector->state().connected; });
}

std::string ClusterWatch::error() const {
  for (const Collection& c : collections_) {
    if (!c.reflector->state().error.empty()) return c.name + ": " + c.reflector->state().error;
  }
  for (const Collection& c : collections_) {
    if (!c.reflector->synced()) return c.name + ": not listed yet";
  }
  return {};
}

json::object ClusterWatch::status() const {
  json::object out;
  for (const Collection& c : collections_) {
    const kube::ReflectorCounters& counters = c.reflector->counters();
    json::object& one = out[c.name].emplace_object();
    one["synced"] = c.reflector->synced();
    one["connected"] = c.reflector->state().connected;
    if (!c.reflector->state().error.empty()) one["error"] = c.reflector->state().error;
    one["objects"] = c.reflector->objects();
    one["lists"] = counters.lists;
    one["watches"] = counters.watches;
    one["events"] = counters.events;
    one["failures"] = counters.failures;
  }
  return out;
}

void ClusterWatch::measure() const {
  for (const Collection& c : collections_) {
    c.objects->set(static_cast<double>(c.reflector->objects()));
    c.lists->set(static_cast<double>(c.reflector->counters().lists));
    c.failures->set(static_cast<double>(c.reflector->counters().failures));
  }
}

}  // namespace caracal::agent
