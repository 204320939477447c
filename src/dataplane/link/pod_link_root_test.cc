// Pod links in the real kernel: a "host" and "pods", each a network namespace of the test's own.
#include "dataplane/link/pod_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "base/strings.h"
#include "base/subprocess.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::link {
namespace {

using netlink::NetworkNamespace;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }

std::string run_in(const NetworkNamespace& ns, const std::string& command) {
  Command c{.argv = {}, .netns = ns.fd_path()};
  for (const auto word : split(command, ' ')) c.argv.emplace_back(word);
  auto out = run_checked(c);
  EXPECT_TRUE(out) << out.error().message;
  return out.value_or("");
}

class PodLinkRootTest : public testing::Test {
 protected:
  void SetUp() override {
    host_ = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
    pod_ = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
    entered_ = std::make_unique<netlink::ScopedEnter>(*host_->enter());
  }

  PodLinkSpec dual_stack() const {
    return {.host_interface = "cali0123456789a",
            .netns_path = pod_->fd_path(),
            .addresses = {ip("10.1.0.2"), ip("fd01::2")},
            .mtu = 1450};
  }

  std::unique_ptr<NetworkNamespace> host_;
  std::unique_ptr<NetworkNamespace> pod_;
  std::unique_ptr<netlink::ScopedEnter> entered_;
};

TEST(PodLinkNameTest, HostNameIsCalicos) {
  // printf 'default.nginx' | sha1sum
  EXPECT_EQ(host_interface_name("default", "nginx"), "calic440f455693");
  EXPECT_NE(host_interface_name("a", "b.c"), host_interface_name("a.b", "d"));
  EXPECT_EQ(gateway_v4().to_string(), "169.254.1.1");
  EXPECT_EQ(gateway_v6().to_string(), "fe80::ecee:eeff:feee:eeee");
}

TEST_F(PodLinkRootTest, DualStackLinkIsAsSpecified) {
  const PodLinkSpec spec = dual_stack();
  const auto start = std::chrono::steady_clock::now();
  auto made = create_pod_link(spec);
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(made) << made.error().message;
  std::cout << "pod link made in "
            << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << " us\n";
  EXPECT_EQ(made->host_mac, kHostMac);
  EXPECT_EQ(made->mtu, 1450u);
  EXPECT_THAT(run_in(*host_, "ip route"),
              HasSubstr("10.1.0.2 dev cali0123456789a proto 202 scope link"));
  EXPECT_THAT(run_in(*host_, "ip -6 route"), HasSubstr("fd01::2 dev cali0123456789a proto 202"));
  const std::string addresses = run_in(*host_, "ip addr show dev cali0123456789a");
  EXPECT_THAT(addresses, HasSubstr("fe80::ecee:eeff:feee:eeee/64"));
  EXPECT_THAT(addresses, testing::Not(HasSubstr("tentative")));
  EXPECT_THAT(run_in(*pod_, "ip route"), HasSubstr("default via 169.254.1.1 dev eth0"));
  EXPECT_THAT(run_in(*pod_, "ip route"), HasSubstr("169.254.1.1 dev eth0 scope link"));
  EXPECT_THAT(run_in(*pod_, "ip -6 route"),
              HasSubstr("default via fe80::ecee:eeff:feee:eeee dev eth0"));
  const std::string pod_addresses = run_in(*pod_, "ip addr show dev eth0");
  EXPECT_THAT(pod_addresses, HasSubstr("10.1.0.2/32"));
  EXPECT_THAT(pod_addresses, HasSubstr("fd01::2/128"));
  EXPECT_THAT(pod_addresses, testing::Not(HasSubstr("tentative")));
  EXPECT_THAT(run_in(*host_, "cat /proc/sys/net/ipv4/conf/cali0123456789a/proxy_arp"), "1\n");
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());

  // Again: found as it is, the same interface.
  auto again = create_pod_link(spec);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->host_index, made->host_index);
  EXPECT_EQ(again->pod_mac, made->pod_mac);

  auto links = list_host_links();
  ASSERT_TRUE(links);
  ASSERT_EQ(links->size(), 1u);
  EXPECT_EQ(links->front().name, "cali0123456789a");
  EXPECT_TRUE(links->front().up);

  ASSERT_TRUE(delete_pod_link(spec.host_interface));
  EXPECT_TRUE(delete_pod_link(spec.host_interface));
  EXPECT_EQ(run_in(*host_, "ip route"), "");
  EXPECT_TRUE(list_host_links()->empty());
  EXPECT_THAT(*check_pod_link(spec), ElementsAre("host interface cali0123456789a is missing",
                                                 "pod interface eth0 is missing"));
}

