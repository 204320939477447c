// Members: what the sets of the table `inet caracal_network` hold, as plain values. Pure; private
// to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "desired/network.h"
#include "net/ip_addr.h"

namespace caracal::dataplane::netrules {

enum class NetSet : uint8_t {
  kNatSources4,
  kNatSources6,
  kNoNat4,
  kNoNat6,
  kNoNatHosts4,
  kNoNatHosts6,
  kNodes4,
  kNodes6,
};

struct NetSetSpec {
  NetSet set;
  const char* name;
  net::Family family;
  bool interval;  // of prefixes, in an ordered tree; else of single addresses, in a hash
  const char* comment;
};
// In NetSet's order.
const std::vector<NetSetSpec>& net_set_specs();
inline const NetSetSpec& spec_of(NetSet set) { return net_set_specs()[static_cast<size_t>(set)]; }

// An address, or all from `first` to before `behind` (nullopt: to the family's end).
struct Member {
  NetSet set;
  net::IpAddr first;
  std::optional<net::IpAddr> behind;
  auto operator<=>(const Member&) const = default;
  std::string to_string() const;
};

// Prefixes that touch or contain each other become one interval: the kernel's ordered tree takes
// none that overlap.
std::set<Member> members_of(const desired::NetworkRules& rules);

}  // namespace caracal::dataplane::netrules
