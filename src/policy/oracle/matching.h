// Does a rule match a flow? Every condition looked at literally. For the oracle.
#pragma once

#include <optional>
#include <vector>

#include "policy/oracle/endpoints.h"

namespace caracal::policy::oracle {

// One end of a flow, with everything that has its address.
struct Place {
  std::optional<net::IpAddr> address;
  std::vector<Holder> holders;
  // Where the end is the pod that the policy applies to: it alone resolves names of ports.
  const model::Pod* self = nullptr;
};

// A flow as one endpoint sees it in one direction.
struct View {
  model::Direction direction = model::Direction::kIngress;
  Flow flow;
  Place own;
  Place far;
};

RuleCheck check_rule(const model::World& world, const model::Rule& rule, size_t index,
                     const View& view);

}  // namespace caracal::policy::oracle
