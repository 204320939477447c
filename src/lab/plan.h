// Plan: every name, path and address of one lab, computed from its topology and the fabric's
// prefixes.
//
//   host namespace                crl-LAB-fabric              crl-LAB-node1        crl-LAB-dev.pod1
//   caracal-apiserver                                          caracal-agent        pod process
//   crl-LAB  <-- veth --> host   |        |   node1 <-- veth --> eth0   caliXXX <--> eth0
//   fabric .1                    | bridge |                      fabric .11
//                                |  br0   |   outside <-- veth --> crl-LAB-outside, fabric .5,
//                                                                  client addresses on lo
//
// The name prefix "crl-LAB-" finds everything again, also after a crash; a lab's name has no
// hyphen, so no prefix is the prefix of another lab's.
#pragma once

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
  // Present while `caracal lab agent stop` wants the node without its agent.
  std::string node_agent_stopped(std::string_view n) const { return node(n) + "/agent.stopped"; }
};

struct Plan {
  Topology topology;
  std::vector<net::Cidr> fabric;  // one /24 and/or /64, in the order of topology.families
  uint16_t api_port = 0;

  std::string prefix() const { return "crl-" + topology.name + "-"; }
  std::string host_interface() const { return "crl-" + topology.name; }
  std::string fabric_netns() const { return prefix() + "fabric"; }
  std::string outside_netns() const { return prefix() + "outside"; }
  std::string node_netns(std::string_view node) const { return prefix() + std::string(node); }
  // Namespaces cannot hold dots, so this is never a node's; too long names end in a hash.
  std::string pod_netns(const model::ObjectName& pod) const;

  const NodeSpec* find_node(std::string_view name) const;
  // One a family, in the order of fabric.
  std::vector<net::IpAddr> host_addresses() const { return numbered(1); }
  std::vector<net::IpAddr> outside_router() const { return numbered(5); }
  std::vector<net::IpAddr> node_addresses(size_t index) const {
    return numbered(11 + static_cast<int>(index));
  }
  // "https://172.31.255.1:6443": how the nodes reach the API.
  std::string api_url() const;

 private:
  std::vector<net::IpAddr> numbered(int host) const;
};

inline std::string netns_path(std::string_view netns) { return "/run/netns/" + std::string(netns); }

// The fabric's prefixes: the first of 172.31.255.0/24, 172.31.254.0/24, ... and of
// fd00:ca2a:fab:ff::/64, ... that overlap none of `taken` (the host's addresses and routes).
// A default route takes nothing. Errors: kExhausted.
Result<std::vector<net::Cidr>> choose_fabric(const std::vector<net::Family>& families,
                                             const std::vector<net::Cidr>& taken);

json::value to_json(const Plan& plan);
Result<Plan> parse_plan(std::string_view text, std::string_view source);

}  // namespace caracal::lab
