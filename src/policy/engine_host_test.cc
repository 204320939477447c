// The engine on host endpoints: where they are, what holds in which hook, failsafes, settings.
#include <gmock/gmock.h>

#include "policy/engine_calico_world.h"

namespace caracal::policy::calico_test {
namespace {

class HostTest : public CalicoTest {
 protected:
  void host_endpoint(const char* name, const char* interface, model::Labels labels = {},
                     std::vector<std::string> profiles = {},
                     const std::vector<const char*>& addresses = {}, const char* node = "n1") {
    model::HostEndpoint out;
    out.name = name;
    out.node = node;
    out.interface = interface;
    for (const char* address : addresses) out.addresses.push_back(ip(address));
    out.labels = std::move(labels);
    out.profiles = std::move(profiles);
    engine.apply(model::HostEndpointUpdate{name, out});
  }
  void interface(const char* name, const char* address) {
    engine.apply(model::HostInterfaceUpdate{name, model::HostInterface{name, {ip(address)}}});
  }
  model::Policy for_hosts(const char* name, model::Hook hook, std::vector<model::Rule> ingress) {
    model::Policy out = global(name, std::move(ingress));
    out.selects.pods = sel("has(host)");
    out.hook = hook;
    return out;
  }
};

TEST_F(HostTest, ClosedButForFailsafesUntilAPolicyOrProfileAllows) {
  EXPECT_TRUE(engine.tables().failsafes.empty());
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kUndecided);
  host_endpoint("h", "eth0", {{"host", "yes"}});
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 22), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "fd00::1", 22), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kEgress, "eth0", "1.1.1.1", 22), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kForwardIngress, "eth0", "1.1.1.1", 80), TableVerdict::kUndecided);
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "1.1.1.1", 80), TableVerdict::kUndecided);
  EXPECT_EQ(host(HostHook::kIngress, "eth1", "1.1.1.1", 80), TableVerdict::kUndecided);
  policy(for_hosts("p", model::Hook::kNormal, {rule(Action::kAllow, {block("1.0.0.0/8")})}));
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "2.1.1.1", 80), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kForwardIngress, "eth0", "2.1.1.1", 80), TableVerdict::kUndecided);
  no_policy(for_hosts("p", model::Hook::kNormal, {}));
  host_endpoint("h", "eth0", {}, {"projectcalico-default-allow"});
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
  host_endpoint("h", "eth0", {}, {"kns.dev"});
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
  host_endpoint("h", "eth0", {}, {"kns.none"});
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kDenied);
  ns("none");
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
  host_endpoint("h", "eth0", {}, {}, {}, "n2");
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kUndecided);
  EXPECT_TRUE(engine.tables().hosts.empty());
  EXPECT_TRUE(engine.tables().failsafes.empty());
}

// Tunnels without ports must live on host endpoints, too.
TEST_F(HostTest, AFailsafeMayBeAProtocolWithoutPorts) {
  host_endpoint("h", "eth0", {{"host", "yes"}});
  const auto ipip = [this](HostHook hook, const char* peer) {
    flush();
    const PacketKey packet{ip(peer), ip("192.168.0.1"), PortSpace::kOther, 4, std::nullopt};
    return desired::decide(engine.tables(), hook, "eth0", packet).verdict;
  };
  EXPECT_EQ(ipip(HostHook::kIngress, "1.1.1.1"), TableVerdict::kDenied);
  model::PolicySettings settings;
  settings.inbound.push_back({net::kIpip, 0, *net::Cidr::parse("1.0.0.0/8")});
  settings.outbound.push_back({net::kIpip, 0, std::nullopt});
  engine.apply(model::PolicySettingsUpdate{settings});
  EXPECT_EQ(ipip(HostHook::kIngress, "1.1.1.1"), TableVerdict::kAllowed);
  EXPECT_EQ(ipip(HostHook::kIngress, "2.1.1.1"), TableVerdict::kDenied);
  EXPECT_EQ(ipip(HostHook::kEgress, "2.1.1.1"), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 4), TableVerdict::kDenied);
}

