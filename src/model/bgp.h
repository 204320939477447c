// BgpConfiguration, BgpPeer, BgpFilter: who speaks BGP with whom, and which routes pass
// (projectcalico.org/v3 and crd.projectcalico.org/v1; calico.md 2.11 to 2.13, 7).
//
// Made by calico/decode_bgp; read by bgp, which makes of them the configuration of this node's
// BIRD. Validated: AS numbers, communities and names are well formed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/cidr.h"
#include "selector/selector.h"

namespace caracal::model {

// A community: "64512:100" (RFC 1997, two parts) or "64512:1:2" (RFC 8092, three parts).
struct BgpCommunity {
  std::vector<uint32_t> parts;  // 2 of 16 bits or 3 of 32 bits
  bool operator==(const BgpCommunity&) const = default;
};

// A key of a Secret in Caracal's own namespace.
struct SecretKey {
  std::string name;
  std::string key;
  auto operator<=>(const SecretKey&) const = default;
};

// BGPConfiguration "default", or "node.NAME", whose fields go before those of "default". What is
// not said is nullopt (or empty).
struct BgpConfiguration {
  std::string name;
  std::optional<std::string> log_severity;  // "Debug", "Info", ...
  std::optional<bool> node_mesh;            // default true; "default" only
  std::optional<uint32_t> as_number;        // default 64512
  std::vector<net::Cidr> service_cluster_ips;
  std::vector<net::Cidr> service_external_ips;
  std::vector<net::Cidr> service_load_balancer_ips;
  std::optional<bool> load_balancer_aggregation;  // default true
  std::map<std::string, BgpCommunity> communities;
  struct PrefixAdvertisement {
    net::Cidr cidr;
    std::vector<BgpCommunity> communities;  // names are resolved
    bool operator==(const PrefixAdvertisement&) const = default;
  };
  std::vector<PrefixAdvertisement> prefix_advertisements;
  std::optional<uint16_t> listen_port;  // default 179
  std::optional<SecretKey> mesh_password;
  std::optional<uint32_t> mesh_max_restart_seconds;
  std::optional<bool> bind_node_ip;  // listen on the node's address only
  std::vector<std::string> ignored_interfaces;
  std::optional<net::IpAddr> local_workload_peering_v4;  // what pods that speak BGP speak to
  std::optional<net::IpAddr> local_workload_peering_v6;
  std::optional<std::string> program_cluster_routes;
  std::optional<uint32_t> ipv4_priority;  // metric of routes, default 1024
  std::optional<uint32_t> ipv6_priority;
  bool operator==(const BgpConfiguration&) const = default;
};

struct BgpPeer {
  std::string name;
  // Which nodes have it: one by name, or by labels; neither: all.
  std::string node;
  std::optional<selector::Selector> nodes;
  // With whom: an address, or nodes by labels.
  std::optional<net::IpAddr> peer_ip;
  std::string peer_interface;  // zone of a link-local address: "fe80::1%eth0"
  std::optional<uint16_t> peer_port;
  std::optional<selector::Selector> peers;
  std::optional<selector::Selector> local_workloads;
  std::optional<uint32_t> as_number;  // none with `peers`: the peer node's
  std::optional<uint32_t> local_as_number;
  bool keep_next_hop = false;  // keepOriginalNextHop
  enum class NextHop : uint8_t { kAuto, kSelf, kKeep };
  NextHop next_hop = NextHop::kAuto;
  std::optional<SecretKey> password;
  bool use_node_ip = true;  // sourceAddress UseNodeIP; None: the kernel's choice
  std::optional<uint32_t> max_restart_seconds;
  std::optional<uint32_t> keepalive_seconds;
  std::optional<uint32_t> allowed_local_as;  // numAllowedLocalASNumbers
  std::optional<uint8_t> ttl_security;       // hops
  std::optional<net::IpAddr> reachable_by;   // gateway to the peer, of the same family
  std::vector<std::string> filters;          // BGPFilter names, in order
  bool reverse = true;                       // reversePeering Auto: the other side gets it, too
  bool bfd = false;                          // Caracal's own field
  bool operator==(const BgpPeer&) const = default;
};

struct BgpFilterRule {
  enum class Operator : uint8_t { kEqual, kNotEqual, kIn, kNotIn };
  struct Prefix {
    net::Cidr cidr;
    Operator op = Operator::kEqual;
    std::optional<uint8_t> min_length;  // of the route's prefix
    std::optional<uint8_t> max_length;
    bool operator==(const Prefix&) const = default;
  };
  struct Operation {
    std::optional<BgpCommunity> add_community;  // one of the three
    std::vector<uint32_t> prepend_as_path;
    std::optional<uint32_t> set_priority;
    bool operator==(const Operation&) const = default;
  };
  std::optional<Prefix> prefix;
  bool from_remote_peers = false;  // source: RemotePeers
  std::string interface;           // with wildcards "*"
  std::optional<bool> external;    // peerType eBGP (true), iBGP (false)
  std::optional<BgpCommunity> community;
  std::vector<uint32_t> as_path_prefix;
  std::optional<uint32_t> priority;
  bool accept = false;
  std::vector<Operation> operations;  // of an accepted route
  bool operator==(const BgpFilterRule&) const = default;
};

// First match decides; none: the standard filter goes on.
struct BgpFilter {
  std::string name;
  std::vector<BgpFilterRule> export_v4;
  std::vector<BgpFilterRule> import_v4;
  std::vector<BgpFilterRule> export_v6;
  std::vector<BgpFilterRule> import_v6;
  bool operator==(const BgpFilter&) const = default;
};

}  // namespace caracal::model
