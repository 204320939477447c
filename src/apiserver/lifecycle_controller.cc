#include "apiserver/lifecycle_controller.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "apimachinery/age.h"
#include "apiserver/kind_rules.h"
#include "apiserver/object.h"
#include "base/log.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceTypePtr;

constexpr std::chrono::minutes kEventSweepInterval{5};
constexpr std::chrono::hours kEventLifetime{1};
constexpr std::string_view kNamespaces = "namespaces";
constexpr std::string_view kCrds = "customresourcedefinitions.apiextensions.k8s.io";

// A write of this controller; a failure is somebody else's change, and its event brings a new look.
template <typename T>
Status quietly(const ApiResult<T>& result) {
  if (result) return {};
  log::debug("lifecycle write refused", {{"reason", result.error().message}});
  return {};
}

// The owners in an object, by uid; `blocking` only those with blockOwnerDeletion.
bool names_owner(const json::value& object, std::string_view uid, bool blocking) {
  for (const json::value& owner : jsonio::get_array(object, {"metadata", "ownerReferences"})) {
    if (jsonio::get_string(owner, {"uid"}) != uid) continue;
    if (!blocking || jsonio::get_bool(owner, {"blockOwnerDeletion"})) return true;
  }
  return false;
}

void drop_owners(json::value& object, const std::set<std::string, std::less<>>& uids) {
  json::array rest;
  for (const json::value& owner : jsonio::get_array(object, {"metadata", "ownerReferences"})) {
    if (!uids.contains(jsonio::get_string(owner, {"uid"}))) rest.push_back(owner);
  }
  if (rest.empty()) {
    metadata_of(object).erase("ownerReferences");
  } else {
    metadata_of(object)["ownerReferences"] = std::move(rest);
  }
}

}  // namespace

LifecycleController::LifecycleController(Store& store,
                                         const apimachinery::ResourceRegistry& registry,
                                         ObjectWriter& writer)
    : store_(store), registry_(registry), writer_(writer) {}

LifecycleController::~LifecycleController() { stop(); }

void LifecycleController::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LifecycleController::start() {
  std::set<std::string> seen;
  for (const ResourceTypePtr& type : registry_.snapshot()->types()) {
    if (!type->stored || !seen.insert(type->group_resource()).second) continue;
    const auto page = store_.list({.resource = type->group_resource()});
    if (!page) continue;
    const std::lock_guard lock(mutex_);
    for (const StoredPtr& object : page->items) {
      index(*object);
      if (object->attributes.deleting || !object->attributes.owner_uids.empty())
        queue_.insert(object->key);
    }
  }
  thread_ = std::thread([this] { run(); });
}

void LifecycleController::index(const StoredObject& object) {
  by_uid_[object.attributes.uid] = object.key;
  for (const std::string& owner : object.attributes.owner_uids)
    dependents_[owner].insert(object.key);
  if (object.attributes.deleting &&
      (object.key.resource == kNamespaces || object.key.resource == kCrds)) {
    terminating_.insert(object.key);
  }
}

void LifecycleController::unindex(const StoredObject& object) {
  const auto own = by_uid_.find(object.attributes.uid);
  if (own != by_uid_.end() && own->second == object.key) by_uid_.erase(own);
  for (const std::string& owner : object.attributes.owner_uids) {
    const auto entry = dependents_.find(owner);
    if (entry == dependents_.end()) continue;
    entry->second.erase(object.key);
    if (entry->second.empty()) dependents_.erase(entry);
  }
  terminating_.erase(object.key);
}

void LifecycleController::observe(const std::vector<EventPtr>& events) {
  bool work = false;
  {
    const std::lock_guard lock(mutex_);
    for (const EventPtr& event : events) {
      if (event->before) unindex(*event->before);
      if (event->now) {
        index(*event->now);
        const Attributes& now = event->now->attributes;
        const bool owned =
            !now.owner_uids.empty() &&
            (!event->before || event->before->attributes.owner_uids != now.owner_uids);
        if (now.deleting || owned) queue_.insert(event->now->key);
        continue;
      }
      // Gone: its dependents lose an owner, and whoever waited for it may go on.
      const StoredObject& last = *event->last;
      const auto dependents = dependents_.find(last.attributes.uid);
      if (dependents != dependents_.end())
        queue_.insert(dependents->second.begin(), dependents->second.end());
      for (const std::string& owner : last.attributes.owner_uids) {
        const auto key = by_uid_.find(owner);
        if (key != by_uid_.end()) queue_.insert(key->second);
      }
      for (const ObjectKey& key : terminating_) {
        const bool waits =
            key.resource == kNamespaces ? key.name == last.key.ns : key.name == last.key.resource;
        if (waits) queue_.insert(key);
      }
    }
    work = !queue_.empty();
  }
  if (work) wake_.notify_one();
}

