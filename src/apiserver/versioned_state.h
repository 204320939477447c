// VersionedState: the committed objects in memory, and the log of recent events by resource.
//
// One writer (the commit thread: apply, drop), any number of readers. Objects are shared and
// immutable, so a list copies pointers only. An old revision is read by undoing the events after
// it.
#pragma once

#include <deque>
#include <map>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apiserver/store.h"

namespace caracal::apiserver {

class VersionedState {
 public:
  Revision revision() const;
  StoredPtr get(const ObjectKey& key) const;
  Result<ListPage> list(const ListQuery& query) const;
  Result<std::vector<EventPtr>> events_since(std::string_view resource, Revision after,
                                             size_t limit) const;

  // Publishes events: objects and log. REQUIRES: ascending revisions, each above revision().
  void apply(const std::vector<EventPtr>& events);
  // Sets the starting point of a store that is read back.
  void restore_revision(Revision revision, Revision compacted);
  void restore_object(StoredPtr object);
  void restore_event(EventPtr event);

  // The oldest events beyond the given limits, or up to a revision.
  std::vector<EventPtr> excess(size_t max_events, size_t max_bytes) const;
  std::vector<EventPtr> up_to(Revision revision) const;
  // Removes the `count` oldest events.
  void drop(size_t count);
  Revision compacted() const;

 private:
  using Position = std::pair<std::string, std::string>;  // namespace, name
  using Objects = std::map<Position, StoredPtr, std::less<>>;
  struct Resource {
    Objects objects;
    std::deque<EventPtr> log;
    Revision compacted = 0;  // events up to here may be missing from `log`
  };

  void log_event(const EventPtr& event);
  void store_object(const EventPtr& event);
  Result<ListPage> list_at(const Resource& resource, const ListQuery& query) const;
  static size_t weight(const StoreEvent& event);

  mutable std::shared_mutex mutex_;
  std::map<std::string, Resource, std::less<>> resources_;
  std::deque<EventPtr> log_;
  size_t log_bytes_ = 0;
  Revision revision_ = 0;
  Revision compacted_ = 0;
  Revision restored_compacted_ = 0;
};

}  // namespace caracal::apiserver
