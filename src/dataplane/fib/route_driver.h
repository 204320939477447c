// RouteDriver: keeps the routes we own in the kernel equal to the wanted ones.
//
// Fed by the agent's dataplane loop (its only thread) with a RouteTable, then with deltas. Ours are
// exactly the routes with our protocol number; a route of somebody else is never changed or
// removed. Where a foreign route has a key we want, ours is not put in and the conflict is
// reported; the next sync tries again. Belongs to the network namespace it was opened in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/fib/route.h"
#include "netlink/rtnetlink.h"

namespace caracal::netlink {
class NetworkNamespace;
}

namespace caracal::dataplane::fib {

// One route that is not as wanted, and why.
struct RouteProblem {
  RouteKey key;
  Error error;  // kConflict: a foreign route has the place; else the kernel's answer
};

struct RouteReport {
  size_t right = 0;    // found as wanted (sync only)
  size_t added = 0;    // were missing
  size_t changed = 0;  // were different
  size_t removed = 0;  // ours, but not wanted
  std::vector<RouteProblem> problems;
};

struct RouteOptions {
  uint8_t protocol = netlink::kRouteProtocol;
  // Tables to look into. Routes of our protocol in other tables are not looked at.
  std::vector<uint32_t> tables = {kMainTable};
};

class RouteDriver {
 public:
  static Result<RouteDriver> open(RouteOptions options = {});
  static Result<RouteDriver> open_in(const netlink::NetworkNamespace& ns,
                                     RouteOptions options = {});
  RouteDriver(RouteDriver&&) noexcept;
  RouteDriver& operator=(RouteDriver&&) noexcept;
  ~RouteDriver();

  // Dumps, classifies, touches only what is wrong or left over. Fails only when the kernel cannot
  // be asked; a route that cannot be put in is a problem in the report, and the others are done.
  Result<RouteReport> sync(const RouteTable& wanted);
  // Changes the wanted table and the kernel by a delta, without a dump. REQUIRES: sync() was
  // called.
  Result<RouteReport> apply(const RouteDelta& delta);
  // All routes of our protocol.
  Result<RouteTable> read_back();
  // What is wanted since the last sync() and apply().
  const RouteTable& wanted() const;
  // Takes away all routes of our protocol.
  Status remove();

  // Drift. The descriptor is readable when routes or links changed; then call changed(), which
  // tells whether one of our wanted routes was deleted or overwritten by somebody (or whether
  // messages were lost): if so, call sync(wanted()).
  int watch_fd() const;
  Result<bool> changed();

 private:
  struct State;
  explicit RouteDriver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace caracal::dataplane::fib
