// Mailbox: hands values from any thread to one loop, keeping only the newest value of each key.
//
// Bounded by the number of keys, never by the number of events: while the receiving loop is busy, a
// later value of a key takes the place of the earlier one. A batch is in the order in which its
// keys first came; a marker (such as "in sync") put under a key of its own therefore arrives after
// everything put before it. put() is thread-safe. The mailbox is destroyed on the receiver's
// thread; what is in it then is dropped.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event/loop.h"

namespace caracal::event {

template <typename Key, typename Value, typename Hash = std::hash<Key>>
class Mailbox {
 public:
  using Batch = std::vector<std::pair<Key, Value>>;
  using Deliver = std::function<void(Batch)>;

  // `deliver` runs on the receiver's loop with everything that has gathered, never with nothing.
  Mailbox(Loop& receiver, Deliver deliver)
      : receiver_(receiver), state_(std::make_shared<State>(std::move(deliver))) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void put(Key key, Value value) {
    bool wake = false;
    {
      const std::lock_guard lock(state_->mutex);
      wake = state_->batch.empty();
      state_->insert(std::move(key), std::move(value));
    }
    if (wake) wake_receiver();
  }

  // The same for many, with one lock and at most one wake-up.
  void put_all(Batch batch) {
    if (batch.empty()) return;
    bool wake = false;
    {
      const std::lock_guard lock(state_->mutex);
      wake = state_->batch.empty();
      for (auto& [key, value] : batch) state_->insert(std::move(key), std::move(value));
    }
    if (wake) wake_receiver();
  }

  // How many keys wait. For status and metrics.
  size_t size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->batch.size();
  }

 private:
  struct State {
    explicit State(Deliver d) : deliver(std::move(d)) {}

    void insert(Key key, Value value) {
      const auto [at, added] = position.try_emplace(key, batch.size());
      if (added) {
        batch.emplace_back(std::move(key), std::move(value));
      } else {
        batch[at->second].second = std::move(value);
      }
    }

    std::mutex mutex;
    Batch batch;
    std::unordered_map<Key, size_t, Hash> position;  // of each key in the batch
    Deliver deliver;
  };

  void wake_receiver() {
    receiver_.post([weak = std::weak_ptr<State>(state_)] {
      const std::shared_ptr<State> state = weak.lock();
      if (!state) return;
      Batch batch;
      {
        const std::lock_guard lock(state->mutex);
        batch.swap(state->batch);
        state->position.clear();
      }
      if (!batch.empty()) state->deliver(std::move(batch));
    });
  }

  Loop& receiver_;
  std::shared_ptr<State> state_;
};

}  // namespace caracal::event