TEST_F(HostTest, HooksOfPolicies) {
  host_endpoint("h", "eth0", {{"host", "yes"}});
  policy(for_hosts("f", model::Hook::kForward, {rule(Action::kAllow, {block("1.0.0.0/8")})}));
  for (const HostHook hook : {HostHook::kIngress, HostHook::kForwardIngress}) {
    EXPECT_EQ(host(hook, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
    EXPECT_EQ(host(hook, "eth0", "2.1.1.1", 80), TableVerdict::kDenied);
  }
  EXPECT_EQ(host(HostHook::kForwardIngress, "eth0", "2.1.1.1", 22), TableVerdict::kDenied);
  for (const auto& [kind, hook] : {std::pair(model::Hook::kPreDnat, HostHook::kPreDnat),
                                   {model::Hook::kUntracked, HostHook::kUntrackedIngress}}) {
    policy(for_hosts(
        "x", kind,
        {rule(Action::kDeny, {block("3.0.0.0/8")}), rule(Action::kAllow, {block("4.0.0.0/8")})}));
    EXPECT_EQ(host(hook, "eth0", "3.1.1.1", 80), TableVerdict::kDenied);
    EXPECT_EQ(host(hook, "eth0", "4.1.1.1", 80), TableVerdict::kAllowed);
    EXPECT_EQ(host(hook, "eth0", "5.1.1.1", 80), TableVerdict::kUndecided);
    EXPECT_EQ(host(hook, "eth0", "3.1.1.1", 22), TableVerdict::kAllowed);  // failsafe
  }
}

TEST_F(HostTest, NamedInterfaceBeforeAddressesBeforeStar) {
  interface("eth0", "192.168.0.1");
  interface("eth1", "192.168.1.1");
  host_endpoint("star", "*", {{"host", "star"}});
  host_endpoint("by-address", "", {{"host", "address"}}, {}, {"192.168.1.1"});
  const auto only = [&](const char* value, model::Hook hook, Action action) {
    model::Policy out = for_hosts(value, hook, {rule(action)});
    out.selects.pods = Selector::requirement(selector::Op::kIn, "host", {value});
    return out;
  };
  policy(only("address", model::Hook::kNormal, Action::kAllow));
  EXPECT_EQ(host(HostHook::kIngress, "eth1", "1.1.1.1", 80), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kIngress, "other", "1.1.1.1", 80), TableVerdict::kDenied);
  host_endpoint("named", "eth1", {{"host", "named"}});
  EXPECT_EQ(host(HostHook::kIngress, "eth1", "1.1.1.1", 80), TableVerdict::kDenied);
  // What "*" says elsewhere does not hold on an interface of its own.
  model::Policy forward = only("star", model::Hook::kForward, Action::kDeny);
  policy(forward);
  EXPECT_EQ(host(HostHook::kForwardIngress, "eth0", "1.1.1.1", 80), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kForwardIngress, "eth1", "1.1.1.1", 80), TableVerdict::kAllowed);
  policy(only("star", model::Hook::kPreDnat, Action::kDeny));
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "1.1.1.1", 80), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kPreDnat, "eth1", "1.1.1.1", 80), TableVerdict::kUndecided);
}

TEST_F(HostTest, AsPeersTheyAreTheirAddresses) {
  host_endpoint("far", "eth0", {{"host", "far"}}, {}, {"192.168.9.9"}, "n2");
  policy(global("p", {rule(Action::kAllow, {who("host == 'far'")})}));
  EXPECT_TRUE(allows("192.168.9.9"));
  EXPECT_FALSE(allows("192.168.9.8"));
  model::EndpointPeer plain;
  plain.pods = sel("host == 'far'");
  policy(global("p", {rule(Action::kAllow, {plain})}));
  EXPECT_FALSE(allows("192.168.9.9"));  // Kubernetes' peers are pods
}