void LifecycleController::run() {
  auto next_sweep = std::chrono::steady_clock::now() + kEventSweepInterval;
  while (true) {
    ObjectKey key;
    {
      std::unique_lock lock(mutex_);
      const bool woken =
          wake_.wait_until(lock, next_sweep, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      if (!woken) {
        next_sweep = std::chrono::steady_clock::now() + kEventSweepInterval;
        lock.unlock();
        expire_events();
        continue;
      }
      key = *queue_.begin();
      queue_.erase(queue_.begin());
    }
    look_at(key);
  }
}

void LifecycleController::look_at(const ObjectKey& key) {
  const StoredPtr stored = store_.get(key);
  if (!stored) return;
  if (!stored->attributes.deleting) {
    check_owners(key);
    return;
  }
  const json::value object = parse_stored(*stored);
  if (key.resource == kNamespaces) empty_namespace(key);
  if (key.resource == kCrds) remove_instances(key);
  if (has_finalizer(object, kOrphanFinalizer)) finish_orphaning(key, stored->attributes.uid);
  if (has_finalizer(object, kForegroundFinalizer)) finish_foreground(key, stored->attributes.uid);
}

void LifecycleController::empty_namespace(const ObjectKey& key) {
  const Status done = store_.commit([this, &key](Transaction& transaction) -> Status {
    bool empty = true;
    std::set<std::string> seen;
    for (const ResourceTypePtr& type : registry_.snapshot()->types()) {
      if (!type->stored || !type->namespaced || !seen.insert(type->group_resource()).second)
        continue;
      for (const StoredPtr& object : transaction.list(type->group_resource(), key.name)) {
        if (object->attributes.deleting) {
          empty = false;
          continue;
        }
        const auto removed = writer_.remove(transaction, target_of(object->key), {});
        if (!removed || !removed->deleted) empty = false;
      }
    }
    if (!empty) return {};  // the end of what remains brings us back
    return quietly(writer_.mutate(transaction, target_of(key), [](json::value& object) {
      json::value& finalizers = jsonio::ensure(object, {"spec", "finalizers"});
      json::array rest;
      if (const json::array* list = finalizers.if_array()) {
        for (const json::value& entry : *list) {
          if (entry != json::value(kNamespaceFinalizer)) rest.push_back(entry);
        }
      }
      finalizers = std::move(rest);
    }));
  });
  if (!done)
    log::warn("cannot empty namespace", {{"namespace", key.name}, {"error", done.error().message}});
}

void LifecycleController::remove_instances(const ObjectKey& crd) {
  const Status done = store_.commit([this, &crd](Transaction& transaction) -> Status {
    bool empty = true;
    if (type_of(crd.name)) {
      for (const StoredPtr& object : transaction.list(crd.name)) {
        if (object->attributes.deleting) {
          empty = false;
          continue;
        }
        const auto removed = writer_.remove(transaction, target_of(object->key), {});
        if (!removed || !removed->deleted) empty = false;
      }
    }
    if (!empty) return {};
    return quietly(writer_.mutate(transaction, target_of(crd), [](json::value& object) {
      remove_finalizer(object, kCrdFinalizer);
    }));
  });
  if (!done)
    log::warn("cannot remove objects of CRD", {{"crd", crd.name}, {"error", done.error().message}});
}

void LifecycleController::finish_orphaning(const ObjectKey& key, const std::string& uid) {
  const std::vector<ObjectKey> dependents = dependents_of(uid);
  const Status done = store_.commit([&](Transaction& transaction) -> Status {
    for (const ObjectKey& dependent : dependents) {
      CARACAL_TRY(
          quietly(writer_.mutate(transaction, target_of(dependent),
                                 [&uid](json::value& object) { drop_owners(object, {uid}); })));
    }
    return quietly(writer_.mutate(transaction, target_of(key), [](json::value& object) {
      remove_finalizer(object, kOrphanFinalizer);
    }));
  });
  if (!done)
    log::warn("cannot orphan dependents", {{"object", key.name}, {"error", done.error().message}});
}

void LifecycleController::finish_foreground(const ObjectKey& key, const std::string& uid) {
  const std::vector<ObjectKey> dependents = dependents_of(uid);
  const Status done = store_.commit([&](Transaction& transaction) -> Status {
    bool blocked = false;
    for (const ObjectKey& dependent : dependents) {
      const StoredPtr stored = transaction.get(dependent);
      if (!stored) continue;
      const bool blocking = names_owner(parse_stored(*stored), uid, true);
      if (!stored->attributes.deleting) {
        const auto removed = writer_.remove(transaction, target_of(dependent),
                                            {.propagation = Propagation::kForeground});
        if (removed && removed->deleted) continue;
      }
      blocked = blocked || blocking;
    }
    if (blocked) return {};
    return quietly(writer_.mutate(transaction, target_of(key), [](json::value& object) {
      remove_finalizer(object, kForegroundFinalizer);
    }));
  });
  if (!done)
    log::warn("cannot delete dependents", {{"object", key.name}, {"error", done.error().message}});
}

void LifecycleController::check_owners(const ObjectKey& key) {
  const StoredPtr stored = store_.get(key);
  if (!stored || stored->attributes.owner_uids.empty()) return;
  const json::value object = parse_stored(*stored);
  const auto catalog = registry_.snapshot();
  std::set<std::string, std::less<>> gone;
  size_t present = 0;
  for (const json::value& owner : jsonio::get_array(object, {"metadata", "ownerReferences"})) {
    const std::string uid(jsonio::get_string(owner, {"uid"}));
    const std::string_view api_version = jsonio::get_string(owner, {"apiVersion"});
    const size_t slash = api_version.find('/');
    const std::string_view group =
        slash == std::string_view::npos ? "" : api_version.substr(0, slash);
    const std::string_view version =
        slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
    // Of a kind that is not served here nobody can say that it is gone.
    const bool known =
        catalog->find_kind(group, version, jsonio::get_string(owner, {"kind"})) != nullptr;
    if (known && !alive(uid)) {
      gone.insert(uid);
    } else {
      ++present;
    }
  }
  if (gone.empty()) return;
  const Status done = store_.commit([&](Transaction& transaction) -> Status {
    const StoredPtr now = transaction.get(key);
    if (!now || now->attributes.uid != stored->attributes.uid) return {};
    if (present == 0)
      return quietly(writer_.remove(transaction, target_of(key), {.uid = stored->attributes.uid}));
    return quietly(writer_.mutate(transaction, target_of(key),
                                  [&gone](json::value& value) { drop_owners(value, gone); }));
  });
  if (!done)
    log::warn("cannot collect object", {{"object", key.name}, {"error", done.error().message}});
}

void LifecycleController::expire_events() {
  const auto page = store_.list({.resource = "events"});
  if (!page) return;
  const apimachinery::Timestamp oldest =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) -
      kEventLifetime;
  for (const StoredPtr& stored : page->items) {
    const json::value event = parse_stored(*stored);
    std::optional<apimachinery::Timestamp> last;
    for (const std::string_view text :
         {jsonio::get_string(event, {"series", "lastObservedTime"}),
          jsonio::get_string(event, {"lastTimestamp"}), jsonio::get_string(event, {"eventTime"}),
          jsonio::get_string(event, {"metadata", "creationTimestamp"})}) {
      last = std::max(last, apimachinery::parse_rfc3339(text));
    }
    if (!last || *last >= oldest) continue;
    const Status done = store_.commit([&](Transaction& transaction) -> Status {
      const StoredPtr now = transaction.get(stored->key);
      if (!now || now->revision != stored->revision) return {};  // it happened again
      return quietly(writer_.remove(transaction, target_of(stored->key), {}));
    });
    if (!done) {
      log::warn("cannot expire event",
                {{"event", stored->key.name}, {"error", done.error().message}});
    }
  }
}

bool LifecycleController::alive(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  return by_uid_.contains(uid);
}

std::vector<ObjectKey> LifecycleController::dependents_of(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

ResourceTypePtr LifecycleController::type_of(std::string_view resource) const {
  ResourceTypePtr found;
  for (const ResourceTypePtr& type : registry_.snapshot()->types()) {
    if (type->group_resource() == resource && (!found || type->storage_version)) found = type;
  }
  return found;
}

WriteTarget LifecycleController::target_of(const ObjectKey& key) const {
  return {.type = type_of(key.resource), .ns = key.ns, .name = key.name};
}

}  // namespace caracal::apiserver
