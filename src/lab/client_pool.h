// ClientPool: blocking API clients for worker threads, each kept with its connection. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kube/blocking_client.h"

namespace caracal::lab {

class ClientPool {
 public:
  explicit ClientPool(kube::ClusterAccess access) : access_(std::move(access)) {}

  // Calls function(client) with a client that nobody else uses meanwhile.
  template <typename F>
  auto with(F&& function) {
    std::unique_ptr<kube::BlockingClient> client = take();
    auto result = std::forward<F>(function)(*client);
    give(std::move(client));
    return result;
  }

 private:
  std::unique_ptr<kube::BlockingClient> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<kube::BlockingClient>(access_);
    auto client = std::move(idle_.back());
    idle_.pop_back();
    return client;
  }
  void give(std::unique_ptr<kube::BlockingClient> client) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
  }

  kube::ClusterAccess access_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<kube::BlockingClient>> idle_;
};

}  // namespace caracal::lab
