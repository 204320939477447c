// The kinds of the pod network through ObjectDecoder.
#include "calico/network_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "calico/decode.h"
#include "jsonio/yaml.h"

namespace caracal::calico {
namespace {

using model::Encapsulation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents ? documents->at(0) : json::value();
}

net::Cidr cidr(std::string_view text) { return net::Cidr::parse_or_host(text).value(); }
net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }

// What NetworkUpdates come to.
struct NetworkWorld {
  std::map<std::string, model::NodeNetwork> nodes;
  std::map<std::string, model::IpPool> pools;
  std::map<std::string, model::IpReservation> reservations;
  std::optional<model::IpamSettings> ipam;
  std::map<net::Cidr, model::AddressBlock> blocks;
  std::map<std::string, model::BgpConfiguration> bgp;
  std::map<std::string, model::BgpPeer> peers;
  std::map<std::string, model::BgpFilter> filters;
  std::map<model::ObjectName, model::Service> services;
  std::map<model::ObjectName, model::ServiceNodes> service_nodes;
  std::optional<model::NetworkSettings> settings;
  bool ready = true;
  bool operator==(const NetworkWorld&) const = default;

  template <typename Map, typename Update>
  static void put(Map& map, const Update& update) {
    if (update.value) {
      map.insert_or_assign(update.key, *update.value);
    } else {
      map.erase(update.key);
    }
  }
  void apply(const model::NodeNetworkUpdate& u) { put(nodes, u); }
  void apply(const model::IpPoolUpdate& u) { put(pools, u); }
  void apply(const model::IpReservationUpdate& u) { put(reservations, u); }
  void apply(const model::IpamSettingsUpdate& u) { ipam = u.value; }
  void apply(const model::AddressBlockUpdate& u) { put(blocks, u); }
  void apply(const model::BgpConfigurationUpdate& u) { put(bgp, u); }
  void apply(const model::BgpPeerUpdate& u) { put(peers, u); }
  void apply(const model::BgpFilterUpdate& u) { put(filters, u); }
  void apply(const model::ServiceUpdate& u) { put(services, u); }
  void apply(const model::ServiceNodesUpdate& u) { put(service_nodes, u); }
  void apply(const model::NetworkSettingsUpdate& u) { settings = u.value; }
  void apply(const model::DatastoreReadyUpdate& u) { ready = u.ready; }
};

constexpr std::string_view kShown = "projectcalico.org/v3";
constexpr std::string_view kStored = "crd.projectcalico.org/v1";

struct Follower {
  ObjectDecoder decoder{"node1"};
  NetworkWorld world;
  size_t policy_updates = 0;

  std::vector<Finding> put(std::string_view text) {
    return take(decoder.apply(yaml(text)).value());
  }
  std::vector<Finding> put(std::string_view version, std::string_view kind, std::string_view name,
                           std::string_view spec) {
    return put("{apiVersion: " + std::string(version) + ", kind: " + std::string(kind) +
               ", metadata: {name: " + std::string(name) + "}, spec: {" + std::string(spec) + "}}");
  }
  void gone(std::string_view version, std::string_view kind, model::ObjectName name) {
    const Collection* collection = find_collection(version, kind);
    ASSERT_NE(collection, nullptr);
    take(decoder.apply(*collection, name, nullptr));
  }
  std::vector<Finding> take(const Decoded& decoded) {
    policy_updates += decoded.updates.size();
    for (const model::NetworkUpdate& update : decoded.network) {
      std::visit([this](const auto& one) { world.apply(one); }, update);
    }
    return decoded.findings;
  }
};

TEST(NetworkDecoder, Collections) {
  EXPECT_EQ(all_collections().size(), collections().size() + network_collections().size());
  EXPECT_EQ(find_collection("v1", "Service")->path(), "/api/v1/services");
  EXPECT_EQ(find_collection(kShown, "IPAMConfiguration")->path(),
            "/apis/projectcalico.org/v3/ipamconfigurations");
  EXPECT_EQ(find_collection(kStored, "IPAMConfig")->path(),
            "/apis/crd.projectcalico.org/v1/ipamconfigs");
  for (const Collection& one : collections()) EXPECT_NE(one.kind, "IPPool");
}