TEST_F(HostTest, SettingsAndFailsafesOfTheUser) {
  model::PolicySettings settings;
  settings.inbound = {{net::kTcp, 2222, cidr("10.0.0.0/8")}};
  settings.to_host = model::ToHostAction::kDrop;
  engine.apply(model::PolicySettingsUpdate{settings});
  host_endpoint("h", "eth0");
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "10.1.1.1", 2222), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "11.1.1.1", 2222), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "10.1.1.1", 22), TableVerdict::kDenied);
  EXPECT_EQ(engine.tables().settings.at(desired::Setting::kToHost), 0u);
  engine.apply(model::PolicySettingsUpdate{});
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "10.1.1.1", 22), TableVerdict::kAllowed);
  EXPECT_TRUE(engine.tables().settings.empty());
}

TEST_F(HostTest, OwnAddressOfAHost) {
  interface("eth0", "192.168.0.1");
  host_endpoint("h", "eth0", {{"host", "yes"}});
  model::Rule to_one = rule(Action::kAllow);
  to_one.self.all_of = {{block("192.168.0.0/24")}};
  policy(for_hosts("p", model::Hook::kNormal, {to_one}));
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80, "192.168.7.1"), TableVerdict::kDenied);
  interface("eth1", "192.168.0.7");
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80, "192.168.0.7"), TableVerdict::kAllowed);
  // Nobody's address, not even known: rules about the own end hold for it all the same.
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80, "192.168.0.99"),
            TableVerdict::kAllowed);
}

TEST_F(HostTest, TheOwnEndOfWhatIsForwardedMayBeAnybody) {
  pod("dev", "far", {"10.9.0.1"}, {{"app", "db"}}, {{"sql", net::kTcp, 5432}});
  host_endpoint("h", "eth0", {{"host", "yes"}});
  model::Rule nets = rule(Action::kAllow);
  nets.self.all_of = {{block("172.16.0.0/12")}};
  nets.self.none_of = {block("172.16.5.0/24"), who("app == 'db'")};
  model::Rule pods = rule(Action::kAllow);
  pods.self.all_of = {{who("app == 'db'")}};
  pods.ports = {{named("sql")}};
  policy(for_hosts("f", model::Hook::kForward, {nets, pods}));
  const auto to = [&](const char* own, uint16_t port) {
    return host(HostHook::kForwardIngress, "eth0", "1.1.1.1", port, own) == TableVerdict::kAllowed;
  };
  EXPECT_TRUE(to("172.16.0.1", 80));
  EXPECT_FALSE(to("172.16.5.1", 80));
  EXPECT_TRUE(to("172.31.255.255", 80));
  EXPECT_FALSE(to("172.32.0.0", 80));
  EXPECT_FALSE(to("10.9.0.1", 80));
  EXPECT_TRUE(to("10.9.0.1", 5432));  // the name is the pod's
  EXPECT_FALSE(to("10.9.0.2", 5432));
  // A pod of another class comes: an identity is born, another one goes.
  pod("dev", "near", {"172.16.7.7"}, {{"app", "db"}}, {{"sql", net::kTcp, 5433}});
  EXPECT_FALSE(to("172.16.7.7", 80));
  EXPECT_TRUE(to("172.16.7.7", 5433));
  pod("dev", "near", {"172.16.7.7"}, {{"app", "other"}});
  EXPECT_TRUE(to("172.16.7.7", 80));
  pod("dev", "far", {"10.9.0.1"}, {{"app", "other"}});
  EXPECT_FALSE(to("10.9.0.1", 5432));
  // A service address before NAT.
  model::Rule vips = rule(Action::kDeny);
  vips.self.all_of = {{block("10.96.0.0/12")}};
  policy(for_hosts("v", model::Hook::kPreDnat, {vips, rule(Action::kAllow)}));
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "1.1.1.1", 80, "10.97.3.4"), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "1.1.1.1", 80, "10.95.3.4"), TableVerdict::kAllowed);
  no_policy(for_hosts("f", model::Hook::kForward, {}));
  no_policy(for_hosts("v", model::Hook::kPreDnat, {}));
  flush();
  EXPECT_TRUE(engine.tables().own_splits.empty());
}

