// Probes: what a packet meets on its way from a network namespace to an address and port.
//
// Sockets are opened inside the namespace and watched from outside, so any number of probes from
// any number of namespaces run at the same time on one thread. Blocking until all have an outcome.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::lab {

struct Probe {
  std::string netns;                  // path of the namespace the packets start in
  std::optional<net::IpAddr> source;  // an address to send from; otherwise the kernel chooses
  net::IpAddr destination;
  net::Protocol protocol = net::kTcp;  // TCP, UDP, or SCTP where the kernel has it
  uint16_t port = 0;
};

enum class Outcome {
  kOpen,         // connected; for UDP an answer came
  kSilent,       // nothing came back in time, no reset and no ICMP either: what a drop looks like
  kRefused,      // a TCP reset, or ICMP port unreachable
  kUnreachable,  // another ICMP error, or no route: a fault of routing, never of policy
  kUnsupported,  // this kernel has not got the protocol
  kFailed,       // the probe itself could not be made
};
std::string_view to_string(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view text);

struct Observation {
  Outcome outcome = Outcome::kFailed;
  std::chrono::microseconds time{0};  // until the answer, or how long none came
  std::string detail;                 // "TCP reset from 10.0.0.1", or why the probe failed
};

struct ProbeOptions {
  // Longer than the kernel's first retransmission of a SYN (1 s), so that one lost packet is not
  // taken for a drop; UDP is sent twice.
  std::chrono::milliseconds timeout{1'300};
};

// One observation for each probe, in their order.
std::vector<Observation> run_probes(const std::vector<Probe>& probes,
                                    const ProbeOptions& options = {});

// A socket inside the namespace with a connection under way (non-blocking). For UDP connected only.
// error: errno of connect, 0 when it is under way.
struct Attempt {
  UniqueFd fd;
  int error = 0;
  uint16_t local_port = 0;
};
Result<Attempt> begin_attempt(const Probe& probe);

}  // namespace caracal::lab
