#include "policy/port_set.h"

#include <algorithm>
#include <limits>

namespace caracal::policy {

std::optional<desired::PortSpace> space_of(net::Protocol protocol) {
  if (protocol == net::kTcp) return desired::PortSpace::kTcp;
  if (protocol == net::kUdp) return desired::PortSpace::kUdp;
  if (protocol == net::kSctp) return desired::PortSpace::kSctp;
  if (protocol == net::kIcmp) return desired::PortSpace::kIcmp;
  if (protocol == net::kIcmpV6) return desired::PortSpace::kIcmpV6;
  return std::nullopt;
}

PortSet PortSet::everything() {
  PortSet set;
  set.numbers_ = {0, kPortLineEnd};
  return set;
}

PortSet PortSet::one(net::Protocol protocol, uint16_t port) {
  return range(protocol, {port, port});
}

PortSet PortSet::range(net::Protocol protocol, net::PortRange ports) {
  PortSet set;
  set.add(protocol, ports);
  return set;
}

PortSet PortSet::without_ports() {
  PortSet set;
  set.numbers_ = {space_start(desired::PortSpace::kIcmp), kPortLineEnd};
  return set;
}

PortSet PortSet::from_numbers(std::span<const uint32_t> numbers) {
  PortSet set;
  set.numbers_.assign(numbers.begin(), numbers.end());
  return set;
}

bool PortSet::contains(uint32_t point) const {
  const auto after = std::upper_bound(numbers_.begin(), numbers_.end(), point);
  return (after - numbers_.begin()) % 2 == 1;
}

void PortSet::add(net::Protocol protocol, net::PortRange ports) {
  const auto space = space_of(protocol);
  PortSet range;
  if (space && (protocol.has_ports() || ports.all())) {
    const uint32_t start = space_start(*space);
    range.numbers_ = {start + ports.first, start + ports.last + 1u};
  } else if (!space && ports.all()) {
    const uint32_t number = space_start(desired::PortSpace::kOther) + protocol.number;
    range.numbers_ = {number, number + 1};
  }
  add(range);
}

void PortSet::add(const model::PortMatch& port) {
  if (const auto* icmp = std::get_if<model::IcmpMatch>(&port.port)) {
    const auto space = space_of(port.protocol);
    if (!space || port.protocol.has_ports()) return;
    const uint32_t first = space_start(*space) + icmp->type * 256u + icmp->code.value_or(0);
    PortSet range;
    range.numbers_ = {first, first + (icmp->code ? 1u : 256u)};
    add(range);
  } else if (const auto* ports = std::get_if<net::PortRange>(&port.port)) {
    add(port.protocol, *ports);
  }
}

template <typename Keep>
void PortSet::combine(const PortSet& other, const Keep& keep) {
  constexpr uint32_t kEnd = std::numeric_limits<uint32_t>::max();
  std::vector<uint32_t> out;
  size_t a = 0, b = 0;
  bool kept = false;
  while (a < numbers_.size() || b < other.numbers_.size()) {
    const uint32_t next_a = a < numbers_.size() ? numbers_[a] : kEnd;
    const uint32_t next_b = b < other.numbers_.size() ? other.numbers_[b] : kEnd;
    const uint32_t at = next_a < next_b ? next_a : next_b;
    if (next_a == at) ++a;
    if (next_b == at) ++b;
    const bool now = keep(a % 2 == 1, b % 2 == 1);
    if (now != kept) out.push_back(at);
    kept = now;
  }
  numbers_ = std::move(out);
}

void PortSet::add(const PortSet& other) {
  if (numbers_.empty()) {
    numbers_ = other.numbers_;
    return;
  }
  combine(other, [](bool a, bool b) { return a || b; });
}
void PortSet::subtract(const PortSet& other) {
  combine(other, [](bool a, bool b) { return a && !b; });
}
void PortSet::intersect(const PortSet& other) {
  combine(other, [](bool a, bool b) { return a && b; });
}

}  // namespace caracal::policy
