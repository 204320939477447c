// Worlds to measure the policy calculation with, and the times of single events.
#pragma once

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "model/update.h"

namespace caracal::engine_bench {

using selector::Op;
using selector::Selector;

using Clock = std::chrono::steady_clock;
inline double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Times of single events, in microseconds.
class Times {
 public:
  template <typename Event>
  void run(const Event& event) {
    const auto start = Clock::now();
    event();
    add(microseconds_since(start));
  }
  void add(double microseconds) { list_.push_back(microseconds); }
  // The median and the 99th percentile.
  void report(benchmark::State& state, const std::string& name = "") {
    if (list_.empty()) return;
    std::sort(list_.begin(), list_.end());
    const auto at = [&](double share) {
      return list_[static_cast<size_t>(share * static_cast<double>(list_.size() - 1))];
    };
    state.counters[name + "p50us"] = at(0.5);
    state.counters[name + "p99us"] = at(0.99);
  }

 private:
  std::vector<double> list_;
};

inline model::Policy base_policy(const std::string& ns, const std::string& name) {
  model::Policy policy;
  policy.id = {model::PolicyKind::kNetworkPolicy, {ns, name}};
  policy.selects.in_namespace = ns;
  policy.applies_ingress = true;
  return policy;
}

// The policy's one rule is about pods of another app at each round.
inline void edit(model::Policy& policy, int round) {
  model::Rule rule;
  model::EndpointPeer peer;
  peer.in_namespace = "ns-0";
  peer.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", round % 20)});
  rule.peer.all_of = {{peer}};
  policy.ingress = {rule};
}

inline model::Pod pod_of(const std::string& ns, int number, int app, int instance) {
  model::Pod pod;
  pod.name = {ns, fmt::format("app-{}-7d9c5b6f4-{:05}", app, number)};
  pod.node = "node";
  pod.labels = {{"app", fmt::format("app-{}", app)},
                {"pod-template-hash", fmt::format("7d9c5b6f4{}", app)},
                {"tier", instance % 2 ? "front" : "back"},
                {"team", fmt::format("team-{}", app % 20)},
                {"release", "stable"}};
  pod.addresses = {net::IpAddr::v4(0x0a000000u + static_cast<uint32_t>(number) + 1)};
  pod.ports = {{"http", net::kTcp, 8080}};
  return pod;
}

inline void add_local(std::vector<model::Update>& out, const model::Pod& pod, size_t number) {
  model::LocalEndpoint endpoint{pod.name, fmt::format("cali{:011x}", number), pod.addresses};
  out.push_back(model::LocalEndpointUpdate{endpoint.interface, endpoint});
}

// 250 namespaces of 1,000 pods in 20 apps; 40 policies a namespace: an app may be reached by
// another app of the namespace and by one of another namespace, on one port; 200 pods are local,
// spread over all.
inline std::vector<model::Update> big_cluster(int pods, int policies, int local) {
  constexpr int kNamespaces = 250, kApps = 20;
  std::vector<model::Update> out;
  for (int n = 0; n < kNamespaces; ++n) {
    const std::string ns = fmt::format("ns-{}", n);
    out.push_back(model::NamespaceUpdate{
        ns, model::Namespace{
                ns, {{"kubernetes.io/metadata.name", ns}, {"env", n % 2 ? "prod" : "dev"}}}});
    const int own = policies / kNamespaces + (n < policies % kNamespaces ? 1 : 0);
    for (int p = 0; p < own; ++p) {
      model::Policy policy = base_policy(ns, fmt::format("policy-{}", p));
      policy.selects.pods =
          Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", p % kApps)});
      model::Rule rule;
      auto& peers = rule.peer.all_of.emplace_back();
      model::EndpointPeer same;
      same.in_namespace = ns;
      same.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", (p + 7) % kApps)});
      peers.push_back(same);
      model::EndpointPeer other;
      other.namespaces = Selector::requirement(Op::kIn, "kubernetes.io/metadata.name",
                                               {fmt::format("ns-{}", (n + p + 1) % kNamespaces)});
      other.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", (p + 3) % kApps)});
      peers.push_back(other);
      rule.ports = {{net::kTcp, net::PortRange{static_cast<uint16_t>(8000 + p),
                                               static_cast<uint16_t>(8000 + p)}}};
      policy.ingress.push_back(rule);
      out.push_back(model::PolicyUpdate{policy.id, policy, {}});
    }
  }
  const int per_namespace = pods / kNamespaces;
  for (int i = 0; i < pods; ++i) {
    const model::Pod pod = pod_of(fmt::format("ns-{}", i / per_namespace), i, i % kApps, i / kApps);
    if (local > 0 && i % (pods / local) == 0) add_local(out, pod, static_cast<size_t>(i));
    out.push_back(model::PodUpdate{pod.name, pod});
  }
  return out;
}

// One local pod with `count` policies, whose peers are selectors that no required label leads to:
// each is looked at. A tenth of them match a pod with the label "key-N".
inline std::vector<model::Update> many_selectors(int count) {
  std::vector<model::Update> out;
  out.push_back(model::NamespaceUpdate{"ns", model::Namespace{"ns", {}}});
  const model::Pod local = pod_of("ns", 1, 0, 0);
  add_local(out, local, 1);
  out.push_back(model::PodUpdate{local.name, local});
  for (int p = 0; p < count; ++p) {
    model::Policy policy = base_policy("ns", fmt::format("policy-{}", p));
    model::Rule rule;
    model::EndpointPeer peer;
    peer.in_namespace = "ns";
    peer.pods =
        Selector::all_of({Selector::requirement(Op::kExists, fmt::format("key-{}", p % 10)),
                          Selector::requirement(Op::kNotIn, "app", {fmt::format("other-{}", p)})});
    rule.peer.all_of = {{peer}};
    policy.ingress.push_back(rule);
    out.push_back(model::PolicyUpdate{policy.id, policy, {}});
  }
  return out;
}

// One local pod that a network set may reach.
inline std::vector<model::Update> one_network_set(const model::NetworkSet& set) {
  std::vector<model::Update> out;
  out.push_back(model::NamespaceUpdate{"ns", model::Namespace{"ns", {}}});
  const model::Pod local = pod_of("ns", 1, 0, 0);
  add_local(out, local, 1);
  out.push_back(model::PodUpdate{local.name, local});
  model::Policy policy = base_policy("ns", "from-set");
  model::Rule rule;
  model::EndpointPeer peer;
  peer.inherited = true;
  peer.pods = Selector::requirement(Op::kIn, "role", {"feed"});
  rule.peer.all_of = {{peer}};
  policy.ingress.push_back(rule);
  out.push_back(model::PolicyUpdate{policy.id, policy, {}});
  out.push_back(model::NetworkSetUpdate{set.name, set});
  return out;
}
// Every second net is a single address, the others are of 24 bits.
inline model::NetworkSet feed(int64_t nets) {
  model::NetworkSet out{{"", "feed"}, {{"role", "feed"}}, {}};
  for (int64_t i = 0; i < nets; ++i) {
    const auto start = static_cast<uint32_t>(0x20000000 + i * 512);
    out.nets.push_back(net::Cidr(net::IpAddr::v4(start), i % 2 ? 24 : 32));
  }
  return out;
}

}  // namespace caracal::engine_bench
