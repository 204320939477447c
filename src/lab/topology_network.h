// The part of a topology about the network between the nodes: subnets, routers, racks, and what
// the agents are told. Pure; for topology.cc.
#pragma once

#include "lab/topology.h"

namespace caracal::lab {

// Reads subnets, routers, racks, spine and network of the document into the topology. Racks become
// subnets, routers and nodes. REQUIRES: `nodes` have been read.
Status parse_network(const json::object& document, Topology& topology);
void network_to_json(const Topology& topology, json::object& out);

// Gives every node its subnet, and checks: names, that every router joins subnets that there are,
// that every subnet is reached. REQUIRES: the nodes have names.
Status complete_network(Topology& topology);

}  // namespace caracal::lab
