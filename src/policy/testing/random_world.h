// RandomWorld: small random worlds and the changes between them, for differential tests: oracle
// against engine against kernel.
//
// Everything the policy model can say occurs: namespaces with and without labels, pods that move
// between addresses, relabel, finish and vanish, dual stack, selectors of every operator, CIDRs
// with exceptions, named ports, ranges, all protocols, policies that are edited, invalid or gone,
// local endpoints that come before their pods. Pools are small, so that things collide. One seed
// gives one sequence.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/world.h"

namespace caracal::policy_testing {

struct RandomWorldOptions {
  // Rules that deny or pass, and policies in several tiers; otherwise Kubernetes NetworkPolicy
  // only.
  bool tiers = false;
  // May two pods hold one address for a while, as happens when one is given out again quickly? Then
  // a local endpoint's own address may differ from its pod's status too.
  bool shared_addresses = true;
  int namespaces = 3;
  int pods_per_namespace = 3;
  int policies_per_namespace = 3;
  // Changes of local endpoints are left to the caller when false.
  bool local_endpoints = true;
};

class RandomWorld {
 public:
  explicit RandomWorld(uint32_t seed, RandomWorldOptions options = {});

  // One random change, already applied to world().
  model::Update next();
  const model::World& world() const { return world_; }

  // The same changes that would build world() from nothing, in random order, some twice.
  std::vector<model::Update> rebuild();
  // Changes that take everything away, in random order.
  std::vector<model::Update> teardown();

  // Worth asking about: addresses of pods and nodes, of nobody, and at the edges of CIDRs of rules.
  std::vector<net::IpAddr> interesting_addresses() const;
  // Port numbers at the edges of ranges, and those of named ports.
  std::vector<uint16_t> interesting_ports() const;

  // A policy as next() makes them.
  model::Policy random_policy(const model::PolicyId& id);

 private:
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  model::ObjectName pod_name();
  std::string namespace_name();
  model::Labels labels();
  selector::Selector simple_selector();
  selector::Selector random_selector();
  std::vector<net::IpAddr> addresses(const model::ObjectName& pod);
  net::PortRange port_range();
  model::PortMatch port_match();
  model::Peer peer(const std::string& ns);
  model::Rule rule(const std::string& ns);
  model::Update pod_change();
  model::Update namespace_change();
  model::Update policy_change();
  model::Update endpoint_change();

  std::mt19937 random_;
  RandomWorldOptions options_;
  model::World world_;
};

// One update, or a whole world, as a few readable lines, for the message of a failed test.
std::string describe(const model::Update& update);
std::string describe(const model::World& world);

}  // namespace caracal::policy_testing