TEST(NetworkDecoder, Pools) {
  Follower f;
  EXPECT_THAT(f.put(kShown, "IPPool", "p",
                    "cidr: 10.0.0.0/16, vxlanMode: CrossSubnet, natOutgoing: true, "
                    "nodeSelector: \"zone == 'a'\", disableBGPExport: true, blockSize: 24"),
              IsEmpty());
  const model::IpPool& pool = f.world.pools.at("p");
  EXPECT_EQ(pool.cidr, cidr("10.0.0.0/16"));
  EXPECT_EQ(pool.block_bits, 24);
  EXPECT_EQ(pool.encapsulation, Encapsulation::kVxlan);
  EXPECT_TRUE(pool.cross_subnet && pool.nat_outgoing && !pool.export_by_bgp && !pool.disabled);
  EXPECT_TRUE(pool.for_workloads && pool.for_tunnels && !pool.for_load_balancers);
  EXPECT_EQ(pool.nodes.canonical(),
            selector::Selector::parse_expression("zone == 'a'")->canonical());
  EXPECT_EQ(f.policy_updates, 0U);

  f.put(kShown, "IPPool", "six", "cidr: fd00::/48, namespaceSelector: has(team)");
  EXPECT_EQ(f.world.pools.at("six").block_bits, 122);
  EXPECT_FALSE(f.world.pools.at("six").for_tunnels);
  f.put(
      "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: six, "
      "deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: {cidr: 'fd00::/48'}}");
  EXPECT_TRUE(f.world.pools.at("six").disabled);
  f.gone(kShown, "IPPool", {"", "six"});
  EXPECT_THAT(f.world.pools, SizeIs(1));
}

TEST(NetworkDecoder, WhatWorkedBeforeGoesOn) {
  Follower f;
  f.put(kShown, "IPPool", "p", "cidr: 10.0.0.0/16, ipipMode: Always");
  const auto findings = f.put(kShown, "IPPool", "p", "cidr: 10.0.0.0/16, ipipMode: Sometimes");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_TRUE(findings[0].invalid);
  EXPECT_EQ(findings[0].title(), "IPPool p");
  EXPECT_THAT(findings[0].text,
              HasSubstr("spec.ipipMode: \"Sometimes\": must be one of \"Always\""));
  EXPECT_EQ(f.world.pools.at("p").encapsulation, Encapsulation::kIpip);
  f.gone(kShown, "IPPool", {"", "p"});
  EXPECT_THAT(f.world.pools, IsEmpty());
  f.put(kShown, "IPPool", "never", "cidr: nonsense");
  EXPECT_THAT(f.world.pools, IsEmpty());
}

TEST(NetworkDecoder, OneObjectOfBothGroups) {
  Follower f;
  f.put(kStored, "IPPool", "p", "cidr: 10.0.0.0/16");
  f.put(kShown, "IPPool", "p", "cidr: 10.0.0.0/16, natOutgoing: true");
  EXPECT_TRUE(f.world.pools.at("p").nat_outgoing);
  f.put(kStored, "IPPool", "p", "cidr: 10.0.0.0/16, disabled: true");
  EXPECT_FALSE(f.world.pools.at("p").disabled);
  f.gone(kShown, "IPPool", {"", "p"});
  EXPECT_TRUE(f.world.pools.at("p").disabled);
  // IPAMConfig and IPAMConfiguration are the same object.
  f.put(kStored, "IPAMConfig", "default", "strictAffinity: true, autoAllocateBlocks: false");
  EXPECT_TRUE(f.world.ipam->strict_affinity && !f.world.ipam->auto_allocate_blocks);
  f.put(kShown, "IPAMConfiguration", "default", "ipCooldownSeconds: 60");
  EXPECT_EQ(f.world.ipam->cooldown_seconds, 60U);
  EXPECT_THAT(f.put(kShown, "IPAMConfiguration", "other", "strictAffinity: true"), SizeIs(1));
  f.gone(kShown, "IPAMConfiguration", {"", "default"});
  EXPECT_TRUE(f.world.ipam->strict_affinity);
}

