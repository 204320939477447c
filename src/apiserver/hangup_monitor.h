// HangupMonitor: notices clients that close their connection while it is suspended. One thread, one
// epoll.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::apiserver {

class HangupMonitor {
 public:
  HangupMonitor() = default;
  ~HangupMonitor();
  HangupMonitor(const HangupMonitor&) = delete;
  HangupMonitor& operator=(const HangupMonitor&) = delete;

  Status start();
  // Calls `gone` once, on the monitor's thread, when the peer of `socket` hangs up. Returns a
  // handle for remove(), which must run before the socket is closed.
  uint64_t add(int socket, std::function<void()> gone);
  void remove(uint64_t handle);

 private:
  struct Entry {
    int socket = -1;
    std::function<void()> gone;
  };
  void run();

  UniqueFd epoll_;
  UniqueFd stop_event_;
  std::thread thread_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> entries_;  // guarded by mutex_
  uint64_t next_ = 1;                            // 0 is the stop event
};

}  // namespace caracal::apiserver
