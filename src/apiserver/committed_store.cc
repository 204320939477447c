#include "apiserver/committed_store.h"

#include <future>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace caracal::apiserver {
namespace {

// How many writes one fsync may serve; bounds the time a reader waits for the first of them.
constexpr size_t kMaxBatch = 512;

// The batch being committed: the published state, with the events of this batch on top.
class Batch final : public Transaction {
 public:
  explicit Batch(const VersionedState& state) : state_(state), revision_(state.revision()) {}

  StoredPtr get(const ObjectKey& key) const override {
    const auto pending = overlay_.find(key);
    return pending != overlay_.end() ? pending->second : state_.get(key);
  }

  std::vector<StoredPtr> list(std::string_view resource, std::string_view ns) const override {
    auto page = state_.list({.resource = std::string(resource), .ns = std::string(ns)});
    CARACAL_CHECK(page.has_value());
    std::map<ObjectKey, StoredPtr> merged;
    for (StoredPtr& item : page->items) merged.emplace(item->key, item);
    const auto first = overlay_.lower_bound(ObjectKey{std::string(resource), std::string(ns), {}});
    for (auto it = first; it != overlay_.end() && it->first.resource == resource; ++it) {
      if (!ns.empty() && it->first.ns != ns) break;
      if (it->second) {
        merged[it->first] = it->second;
      } else {
        merged.erase(it->first);
      }
    }
    std::vector<StoredPtr> items;
    items.reserve(merged.size());
    for (auto& [key, item] : merged) items.push_back(std::move(item));
    return items;
  }

  Revision next_revision() const override { return revision_ + 1; }

  StoredPtr put(ObjectKey key, std::string bytes, Attributes attributes) override {
    StoredPtr before = get(key);
    auto object = std::make_shared<StoredObject>(
        StoredObject{key, ++revision_, std::move(bytes), std::move(attributes)});
    record(key, object, StoreEvent{revision_, std::move(before), object, nullptr});
    return object;
  }

  void erase(const ObjectKey& key, std::string last_bytes) override {
    StoredPtr before = get(key);
    CARACAL_CHECK(before != nullptr);
    ++revision_;
    auto last = std::make_shared<StoredObject>(
        StoredObject{key, revision_, std::move(last_bytes), before->attributes});
    record(key, nullptr, StoreEvent{revision_, std::move(before), nullptr, std::move(last)});
  }

  void begin() {
    undo_.clear();
    mark_ = events_.size();
    revision_mark_ = revision_;
  }

  void roll_back() {
    for (auto entry = undo_.rbegin(); entry != undo_.rend(); ++entry) {
      if (entry->second) {
        overlay_[entry->first] = *entry->second;
      } else {
        overlay_.erase(entry->first);
      }
    }
    undo_.clear();
    events_.resize(mark_);
    revision_ = revision_mark_;
  }

  const std::vector<EventPtr>& events() const { return events_; }

 private:
  void record(const ObjectKey& key, StoredPtr object, StoreEvent event) {
    const auto pending = overlay_.find(key);
    undo_.emplace_back(key,
                       pending != overlay_.end() ? std::optional(pending->second) : std::nullopt);
    overlay_[key] = std::move(object);
    events_.push_back(std::make_shared<StoreEvent>(std::move(event)));
  }

  const VersionedState& state_;
  Revision revision_;
  std::map<ObjectKey, StoredPtr> overlay_;  // null: erased
  std::vector<EventPtr> events_;
  std::vector<std::pair<ObjectKey, std::optional<StoredPtr>>> undo_;
  size_t mark_ = 0;
  Revision revision_mark_ = 0;
};

}  // namespace

Status Store::commit(Work work) {
  std::promise<Status> promise;
  std::future<Status> result = promise.get_future();
  submit(std::move(work), [&promise](Status status) { promise.set_value(std::move(status)); });
  return result.get();
}

CommittedStore::CommittedStore(std::unique_ptr<Journal> journal, StoreOptions options)
    : journal_(std::move(journal)), options_(std::move(options)) {}

