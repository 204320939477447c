// Reflector: keeps telling its reader what exists in one collection of the API server.
//
// Lists page by page, then watches from the list's resourceVersion. Lost connection: the watch
// resumes from the last resourceVersion after a backoff, and the reader keeps what it has. 410
// Gone: lists again, reports what is new or changed, then what has vanished. Holds the names of
// objects and a digest of (uid, resourceVersion), never the objects. Lives on the client's loop;
// all callbacks run there.
//
//   idle -> list pages -> watch -> (end of stream) watch again -> (410) list again ...
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "event/backoff.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "model/object.h"

namespace caracal::kube {

struct ReflectorOptions {
  std::string path;            // collection: "/api/v1/pods"
  std::string label_selector;  // as the query parameters of the API; empty: all
  std::string field_selector;
  int page_size = 500;
  bool bookmarks = true;
  std::chrono::seconds watch_timeout{
      300};  // the server is asked to end the watch after 1 to 2 times this
  event::BackoffOptions backoff;
  event::Random random = event::system_random();
};

struct ReflectorState {
  bool connected = false;  // the last exchange with the server worked
  std::string error;       // why not
};

struct ReflectorCounters {
  uint64_t lists = 0;    // complete ones
  uint64_t watches = 0;  // opened
  uint64_t events = 0;
  uint64_t failures = 0;
};

class Reflector {
 public:
  struct Callbacks {
    // An object that is there, new or changed; or nullptr when it is gone. Repeats are possible.
    // The value is valid during the call only: decode it, don't keep it.
    std::function<void(const model::ObjectName&, const json::value* object)> on_object;
    // The first complete list has been reported. Once.
    std::function<void()> on_synced;
    // The connection was lost, failed in another way, or is back. Only changes.
    std::function<void(const ReflectorState&)> on_state;
  };

  // `client` must outlive it. Nothing happens before start().
  Reflector(Client& client, ReflectorOptions options, Callbacks callbacks);
  ~Reflector();  // may happen inside a callback
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void start();
  // No callback after this. start() goes on from where it was.
  void stop();

  bool synced() const;
  size_t objects() const;
  const ReflectorState& state() const;
  const ReflectorCounters& counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::kube