TEST_F(HostTest, NamesOfOwnPortsAreThoseOfWhoHasTheAddress) {
  // The policy is for pods and hosts: a pod's names are its own, whoever shares its address.
  host_endpoint("h", "eth0", {{"host", "yes"}}, {}, {"192.168.0.1"});
  model::HostEndpoint with_port;
  with_port.name = "h";
  with_port.node = "n1";
  with_port.interface = "eth0";
  with_port.addresses = {ip("192.168.0.1")};
  with_port.ports = {{"http", net::kTcp, 8081}};
  engine.apply(model::HostEndpointUpdate{"h", with_port});
  model::Rule http = rule(Action::kAllow);
  http.ports = {{named("http")}};
  policy(global("p", {http}));
  EXPECT_TRUE(allows("1.1.1.1", 8080));
  EXPECT_FALSE(allows("1.1.1.1", 8081));
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 8081), TableVerdict::kAllowed);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 8080), TableVerdict::kDenied);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 8081, "192.168.0.2"),
            TableVerdict::kDenied);
  // With the last host endpoint the predicates of names go; pods keep theirs.
  engine.apply(model::HostEndpointUpdate{"h", {}});
  EXPECT_TRUE(allows("1.1.1.1", 8080));
  EXPECT_TRUE(engine.tables().addresses.empty());
}

TEST_F(HostTest, StatusSaysWhereItIsAndWhy) {
  interface("eth0", "192.168.0.1");
  host_endpoint("a", "eth0", {{"host", "yes"}}, {"projectcalico-default-allow"});
  host_endpoint("b", "eth0");
  host_endpoint("c", "", {}, {}, {"192.168.77.1"});
  host_endpoint("d", "eth7", {}, {"kns.nowhere"});
  host_endpoint("elsewhere", "eth0", {}, {}, {}, "n2");
  policy(for_hosts("f", model::Hook::kForward, {}));
  const model::Policy bad = for_hosts("bad", model::Hook::kPreDnat, {});
  engine.apply(model::PolicyUpdate{bad.id, bad, "spec.ingress[0]: unreadable"});
  flush();
  const auto all = engine.host_statuses();
  ASSERT_EQ(all.size(), 4u);
  const HostEndpointStatus& a = all.at("a");
  EXPECT_THAT(a.interfaces, testing::ElementsAre("eth0"));
  ASSERT_EQ(a.hooks.size(), 4u);
  EXPECT_EQ(a.hooks.at(HostHook::kEgress).disposition, desired::Disposition::kOpen);
  EXPECT_EQ(a.hooks.at(HostHook::kIngress).disposition, desired::Disposition::kPoliced);
  ASSERT_EQ(a.hooks.at(HostHook::kForwardIngress).policies.size(), 1u);
  EXPECT_EQ(a.hooks.at(HostHook::kForwardIngress).policies[0].to_string(), "GlobalNetworkPolicy f");
  EXPECT_THAT(a.errors,
              testing::ElementsAre("GlobalNetworkPolicy bad is invalid, it isolates the host "
                                   "endpoint and allows nothing: spec.ingress[0]: unreadable"));
  EXPECT_THAT(all.at("b").errors,
              testing::ElementsAre("not in force: host endpoint a speaks for interface eth0, not "
                                   "this one"));
  EXPECT_THAT(all.at("c").errors,
              testing::ElementsAre(testing::HasSubstr("no interface of node n1 has one of its "
                                                      "expected IPs (192.168.77.1)")));
  EXPECT_THAT(
      all.at("d").errors,
      testing::ElementsAre("there is no interface eth7 on node n1",
                           "profile kns.nowhere allows nothing: what no policy decides of the "
                           "host's own traffic is denied"));
  EXPECT_EQ(all.at("d").hooks.at(HostHook::kIngress).disposition, desired::Disposition::kClosed);
}

}  // namespace
}  // namespace caracal::policy::calico_test
