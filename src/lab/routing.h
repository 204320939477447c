// The routers of a lab that speak BGP: FRR's zebra and bgpd in the router's namespace, with a
// configuration made from the plan. Kept by the supervisor (lab/program_keeper.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "lab/plan.h"
#include "lab/program_keeper.h"

namespace caracal::lab {

// Errors: kNotFound when a router is to speak BGP and FRR is not installed; says how to install it.
Status check_routing_programs(const Topology& topology);

// bgpd's configuration. Peers: the nodes of its subnets, whatever their address (a listen range),
// and by address every other BGP router with which it shares a subnet; in all families of the lab.
// Pure. REQUIRES: the router has bgp.
std::string make_bgpd_config(const Plan& plan, size_t router);

// Writes the configurations. Errors: the files.
Status write_router_files(const Plan& plan, const Paths& paths);

// zebra and bgpd of each router that speaks BGP.
std::vector<KeptProgram> routers_of(const Plan& plan, const Paths& paths);

// What a command of FRR's shell prints as JSON. Errors: the router does not answer.
Result<json::value> ask_router(const Paths& paths, const std::string& router,
                               const std::string& command);

}  // namespace caracal::lab
