// CommittedStore: the Store over a Journal. One commit thread takes all queued writes, runs them
// against a pending overlay, makes them durable with one append, publishes them, announces them,
// reports them.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "apiserver/journal.h"
#include "apiserver/store.h"
#include "apiserver/versioned_state.h"

namespace caracal::apiserver {

class CommittedStore final : public Store {
 public:
  // Reads the journal back and starts the commit thread.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<Journal> journal,
                                             StoreOptions options);
  // Finishes what is queued.
  ~CommittedStore() override;

  Revision revision() const override { return state_.revision(); }
  StoredPtr get(const ObjectKey& key) const override { return state_.get(key); }
  Result<ListPage> list(const ListQuery& query) const override { return state_.list(query); }
  Result<std::vector<EventPtr>> events_since(std::string_view resource, Revision after,
                                             size_t limit) const override {
    return state_.events_since(resource, after, limit);
  }
  void submit(Work work, Done done) override;
  void set_listener(Listener listener) override;
  Status compact(Revision up_to) override;

 private:
  struct Item {
    Work work;
    Done done;
    Revision compact_up_to = 0;
    Status result;
  };

  CommittedStore(std::unique_ptr<Journal> journal, StoreOptions options);
  Status restore();
  void enqueue(Item item);
  void run();
  void commit_batch(std::deque<Item>& batch);

  std::unique_ptr<Journal> journal_;
  StoreOptions options_;
  VersionedState state_;
  Listener listener_;  // guarded by mutex_

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::thread thread_;
};

}  // namespace caracal::apiserver
