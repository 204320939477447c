#include "agent/cluster_watch.h"

#include <algorithm>

#include "base/log.h"

namespace caracal::agent {
namespace {

std::string name_of(const calico::Collection& collection) {
  std::string name(collection.plural);
  // The plural alone is the core's, and networkpolicies are Kubernetes' own.
  if (!collection.always) name += "." + std::string(collection.group);
  return name;
}

std::string title_of(const calico::Collection& collection, const model::ObjectName& name) {
  return std::string(collection.kind) + " " + name.to_string();
}

}  // namespace

ClusterWatch::ClusterWatch(kube::Client& client, Callbacks callbacks, telemetry::Metrics& metrics,
                           std::string node, event::Duration discovery_period)
    : client_(client),
      callbacks_(std::move(callbacks)),
      metrics_(metrics),
      decoder_(std::move(node)),
      served_(client, discovery_period,
              [this](const ServedCollections::Served& served) { follow_served(served); }) {
  for (const calico::Collection& collection : calico::all_collections()) {
    if (collection.always) follow(collection);
  }
}

void ClusterWatch::follow(const calico::Collection& collection) {
  Followed& followed = followed_[&collection];
  followed.name = name_of(collection);
  const std::string label = "resource=\"" + followed.name + "\"";
  followed.events =
      &metrics_.counter("caracal_watch_events_total", "Objects reported by the API server", label);
  followed.objects = &metrics_.gauge("caracal_watch_objects", "Objects known", label);
  followed.lists = &metrics_.gauge("caracal_watch_lists",
                                   "Complete lists since the start: one, and one a resync", label);
  followed.failures =
      &metrics_.gauge("caracal_watch_failures", "Failed exchanges with the API server", label);
  kube::ReflectorOptions options;
  options.path = collection.path();
  kube::Reflector::Callbacks callbacks;
  callbacks.on_object = [this, &collection](const model::ObjectName& name,
                                            const json::value* object) {
    Followed& from = followed_.at(&collection);
    from.events->add();
    if (!collection.always) {
      if (object != nullptr) {
        from.known.insert(name);
      } else {
        from.known.erase(name);
      }
    }
    take(collection, name, object);
  };
  callbacks.on_synced = [this, name = followed.name] {
    log::info("in sync", {{"resource", name}});
    tell_synced();
  };
  callbacks.on_state = [this, name = followed.name](const kube::ReflectorState& state) {
    if (state.connected) {
      log::info("API server answers", {{"resource", name}});
    } else {
      log::warn("API server does not answer; what is enforced stays",
                {{"resource", name}, {"error", state.error}});
      served_.hurry();  // the collection may have gone
    }
  };
  followed.reflector =
      std::make_unique<kube::Reflector>(client_, std::move(options), std::move(callbacks));
}

void ClusterWatch::unfollow(const calico::Collection& collection) {
  const auto found = followed_.find(&collection);
  if (found == followed_.end()) return;
  log::info("the API server does not serve it any more: taken as empty",
            {{"resource", found->second.name}, {"objects", found->second.known.size()}});
  found->second.objects->set(0);
  const std::set<model::ObjectName> known = std::move(found->second.known);
  followed_.erase(found);
  for (const model::ObjectName& name : known) take(collection, name, nullptr);
}

void ClusterWatch::follow_served(const ServedCollections::Served& served) {
  for (const calico::Collection& collection : calico::all_collections()) {
    if (collection.always) continue;
    const bool is = served.contains(&collection);
    if (is == followed_.contains(&collection)) continue;
    if (!is) {
      unfollow(collection);
      continue;
    }
    follow(collection);
    followed_.at(&collection).reflector->start();
  }
  tell_synced();
}

void ClusterWatch::take(const calico::Collection& collection, const model::ObjectName& name,
                        const json::value* object) {
  const calico::Decoded decoded = decoder_.apply(collection, name, object);
  for (const model::Update& update : decoded.updates) callbacks_.on_update(update);
  if (callbacks_.on_network) {
    for (const model::NetworkUpdate& update : decoded.network) callbacks_.on_network(update);
  }
  note(collection, name, decoded.findings, object);
}

void ClusterWatch::note(const calico::Collection& collection, const model::ObjectName& name,
                        const std::vector<calico::Finding>& findings, const json::value* object) {
  const std::string title = title_of(collection, name);
  std::string text;
  for (const calico::Finding& finding : findings) {
    // Findings of a twin that has come forward are told under its own name.
    if (finding.name != name) continue;
    text += (text.empty() ? "" : "; ") + finding.text;
  }
  const auto before = unreadable_.find(title);
  if (text.empty()) {
    if (before != unreadable_.end()) unreadable_.erase(before);
  } else if (before == unreadable_.end() || before->second != text) {
    log::error("object not taken as it stands", {{"object", title}, {"error", text}});
    unreadable_[title] = text;
  }
  if (callbacks_.on_findings) callbacks_.on_findings(collection, name, findings, object);
}

void ClusterWatch::start() {
  for (const auto& [collection, followed] : followed_) followed.reflector->start();
  served_.start();
}

void ClusterWatch::tell_synced() {
  if (told_synced_ || !synced()) return;
  told_synced_ = true;
  callbacks_.on_synced();
}

bool ClusterWatch::synced() const {
  return served_.known() && std::all_of(followed_.begin(), followed_.end(), [](const auto& entry) {
           return entry.second.reflector->synced();
         });
}

bool ClusterWatch::connected() const {
  return std::all_of(followed_.begin(), followed_.end(),
                     [](const auto& entry) { return entry.second.reflector->state().connected; });
}

std::string ClusterWatch::error() const {
  for (const auto& [collection, f] : followed_) {
    if (!f.reflector->state().error.empty()) return f.name + ": " + f.reflector->state().error;
  }
  for (const auto& [collection, f] : followed_) {
    if (!f.reflector->synced()) return f.name + ": not listed yet";
  }
  return served_.known() ? std::string() : "API groups: not known yet";
}

json::object ClusterWatch::status() const {
  json::object out;
  for (const calico::Collection& collection : calico::all_collections()) {
    const auto found = followed_.find(&collection);
    if (found == followed_.end()) continue;
    const Followed& f = found->second;
    const kube::ReflectorCounters& counters = f.reflector->counters();
    json::object& one = out[f.name].emplace_object();
    one["synced"] = f.reflector->synced();
    one["connected"] = f.reflector->state().connected;
    if (!f.reflector->state().error.empty()) one["error"] = f.reflector->state().error;
    one["objects"] = f.reflector->objects();
    one["lists"] = counters.lists;
    one["watches"] = counters.watches;
    one["events"] = counters.events;
    one["failures"] = counters.failures;
  }
  return out;
}

void ClusterWatch::measure() const {
  for (const auto& [collection, f] : followed_) {
    f.objects->set(static_cast<double>(f.reflector->objects()));
    f.lists->set(static_cast<double>(f.reflector->counters().lists));
    f.failures->set(static_cast<double>(f.reflector->counters().failures));
  }
}

}  // namespace caracal::agent
