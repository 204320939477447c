// KernelObserver: when the kernels of many namespaces got a route or forwarding entry, by their own
// word (rtnetlink notifications), whoever made it.
//
// Changes have a name: "route+ 10.1.2.0/26", "route- 10.1.2.0/26", "via 10.1.2.0/26 10.0.0.7" (a
// route through that gateway), "fdb 10.0.0.7" (a tunnel's peer is there). Times are of
// CLOCK_MONOTONIC, which is one for all processes; they are taken when the notification is read, so
// that they are late rather than early. Thread-safe; a thread of its own reads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "event/loop.h"
#include "netlink/network_namespace.h"
#include "netlink/socket.h"

namespace caracal::bench {

class KernelObserver {
 public:
  KernelObserver();
  ~KernelObserver();

  // Before anything is done there.
  Status add(const netlink::NetworkNamespace& ns);
  // From now on the time of this change is noted, once a namespace.
  void expect(const std::string& change);
  // Nanoseconds, one a namespace where it has happened.
  std::vector<int64_t> seen(const std::string& change) const;
  // Our routes in each namespace.
  std::vector<int64_t> routes() const;
  // A namespace's notifications did not fit: its numbers are not to be believed.
  bool lost() const;

 private:
  struct Watched {
    netlink::Socket socket;
    event::Handle watch;
    int64_t routes = 0;
  };
  void read(size_t index);
  void take(size_t index, const nlmsghdr* message, int64_t now);
  void note(size_t index, const std::string& change, int64_t now);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::map<std::string, std::map<size_t, int64_t>> expected_;
  bool lost_ = false;
  event::Loop loop_;
  std::thread thread_;
};

}  // namespace caracal::bench
