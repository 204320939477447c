// Journey: where one probe was seen on its way, and its answer on the way back, found among
// captured packets. Pure.
//
// A probe is known by what nothing on the way changes: a mark in its payload (UDP, ICMP), or the
// sequence number of its SYN (TCP), learned where it started. Addresses and ports may be translated
// and tunnels wrapped around it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lab/packet_capture.h"
#include "lab/packet_view.h"

namespace caracal::lab {

struct Sighting {
  enum class Role { kProbe, kAnswer, kError };  // kError: an ICMP error about the probe
  Role role = Role::kProbe;
  int64_t time = 0;  // nanoseconds
  size_t place = 0;  // of the capture's places
  std::string device;
  bool outgoing = false;
  std::vector<Encapsulation> around;
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  int ttl = 0;
};

struct Journey {
  std::vector<Sighting> probe;   // in the order of time, the first of each device and direction
  std::vector<Sighting> answer;  // the same, of the first answer
  std::vector<Sighting> errors;
};

struct ProbeSignature {
  net::Protocol protocol;
  size_t place = 0;         // where it starts
  uint16_t local_port = 0;  // TCP, UDP
  uint16_t port = 0;
  std::vector<uint8_t> mark;  // UDP, ICMP: in the payload
};

// `packets` in any order.
Journey follow(std::vector<CapturedPacket> packets, const ProbeSignature& signature);

}  // namespace caracal::lab