TEST(NetworkDecoder, Blocks) {
  Follower f;
  f.put(kStored, "IPAMBlock", "10-0-1-0-30",
        "cidr: 10.0.1.0/30, affinity: 'host:b', allocations: [0, 1, null, 2], unallocated: [2], "
        "attributes: [{handle_id: x, secondary: {node: b}}, {handle_id: y, secondary: {node: c}}, "
        "{handle_id: z, secondary: {node: d}, releasedAt: '2026-01-01T00:00:00Z'}]");
  const model::AddressBlock& block = f.world.blocks.at(cidr("10.0.1.0/30"));
  EXPECT_EQ(block.node, "b");
  EXPECT_THAT(block.elsewhere, ElementsAre(Pair(ip("10.0.1.1"), "c")));
  f.put(kStored, "IPAMBlock", "lb",
        "cidr: 10.0.2.0/30, affinity: 'virtual:load-balancer', allocations: [0], unallocated: [], "
        "attributes: [{secondary: {service: s}}]");
  EXPECT_EQ(f.world.blocks.at(cidr("10.0.2.0/30")).node, "");
  EXPECT_THAT(f.world.blocks.at(cidr("10.0.2.0/30")).elsewhere, IsEmpty());
  EXPECT_THAT(f.put(kStored, "IPAMBlock", "lb", "cidr: 10.0.0.0/8"), SizeIs(1));
  EXPECT_THAT(f.world.blocks, SizeIs(2));
  f.put(kStored, "IPAMBlock", "lb", "cidr: 10.0.3.0/30, affinity: 'host:e'");
  EXPECT_EQ(f.world.blocks.count(cidr("10.0.2.0/30")), 0U);
  f.gone(kStored, "IPAMBlock", {"", "lb"});
  f.gone(kStored, "IPAMBlock", {"", "10-0-1-0-30"});
  EXPECT_THAT(f.world.blocks, IsEmpty());
}

TEST(NetworkDecoder, Nodes) {
  Follower f;
  EXPECT_THAT(f.put(R"(
apiVersion: v1
kind: Node
metadata:
  name: b
  labels: {zone: x}
  annotations:
    projectcalico.org/IPv4Address: 192.0.2.2/24
    projectcalico.org/IPv4VXLANTunnelAddr: 10.0.1.0
    projectcalico.org/VXLANTunnelMACAddr: 66:01:02:03:04:05
    projectcalico.org/IPv4IPIPTunnelAddr: 10.0.1.1
    projectcalico.org/ASNumber: "64512.1"
    projectcalico.org/RouteReflectorClusterID: 224.0.0.1
    projectcalico.org/WireguardPublicKey: jlkVyMYfrk4GzSXTzgHxOQkPLPTFTvLWWVZAjSPkKXQ=
spec: {podCIDRs: [10.9.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.9}, {type: InternalIP, address: '2001:db8::2'}]}
)"),
              IsEmpty());
  const model::NodeNetwork& node = f.world.nodes.at("b");
  EXPECT_EQ(node.v4.address, (model::NodeAddress{ip("192.0.2.2"), 24}));
  EXPECT_EQ(node.v6.address, (model::NodeAddress{ip("2001:db8::2"), 128}));
  EXPECT_EQ(node.v4.vxlan_address, ip("10.0.1.0"));
  EXPECT_EQ(node.v4.vxlan_mac->to_string(), "66:01:02:03:04:05");
  EXPECT_EQ(node.ipip_address, ip("10.0.1.1"));
  EXPECT_EQ(node.as_number, 64512U * 65536 + 1);
  EXPECT_EQ(node.route_reflector_cluster, ip("224.0.0.1"));
  EXPECT_EQ(node.v4.wireguard_key.size(), 44U);
  EXPECT_THAT(node.pod_cidrs, ElementsAre(cidr("10.9.0.0/24")));
  EXPECT_EQ(f.policy_updates, 1U);

  const auto findings = f.put(
      "{apiVersion: v1, kind: Node, metadata: {name: b, annotations: "
      "{projectcalico.org/IPv4Address: 192.0.2.2/99, projectcalico.org/WireguardPublicKey: k}}, "
      "status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}}");
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_FALSE(findings[0].invalid);
  EXPECT_THAT(findings[0].text,
              HasSubstr("metadata.annotations.projectcalico.org/IPv4Address: \"192.0.2.2/99\": "
                        "must be an IPv4 address with the prefix length"));
  EXPECT_EQ(f.world.nodes.at("b").v4.address, (model::NodeAddress{ip("192.0.2.9"), 32}));
  f.gone("v1", "Node", {"", "b"});
  EXPECT_THAT(f.world.nodes, IsEmpty());
}

