// Picture: a lab as it is at one moment: segments, routers, nodes, their blocks, tunnels, routes to
// each other, and BGP sessions. Values; read live by look_at_network(), drawn as text and as SVG.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/output.h"
#include "jsonio/json.h"
#include "lab/lab.h"
#include "model/world.h"

namespace caracal::lab {

// A route of a node to another node's addresses.
struct PictureRoute {
  net::Cidr to;
  std::string owner;  // node whose block it leads to
  std::string device;
  std::string via;   // gateway; empty: on the link
  std::string path;  // "direct", "router", "vxlan", "ipip", "wireguard"
  bool bgp = false;  // BIRD's (protocol 12)
};

struct PictureTunnel {
  std::string kind;  // "vxlan", "ipip", "wireguard"
  std::string device;
  std::vector<std::string> addresses;
  int mtu = 0;
};

// Of BGP, as one side sees it.
struct PictureSession {
  std::string from;     // a node or router
  std::string to;       // a node, router or pod; the address of anybody else
  std::string address;  // of `to`
  bool established = false;
  std::string state;      // as `from` names it; "Established"
  std::string kind = {};  // "node-to-node mesh", "global", ...; nodes know it
  std::string since = {};
  std::string why = {};  // not up; a sentence
};

struct PictureNode {
  std::string name;
  std::string segment;
  std::vector<std::string> addresses;
  int mtu = 0;
  std::string state;  // "ready", or why not
  std::vector<std::string> blocks;
  std::vector<std::string> pods;
  std::vector<PictureTunnel> tunnels;
  std::vector<PictureRoute> routes;
  std::vector<PictureSession> sessions;            // its own, all of them, as its agent tells them
  std::map<std::string, std::string> annotations;  // projectcalico.org/...
};

struct PictureLeg {
  std::string segment;
  std::string device;
  std::vector<std::string> addresses;
};

struct PictureRouter {
  std::string name;
  uint32_t as = 0;  // 0: no BGP
  std::vector<PictureLeg> legs;
  size_t routes = 0;  // to blocks of the cluster
};

struct PictureSegment {
  std::string name;
  std::vector<std::string> cidrs;
};

struct Picture {
  std::string name;
  std::string api;
  std::string host_address;
  std::vector<std::string> outside;
  std::vector<PictureSegment> segments;  // the first holds the host and the outside client
  std::vector<PictureRouter> routers;
  std::vector<PictureNode> nodes;
  std::vector<PictureSession> sessions;  // each pair once
  std::vector<std::string> faults;
  std::vector<std::string> warnings;  // what could not be read
};

// Reads namespaces, routers and the API server. Blocking. What cannot be read is in `warnings`.
Picture look_at_network(const Lab& lab);

// One TCP socket of /proc/net/tcp or tcp6. Pure; for sessions.
struct TcpSocket {
  net::IpAddr local, remote;
  uint16_t local_port = 0, remote_port = 0;
  bool established = false;
};
std::vector<TcpSocket> parse_tcp_table(std::string_view text);

// A node's own sessions, of its agent's status. `names`: of nodes and routers by address. Pure.
std::vector<PictureSession> read_sessions(const std::string& node, const json::value& status,
                                          const std::map<std::string, std::string>& names);

std::string picture_text(const Picture& picture, const cli::Style& style);
std::string picture_svg(const Picture& picture);
json::value to_json(const Picture& picture);

}  // namespace caracal::lab
