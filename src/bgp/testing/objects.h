// Objects of a small cluster, for tests: short to write, as the decoder would give them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bgp/bgp_engine.h"
#include "model/network_update.h"

namespace caracal::bgp::testing {

net::IpAddr address(const std::string& text);
net::Cidr cidr(const std::string& text);

// Addresses with prefix length ("10.0.0.1/24"), at most one a family.
model::NodeNetwork node(const std::string& name, const std::vector<std::string>& addresses,
                        model::Labels labels = {});
model::IpPool pool(const std::string& range,
                   model::Encapsulation encapsulation = model::Encapsulation::kNone);
model::BgpPeer peer(const std::string& name);
// One rule: routes within `range`.
model::BgpFilterRule rule(const std::string& range, bool accept);
selector::Selector labels(const std::string& expression);

model::NetworkUpdate update(const model::NodeNetwork& value);
model::NetworkUpdate update(const model::IpPool& value);
model::NetworkUpdate update(const model::BgpConfiguration& value);
model::NetworkUpdate update(const model::BgpPeer& value);
model::NetworkUpdate update(const model::BgpFilter& value);
model::NetworkUpdate update(const model::Service& value);
model::NetworkUpdate block(const std::string& range, const std::string& node);

// The session with this name, or nullptr.
const Session* find(const Config& config, const std::string& name);

// What `bird -p` says of a text; empty: it takes it.
std::string bird_check(const std::string& text);

}  // namespace caracal::bgp::testing
