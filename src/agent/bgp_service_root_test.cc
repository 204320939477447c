// BgpService and the kernel, in a network namespace of its own; without a BIRD.
#include "agent/bgp_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/endpoint.h"
#include "base/subprocess.h"
#include "netlink/network_namespace.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

net::IpAddr address(const char* text) { return *net::IpAddr::parse(text); }

class BgpServiceRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto ns = netlink::NetworkNamespace::create_anonymous();
    ASSERT_TRUE(ns) << ns.error().message;
    ns_.emplace(std::move(*ns));
    auto entered = ns_->enter();
    ASSERT_TRUE(entered) << entered.error().message;
    entered_.emplace(std::move(*entered));
    options_.node_name = "a";
    options_.bird = "/nonexistent/bird";
    options_.run_dir = "/tmp/caracal-bgp-service-" + std::to_string(::getpid());
    client_.emplace(loop_, kube::ClusterAccess{.server = "http://127.0.0.1:9"});
    service_.emplace(loop_, *client_, options_, metrics_, [](bool) {});
    model::NodeNetwork node;
    node.name = "a";
    node.v4.address = model::NodeAddress{address("10.0.0.1"), 24};
    node.v6.address = model::NodeAddress{address("fd00::1"), 64};
    service_->update(model::NodeNetworkUpdate{"a", node});
    model::IpPool pool;
    pool.name = "pool";
    pool.cidr = *net::Cidr::parse("192.168.0.0/16");
    service_->update(model::IpPoolUpdate{"pool", pool});
    service_->set_synced();
    settle();
  }
  void TearDown() override {
    service_.reset();
    client_.reset();
    entered_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(options_.run_dir, ignored);
  }
  // Lets what was posted run.
  void settle() {
    bool done = false;
    loop_.post([&] { done = true; });
    EXPECT_TRUE(loop_.run_until([&] { return done; }, event::Duration(10'000)));
  }
  // How many looks at the configuration that took.
  uint64_t flushes_of(const std::function<void()>& act) {
    const uint64_t before = service_->flushes();
    act();
    settle();
    return service_->flushes() - before;
  }
  static model::PodUpdate pod(const std::string& name, const std::string& node,
                              std::vector<net::IpAddr> addresses) {
    model::Pod out;
    out.name = {"dev", name};
    out.node = node;
    out.labels = {{"app", "router"}};
    out.addresses = std::move(addresses);
    return {out.name, out};
  }
  static std::string ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    return run_checked({.argv = arguments}).value_or("failed");
  }
  static std::string addresses(const std::string& interface) {
    return ip({"address", "show", "dev", interface});
  }

  std::optional<netlink::NetworkNamespace> ns_;
  std::optional<netlink::ScopedEnter> entered_;
  event::Loop loop_;
  Options options_;
  telemetry::Metrics metrics_;
  std::optional<kube::Client> client_;
  std::optional<BgpService> service_;
};

model::BgpPeer local_peer() {
  model::BgpPeer out;
  out.name = "pods";
  out.local_workloads = *selector::Selector::parse_expression("app == 'router'");
  out.as_number = 65100;
  return out;
}

TEST_F(BgpServiceRoot, OnlyPodsThatAreAPeerMatter) {
  EXPECT_EQ(flushes_of([&] {
              for (int i = 0; i < 1000; ++i) {
                const std::string name = "pod-" + std::to_string(i);
                service_->pod(pod(name, "elsewhere", {net::IpAddr::v4(0xc0a80000U + unsigned(i))}));
                settle();
              }
            }),
            0U);
  EXPECT_EQ(flushes_of([&] { service_->pod(pod("mine", "a", {address("192.168.1.5")})); }), 0U);
  EXPECT_EQ(flushes_of([&] { service_->update(model::BgpPeerUpdate{"pods", local_peer()}); }), 1U);
  EXPECT_EQ(flushes_of([&] { service_->pod(pod("two", "a", {address("192.168.1.6")})); }), 1U);
  EXPECT_EQ(flushes_of([&] { service_->pod(pod("two", "a", {address("192.168.1.6")})); }), 0U);
  EXPECT_EQ(flushes_of([&] { service_->pod(pod("x", "elsewhere", {address("192.168.2.6")})); }),
            0U);
  EXPECT_EQ(flushes_of([&] { service_->pod({{"dev", "x"}, std::nullopt}); }), 0U);
  EXPECT_EQ(flushes_of([&] { service_->pod({{"dev", "two"}, std::nullopt}); }), 1U);
}

TEST_F(BgpServiceRoot, PodsThatSpeakBgpFindTheirPeer) {
  const std::string one = interface_name("cali", {"dev", "one"});
  const std::string other = interface_name("cali", {"dev", "other"});
  for (const std::string& name : {one, other}) {
    ip({"link", "add", name, "type", "veth"});
    ip({"link", "set", name, "up"});
  }
  ip({"address", "add", "10.0.0.1/32", "dev", "lo"});
  // Somebody else's, on one of ours and on another device.
  ip({"address", "add", "169.254.9.9/32", "dev", one});
  ip({"address", "add", "169.254.77.1/32", "dev", "lo"});

  model::BgpConfiguration common;
  common.name = "default";
  common.local_workload_peering_v4 = address("169.254.77.1");
  common.local_workload_peering_v6 = address("fd00:77::1");
  service_->update(model::BgpConfigurationUpdate{"default", common});
  service_->update(model::BgpPeerUpdate{"pods", local_peer()});
  service_->pod(pod("one", "a", {address("192.168.1.5"), address("fd00:10::5")}));
  model::PodUpdate no_router = pod("other", "a", {address("192.168.1.6")});
  no_router.value->labels.clear();
  service_->pod(no_router);
  settle();
  EXPECT_THAT(addresses(one), HasSubstr("inet 169.254.77.1/32 scope host"));
  EXPECT_THAT(addresses(one), HasSubstr("inet6 fd00:77::1/128"));
  EXPECT_THAT(addresses(one), HasSubstr("deprecated"));
  EXPECT_THAT(addresses(other), Not(HasSubstr("169.254.77.1")));

  // A source that nobody chose.
  ip({"route", "add", "192.168.1.5", "dev", one, "scope", "link"});
  ip({"address", "del", "169.254.9.9/32", "dev", one});
  EXPECT_THAT(ip({"route", "get", "192.168.1.5"}), HasSubstr("src 10.0.0.1"));
  ip({"address", "add", "169.254.9.9/32", "dev", one});

  // Another address; then no peer any more.
  common.local_workload_peering_v4 = address("169.254.77.2");
  service_->update(model::BgpConfigurationUpdate{"default", common});
  settle();
  EXPECT_THAT(addresses(one), HasSubstr("169.254.77.2/32"));
  EXPECT_THAT(addresses(one), Not(HasSubstr("169.254.77.1/32")));
  service_->update(model::BgpPeerUpdate{"pods", std::nullopt});
  settle();
  EXPECT_THAT(addresses(one), Not(HasSubstr("169.254.77")));
  EXPECT_THAT(addresses(one), Not(HasSubstr("fd00:77::1")));
  EXPECT_THAT(addresses(one), HasSubstr("169.254.9.9"));
  EXPECT_THAT(addresses("lo"), HasSubstr("169.254.77.1"));
}

// What an agent that was killed has left.
TEST_F(BgpServiceRoot, AddressesOfAFormerAgent) {
  const std::string one = interface_name("cali", {"dev", "one"});
  ip({"link", "add", one, "type", "veth"});
  ip({"link", "set", one, "up"});
  PeeringAddresses former("cali");
  ASSERT_TRUE(former.apply({{one, {address("169.254.77.1"), address("fd00:77::1")}},
                            {"cali-not-there", {address("169.254.77.1")}}}));
  ASSERT_THAT(addresses(one), HasSubstr("169.254.77.1/32"));
  PeeringAddresses next("cali");
  ASSERT_TRUE(next.apply({{one, {address("fd00:77::1")}}}));
  EXPECT_THAT(addresses(one), Not(HasSubstr("169.254.77.1")));
  EXPECT_THAT(addresses(one), HasSubstr("fd00:77::1"));
}

}  // namespace
}  // namespace caracal::agent
