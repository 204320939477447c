// WatchHub: all open watches, by resource. Passes each committed batch on to those it concerns, and
// the time to all (bookmarks, timeouts).
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apiserver/watch_stream.h"

namespace caracal::apiserver {

class WatchHub {
 public:
  WatchHub();
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // The hub forgets a stream when its connection has ended.
  void add(const std::shared_ptr<WatchStream>& stream);
  // On the commit thread, after publication.
  void announce(const std::vector<EventPtr>& events);
  size_t size() const;

 private:
  using Streams = std::vector<std::weak_ptr<WatchStream>>;
  void run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Streams, std::less<>> streams_;  // guarded by mutex_
  bool stopping_ = false;                                // guarded by mutex_
  std::thread clock_;
};

}  // namespace caracal::apiserver