TEST(NetworkDecoder, Services) {
  Follower f;
  f.put(
      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: dev}, spec: {clusterIPs: "
      "[10.96.0.7, 'fd00::7'], externalIPs: [203.0.113.1], externalTrafficPolicy: Local}, status: "
      "{loadBalancer: {ingress: [{ip: 198.51.100.1}, {hostname: x}]}}}");
  const model::Service& service = f.world.services.at({"dev", "web"});
  EXPECT_THAT(service.cluster_ips, ElementsAre(ip("10.96.0.7"), ip("fd00::7")));
  EXPECT_THAT(service.external_ips, ElementsAre(ip("203.0.113.1")));
  EXPECT_THAT(service.load_balancer_ips, ElementsAre(ip("198.51.100.1")));
  EXPECT_TRUE(service.local && !service.internal_local);
  f.put(
      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: dev}, spec: {clusterIP: "
      "None}}");
  EXPECT_THAT(f.world.services.at({"dev", "web"}).cluster_ips, IsEmpty());
  f.put(
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: "
      "dev, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: ["
      "{addresses: [10.0.0.1], nodeName: b}, {addresses: [10.0.0.2], nodeName: a, conditions: "
      "{ready: true}}, {addresses: [10.0.0.3], nodeName: c, conditions: {ready: false}}, "
      "{addresses: [10.0.0.4], nodeName: a}]}");
  EXPECT_THAT(f.world.service_nodes.at({"dev", "web-1"}).nodes, ElementsAre("a", "b"));
  EXPECT_EQ(f.policy_updates, 1U);
  f.gone("v1", "Service", {"dev", "web"});
  f.gone("discovery.k8s.io/v1", "EndpointSlice", {"dev", "web-1"});
  EXPECT_EQ(f.world, NetworkWorld());
}

