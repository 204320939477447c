// RandomWorld: small random worlds and the changes between them, for differential tests: oracle
// against engine against kernel.
//
// Everything the policy model can say occurs: namespaces with and without labels, pods that move
// between addresses, relabel, finish and vanish, dual stack, selectors of every operator, CIDRs
// with exceptions, named ports, ranges, all protocols, policies that are edited, invalid or gone,
// local endpoints that come before their pods; with the options of RandomWorldOptions the rest.
// One seed gives one sequence.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "model/world.h"
#include "policy/testing/random_parts.h"

namespace caracal::policy_testing {

// The node that the worlds are seen from.
inline constexpr const char* kThisNode = "n0";

class RandomWorld {
 public:
  explicit RandomWorld(uint32_t seed, RandomWorldOptions options = {});

  // One random change, already applied to world(). The first few make nodes and tiers.
  model::Update next();
  const model::World& world() const { return world_; }

  // The same changes that would build world() from nothing, in random order, some twice.
  std::vector<model::Update> rebuild();
  // Changes that take everything away, in random order.
  std::vector<model::Update> teardown();

  // A policy as next() makes them.
  model::Policy random_policy(const model::PolicyId& id) { return parts_.policy(id); }

 private:
  model::Update any_change();
  model::Update pod_change();
  model::Update namespace_change();
  model::Update policy_change();
  model::Update endpoint_change();
  model::Update tier_change();
  model::Update network_set_change();
  model::Update service_account_change();
  model::Update slice_change();
  model::Update host_endpoint_change();
  model::Update host_interface_change();
  model::Update settings_change();

  RandomParts parts_;
  std::deque<model::Update> beginning_;
  model::World world_;
};

}  // namespace caracal::policy_testing
