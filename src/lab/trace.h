// Trace: one real probe packet through the lab, and every place it was seen at on its way, with
// what happened to it there: tunnels, translations, verdicts, and where it was lost and why.
// Blocking; for the command line and tests.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/output.h"
#include "jsonio/json.h"
#include "lab/journey.h"
#include "lab/lab.h"
#include "lab/lab_view.h"
#include "lab/probe.h"
#include "model/world.h"

namespace caracal::lab {

struct TraceRequest {
  ResolvedEnd from;
  ResolvedEnd to;
  net::Family family = net::Family::kIPv4;
  net::Protocol protocol = net::kTcp;  // TCP, UDP, or kIcmp for an echo of either family
  uint16_t port = 80;
  std::chrono::milliseconds timeout{1'000};
};

// One namespace that the packet went through.
struct TraceHop {
  std::string place;  // "node1", "dev/pod1"
  std::string kind;   // "pod", "node", "router", "outside", "host"
  std::vector<Sighting> sightings;
  std::vector<std::string> notes;  // verdicts, translations
};

struct Trace {
  std::string from;
  std::string to;
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  uint16_t port = 0;
  std::vector<TraceHop> there;
  std::vector<TraceHop> back;  // of the answer, or of an ICMP error
  Outcome outcome = Outcome::kFailed;
  std::chrono::microseconds time{0};
  std::string answer;            // "SYN-ACK", "TCP reset from 10.0.0.1"
  bool delivered = false;        // the probe was seen where its destination is
  std::string lost_at;           // the last place; empty: it got there and back
  std::vector<std::string> why;  // of the loss: policy, route, neighbour, link
  std::vector<std::string> warnings;
};

// Errors: kInvalid when the ends have no address of that family; those of sockets.
Result<Trace> run_trace(const Lab& lab, const model::World& world, const TraceRequest& request);

std::string trace_text(const Trace& trace, const cli::Style& style);
json::value to_json(const Trace& trace);

}  // namespace caracal::lab
