#include "apiserver/watch_hub.h"

namespace caracal::apiserver {

WatchHub::WatchHub() : clock_([this] { run(); }) {}

WatchHub::~WatchHub() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  clock_.join();
}

void WatchHub::add(const std::shared_ptr<WatchStream>& stream) {
  const std::lock_guard lock(mutex_);
  streams_[stream->resource()].push_back(stream);
}

size_t WatchHub::size() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [resource, streams] : streams_) {
    for (const auto& stream : streams) count += stream.expired() ? 0 : 1;
  }
  return count;
}

void WatchHub::announce(const std::vector<EventPtr>& events) {
  std::map<std::string_view, std::vector<EventPtr>> by_resource;
  for (const EventPtr& event : events) by_resource[event->key().resource].push_back(event);
  for (const auto& [resource, batch] : by_resource) {
    std::vector<std::shared_ptr<WatchStream>> live;
    {
      const std::lock_guard lock(mutex_);
      const auto found = streams_.find(resource);
      if (found == streams_.end()) continue;
      std::erase_if(found->second, [&live](const std::weak_ptr<WatchStream>& weak) {
        auto stream = weak.lock();
        if (!stream) return true;
        live.push_back(std::move(stream));
        return false;
      });
    }
    for (const auto& stream : live) stream->announce(batch);
  }
}

void WatchHub::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; });
    std::vector<std::shared_ptr<WatchStream>> live;
    for (auto& [resource, streams] : streams_) {
      std::erase_if(streams, [&live](const std::weak_ptr<WatchStream>& weak) {
        auto stream = weak.lock();
        if (!stream) return true;
        live.push_back(std::move(stream));
        return false;
      });
    }
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    for (const auto& stream : live) stream->tick(now);
    live.clear();
    lock.lock();
  }
}

}  // namespace caracal::apiserver
