// What has an address, and which labels a selector sees on it. For the oracle.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::policy::oracle {

// Something that selectors can match.
using Holder =
    std::variant<const model::Pod*, const model::HostEndpoint*, const model::NetworkSet*>;

std::string to_string(const Holder& holder);  // "pod dev/web", "network set x", "host endpoint y"
// The namespace it is in; none for host endpoints and GlobalNetworkSets.
std::optional<std::string> namespace_of(const Holder& holder);
// Named ports; network sets have none.
const std::vector<model::NamedPort>& ports_of(const Holder& holder);

// Everything with the address: pods, host endpoints, network sets, in this order.
std::vector<Holder> holders_at(const model::World& world, const net::IpAddr& address);

// The labels that an inherited selector sees (model/policy.h, EndpointPeer).
model::Labels inherited_labels(const model::World& world, const Holder& holder);

// Does the peer select it? The check's address is not set.
PeerCheck check_endpoint(const model::World& world, const model::EndpointPeer& peer,
                         const Holder& holder);

// The host endpoint that is on an interface of the node, or null: one that names it, else one
// without interface that has an address of it, else "*"; of several the smallest name.
const model::HostEndpoint* host_endpoint_on(const model::World& world, const std::string& node,
                                            const std::string& interface);

}  // namespace caracal::policy::oracle