TEST_F(PodLinkRootTest, EachFamilyAloneWorks) {
  PodLinkSpec spec = dual_stack();
  spec.addresses = {ip("10.1.0.2")};
  spec.pod_mac = *net::MacAddr::parse("02:00:00:00:00:07");
  auto made = create_pod_link(spec);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->pod_mac, *spec.pod_mac);
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());
  ASSERT_TRUE(delete_pod_link(spec.host_interface));
  spec.addresses = {ip("fd01::2")};
  ASSERT_TRUE(create_pod_link(spec));
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());
  EXPECT_EQ(run_in(*pod_, "ip route"), "");
}

TEST_F(PodLinkRootTest, CheckNamesEachDifference) {
  const PodLinkSpec spec = dual_stack();
  ASSERT_TRUE(create_pod_link(spec));
  run_in(*pod_, "ip addr del 10.1.0.2/32 dev eth0");
  run_in(*pod_, "ip -6 route del default");
  run_in(*host_, "ip link set cali0123456789a mtu 1400");
  run_in(*host_, "ip -6 route del fd01::2 dev cali0123456789a");
  EXPECT_THAT(
      *check_pod_link(spec),
      testing::IsSupersetOf({"host interface cali0123456789a has MTU 1400 and not 1450",
                             "host route fd01::2/128 dev cali0123456789a scope link is missing",
                             "pod interface eth0 lacks address 10.1.0.2",
                             "pod route ::/0 via fe80::ecee:eeff:feee:eeee dev eth0 is missing"}));
  // Making it again repairs it.
  ASSERT_TRUE(create_pod_link(spec));
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());
}

TEST_F(PodLinkRootTest, LinkOfAFormerSandboxIsReplaced) {
  PodLinkSpec spec = dual_stack();
  ASSERT_TRUE(create_pod_link(spec));
  auto other = NetworkNamespace::create_anonymous();
  ASSERT_TRUE(other);
  spec.netns_path = other->fd_path();
  ASSERT_TRUE(create_pod_link(spec));
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());
  EXPECT_THAT(run_in(*pod_, "ip -br link"), testing::Not(HasSubstr("eth0")));
}

TEST_F(PodLinkRootTest, FailureLeavesNothingBehind) {
  PodLinkSpec spec = dual_stack();
  run_in(*pod_, "ip link add eth0 type veth peer name other");
  EXPECT_EQ(create_pod_link(spec).error().code, Errc::kExists);
  EXPECT_TRUE(list_host_links()->empty());
  run_in(*pod_, "ip link del eth0");

  // Somebody else's route has the address.
  run_in(*host_, "ip link add d0 type veth peer name d1");
  run_in(*host_, "ip link set d0 up");
  run_in(*host_, "ip route add 10.1.0.2/32 dev d0");
  auto refused = create_pod_link(spec);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kExists);
  EXPECT_THAT(refused.error().message, HasSubstr("10.1.0.2/32"));
  EXPECT_TRUE(list_host_links()->empty());
  EXPECT_THAT(run_in(*host_, "ip route"), HasSubstr("10.1.0.2 dev d0"));
  run_in(*host_, "ip route del 10.1.0.2/32 dev d0");

  // Our own stale one is replaced.
  run_in(*host_, "ip route add 10.1.0.2/32 dev d0 proto 202");
  ASSERT_TRUE(create_pod_link(spec));
  EXPECT_THAT(*check_pod_link(spec), IsEmpty());
}

TEST_F(PodLinkRootTest, BadSpecsAreRefusedWithFieldAndValue) {
  const auto message = [&](auto change) {
    PodLinkSpec spec = dual_stack();
    change(spec);
    auto made = create_pod_link(spec);
    EXPECT_FALSE(made);
    return made ? std::string() : made.error().message;
  };
  EXPECT_THAT(message([](PodLinkSpec& s) { s.host_interface = "cali-much-too-long"; }),
              HasSubstr("host interface \"cali-much-too-long\""));
  EXPECT_THAT(message([](PodLinkSpec& s) { s.pod_interface = "a/b"; }),
              HasSubstr("pod interface \"a/b\""));
  EXPECT_THAT(message([](PodLinkSpec& s) { s.addresses.clear(); }), HasSubstr("addresses"));
  EXPECT_THAT(message([](PodLinkSpec& s) { s.mtu = 1000; }),
              HasSubstr("mtu 1000: must be 1280 to 65535"));
  EXPECT_THAT(message([](PodLinkSpec& s) { s.netns_path = "/run/netns/no-such"; }),
              HasSubstr("no-such"));
}

TEST_F(PodLinkRootTest, ForwardingIsSwitchedOn) {
  ASSERT_TRUE(enable_forwarding());
  EXPECT_EQ(run_in(*host_, "cat /proc/sys/net/ipv4/ip_forward"), "1\n");
  EXPECT_EQ(run_in(*host_, "cat /proc/sys/net/ipv6/conf/all/forwarding"), "1\n");
}

}  // namespace
}  // namespace caracal::dataplane::link
