#include "policy/port_set.h"

#include <limits>

namespace caracal::policy {
namespace {

std::optional<desired::PortSpace> space_of(net::Protocol protocol) {
  if (protocol == net::kTcp) return desired::PortSpace::kTcp;
  if (protocol == net::kUdp) return desired::PortSpace::kUdp;
  if (protocol == net::kSctp) return desired::PortSpace::kSctp;
  return std::nullopt;
}

}  // namespace

PortSet PortSet::everything() {
  PortSet set;
  set.numbers_ = {0, kPortLineEnd};
  return set;
}

PortSet PortSet::one(net::Protocol protocol, uint16_t port) {
  PortSet set;
  set.add(protocol, {port, port});
  return set;
}

PortSet PortSet::from_numbers(std::span<const uint32_t> numbers) {
  PortSet set;
  set.numbers_.assign(numbers.begin(), numbers.end());
  return set;
}

void PortSet::add(net::Protocol protocol, net::PortRange ports) {
  PortSet range;
  if (const auto space = space_of(protocol)) {
    const uint32_t start = space_start(*space);
    range.numbers_ = {start + ports.first, start + ports.last + 1u};
  } else if (ports.all()) {
    const uint32_t number = space_start(desired::PortSpace::kOther) + protocol.number;
    range.numbers_ = {number, number + 1};
  }
  add(range);
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
