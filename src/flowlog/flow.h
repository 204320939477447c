// Flow: packets of one kind that the kernel told of, as one thing.
//
// Made by the flow log's loop from captures; the gate counts its repeats. Value.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "dataplane/nft/log_groups.h"
#include "flowlog/packet.h"

namespace caracal::flowlog {

struct FlowKey {
  dataplane::nft::LogMark mark;
  uint32_t in_index = 0;
  uint32_t out_index = 0;
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  uint16_t port = 0;  // the destination's, or type * 256 + code of ICMP
  bool operator==(const FlowKey&) const = default;
};

struct Flow {
  dataplane::nft::LogMark mark;
  uint32_t in_index = 0;
  uint32_t out_index = 0;
  Packet packet;  // the first; only its source port may differ in the others
  uint64_t count = 1;
  std::chrono::system_clock::time_point time;  // of the last

  FlowKey key() const;
};

}  // namespace caracal::flowlog

template <>
struct std::hash<caracal::flowlog::FlowKey> {
  size_t operator()(const caracal::flowlog::FlowKey& key) const noexcept;
};
