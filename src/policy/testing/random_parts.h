// RandomParts: the pieces of random worlds: labels, selectors, addresses, ports, peers, rules,
// policies. Small pools, so that things collide. One seed gives one sequence.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/world.h"

namespace caracal::policy_testing {

struct RandomWorldOptions {
  // Rules that deny, pass or log, and policies in several tiers; otherwise Kubernetes NetworkPolicy
  // only.
  bool tiers = false;
  // All that Calico's policies can say: inherited labels, negations, the policy's own end, source
  // ports, ICMP, families, network sets, service accounts, services, staged policies.
  bool calico = false;
  // Host endpoints, the hooks of policies, failsafe ports.
  bool hosts = false;
  // May two pods hold one address for a while, as happens when one is given out again quickly? Then
  // a local endpoint's own address may differ from its pod's status too.
  bool shared_addresses = true;
  int namespaces = 3;
  int pods_per_namespace = 3;
  int policies_per_namespace = 3;
  // Changes of local endpoints are left to the caller when false.
  bool local_endpoints = true;
  // Interfaces of this node that host endpoints may be on, and addresses they may expect.
  std::vector<std::string> host_interfaces = {"eth0", "eth1"};
  std::vector<net::IpAddr> host_addresses = default_host_addresses();

  static std::vector<net::IpAddr> default_host_addresses();
};

class RandomParts {
 public:
  RandomParts(uint32_t seed, RandomWorldOptions options) : random_(seed), options_(options) {}

  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  std::mt19937& random() { return random_; }
  const RandomWorldOptions& options() const { return options_; }

  std::string namespace_name();
  model::ObjectName pod_name();
  std::string service_account_name();  // sometimes too long for a label, sometimes empty
  model::Labels labels();
  model::NamedPort named_port();
  // Of a pod: its own number, or (sometimes) any; none, one or two families.
  std::vector<net::IpAddr> pod_addresses(const model::ObjectName& pod);
  net::IpAddr host_address();
  net::Cidr cidr();
  model::PortMatch port_match();
  uint16_t port();

  // Policies of the kinds that the options allow.
  model::PolicyId policy_id();
  model::Policy policy(const model::PolicyId& id);

 private:
  selector::Selector simple_selector(bool inherited);
  selector::Selector selector(bool inherited);
  net::PortRange port_range();
  std::vector<model::PortMatch> port_list();
  model::Peer peer(const std::string& ns, bool calico);
  model::EndMatch end(const std::string& ns, bool calico);
  model::Rule rule(const std::string& ns, bool calico);
  void fill_rules(model::Policy& policy, bool calico);
  void place_in_tier(model::Policy& policy);

  std::mt19937 random_;
  RandomWorldOptions options_;
};

// The pools, for those who ask about worlds made of them.
const std::vector<uint16_t>& port_pool();
const std::vector<net::Cidr>& cidr_pool();

}  // namespace caracal::policy_testing
