// One probe packet, and everything that the capture's places see until it is answered. Blocking;
// for lab/trace.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "lab/packet_capture.h"
#include "lab/probe.h"

namespace caracal::lab {

struct Shot {
  std::vector<CapturedPacket> packets;
  Outcome outcome = Outcome::kSilent;
  std::chrono::microseconds time{0};  // until the answer, or how long none came
  int error = 0;                      // errno: the kernel would not even send it
  uint16_t local_port = 0;
};

// Sends a SYN, a datagram with the mark, or (kIcmp, kIcmpV6) an echo request with the mark. Errors:
// those of sockets.
Result<Shot> shoot(PacketCapture& capture, const Probe& probe, const std::vector<uint8_t>& mark,
                   std::chrono::milliseconds timeout);

}  // namespace caracal::lab
