// World: the objects of the cluster that BGP on this node is made from, as they are now. Kept by
// BgpEngine, read by the planning functions (session_plan.h, service_routes.h), which are pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/bgp.h"
#include "model/ip_pool.h"
#include "model/node_network.h"
#include "model/service.h"

namespace caracal::bgp {

// A pod of this node that may speak BGP with it (BGPPeer.spec.localWorkloadSelector).
struct LocalWorkload {
  model::Labels labels;
  std::vector<net::IpAddr> addresses;
  bool operator==(const LocalWorkload&) const = default;
};

struct World {
  std::string node;                      // this one's name
  std::optional<net::IpAddr> router_id;  // as the administrator wants it; none: derived
  bool pod_cidrs = false;                // blocks are the nodes' spec.podCIDRs
  std::map<std::string, model::NodeNetwork> nodes;
  std::map<std::string, model::IpPool> pools;
  std::set<net::Cidr> own_blocks;
  std::map<std::string, model::BgpConfiguration> configurations;
  std::map<std::string, model::BgpPeer> peers;
  std::map<std::string, model::BgpFilter> filters;
  std::map<model::ObjectName, model::Service> services;
  // Service -> EndpointSlices with a ready endpoint on this node.
  std::map<model::ObjectName, std::set<model::ObjectName>> local_services;
  std::map<model::ObjectName, LocalWorkload> local_workloads;
  std::map<model::SecretKey, std::string> passwords;

  const model::NodeNetwork* self() const {
    const auto found = nodes.find(node);
    return found == nodes.end() ? nullptr : &found->second;
  }
};

// What a node's BGPConfiguration says: "node.NAME" before "default", field by field; nullopt or an
// empty list where neither says anything.
class Settings {
 public:
  Settings(const World& world, const std::string& node);

  template <typename T>
  std::optional<T> value(std::optional<T> model::BgpConfiguration::*field) const {
    if (node_ != nullptr && (node_->*field).has_value()) return node_->*field;
    return common_ != nullptr ? common_->*field : std::nullopt;
  }
  template <typename T>
  const std::vector<T>& list(std::vector<T> model::BgpConfiguration::*field) const {
    static const std::vector<T> kNone;
    if (node_ != nullptr && !(node_->*field).empty()) return node_->*field;
    return common_ != nullptr ? common_->*field : kNone;
  }
  uint16_t port() const;

 private:
  const model::BgpConfiguration* node_ = nullptr;
  const model::BgpConfiguration* common_ = nullptr;
};

// A node's AS number: its own, its BGPConfiguration's, the cluster's, 64512.
uint32_t as_number_of(const World& world, const model::NodeNetwork& node);

}  // namespace caracal::bgp
