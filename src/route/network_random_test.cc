// Random worlds: the incremental engine against one from scratch, its deltas against its result,
// and its routes against a plain reading of the rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "route/network_engine.h"
#include "route/testing/network.h"

namespace caracal::route {
namespace {

using desired::BlockRoute;
using desired::Path;
using desired::PodNetwork;
using desired::PodNetworkDelta;
using model::Encapsulation;

struct World {
  std::map<std::string, model::NodeNetwork> nodes;
  std::map<std::string, model::IpPool> pools;
  std::map<net::Cidr, model::AddressBlock> blocks;
  std::optional<model::NetworkSettings> settings;
  uint32_t mtu = 0;
  bool bgp = false;
};

class Dice {
 public:
  explicit Dice(unsigned seed) : source_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(source_); }
  bool one_in(int n) { return below(n) == 0; }
  std::string node() { return std::string(1, static_cast<char>('a' + below(6))); }
  std::mt19937& source() { return source_; }

 private:
  std::mt19937 source_;
};

std::string range_of(int a, int b, int bits) {
  return "10." + std::to_string(a) + "." + std::to_string(b) + ".0/" + std::to_string(bits);
}

model::NodeNetwork random_node(const std::string& name, Dice& dice) {
  model::NodeNetwork node;
  node.name = name;
  if (!dice.one_in(6)) {
    node.v4.address =
        node_address("192.0." + std::to_string(dice.below(2)) + "." +
                     std::to_string(1 + dice.below(8)) + (dice.one_in(4) ? "/32" : "/24"));
  }
  if (!dice.one_in(3)) node.v6.address = node_address("2001:db8::" + name + "/64");
  if (!dice.one_in(3)) node.v4.vxlan_address = ip("10.255.0." + std::to_string(dice.below(8)));
  if (!dice.one_in(3)) node.v6.vxlan_address = ip("fd00:ff::" + name);
  if (dice.one_in(4)) node.v4.vxlan_mac = net::MacAddr{{2, 0, 0, 0, 0, 1}};
  if (!dice.one_in(3)) node.ipip_address = ip("10.254.0." + std::to_string(dice.below(8)));
  if (!dice.one_in(3))
    node.v4.wireguard_key = std::string(1, static_cast<char>('A' + dice.below(8)));
  if (dice.one_in(3)) node.v4.wireguard_address = ip("10.253.0." + std::to_string(dice.below(8)));
  for (int i = dice.below(3); i > 0; --i) {
    node.pod_cidrs.push_back(cidr(range_of(dice.below(3), dice.below(4), 24 + dice.below(2))));
  }
  return node;
}

void change(World& world, Dice& dice, NetworkEngine& engine) {
  switch (dice.below(12)) {
    case 0:
    case 1:
    case 2: {
      const std::string name = dice.node();
      if (dice.one_in(4)) {
        world.nodes.erase(name);
        engine.apply(model::NodeNetworkUpdate{name, std::nullopt});
      } else {
        world.nodes[name] = random_node(name, dice);
        engine.apply(said(world.nodes[name]));
      }
      return;
    }
    case 3:
    case 4: {
      const std::string name = "pool" + std::to_string(dice.below(4));
      if (dice.one_in(4)) {
        world.pools.erase(name);
        engine.apply(model::IpPoolUpdate{name, std::nullopt});
        return;
      }
      const bool v6 = dice.one_in(4);
      model::IpPool pool = make_pool(
          name, v6 ? "fd00::/48" : range_of(dice.below(3), 0, 12 + 4 * dice.below(3)),
          dice.one_in(3) ? Encapsulation::kNone
                         : (v6 || dice.one_in(2) ? Encapsulation::kVxlan : Encapsulation::kIpip),
          dice.one_in(2));
      pool.nat_outgoing = dice.one_in(2);
      world.pools[name] = pool;
      engine.apply(said(pool));
      return;
    }
    case 5: {
      model::NetworkSettings settings;
      settings.wireguard = dice.one_in(2);
      settings.nat_excludes_hosts = dice.one_in(2);
      settings.vxlan_mtu = dice.one_in(2) ? 1234 : 0;
      settings.wireguard_port = dice.one_in(2) ? 51820 : 99;
      world.settings = dice.one_in(3) ? std::nullopt : std::optional(settings);
      engine.apply(model::NetworkSettingsUpdate{world.settings});
      return;
    }
    case 6:
      world.mtu = dice.one_in(2) ? 1500 : 9000;
      engine.set_host_mtu(world.mtu);
      return;
    case 7:
      world.bgp = dice.one_in(2);
      engine.set_bgp(world.bgp);
      return;
    default: {
      const net::Cidr key =
          dice.one_in(5) ? cidr("fd00::" + std::to_string(dice.below(4)) + ":0/122")
                         : cidr(range_of(dice.below(3), dice.below(4), dice.one_in(6) ? 32 : 26));
      if (dice.one_in(4)) {
        world.blocks.erase(key);
        engine.apply(model::AddressBlockUpdate{key, std::nullopt});
        return;
      }
      model::AddressBlock block{key, dice.one_in(6) ? "" : dice.node(), {}};
      net::IpAddr address = key.first();
      for (int i = dice.below(3); i > 0 && key.contains(address); --i, address = address.next()) {
        const std::string node = dice.node();
        if (node != block.node) block.elsewhere.emplace_back(address, node);
      }
      world.blocks[key] = block;
      engine.apply(said(block));
    }
  }
}

NetworkEngine from_scratch(const World& world, bool pod_cidrs, Dice& dice) {
  NetworkEngine engine({.node = "a", .pod_cidrs = pod_cidrs});
  std::vector<model::NetworkUpdate> updates;
  for (const auto& [name, node] : world.nodes) updates.push_back(said(node));
  for (const auto& [name, pool] : world.pools) updates.push_back(said(pool));
  for (const auto& [key, block] : world.blocks) updates.push_back(said(block));
  updates.emplace_back(model::NetworkSettingsUpdate{world.settings});
  std::shuffle(updates.begin(), updates.end(), dice.source());
  engine.set_host_mtu(world.mtu);
  engine.set_bgp(world.bgp);
  for (const auto& update : updates) engine.apply(update);
  engine.flush();
  return engine;
}

// Applies a delta as the drivers do.
void follow(PodNetwork& shadow, const PodNetworkDelta& delta, const PodNetwork& now) {
  for (const auto& [prefix, route] : delta.routes) {
    const auto before = shadow.routes.find(prefix);
    if (route) {
      EXPECT_TRUE(before == shadow.routes.end() || before->second != *route) << "nothing changed";
      shadow.routes.insert_or_assign(prefix, *route);
    } else {
      EXPECT_EQ(shadow.routes.erase(prefix), 1U);
    }
  }
  for (const auto& [address, peer] : delta.vxlan_peers) {
    auto& peers = address.is_v4() ? shadow.v4.vxlan_peers : shadow.v6.vxlan_peers;
    const auto before = peers.find(address);
    if (peer) {
      EXPECT_TRUE(before == peers.end() || before->second != *peer) << "nothing changed";
      peers.insert_or_assign(address, *peer);
    } else {
      EXPECT_EQ(peers.erase(address), 1U);
    }
  }
  const PodNetwork before = shadow;
  if (delta.devices) {
    for (const auto& [to, from] : {std::pair{&shadow.v4, &now.v4}, {&shadow.v6, &now.v6}}) {
      to->vxlan = from->vxlan;
      to->ipip = from->ipip;
      to->wireguard = from->wireguard;
    }
    EXPECT_NE(shadow, before);
  }
  if (delta.wireguard_peers) {
    EXPECT_TRUE(shadow.v4.wireguard_peers != now.v4.wireguard_peers ||
                shadow.v6.wireguard_peers != now.v6.wireguard_peers);
    shadow.v4.wireguard_peers = now.v4.wireguard_peers;
    shadow.v6.wireguard_peers = now.v6.wireguard_peers;
  }
  if (delta.rules) {
    EXPECT_NE(shadow.rules, now.rules);
    shadow.rules = now.rules;
  }
}

// The rules of docs/design/network.md, read one prefix at a time.
std::optional<BlockRoute> plain_route(const World& world, const net::Cidr& prefix,
                                      const std::string& holder, bool borrowed) {
  const std::string self = "a";
  if (holder == self) {
    if (borrowed || prefix.is_host()) return std::nullopt;
    return BlockRoute{Path::kBlackhole, std::nullopt, self};
  }
  const bool v4 = prefix.family() == net::Family::kIPv4;
  if (!world.nodes.contains(holder)) return std::nullopt;
  static const model::NodeNetwork kNobody;
  const model::NodeNetwork& own = world.nodes.contains(self) ? world.nodes.at(self) : kNobody;
  const model::NodeFamily& here = own.of(prefix.family());
  const model::NodeFamily& there = world.nodes.at(holder).of(prefix.family());
  const model::IpPool* pool = nullptr;
  for (const auto& [name, one] : world.pools) {
    if (!one.cidr.contains(prefix)) continue;
    if (pool == nullptr || one.cidr.bits() > pool->cidr.bits()) pool = &one;
  }
  if (!there.address) return std::nullopt;
  const model::NetworkSettings settings = world.settings.value_or(model::NetworkSettings());
  const bool wireguard = v4 ? settings.wireguard : settings.wireguard_v6;
  if (wireguard && here.address && !here.wireguard_key.empty() && !there.wireguard_key.empty()) {
    return BlockRoute{Path::kWireguard, std::nullopt, holder};
  }
  const net::IpAddr& to = there.address->address;
  const bool subnet_known = here.address && !net::Cidr(to, here.address->bits).is_host();
  const bool near = subnet_known && here.address->subnet().contains(to);
  if (pool == nullptr || pool->encapsulation == Encapsulation::kNone) {
    if (world.bgp || (subnet_known && !near)) return std::nullopt;
    return BlockRoute{Path::kDirect, to, holder};
  }
  if (pool->cross_subnet && near) return BlockRoute{Path::kDirect, to, holder};
  if (pool->encapsulation == Encapsulation::kIpip) {
    if (!here.address || !own.ipip_address) return std::nullopt;
    return BlockRoute{Path::kIpip, to, holder};
  }
  if (!here.address || !here.vxlan_address || !there.vxlan_address) return std::nullopt;
  return BlockRoute{Path::kVxlan, *there.vxlan_address, holder};
}

std::map<net::Cidr, BlockRoute> plain_routes(const World& world, bool pod_cidrs) {
  std::map<net::Cidr, std::pair<bool, std::string>> holders;  // {not borrowed, node}: lowest wins
  const auto claim = [&](const net::Cidr& prefix, bool borrowed, const std::string& node) {
    const std::pair<bool, std::string> claimed(!borrowed, node);
    const auto [at, fresh] = holders.emplace(prefix, claimed);
    if (!fresh) at->second = std::min(at->second, claimed);
  };
  if (pod_cidrs) {
    for (const auto& [name, node] : world.nodes) {
      for (const net::Cidr& range : node.pod_cidrs) claim(range, false, name);
    }
  } else {
    for (const auto& [range, block] : world.blocks) {
      if (!block.node.empty()) claim(range, false, block.node);
      for (const auto& [address, node] : block.elsewhere) {
        claim(net::Cidr::host(address), true, node);
      }
    }
  }
  std::map<net::Cidr, BlockRoute> routes;
  for (const auto& [prefix, holder] : holders) {
    if (auto route = plain_route(world, prefix, holder.second, !holder.first)) {
      routes.emplace(prefix, std::move(*route));
    }
  }
  return routes;
}

TEST(NetworkRandomWorlds, IncrementalEqualsFromScratch) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Dice dice(seed);
    const bool pod_cidrs = seed % 3 == 2;
    World world;
    PodNetwork shadow;
    NetworkEngine engine({.node = "a", .pod_cidrs = pod_cidrs});
    for (int step = 0; step < 60; ++step) {
      for (int changes = 1 + dice.below(4); changes > 0; --changes) change(world, dice, engine);
      follow(shadow, engine.flush(), engine.network());
      ASSERT_EQ(shadow, engine.network()) << "step " << step;
      ASSERT_EQ(engine.network().routes, plain_routes(world, pod_cidrs)) << "step " << step;
      const NetworkEngine fresh = from_scratch(world, pod_cidrs, dice);
      ASSERT_EQ(engine.network(), fresh.network()) << "step " << step;
      ASSERT_EQ(engine.problems(), fresh.problems()) << "step " << step;
      ASSERT_EQ(engine.pod_mtu(), fresh.pod_mtu());
      ASSERT_EQ(engine.needs(), fresh.needs());
    }
  }
}

}  // namespace
}  // namespace caracal::route
