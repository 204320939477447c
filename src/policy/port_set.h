// PortSet: a set of (protocol, destination port) pairs as sorted disjoint intervals on one line:
// TCP ports, UDP ports, SCTP ports, ICMP and ICMPv6 messages (type * 256 + code), then the numbers
// of all other protocols.
//
// What a rule allows on ports is such a set, and so is a row of the verdict table. Equal sets have
// equal representations.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "desired/policy_tables.h"
#include "model/policy.h"

namespace caracal::policy {

// Where a port space begins on the line.
constexpr uint32_t space_start(desired::PortSpace space) {
  return static_cast<uint32_t>(space) * 65536;
}
// The space of a protocol whose ports, or messages, are told apart.
std::optional<desired::PortSpace> space_of(net::Protocol protocol);
inline constexpr uint32_t kPortLineEnd = space_start(desired::PortSpace::kOther) + 256;  // one past

class PortSet {
 public:
  PortSet() = default;
  static PortSet everything();
  static PortSet one(net::Protocol protocol, uint16_t port);
  static PortSet range(net::Protocol protocol, net::PortRange ports);
  // Everything but TCP, UDP and SCTP: what has no source ports to tell apart.
  static PortSet without_ports();
  // REQUIRES: numbers come from numbers().
  static PortSet from_numbers(std::span<const uint32_t> numbers);

  // A protocol without ports holds only when the range is every port.
  void add(net::Protocol protocol, net::PortRange ports);
  // REQUIRES: not a name.
  void add(const model::PortMatch& port);
  void add(const PortSet& other);
  void subtract(const PortSet& other);
  void intersect(const PortSet& other);

  bool empty() const { return numbers_.empty(); }
  bool contains(uint32_t point) const;
  // Begin and one-past-the-end of each interval, alternating.
  std::span<const uint32_t> numbers() const { return numbers_; }
  bool operator==(const PortSet&) const = default;

 private:
  // A point is in the result when `keep(in this, in other)`.
  template <typename Keep>
  void combine(const PortSet& other, const Keep& keep);

  std::vector<uint32_t> numbers_;
};

}  // namespace caracal::policy
