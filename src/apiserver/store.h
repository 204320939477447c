// Store: the versioned objects behind the API, and the log of their changes.
//
// Every change gets the next number of one revision counter for the whole store; that number is the
// object's resourceVersion. Readers see committed changes only. Fed by the request handlers and the
// controllers; read by handlers, watches and controllers, from any thread.
//
// Writes are closures run one after another on the store's commit thread, against the state that
// all earlier writes leave behind; what is queued together is made durable together (one fsync),
// then published, announced to the listener, and only then reported as done.
//
// Invariants: revisions never go back, not over restarts either (of a durable store); an event is
// in the log from its commit until compaction; a list at a revision that is not compacted is exact.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace caracal::apiserver {

using Revision = uint64_t;

// Where an object is: the resource ("pods", "networkpolicies.networking.k8s.io"), the namespace
// (empty for cluster-scoped ones) and the name.
struct ObjectKey {
  std::string resource;
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
};

// What selectors and the garbage collector ask of an object, taken from it once when it is stored.
struct Attributes {
  std::string uid;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::pair<std::string, std::string>>
      fields;  // selectable ones, besides name and namespace
  std::vector<std::string> owner_uids;
  bool deleting = false;
};

struct StoredObject {
  ObjectKey key;
  Revision revision = 0;
  std::string bytes;  // one JSON text, which holds `revision` as metadata.resourceVersion
  Attributes attributes;
};
using StoredPtr = std::shared_ptr<const StoredObject>;

struct StoreEvent {
  Revision revision = 0;
  StoredPtr before;  // null: created
  StoredPtr now;     // null: deleted
  StoredPtr last;    // of a deletion: the final object, carrying the deletion's revision
  const ObjectKey& key() const { return now ? now->key : last->key; }
};
using EventPtr = std::shared_ptr<const StoreEvent>;

struct ListQuery {
  std::string resource;
  std::string ns;                                            // empty: all namespaces
  Revision at = 0;                                           // 0: now
  std::optional<std::pair<std::string, std::string>> after;  // (namespace, name), exclusive
  size_t limit = 0;                                          // 0: all
  std::function<bool(const StoredObject&)> matches;          // empty: all
};

struct ListPage {
  std::vector<StoredPtr> items;  // ordered by namespace, then name
  Revision revision = 0;         // the state it is of
  bool more = false;             // something matching may follow the last item
};

// The view and the effects of one write. Only valid inside the closure it is given to.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // The state after all writes before, own ones included.
  virtual StoredPtr get(const ObjectKey& key) const = 0;
  virtual std::vector<StoredPtr> list(std::string_view resource,
                                      std::string_view ns = {}) const = 0;
  // The revision the next put() or erase() gets; belongs into the bytes.
  virtual Revision next_revision() const = 0;
  virtual StoredPtr put(ObjectKey key, std::string bytes, Attributes attributes) = 0;
  // REQUIRES: the object exists.
  virtual void erase(const ObjectKey& key, std::string last_bytes) = 0;
};

struct StoreOptions {
  size_t history_events = 20'000;    // the log keeps at most so many events,
  size_t history_bytes = 64u << 20;  // of at most so many bytes of objects
  // Attributes of an object that is read back at start.
  std::function<Attributes(const ObjectKey& key, std::string_view bytes)> attributes;
};

class Store {
 public:
  // A failed closure leaves nothing behind.
  using Work = std::function<Status(Transaction&)>;
  using Done = std::function<void(Status)>;
  using Listener = std::function<void(const std::vector<EventPtr>&)>;

  virtual ~Store() = default;

  virtual Revision revision() const = 0;
  virtual StoredPtr get(const ObjectKey& key) const = 0;
  // Errors: kExpired when query.at is compacted, kInvalid when it is in the future.
  virtual Result<ListPage> list(const ListQuery& query) const = 0;
  // Events of one resource after a revision, oldest first, at most `limit`. kExpired when some of
  // them are compacted.
  virtual Result<std::vector<EventPtr>> events_since(std::string_view resource, Revision after,
                                                     size_t limit) const = 0;

  // Queues a write; `done` runs on the commit thread, after the write is durable and announced.
  virtual void submit(Work work, Done done) = 0;
  // submit() and wait. Not for use on the commit thread.
  Status commit(Work work);

  // Runs on the commit thread with each batch, in order. Set it before the first write.
  virtual void set_listener(Listener listener) = 0;
  // Forgets all events up to a revision.
  virtual Status compact(Revision up_to) = 0;
};

// Nothing outlives the process.
std::unique_ptr<Store> open_memory_store(StoreOptions options);
// SQLite in WAL mode with synchronous=FULL: what was reported as done survives kill -9 and power
// loss. One process at a time: a second one gets kUnavailable.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, StoreOptions options);

}  // namespace caracal::apiserver
