// Plan: every name, path and address of one lab, computed from its topology and the fabric's
// prefixes. A value; made by `lab up`, kept in the lab's folder, read by everything else of the
// lab.
//
//   host namespace                crl-LAB-fabric              crl-LAB-node1        crl-LAB-dev.pod1
//   caracal-apiserver                                          caracal-agent        pod process
//   crl-LAB  <-- veth --> host   |        |   node1 <-- veth --> eth0   caliXXX <--> eth0
//   fabric .1                    | bridge |                      fabric .11
//                                |  br0   |   outside <-- veth --> crl-LAB-outside, fabric .5,
//                                                                  client addresses on lo
//
// That is a lab without routers. With routers, every subnet is a bridge of its own in
// crl-LAB-fabric, the fabric's prefix is that of the management segment (the host, the outside
// client, and a leg of every router), and nodes reach everything else by way of their subnet's
// first router:
//
//   host .1, outside .5 --- management --- mgmt [router r1] eth0 --- subnet east --- node1 .11
//                           fabric .101          .1         eth1 --- subnet west --- node2 .11
//
// The name prefix "crl-LAB-" finds everything again, also after a crash; a lab's name has no
// hyphen, so no prefix is the prefix of another lab's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/topology.h"
#include "model/object.h"

namespace caracal::lab {

// Files of one lab, all below one folder.
struct Paths {
  std::string root;  // "/run/caracal/lab"

  std::string file(std::string_view name) const { return root + "/" + std::string(name); }
  std::string plan() const { return file("lab.json"); }
  std::string kubeconfig() const { return file("kubeconfig"); }
  std::string examples() const { return file("examples"); }
  std::string api_data() const { return file("api"); }
  std::string log(std::string_view program) const {
    return file("log/" + std::string(program) + ".log");
  }
  std::string pid(std::string_view program) const { return file("pid/" + std::string(program)); }
  std::string pods() const { return file("pods"); }
  std::string cni_bin() const { return file("cni-bin"); }
  // Per node: nodes/NAME/...
  std::string node(std::string_view node) const { return file("nodes/" + std::string(node)); }
  std::string node_kubeconfig(std::string_view n) const { return node(n) + "/kubeconfig"; }
  std::string node_socket(std::string_view n) const { return node(n) + "/agent.sock"; }
  std::string node_agent_state(std::string_view n) const { return node(n) + "/agent"; }
  std::string node_net_d(std::string_view n) const { return node(n) + "/net.d"; }
  std::string node_conflist(std::string_view n) const {
    return node_net_d(n) + "/10-caracal.conflist";
  }
  std::string node_run(std::string_view n) const { return node(n) + "/run"; }
  // Per router: routers/NAME/..., the files of FRR.
  std::string router(std::string_view n) const { return file("routers/" + std::string(n)); }
  std::string faults() const { return file("faults.json"); }
  // Present while `caracal lab agent stop` wants the node without its agent.
  std::string node_agent_stopped(std::string_view n) const { return node(n) + "/agent.stopped"; }
};

// A bridge in the fabric namespace.
struct Segment {
  std::string name;  // of the subnet; "management"; "fabric" where there is one without a name
  std::string bridge;
  std::vector<net::Cidr> cidrs;
};

// A cable: from a device in some namespace to a port of a segment's bridge.
struct Link {
  std::string name;   // how people call it: "node1", "r1:east", "host", "outside"
  std::string netns;  // of the device; empty: the host's
  std::string device;
  std::string port;
  size_t segment = 0;                  // of Plan::segments()
  std::vector<net::IpAddr> addresses;  // one a family, in the order of the segment's prefixes
  std::vector<int> bits;               // their prefix lengths
  int mtu = 1500;
};

struct Plan {
  Topology topology;
  std::vector<net::Cidr> fabric;  // one /24 and/or /64, in the order of topology.families
  std::vector<std::vector<net::Cidr>> subnet_cidrs;  // of topology.subnets, each as the fabric
  uint16_t api_port = 0;

  std::string prefix() const { return "crl-" + topology.name + "-"; }
  std::string host_interface() const { return "crl-" + topology.name; }
  std::string fabric_netns() const { return prefix() + "fabric"; }
  std::string outside_netns() const { return prefix() + "outside"; }
  std::string node_netns(std::string_view node) const { return prefix() + std::string(node); }
  std::string router_netns(std::string_view router) const { return prefix() + std::string(router); }
  // Namespaces cannot hold dots, so this is never a node's; too long names end in a hash.
  std::string pod_netns(const model::ObjectName& pod) const;

  const NodeSpec* find_node(std::string_view name) const;
  // One a family, in the order of fabric.
  std::vector<net::IpAddr> host_addresses() const { return numbered(fabric, 1); }
  std::vector<net::IpAddr> outside_router() const { return numbered(fabric, 5); }
  std::vector<net::IpAddr> node_addresses(size_t index) const;
  std::vector<net::IpAddr> router_addresses(const RouterSpec& router, size_t subnet) const;
  std::vector<net::IpAddr> router_management(size_t router) const {
    return numbered(fabric, 101 + static_cast<int>(router));
  }
  // Of the first router of the node's subnet; none in a flat lab.
  std::vector<net::IpAddr> gateway(size_t node) const;
  size_t subnet_index(std::string_view name) const;  // REQUIRES: there is such a subnet

  std::vector<Segment> segments() const;
  // host, outside, nodes, routers.
  std::vector<Link> links() const;
  std::optional<Link> find_link(std::string_view name) const;
  // "https://172.31.255.1:6443": how the nodes reach the API.
  std::string api_url() const;

 private:
  static std::vector<net::IpAddr> numbered(const std::vector<net::Cidr>& cidrs, int host);
};

inline std::string netns_path(std::string_view netns) { return "/run/netns/" + std::string(netns); }

// The fabric's prefixes: the first of 172.31.255.0/24, 172.31.254.0/24, ... and of
// fd00:ca2a:fab:ff::/64, ... that overlap none of `taken` (the host's addresses and routes).
// A default route takes nothing. Errors: kExhausted.
Result<std::vector<net::Cidr>> choose_fabric(const std::vector<net::Family>& families,
                                             const std::vector<net::Cidr>& taken);

// Chooses every prefix that the topology leaves open. `taken`: as for choose_fabric. Errors also
// when a prefix of a subnet overlaps one that is taken: the host gets routes to the subnets.
Result<Plan> make_plan(Topology topology, const std::vector<net::Cidr>& taken);

json::value to_json(const Plan& plan);
Result<Plan> parse_plan(std::string_view text, std::string_view source);

}  // namespace caracal::lab
