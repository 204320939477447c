// The small world that the engine's tests of Calico's policies begin with, and short words for what
// they put into it.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/engine.h"

namespace caracal::policy::calico_test {

using desired::Direction;
using desired::Disposition;
using desired::HostHook;
using desired::PacketKey;
using desired::PortSpace;
using desired::TableVerdict;
using model::Action;
using selector::Selector;

inline net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }
inline net::Cidr cidr(std::string_view text) { return *net::Cidr::parse_or_host(text); }
inline Selector sel(std::string_view text) { return *Selector::parse_expression(text); }
inline model::EndpointPeer who(std::string_view text) {
  model::EndpointPeer peer;
  peer.pods = sel(text);
  peer.inherited = true;
  return peer;
}
inline model::CidrPeer block(std::string_view text) { return {cidr(text), {}}; }
inline model::PortMatch tcp(uint16_t first, uint16_t last = 0) {
  return {net::kTcp, net::PortRange{first, last == 0 ? first : last}};
}
inline model::PortMatch named(const char* name) { return {net::kTcp, name}; }

inline model::Rule rule(Action action, std::vector<model::Peer> peers = {}) {
  model::Rule out;
  out.action = action;
  if (!peers.empty()) out.peer.all_of = {std::move(peers)};
  return out;
}
// A GlobalNetworkPolicy.
inline model::Policy global(const char* name, std::vector<model::Rule> ingress,
                            double order = 100) {
  model::Policy out;
  out.id = {model::PolicyKind::kGlobalNetworkPolicy, {"", name}};
  out.order = order;
  out.selects.inherited = true;
  out.applies_ingress = true;
  out.ingress = std::move(ingress);
  return out;
}
inline model::Policy global_egress(const char* name, std::vector<model::Rule> egress) {
  model::Policy out = global(name, {});
  out.applies_ingress = false;
  out.applies_egress = true;
  out.egress = std::move(egress);
  return out;
}

class CalicoTest : public testing::Test {
 protected:
  CalicoTest() {
    ns("dev", {{"team", "a"}});
    pod("dev", "a", {"10.0.0.1"}, {{"app", "web"}}, {{"http", net::kTcp, 8080}});
    local("dev", "a", {"10.0.0.1"});
  }
  void ns(const char* name, model::Labels labels = {}) {
    engine.apply(model::NamespaceUpdate{name, model::Namespace{name, std::move(labels)}});
  }
  void pod(const char* ns, const char* name, const std::vector<const char*>& addresses,
           model::Labels labels = {}, std::vector<model::NamedPort> ports = {},
           const char* account = "") {
    model::Pod out;
    out.name = {ns, name};
    out.labels = std::move(labels);
    for (const char* address : addresses) out.addresses.push_back(ip(address));
    out.ports = std::move(ports);
    out.service_account = account;
    engine.apply(model::PodUpdate{out.name, out});
  }
  void local(const char* ns, const char* name, const std::vector<const char*>& addresses) {
    model::LocalEndpoint out{{ns, name}, fmt::format("cali-{}", name), {}};
    for (const char* address : addresses) out.addresses.push_back(ip(address));
    engine.apply(model::LocalEndpointUpdate{out.interface, out});
  }
  void set(const char* ns, const char* name, model::Labels labels,
           const std::vector<const char*>& nets) {
    model::NetworkSet out{{ns, name}, std::move(labels), {}};
    for (const char* net : nets) out.nets.push_back(cidr(net));
    std::sort(out.nets.begin(), out.nets.end());
    engine.apply(model::NetworkSetUpdate{out.name, out});
  }
  void policy(const model::Policy& policy) {
    engine.apply(model::PolicyUpdate{policy.id, policy, {}});
  }
  void no_policy(const model::Policy& policy) {
    engine.apply(model::PolicyUpdate{policy.id, {}, {}});
  }
  desired::PolicyDelta flush() {
    const desired::PolicyDelta delta = engine.flush();
    desired::apply(sum, delta);
    EXPECT_EQ(sum, engine.tables());
    return delta;
  }
  desired::Decision decide(std::string_view peer, PortSpace space, uint16_t port,
                           std::optional<uint16_t> source = {}, std::string_view own = "10.0.0.1",
                           Direction direction = Direction::kIngress,
                           const char* interface = "cali-a") {
    flush();
    const PacketKey packet{ip(peer), ip(own), space, port, source};
    return desired::decide(engine.tables(), direction, interface, packet);
  }
  bool allows(std::string_view peer, uint16_t port = 80) {
    return decide(peer, PortSpace::kTcp, port, 40000).verdict == TableVerdict::kAllowed;
  }
  bool egress(std::string_view peer, uint16_t port) {
    return decide(peer, PortSpace::kTcp, port, 40000, "10.0.0.1", Direction::kEgress).verdict ==
           TableVerdict::kAllowed;
  }
  TableVerdict host(HostHook hook, const char* interface, std::string_view peer, uint16_t port,
                    std::string_view own = "192.168.0.1") {
    flush();
    const PacketKey packet{ip(peer), ip(own), PortSpace::kTcp, port, 40000};
    return desired::decide(engine.tables(), hook, interface, packet).verdict;
  }

  Engine engine{EngineOptions{.node = "n1"}};
  desired::PolicyTables sum;
};

}  // namespace caracal::policy::calico_test
