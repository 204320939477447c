// A BGPFilter as functions of BIRD's filter language (calico.md 2.13). Pure.
#pragma once

#include <string>

#include "model/bgp.h"
#include "net/ip_addr.h"

namespace caracal::bgp {

enum class Direction { kImport, kExport };

// Name of the function for one direction and family of a BGPFilter.
std::string filter_function(const std::string& filter, Direction direction, net::Family family);

// Its definition: the first rule that matches ends the filter that called; none: it returns. Takes
// one argument: is the peer of another AS? Empty when there are no rules.
std::string render_filter(const model::BgpFilter& filter, Direction direction, net::Family family);

// "(64512, 100)", and which attribute it belongs to: "bgp_community", "bgp_large_community".
std::string render_community(const model::BgpCommunity& community);
const char* community_attribute(const model::BgpCommunity& community);

}  // namespace caracal::bgp