TEST(NetworkDecoder, Bgp) {
  Follower f;
  EXPECT_THAT(
      f.put(kShown, "BGPConfiguration", "default",
            "asNumber: '1.2', nodeToNodeMeshEnabled: false, listenPort: 1790, bindMode: NodeIP, "
            "serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceLoadBalancerAggregation: Disabled, "
            "communities: [{name: c, value: '1:2'}], prefixAdvertisements: [{cidr: 10.0.0.0/8, "
            "communities: [c, '1:2:3']}], localWorkloadPeeringIPV4: 169.254.1.2, "
            "localWorkloadPeeringIPV6: 'fd00::9'"),
      IsEmpty());
  const model::BgpConfiguration& config = f.world.bgp.at("default");
  EXPECT_EQ(config.as_number, 65538U);
  EXPECT_EQ(config.node_mesh, false);
  EXPECT_EQ(config.bind_node_ip, true);
  EXPECT_EQ(config.load_balancer_aggregation, false);
  EXPECT_EQ(config.local_workload_peering_v4, ip("169.254.1.2"));
  EXPECT_EQ(config.local_workload_peering_v6, ip("fd00::9"));
  ASSERT_THAT(config.prefix_advertisements, SizeIs(1));
  EXPECT_THAT(config.prefix_advertisements[0].communities,
              ElementsAre(model::BgpCommunity{{1, 2}}, model::BgpCommunity{{1, 2, 3}}));

  EXPECT_THAT(
      f.put("{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: p, annotations: "
            "{caracal.io/bfd: 'true'}}, spec: {peerIP: '[fe80::1%eth0]:1790', asNumber: 65000, "
            "nextHopMode: Self, sourceAddress: None, maxRestartTime: 1m30s, ttlSecurity: 1, "
            "filters: [f, g], reversePeering: Manual, password: {secretKeyRef: {name: s, key: "
            "k}}}}"),
      IsEmpty());
  const model::BgpPeer& peer = f.world.peers.at("p");
  EXPECT_EQ(peer.peer_ip, ip("fe80::1"));
  EXPECT_EQ(peer.peer_interface, "eth0");
  EXPECT_EQ(peer.peer_port, 1790);
  EXPECT_EQ(peer.next_hop, model::BgpPeer::NextHop::kSelf);
  EXPECT_EQ(peer.max_restart_seconds, 90U);
  EXPECT_TRUE(peer.bfd && !peer.use_node_ip && !peer.reverse);
  EXPECT_THAT(peer.filters, ElementsAre("f", "g"));
  EXPECT_EQ(peer.password, (model::SecretKey{"s", "k"}));

  EXPECT_THAT(f.put(kShown, "BGPFilter", "f",
                    "importV4: [{action: Reject, interface: 'eth*', source: RemotePeers}], "
                    "exportV6: [{action: Accept, cidr: 'fd00::/8', matchOperator: NotIn, "
                    "prefixLength: {min: 48}, asPathPrefix: [65000], communities: {values: "
                    "['1:2']}, operations: [{addCommunity: {value: '1:2:3'}}, {setPriority: "
                    "{value: 7}}]}]"),
              IsEmpty());
  const model::BgpFilter& filter = f.world.filters.at("f");
  EXPECT_TRUE(filter.import_v4.at(0).from_remote_peers);
  const model::BgpFilterRule& rule = filter.export_v6.at(0);
  EXPECT_EQ(rule.prefix->op, model::BgpFilterRule::Operator::kNotIn);
  EXPECT_EQ(rule.prefix->min_length, 48);
  EXPECT_THAT(rule.as_path_prefix, ElementsAre(65000U));
  ASSERT_THAT(rule.operations, SizeIs(2));
  EXPECT_EQ(rule.operations[1].set_priority, 7U);
}

TEST(NetworkDecoder, DatastoreReady) {
  Follower f;
  f.put(kShown, "ClusterInformation", "default", "datastoreReady: false");
  EXPECT_FALSE(f.world.ready);
  f.gone(kShown, "ClusterInformation", {"", "default"});
  EXPECT_TRUE(f.world.ready);
}

