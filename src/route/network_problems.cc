// What keeps pods from being reached, in words.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "route/network_state.h"

namespace caracal::route {
namespace {

using net::Family;

constexpr std::string_view kAddressAnnotation[] = {"projectcalico.org/IPv4Address",
                                                   "projectcalico.org/IPv6Address"};

// Prefixes with the same trouble, of which the first few are named.
struct Prefixes {
  size_t count = 0;
  std::string named;
  void add(const net::Cidr& prefix) {
    constexpr size_t kNamed = 3;
    if (++count <= kNamed) {
      named += (named.empty() ? "" : ", ") + prefix.to_string();
    } else if (count == kNamed + 1) {
      named += ", ...";
    }
  }
  std::string text() const {
    return fmt::format("{} block{} ({})", count, count == 1 ? "" : "s", named);
  }
};

struct Group {
  Trouble trouble;
  Family family;
  std::string node;  // empty: this node is the trouble
  std::string pool;
  auto operator<=>(const Group&) const = default;
};

}  // namespace

class ProblemList {
 public:
  explicit ProblemList(const NetworkEngine::State& state) : state_(state) {}

  std::vector<std::string> all() {
    own();
    blocks();
    claims();
    shared(state_.addresses, "address");
    shared(state_.vteps, "VXLAN tunnel address");
    for (const auto& [key, nodes] : state_.keys) {
      if (nodes.size() > 1) {
        say("nodes {} have the same {} WireGuard key: only {} is reached with it", join(nodes),
            net::to_string(key.first), *nodes.begin());
      }
    }
    if (state_.options.pod_cidrs) overlaps();
    return std::move(list_);
  }

 private:
  template <typename... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    list_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  static std::string join(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  void own() {
    const std::string& name = state_.options.node;
    const model::NodeNetwork* self = state_.own();
    if (self == nullptr) {
      say("node {} (this one) is not known", name);
      return;
    }
    const TunnelNeeds needs = state_.needs();
    for (const Family family : net::kFamilies) {
      const bool v4 = family == Family::kIPv4;
      const auto& address = self->of(family).address;
      const bool tunnel = v4 ? needs.vxlan_v4 || needs.ipip || needs.wireguard_v4
                             : needs.vxlan_v6 || needs.wireguard_v6;
      if (!address && tunnel) {
        say("node {} (this one) has no {} address, so that it has no tunnel", name,
            net::to_string(family));
      }
      if (address && !state_.side(family).subnet && crosses_subnets(family)) {
        say("node {} (this one): the prefix length of its address {} is not known (annotation "
            "{}): no other node counts as in its subnet, and all packets to pools with CrossSubnet "
            "are encapsulated",
            name, address->address.to_string(), kAddressAnnotation[v4 ? 0 : 1]);
      }
    }
  }

  bool crosses_subnets(Family family) const {
    const auto& pools = state_.pools.all();
    return std::any_of(pools.begin(), pools.end(), [family](const auto& entry) {
      const model::IpPool& pool = entry.second;
      return pool.cross_subnet && pool.cidr.family() == family &&
             pool.encapsulation != model::Encapsulation::kNone;
    });
  }

  void blocks() {
    std::map<Group, Prefixes> groups;
    for (const auto& [prefix, trouble] : state_.troubles) {
      Group group{trouble, prefix.family(), {}, {}};
      const bool own = trouble == Trouble::kNoOwnVxlan || trouble == Trouble::kNoOwnIpip;
      if (!own) group.node = state_.claims.holder(prefix)->node;
      if (trouble == Trouble::kOtherSubnet) {
        const model::IpPool* pool = state_.pools.of(prefix);
        if (pool != nullptr) group.pool = pool->name;
      }
      groups[std::move(group)].add(prefix);
    }
    for (const auto& [group, prefixes] : groups) block(group, prefixes.text());
  }

  void block(const Group& group, const std::string& which) {
    const std::string_view family = net::to_string(group.family);
    switch (group.trouble) {
      case Trouble::kNone:
        break;
      case Trouble::kUnknownNode:
        say("node {} does not exist: no route to {} of it", group.node, which);
        break;
      case Trouble::kNoAddress:
        say("node {} has no {} address: no route to {} of it", group.node, family, which);
        break;
      case Trouble::kNoPeerTunnel:
        say("node {} has no {} VXLAN tunnel address yet: no route to {} of it", group.node, family,
            which);
        break;
      case Trouble::kNoOwnVxlan:
        say("node {} (this one) has no {} VXLAN tunnel address yet: no route to {} of other nodes",
            state_.options.node, family, which);
        break;
      case Trouble::kNoOwnIpip:
        say("node {} (this one) has no IPIP tunnel address yet: no route to {} of other nodes",
            state_.options.node, which);
        break;
      case Trouble::kOtherSubnet:
        say("node {} ({}) is outside of this node's subnet {}, and {} has no encapsulation and "
            "there is no BGP: no route to {} of it",
            group.node, state_.node(group.node)->of(group.family).address->address.to_string(),
            state_.side(group.family).subnet->to_string(),
            group.pool.empty() ? "what is in no IP pool" : "IP pool " + group.pool, which);
        break;
      case Trouble::kNoPool:
        say("{} of node {} in no IP pool: taken as without encapsulation", which, group.node);
        break;
    }
  }

  // Two nodes that say the same of one prefix.
  void claims() {
    for (const auto& [prefix, held] : state_.claims.all()) {
      const PrefixClaims::Claim& holder = held.front();
      for (size_t i = 1; i < held.size(); ++i) {
        if (held[i].borrowed != holder.borrowed || held[i].node == held[i - 1].node) continue;
        say("{} is claimed by nodes {} and {}: it counts as {}'s", prefix.to_string(), holder.node,
            held[i].node, holder.node);
      }
    }
  }

  template <typename Map>
  void shared(const Map& map, std::string_view what) {
    for (const auto& [address, nodes] : map) {
      if (nodes.size() > 1) {
        say("nodes {} have the same {} {}", join(nodes), what, address.to_string());
      }
    }
  }

  // The longer prefix wins in the kernel. Sorted, so that what contains a prefix comes before it.
  void overlaps() {
    std::vector<std::pair<const net::Cidr*, const std::string*>> above;
    for (const auto& [prefix, held] : state_.claims.all()) {
      while (!above.empty() && !above.back().first->contains(prefix)) above.pop_back();
      const std::string& node = held.front().node;
      if (!above.empty() && *above.back().second != node) {
        say("pod CIDR {} of node {} overlaps {} of node {}: the smaller one counts where both do",
            prefix.to_string(), node, above.back().first->to_string(), *above.back().second);
      }
      above.emplace_back(&prefix, &node);
    }
  }

  const NetworkEngine::State& state_;
  std::vector<std::string> list_;
};

std::vector<std::string> NetworkEngine::State::problems() const { return ProblemList(*this).all(); }

}  // namespace caracal::route
