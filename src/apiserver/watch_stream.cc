#include "apiserver/watch_stream.h"

#include <algorithm>
#include <cstring>

#include "apiserver/object.h"

namespace caracal::apiserver {
namespace {

constexpr size_t kReadAhead = 64;
constexpr std::chrono::seconds kBookmarkInterval{30};

std::string event_line(std::string_view type, std::string_view object) {
  std::string text;
  text.reserve(object.size() + 40);
  text += R"({"type":")";
  text += type;
  text += R"(","object":)";
  text += object;
  text += "}\n";
  return text;
}

}  // namespace

WatchStream::WatchStream(const Store& store, ObjectView view, Selection selection,
                         WatchOptions options)
    : store_(store),
      view_(std::move(view)),
      selection_(std::move(selection)),
      resource_(view_.type().group_resource()),
      options_(std::move(options)),
      cursor_(options_.from),
      next_bookmark_(std::chrono::steady_clock::now() + kBookmarkInterval) {}

void WatchStream::start(Waker waker) {
  const std::lock_guard lock(mutex_);
  waker_ = std::move(waker);
}

bool WatchStream::concerns(const StoreEvent& event) const {
  return (event.before && selection_.matches(*event.before)) ||
         (event.now && selection_.matches(*event.now));
}

std::string WatchStream::line(std::string_view type, const StoredObject& object) {
  const bool with_columns = !columns_sent_;
  columns_sent_ = true;
  if (view_.as_object() && view_.type().storage_version) return event_line(type, object.bytes);
  return event_line(type, view_.render(object, with_columns));
}

std::string WatchStream::encode(const StoreEvent& event) {
  const bool was = event.before && selection_.matches(*event.before);
  const bool is = event.now && selection_.matches(*event.now);
  if (is) return line(was ? "MODIFIED" : "ADDED", *event.now);
  if (!event.now) return line("DELETED", *event.last);
  // It left the selection: its last selected state, with the revision at which it left.
  StoredObject left = *event.before;
  json::value object = parse_stored(left);
  metadata_of(object)["resourceVersion"] = std::to_string(event.revision);
  left.bytes = jsonio::to_string(object);
  return line("DELETED", left);
}

std::string WatchStream::encode_bookmark(Revision revision, bool initial_end) const {
  json::object metadata{{"resourceVersion", std::to_string(revision)},
                        {"creationTimestamp", nullptr}};
  if (initial_end) metadata["annotations"] = json::object{{"k8s.io/initial-events-end", "true"}};
  json::value object = json::object{{"kind", view_.type().kind},
                                    {"apiVersion", view_.type().api_version()},
                                    {"metadata", std::move(metadata)}};
  return event_line("BOOKMARK",
                    view_.as_object() ? jsonio::to_string(object) : view_.render(object, false));
}

bool WatchStream::next_line() {
  if (initial_sent_ < options_.initial.size()) {
    StoredPtr& object = options_.initial[initial_sent_++];
    pending_ = line("ADDED", *object);
    object.reset();
    return true;
  }
  if (!options_.initial.empty()) {
    options_.initial.clear();
    options_.initial.shrink_to_fit();
    initial_sent_ = 0;
  }
  if (options_.initial_events_end) {
    options_.initial_events_end = false;
    pending_ = encode_bookmark(cursor_, true);
    return true;
  }
  while (true) {
    if (batch_.empty()) {
      const Revision seen = store_.revision();
      auto events = store_.events_since(resource_, cursor_, kReadAhead);
      if (!events) {
        const ApiError error = ApiError::expired(events.error().message);
        pending_ = event_line("ERROR", jsonio::to_string(error.to_json()));
        ending_ = true;
        return true;
      }
      if (events->empty()) {
        cursor_ = std::max(cursor_, seen);
        if (!bookmark_due_) return false;
        bookmark_due_ = false;
        next_bookmark_ = std::chrono::steady_clock::now() + kBookmarkInterval;
        pending_ = encode_bookmark(cursor_, false);
        return true;
      }
      batch_.assign(std::make_move_iterator(events->begin()),
                    std::make_move_iterator(events->end()));
    }
    const EventPtr event = std::move(batch_.front());
    batch_.pop_front();
    cursor_ = event->revision;
    if (!concerns(*event)) continue;
    pending_ = encode(*event);
    return true;
  }
}

ResponseStream::Read WatchStream::read(char* buffer, size_t size) {
  const std::lock_guard lock(mutex_);
  idle_ = false;
  size_t written = 0;
  while (written < size) {
    if (pending_sent_ == pending_.size()) {
      pending_.clear();
      pending_sent_ = 0;
      if (ending_) break;
      if (!next_line()) break;
    }
    const size_t part = std::min(size - written, pending_.size() - pending_sent_);
    std::memcpy(buffer + written, pending_.data() + pending_sent_, part);
    written += part;
    pending_sent_ += part;
  }
  if (written > 0) return {State::kMore, written};
  if (ending_) return {State::kEnd, 0};
  idle_ = true;
  return {State::kWait, 0};
}

void WatchStream::announce(const std::vector<EventPtr>& events) {
  const std::lock_guard lock(mutex_);
  if (!idle_) return;  // it reads the log itself before it waits
  const bool mine = std::any_of(events.begin(), events.end(),
                                [this](const EventPtr& event) { return concerns(*event); });
  if (!mine) {
    cursor_ = std::max(cursor_, events.back()->revision);
    return;
  }
  idle_ = false;
  if (waker_) waker_();
}

void WatchStream::tick(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!idle_) return;
  if (now >= options_.deadline) {
    ending_ = true;
  } else if (options_.bookmarks && now >= next_bookmark_) {
    bookmark_due_ = true;
  } else {
    return;
  }
  idle_ = false;
  if (waker_) waker_();
}

}  // namespace caracal::apiserver
