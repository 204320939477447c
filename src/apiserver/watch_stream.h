// WatchStream: one watch, as the body of a response: a line of JSON an event.
//
// It keeps no queue of its own: it holds the revision it has sent up to, and reads the store's
// event log from there when its connection has room. A slow client therefore costs nothing, and
// gets 410 when it falls behind compaction. WatchHub tells it of new events and of the time.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/http_server.h"
#include "apiserver/object_view.h"
#include "apiserver/selection.h"
#include "apiserver/store.h"

namespace caracal::apiserver {

struct WatchOptions {
  Revision from = 0;               // events after this
  std::vector<StoredPtr> initial;  // sent first, as ADDED
  bool bookmarks = false;
  bool initial_events_end = false;  // a bookmark marks the end of `initial`
  std::chrono::steady_clock::time_point deadline;
};

class WatchStream final : public ResponseStream {
 public:
  WatchStream(const Store& store, ObjectView view, Selection selection, WatchOptions options);

  void start(Waker waker) override;
  Read read(char* buffer, size_t size) override;

  // By the hub, with a batch of the events of this watch's resource.
  void announce(const std::vector<EventPtr>& events);
  // By the hub, about once a second.
  void tick(std::chrono::steady_clock::time_point now);

  const std::string& resource() const { return resource_; }

 private:
  // The event as this watch shows it; false when it concerns none of the selected objects.
  bool concerns(const StoreEvent& event) const;
  std::string encode(const StoreEvent& event);
  std::string encode_bookmark(Revision revision, bool initial_end) const;
  std::string line(std::string_view type, const StoredObject& object);
  bool next_line();  // REQUIRES: mutex_ held; puts a line into pending_, or says there is none

  const Store& store_;
  const ObjectView view_;
  const Selection selection_;
  const std::string resource_;

  std::mutex mutex_;
  Waker waker_;
  WatchOptions options_;
  size_t initial_sent_ = 0;
  Revision cursor_;
  std::deque<EventPtr> batch_;  // read from the log, not yet encoded
  std::string pending_;
  size_t pending_sent_ = 0;
  std::chrono::steady_clock::time_point next_bookmark_;
  bool columns_sent_ = false;
  bool idle_ = false;  // everything up to cursor_ is sent; waits for the waker
  bool bookmark_due_ = false;
  bool ending_ = false;  // after the pending line
};

}  // namespace caracal::apiserver