TEST(NetworkDecoder, SettingsOfAllSomeAndOneNode) {
  Follower f;
  const auto label = [&](std::string_view labels) {
    f.put("{apiVersion: v1, kind: Node, metadata: {name: node1, labels: {" + std::string(labels) +
          "}}}");
  };
  f.put(kShown, "FelixConfiguration", "default", "vxlanVNI: 7, vxlanPort: 1, vxlanMTU: 1400");
  f.put(kShown, "FelixConfiguration", "racks",
        "nodeSelector: has(rack), vxlanPort: 2, ipipMTU: 1300, natPortRange: '30000:40000'");
  f.put(kShown, "FelixConfiguration", "zones", "nodeSelector: has(rack), vxlanPort: 3");
  f.put(kShown, "FelixConfiguration", "node.node1",
        "vxlanMTU: 1200, wireguardEnabled: true, natOutgoingExclusions: ipPoolsAndHostIPs");
  EXPECT_EQ(f.world.settings->vxlan_vni, 7U);
  EXPECT_EQ(f.world.settings->vxlan_port, 1);
  EXPECT_EQ(f.world.settings->vxlan_mtu, 1200U);
  EXPECT_TRUE(f.world.settings->wireguard && f.world.settings->nat_excludes_hosts);
  label("rack: a");
  EXPECT_EQ(f.world.settings->vxlan_port, 2) << "the lower name of those selected";
  EXPECT_EQ(f.world.settings->ipip_mtu, 1300U);
  EXPECT_EQ(f.world.settings->nat_last_port, 40000);
  EXPECT_EQ(f.world.settings->vxlan_mtu, 1200U);
  label("");
  EXPECT_EQ(f.world.settings->vxlan_port, 1);
  const auto findings =
      f.put(kShown, "FelixConfiguration", "default", "vxlanVNI: 99999999, nodeSelector: all()");
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].text, HasSubstr("spec.nodeSelector: may not stand in the objects"));
  EXPECT_THAT(findings[1].text, HasSubstr("spec.vxlanVNI: 99999999: must be a whole number"));
  EXPECT_EQ(f.world.settings->vxlan_vni, 4096U);
  EXPECT_THAT(f.put(kShown, "FelixConfiguration", "stray", ""),
              ElementsAre(::testing::Field(
                  &Finding::text, HasSubstr("without it only the objects default and node.NAME"))));
  for (const char* name : {"default", "racks", "zones", "node.node1", "stray"}) {
    f.gone(kShown, "FelixConfiguration", {"", name});
  }
  EXPECT_EQ(f.world.settings, std::nullopt);
}

// Whatever the order in which valid objects of both groups came, went and came again.
TEST(NetworkDecoder, OrderOfEventsDoesNotMatter) {
  struct Slot {
    std::string version, kind, name, text;
  };
  const std::vector<std::pair<std::string, std::vector<std::string>>> kKinds = {
      {"IPPool", {"cidr: 10.0.0.0/16", "cidr: 10.1.0.0/16, disabled: true"}},
      {"IPAMBlock", {"cidr: 10.0.0.0/26, affinity: 'host:a'", "cidr: 10.0.1.0/26"}},
      {"IPReservation", {"reservedCIDRs: [10.0.0.0/31]", ""}},
      {"BGPPeer", {"peerIP: 10.0.0.1, asNumber: 1", "peerSelector: all()"}},
      {"BGPFilter", {"importV4: [{action: Reject}]", ""}},
      {"BGPConfiguration", {"asNumber: 1", "listenPort: 1"}},
      {"ClusterInformation", {"datastoreReady: false", ""}},
      {"FelixConfiguration", {"vxlanVNI: 3", "vxlanPort: 9"}},
  };
  std::mt19937 random(11);
  const auto pick = [&random](size_t n) { return random() % n; };
  for (int round = 0; round < 30; ++round) {
    std::vector<Slot> slots;
    for (const std::string_view version : {kShown, kStored}) {
      for (const auto& [kind, specs] : kKinds)
        slots.push_back({std::string(version), kind, "default", {}});
    }
    Follower follower;
    for (int step = 0; step < 80; ++step) {
      const size_t at = pick(slots.size());
      Slot& slot = slots[at];
      if (pick(3) == 0) {
        slot.text.clear();
        follower.gone(slot.version, slot.kind, {"", slot.name});
      } else {
        slot.text = kKinds[at % kKinds.size()].second[pick(2)] + " ";
        follower.put(slot.version, slot.kind, slot.name, slot.text);
      }
    }
    Follower fresh;
    for (const Slot& slot : slots) {
      if (!slot.text.empty()) fresh.put(slot.version, slot.kind, slot.name, slot.text);
    }
    EXPECT_EQ(follower.world, fresh.world) << "round " << round;
  }
}

}  // namespace
}  // namespace caracal::calico
