#include "apiserver/versioned_state.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

namespace caracal::apiserver {
namespace {

auto after_revision(const std::deque<EventPtr>& log, Revision revision) {
  return std::upper_bound(log.begin(), log.end(), revision,
                          [](Revision r, const EventPtr& event) { return r < event->revision; });
}

}  // namespace

Revision VersionedState::revision() const {
  const std::shared_lock lock(mutex_);
  return revision_;
}

Revision VersionedState::compacted() const {
  const std::shared_lock lock(mutex_);
  return compacted_;
}

StoredPtr VersionedState::get(const ObjectKey& key) const {
  const std::shared_lock lock(mutex_);
  const auto resource = resources_.find(key.resource);
  if (resource == resources_.end()) return nullptr;
  const auto object = resource->second.objects.find(Position(key.ns, key.name));
  return object == resource->second.objects.end() ? nullptr : object->second;
}

Result<ListPage> VersionedState::list(const ListQuery& query) const {
  const std::shared_lock lock(mutex_);
  if (query.at > revision_) {
    return fail(Errc::kInvalid,
                fmt::format("Too large resource version: {}, current: {}", query.at, revision_));
  }
  static const Resource kEmpty;
  const auto found = resources_.find(query.resource);
  const Resource& resource = found == resources_.end() ? kEmpty : found->second;
  if (query.at != 0 && query.at < std::max(resource.compacted, restored_compacted_)) {
    return fail(Errc::kExpired,
                fmt::format("The resourceVersion for the provided list is too old: {} ({})",
                            query.at, std::max(resource.compacted, restored_compacted_)));
  }
  return list_at(resource, query);
}

Result<ListPage> VersionedState::list_at(const Resource& resource, const ListQuery& query) const {
  ListPage page;
  page.revision = query.at == 0 ? revision_ : query.at;

  // What the keys changed since then held at that time: the first later event knows.
  std::map<Position, StoredPtr> past;
  if (query.at != 0 && query.at < revision_) {
    for (auto event = after_revision(resource.log, query.at); event != resource.log.end();
         ++event) {
      const ObjectKey& key = (*event)->key();
      past.try_emplace(Position(key.ns, key.name), (*event)->before);
    }
  }

  Position start(query.ns, "");
  bool exclusive = false;
  if (query.after && *query.after >= start) {
    start = *query.after;
    exclusive = true;
  }
  auto object =
      exclusive ? resource.objects.upper_bound(start) : resource.objects.lower_bound(start);
  auto old = exclusive ? past.upper_bound(start) : past.lower_bound(start);
  const auto inside = [&query](const Position& position) {
    return query.ns.empty() || position.first == query.ns;
  };
  while (true) {
    const bool has_object = object != resource.objects.end() && inside(object->first);
    const bool has_old = old != past.end() && inside(old->first);
    if (!has_object && !has_old) break;
    StoredPtr item;
    if (has_old && (!has_object || old->first <= object->first)) {
      if (has_object && old->first == object->first) ++object;
      item = old->second;
      ++old;
    } else {
      item = object->second;
      ++object;
    }
    if (!item || (query.matches && !query.matches(*item))) continue;
    if (query.limit != 0 && page.items.size() == query.limit) {
      page.more = true;
      break;
    }
    page.items.push_back(std::move(item));
  }
  return page;
}

Result<std::vector<EventPtr>> VersionedState::events_since(std::string_view resource,
                                                           Revision after, size_t limit) const {
  const std::shared_lock lock(mutex_);
  std::vector<EventPtr> events;
  const auto found = resources_.find(resource);
  const Revision compacted = found == resources_.end()
                                 ? restored_compacted_
                                 : std::max(found->second.compacted, restored_compacted_);
  if (after < compacted) {
    return fail(Errc::kExpired, fmt::format("too old resource version: {} ({})", after, compacted));
  }
  if (found == resources_.end()) return events;
  const std::deque<EventPtr>& log = found->second.log;
  for (auto event = after_revision(log, after); event != log.end() && events.size() < limit;
       ++event) {
    events.push_back(*event);
  }
  return events;
}

size_t VersionedState::weight(const StoreEvent& event) {
  return sizeof(StoreEvent) + (event.now ? event.now->bytes.size() : event.last->bytes.size());
}

void VersionedState::store_object(const EventPtr& event) {
  const ObjectKey& key = event->key();
  Objects& objects = resources_[key.resource].objects;
  if (event->now) {
    objects[Position(key.ns, key.name)] = event->now;
  } else {
    objects.erase(Position(key.ns, key.name));
  }
}

void VersionedState::log_event(const EventPtr& event) {
  resources_[event->key().resource].log.push_back(event);
  log_.push_back(event);
  log_bytes_ += weight(*event);
}

void VersionedState::apply(const std::vector<EventPtr>& events) {
  const std::unique_lock lock(mutex_);
  for (const EventPtr& event : events) {
    store_object(event);
    log_event(event);
    revision_ = event->revision;
  }
}

void VersionedState::restore_revision(Revision revision, Revision compacted) {
  const std::unique_lock lock(mutex_);
  revision_ = revision;
  compacted_ = compacted;
  restored_compacted_ = compacted;
}

void VersionedState::restore_object(StoredPtr object) {
  const std::unique_lock lock(mutex_);
  resources_[object->key.resource].objects[Position(object->key.ns, object->key.name)] = object;
}

void VersionedState::restore_event(EventPtr event) {
  const std::unique_lock lock(mutex_);
  store_object(event);
  log_event(event);
}

std::vector<EventPtr> VersionedState::excess(size_t max_events, size_t max_bytes) const {
  const std::shared_lock lock(mutex_);
  std::vector<EventPtr> events;
  size_t bytes = log_bytes_;
  for (const EventPtr& event : log_) {
    if (log_.size() - events.size() <= max_events && bytes <= max_bytes) break;
    events.push_back(event);
    bytes -= weight(*event);
  }
  return events;
}

std::vector<EventPtr> VersionedState::up_to(Revision revision) const {
  const std::shared_lock lock(mutex_);
  return {log_.begin(), after_revision(log_, revision)};
}

void VersionedState::drop(size_t count) {
  const std::unique_lock lock(mutex_);
  for (; count > 0 && !log_.empty(); --count) {
    const EventPtr event = log_.front();
    log_.pop_front();
    log_bytes_ -= weight(*event);
    compacted_ = event->revision;
    Resource& resource = resources_[event->key().resource];
    resource.log.pop_front();
    resource.compacted = event->revision;
  }
}

}  // namespace caracal::apiserver
