// Config: what this node's BGP daemon should do, as a plain comparable value: sessions, routes to
// tell, what goes to the kernel, filters.
//
// Made by BgpEngine from the world, rendered to BIRD's language by render_bird(), and kept by
// BirdKeeper, which also finds there what a session is for. Nothing in it depends on the daemon.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/bgp.h"
#include "net/cidr.h"

namespace caracal::bgp {

inline constexpr uint32_t kDefaultAs = 64512;
inline constexpr uint16_t kDefaultPort = 179;
inline constexpr uint32_t kDefaultRestartSeconds = 120;
inline constexpr uint32_t kDefaultMetricV4 = 1024;
// One more than what the kernel gives a route without metric (1024), which is what the agent's own
// IPv6 routes have: while a pool changes its mode both stand side by side, and the agent's wins.
inline constexpr uint32_t kDefaultMetricV6 = 1025;

// Why there is a session. The words of Calico's `node status`.
enum class SessionKind : uint8_t { kMesh, kNode, kGlobal, kLocalWorkload };
std::string_view to_string(SessionKind kind);  // "node-to-node mesh", "node specific", ...

// One BGP session; it carries the routes of the family of `address`.
struct Session {
  std::string name;  // of the protocol: Mesh_10_0_0_1, Node_..., Global_..., Local_Workload_...
  SessionKind kind = SessionKind::kMesh;
  std::string peer;    // the node or pod at the other end, where it is one
  std::string source;  // the BGPPeer; empty: the mesh
  net::IpAddr address;
  std::string interface;  // of a link-local address
  uint16_t port = kDefaultPort;
  uint32_t as_number = kDefaultAs;
  std::optional<net::IpAddr> local_address;  // none: as the kernel chooses
  uint16_t local_port = kDefaultPort;
  uint32_t local_as = kDefaultAs;
  bool bind_local = false;                            // listen on local_address only
  bool passive = false;                               // the other side opens the connection
  std::string password;                               // RFC 2385
  uint32_t restart_seconds = kDefaultRestartSeconds;  // graceful restart time told to the peer
  std::optional<uint32_t> keepalive_seconds;
  std::optional<uint32_t> allowed_local_as;
  std::optional<uint8_t> ttl_security;  // hops
  // The peer is on a network of this node's and looked for there: packets to it never go over a
  // router. As single-hop BFD wants it (RFC 5881).
  bool direct = false;
  model::BgpPeer::NextHop next_hop = model::BgpPeer::NextHop::kAuto;
  std::optional<net::IpAddr> cluster_id;  // the peer is our client as a route reflector
  std::vector<std::string> filters;       // BGPFilter names, all of them in Config::filters
  bool bfd = false;
  // What no filter has accepted is not taken: from pods.
  bool import_by_filter_only = false;
  // local_address is no node's: somebody has to put it on the pod's interface.
  bool peering_address = false;

  bool internal() const { return as_number == local_as; }
  net::Family family() const { return address.family(); }
  bool operator==(const Session&) const = default;
};

// What there is once a family. All lists are sorted.
struct FamilyConfig {
  std::optional<net::IpAddr> node_address;
  std::set<net::Cidr> own_blocks;  // blackholes told to peers; what is more specific stays here
  std::set<net::Cidr> own_host_blocks;  // blocks of one address: told, but no blackhole
  std::set<net::Cidr> service_routes;   // blackholes told to peers
  std::set<net::Cidr> service_ranges;   // nothing in these goes to the kernel
  std::set<net::Cidr> pools;            // routes within these are told
  std::set<net::Cidr> hidden_pools;     // disableBGPExport: routes within these are not told
  std::set<net::Cidr> agent_pools;      // encapsulated: their routes are the agent's
  // To peers that must not be found by what BGP itself has told: peer -> gateway.
  std::map<net::IpAddr, net::IpAddr> peer_routes;
  std::vector<model::BgpConfiguration::PrefixAdvertisement> advertisements;
  uint32_t metric = kDefaultMetricV4;  // of routes in the kernel
  bool operator==(const FamilyConfig&) const = default;
};

struct Config {
  std::string node;
  net::IpAddr router_id;  // always IPv4
  std::string log_severity = "Info";
  bool route_reflector = false;
  std::vector<std::string> ignored_interfaces;
  FamilyConfig v4;
  FamilyConfig v6;
  std::map<std::string, model::BgpFilter> filters;  // those the sessions use
  std::vector<Session> sessions;                    // by name

  const FamilyConfig& of(net::Family family) const {
    return family == net::Family::kIPv4 ? v4 : v6;
  }
  FamilyConfig& of(net::Family family) { return family == net::Family::kIPv4 ? v4 : v6; }
  bool operator==(const Config&) const = default;
};

}  // namespace caracal::bgp
