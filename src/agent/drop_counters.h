// DropCounters: what the ruleset dropped, by rule, as metrics.
//
// Read from the kernel when metrics are asked for, on the calculation loop: one listing of a
// constant number of rules. The table is found by its name and the counters by their rules'
// comments (docs/design/nftables.md); a table that is not there counts nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "netlink/socket.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class DropCounters {
 public:
  static Result<DropCounters> open(telemetry::Metrics& metrics);

  // Brings caracal_dropped_packets_total up to date. Errors: what the kernel refused.
  Status read();

  using Key = std::pair<std::string, std::string>;  // chain, comment of the rule
  // From one answer to a listing of rules: the rule's counter, if it has one. Public for tests.
  static std::optional<std::pair<Key, uint64_t>> parse(const nlmsghdr* message);

 private:
  DropCounters(netlink::Socket socket, telemetry::Metrics& metrics)
      : socket_(std::move(socket)), metrics_(&metrics) {}

  netlink::Socket socket_;
  telemetry::Metrics* metrics_;
  std::map<Key, uint64_t> last_;
};

}  // namespace caracal::agent
