#include "analysis/port_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"

namespace caracal::analysis {
namespace {

using desired::PortSpace;
using policy::PortSet;

struct SpaceName {
  PortSpace space;
  std::string_view name;
  std::string_view short_name;
};
constexpr std::array kSpaces = {SpaceName{PortSpace::kTcp, "TCP", ""},
                                SpaceName{PortSpace::kUdp, "UDP", "udp/"},
                                SpaceName{PortSpace::kSctp, "SCTP", "sctp/"},
                                SpaceName{PortSpace::kIcmp, "ICMP", "icmp/"},
                                SpaceName{PortSpace::kIcmpV6, "ICMPv6", "icmp6/"},
                                SpaceName{PortSpace::kOther, "other", "other/"}};

struct Interval {
  uint32_t first = 0;
  uint32_t last = 0;
};

bool has_ports(PortSpace space) {
  return space == PortSpace::kTcp || space == PortSpace::kUdp || space == PortSpace::kSctp;
}
bool is_icmp(PortSpace space) { return space == PortSpace::kIcmp || space == PortSpace::kIcmpV6; }
uint32_t size_of(PortSpace space) { return space == PortSpace::kOther ? 256 : 65536; }

// The part of a set in one space, from the space's beginning.
std::vector<Interval> part(const PortSet& set, PortSpace space) {
  const uint32_t begin = policy::space_start(space);
  const uint32_t end = begin + size_of(space);
  std::vector<Interval> out;
  const auto numbers = set.numbers();
  for (size_t i = 0; i < numbers.size(); i += 2) {
    const uint32_t first = std::max(numbers[i], begin);
    const uint32_t past = std::min(numbers[i + 1], end);
    if (first < past) out.push_back({first - begin, past - 1 - begin});
  }
  return out;
}

bool whole(const std::vector<Interval>& intervals, PortSpace space) {
  return intervals.size() == 1 && intervals[0].first <= (has_ports(space) ? 1U : 0U) &&
         intervals[0].last == size_of(space) - 1;
}

// "8" for all codes of a type, "8/0" for one message.
std::string icmp_text(const Interval& interval) {
  const uint32_t first_type = interval.first >> 8;
  const uint32_t last_type = interval.last >> 8;
  if ((interval.first & 0xff) == 0 && (interval.last & 0xff) == 0xff) {
    return first_type == last_type ? fmt::format("{}", first_type)
                                   : fmt::format("{}-{}", first_type, last_type);
  }
  if (interval.first == interval.last)
    return fmt::format("{}/{}", first_type, interval.first & 0xff);
  return fmt::format("{}/{}-{}/{}", first_type, interval.first & 0xff, last_type,
                     interval.last & 0xff);
}

std::string intervals_text(const std::vector<Interval>& intervals, PortSpace space) {
  std::vector<std::string> texts;
  for (Interval interval : intervals) {
    if (is_icmp(space)) {
      texts.push_back(icmp_text(interval));
      continue;
    }
    if (has_ports(space) && interval.first == 0) {
      if (interval.last == 0) continue;
      interval.first = 1;
    }
    texts.push_back(interval.first == interval.last
                        ? fmt::format("{}", interval.first)
                        : fmt::format("{}-{}", interval.first, interval.last));
  }
  return join(texts, ",");
}

std::vector<std::string> parts_text(const PortSet& set, bool brief) {
  std::vector<std::string> parts;
  for (const SpaceName& space : kSpaces) {
    const auto intervals = part(set, space.space);
    if (intervals.empty()) continue;
    const bool all = whole(intervals, space.space);
    if (!brief) {
      if (space.space == PortSpace::kOther) {
        parts.push_back(all ? "other protocols"
                            : "protocol " + intervals_text(intervals, space.space));
      } else if (all) {
        parts.emplace_back(space.name);
      } else {
        const std::string text = intervals_text(intervals, space.space);
        if (!text.empty())
          parts.push_back(
              fmt::format("{} {}{}", space.name, is_icmp(space.space) ? "type " : "", text));
      }
      continue;
    }
    const std::string text = intervals_text(intervals, space.space);
    if (!text.empty()) parts.push_back(fmt::format("{}{}", space.short_name, all ? "*" : text));
  }
  return parts;
}

}  // namespace

uint32_t port_number(net::Protocol protocol, uint16_t port) {
  PortSpace space = PortSpace::kOther;
  if (protocol == net::kTcp) space = PortSpace::kTcp;
  if (protocol == net::kUdp) space = PortSpace::kUdp;
  if (protocol == net::kSctp) space = PortSpace::kSctp;
  if (protocol == net::kIcmp) space = PortSpace::kIcmp;
  if (protocol == net::kIcmpV6) space = PortSpace::kIcmpV6;
  return policy::space_start(space) + (space == PortSpace::kOther ? protocol.number : port);
}

bool contains(const PortSet& set, uint32_t number) {
  const auto numbers = set.numbers();
  const auto after = std::upper_bound(numbers.begin(), numbers.end(), number);
  return (after - numbers.begin()) % 2 == 1;
}

std::string port_text(const PortSet& set) {
  const PortSet everything = PortSet::everything();
  if (set == everything) return "all";
  const std::vector<std::string> parts = parts_text(set, false);
  if (parts.empty()) return "none";
  PortSet rest = everything;
  rest.subtract(set);
  const std::vector<std::string> without = parts_text(rest, false);
  const std::string text = join(parts, ", ");
  const std::string complement = without.empty() ? "all" : "all but " + join(without, ", ");
  return complement.size() < text.size() ? complement : text;
}

std::string short_port_text(const PortSet& set) {
  const PortSet everything = PortSet::everything();
  if (set == everything) return "all";
  const std::vector<std::string> parts = parts_text(set, true);
  if (parts.empty()) return "none";
  PortSet rest = everything;
  rest.subtract(set);
  const std::vector<std::string> without = parts_text(rest, true);
  const std::string text = join(parts, " ");
  const std::string complement = without.empty() ? "all" : "!" + join(without, " !");
  return complement.size() < text.size() ? complement : text;
}

json::value port_json(const PortSet& set) {
  if (set == PortSet::everything()) return {{"all", true}};
  json::object out;
  for (const SpaceName& space : kSpaces) {
    const std::string text = intervals_text(part(set, space.space), space.space);
    if (!text.empty()) out[space.name] = text;
  }
  return out;
}

}  // namespace caracal::analysis