Result<std::unique_ptr<Store>> CommittedStore::open(std::unique_ptr<Journal> journal,
                                                    StoreOptions options) {
  std::unique_ptr<CommittedStore> store(new CommittedStore(std::move(journal), std::move(options)));
  CARACAL_TRY(store->restore());
  store->thread_ = std::thread([raw = store.get()] { raw->run(); });
  return std::unique_ptr<Store>(std::move(store));
}

CommittedStore::~CommittedStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status CommittedStore::restore() {
  std::vector<Journal::Record> records;
  CARACAL_ASSIGN(const Revision compacted, journal_->load([&records](Journal::Record record) {
    records.push_back(std::move(record));
  }));
  std::map<ObjectKey, StoredPtr> live;
  Revision revision = compacted;
  for (Journal::Record& record : records) {
    revision = std::max(revision, record.revision);
    StoredPtr& current = live[record.key];
    auto object = std::make_shared<StoredObject>();
    object->key = record.key;
    object->revision = record.revision;
    object->bytes = std::move(record.bytes);
    if (options_.attributes) object->attributes = options_.attributes(object->key, object->bytes);
    if (record.revision > compacted) {
      StoreEvent event{record.revision, current, record.deleted ? nullptr : object,
                       record.deleted ? object : nullptr};
      state_.restore_event(std::make_shared<StoreEvent>(std::move(event)));
    } else if (!record.deleted) {
      state_.restore_object(object);
    }
    current = record.deleted ? nullptr : object;
  }
  state_.restore_revision(revision, compacted);
  return {};
}

void CommittedStore::enqueue(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
  }
  wake_.notify_one();
}

void CommittedStore::submit(Work work, Done done) {
  enqueue({.work = std::move(work), .done = std::move(done)});
}

void CommittedStore::set_listener(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

Status CommittedStore::compact(Revision up_to) {
  std::promise<Status> promise;
  std::future<Status> result = promise.get_future();
  enqueue({.done = [&promise](Status status) { promise.set_value(std::move(status)); },
           .compact_up_to = up_to});
  return result.get();
}

void CommittedStore::run() {
  while (true) {
    std::deque<Item> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      if (queue_.size() <= kMaxBatch) {
        batch.swap(queue_);
      } else {
        for (size_t i = 0; i < kMaxBatch; ++i) {
          batch.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
    }
    commit_batch(batch);
  }
}

void CommittedStore::commit_batch(std::deque<Item>& batch) {
  Batch pending(state_);
  Revision compact_up_to = 0;
  for (Item& item : batch) {
    compact_up_to = std::max(compact_up_to, item.compact_up_to);
    if (!item.work) continue;
    pending.begin();
    item.result = item.work(pending);
    if (!item.result) pending.roll_back();
  }

  const std::vector<EventPtr>& events = pending.events();
  const std::vector<EventPtr> dropped =
      compact_up_to != 0 ? state_.up_to(compact_up_to)
                         : state_.excess(options_.history_events, options_.history_bytes);
  if (!events.empty() || !dropped.empty()) {
    // With an event goes the version it replaced; with a deletion its own row too.
    std::vector<Revision> obsolete;
    Revision compacted = state_.compacted();
    for (const EventPtr& event : dropped) {
      compacted = event->revision;
      if (event->before) obsolete.push_back(event->before->revision);
      if (!event->now) obsolete.push_back(event->revision);
    }
    const Status durable = journal_->append(events, obsolete, compacted);
    if (durable) {
      state_.apply(events);
      state_.drop(dropped.size());
      Listener listener;
      {
        const std::lock_guard lock(mutex_);
        listener = listener_;
      }
      if (listener && !events.empty()) listener(events);
    } else {
      log::error("writes failed", {{"writes", batch.size()}, {"error", durable.error().message}});
      for (Item& item : batch) {
        if (item.result) item.result = durable;
      }
    }
  }
  for (Item& item : batch) {
    if (item.done) item.done(std::move(item.result));
  }
}

std::unique_ptr<Store> open_memory_store(StoreOptions options) {
  auto store = CommittedStore::open(std::make_unique<NullJournal>(), std::move(options));
  CARACAL_CHECK(store.has_value());
  return std::move(*store);
}

}  // namespace caracal::apiserver
