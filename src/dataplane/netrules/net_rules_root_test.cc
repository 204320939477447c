// NetRulesDriver against the real kernel, with packets: who sees whose address, which tunnel
// packets are taken, and what of other programs' is left alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "base/fd.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "dataplane/netrules/net_rules_driver.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::netrules {
namespace {

using desired::NetworkRules;
using net::Family;
using netlink::NetworkNamespace;
using testing::HasSubstr;
using testing::Not;

net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }

struct Received {
  net::IpAddr source;
  uint16_t port = 0;
  std::string text;
};

//   pod 10.244.0.5 --- node 192.0.2.1 --- outside 192.0.2.2, 198.51.100.1 (no route to the pod
//                                                 but by the node, so that both addresses answer)
class NetRulesRootTest : public testing::Test {
 protected:
  NetRulesRootTest()
      : pod_(*NetworkNamespace::create_anonymous()),
        node_(*NetworkNamespace::create_anonymous()),
        outside_(*NetworkNamespace::create_anonymous()) {
    connect(pod_, "eth0", node_, "cali0", 2);
    connect(node_, "eth0", outside_, "eth0", 4);
    run(pod_, "ip addr add 10.244.0.5/24 dev eth0");
    run(pod_, "ip addr add fd10::5/64 dev eth0 nodad");
    run(node_, "ip addr add 10.244.0.1/24 dev cali0");
    run(node_, "ip addr add fd10::1/64 dev cali0 nodad");
    run(node_, "ip addr add 192.0.2.1/24 dev eth0");
    run(node_, "ip addr add 192.0.2.9/24 dev eth0");
    run(node_, "ip addr add 2001:db8::1/64 dev eth0 nodad");
    run(outside_, "ip addr add 192.0.2.2/24 dev eth0");
    run(outside_, "ip addr add 192.0.2.3/24 dev eth0");
    run(outside_, "ip addr add 2001:db8::2/64 dev eth0 nodad");
    run(outside_, "ip addr add 2001:db8::3/64 dev eth0 nodad");
    run(pod_, "ip route add default via 10.244.0.1");
    run(pod_, "ip route add default via fd10::1");
    run(outside_, "ip route add default via 192.0.2.1");
    run(outside_, "ip route add default via 2001:db8::1");
    run(node_, "sysctl -qw net.ipv4.ip_forward=1");
    run(node_, "sysctl -qw net.ipv6.conf.all.forwarding=1");
    // Known neighbours: fresh interfaces ask for none at first.
    run(pod_, "ip neigh add fd10::1 lladdr 02:00:00:00:00:03 dev eth0");
    run(node_, "ip neigh add fd10::5 lladdr 02:00:00:00:00:02 dev cali0");
    for (const char* address : {"2001:db8::2", "2001:db8::3"})
      run(node_, fmt::format("ip neigh add {} lladdr 02:00:00:00:00:05 dev eth0", address));
    run(outside_, "ip neigh add 2001:db8::1 lladdr 02:00:00:00:00:04 dev eth0");
    open();
  }
  static void connect(const NetworkNamespace& a, const char* name_a, const NetworkNamespace& b,
                      const char* name_b, int n) {
    run(a, fmt::format("ip link add {} address 02:00:00:00:00:0{} type veth peer name {} address "
                       "02:00:00:00:00:0{} netns {}",
                       name_a, n, name_b, n + 1, b.fd_path()));
    run(a, fmt::format("ip link set {} up", name_a));
    run(b, fmt::format("ip link set {} up", name_b));
  }
  static std::string run(const NetworkNamespace& ns, const std::string& command) {
    Command c{.argv = {}, .netns = ns.fd_path()};
    for (const auto word : split(command, ' ')) c.argv.emplace_back(word);
    auto out = run_checked(c);
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or("");
  }
  void open() {
    auto driver = NetRulesDriver::open_in(node_);
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<NetRulesDriver>(std::move(*driver));
  }
  std::string table() { return run(node_, "nft list table inet caracal_network"); }
  NetRulesReport sync(const NetworkRules& rules) {
    auto report = driver_->sync(rules);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(NetRulesReport{});
  }
  NetRulesReport apply(const NetworkRules& rules) {
    auto report = driver_->apply(rules);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(NetRulesReport{});
  }
  static NetworkRules pools() {
    NetworkRules rules;
    rules.nat_sources = {cidr("10.244.0.0/16"), cidr("fd10::/48")};
    rules.no_nat = {cidr("10.244.0.0/16"), cidr("fd10::/48")};
    return rules;
  }

  static UniqueFd socket_in(const NetworkNamespace& ns, const net::IpAddr& address, uint16_t port,
                            int type = SOCK_DGRAM, int protocol = 0) {
    auto entered = ns.enter();
    const net::SocketAddress self(address, port);
    UniqueFd fd(::socket(self.family(), type | SOCK_CLOEXEC, protocol));
    EXPECT_EQ(::bind(fd.get(), self.get(), self.size()), 0) << strerror(errno);
    return fd;
  }
  static void send(const UniqueFd& fd, const net::IpAddr& to, uint16_t port,
                   std::string_view text) {
    const net::SocketAddress target(to, port);
    EXPECT_EQ(::sendto(fd.get(), text.data(), text.size(), 0, target.get(), target.size()),
              static_cast<ssize_t>(text.size()))
        << strerror(errno);
  }
  static std::optional<Received> receive(const UniqueFd& fd, int milliseconds = 60'000) {
    pollfd wait{fd.get(), POLLIN, 0};
    if (::poll(&wait, 1, milliseconds) != 1) return std::nullopt;
    char buffer[2048];
    net::SocketAddress from;
    const ssize_t size = ::recvfrom(fd.get(), buffer, sizeof buffer, 0, from.get(), from.room());
    if (size < 0) return std::nullopt;
    return Received{from.address(), from.port(), std::string(buffer, static_cast<size_t>(size))};
  }
  // Whom the other end takes a new flow of the pod's for; and the answer must find its way back.
  Received seen_by(const net::IpAddr& destination) {
    const uint16_t port = next_port_++;
    const net::IpAddr source = ip(destination.is_v4() ? "10.244.0.5" : "fd10::5");
    const UniqueFd server = socket_in(outside_, destination, port);
    const UniqueFd client = socket_in(pod_, source, port);
    send(client, destination, port, "question");
    const auto question = receive(server);
    EXPECT_TRUE(question) << destination.to_string();
    if (!question) return {};
    send(server, question->source, question->port, "answer");
    const auto answer = receive(client);
    EXPECT_TRUE(answer && answer->text == "answer") << destination.to_string();
    return *question;
  }

  NetworkNamespace pod_;
  NetworkNamespace node_;
  NetworkNamespace outside_;
  std::unique_ptr<NetRulesDriver> driver_;
  uint16_t next_port_ = 8000;
};

TEST_F(NetRulesRootTest, WhatLeavesThePoolsGetsTheNodesAddress) {
  EXPECT_EQ(seen_by(ip("192.0.2.2")).source, ip("10.244.0.5"));
  sync(pools());
  EXPECT_EQ(seen_by(ip("192.0.2.2")).source, ip("192.0.2.1"));
  EXPECT_EQ(seen_by(ip("2001:db8::2")).source, ip("2001:db8::1"));
  // Not to a pool (another one, without translation itself), and not to a host left out.
  NetworkRules rules = pools();
  rules.no_nat.insert(cidr("192.0.2.0/31"));
  rules.no_nat.insert(cidr("192.0.2.2/32"));
  rules.no_nat.insert(cidr("2001:db8::2/128"));
  NetRulesReport report = apply(rules);
  EXPECT_EQ(report.added, 3u);
  EXPECT_FALSE(report.rebuilt);
  EXPECT_EQ(seen_by(ip("192.0.2.2")).source, ip("10.244.0.5"));
  EXPECT_EQ(seen_by(ip("192.0.2.3")).source, ip("192.0.2.1"));
  EXPECT_EQ(seen_by(ip("2001:db8::2")).source, ip("fd10::5"));
  EXPECT_EQ(seen_by(ip("2001:db8::3")).source, ip("2001:db8::1"));
  // A smaller source: the interval changes, the rest stays.
  rules.nat_sources = {cidr("10.244.128.0/17"), cidr("fd10::/48")};
  report = apply(rules);
  EXPECT_EQ(report.added + report.removed, 2u);
  EXPECT_EQ(seen_by(ip("192.0.2.3")).source, ip("10.244.0.5"));
  // All off: no table at all.
  apply({});
  EXPECT_THAT(run(node_, "nft list tables"), Not(HasSubstr("caracal_network")));
}

TEST_F(NetRulesRootTest, AGivenAddressAndPorts) {
  NetworkRules rules = pools();
  rules.nat_address_v4 = ip("192.0.2.9");
  rules.nat_first_port = 40000;
  rules.nat_last_port = 40009;
  sync(rules);
  for (const char* destination : {"192.0.2.2", "2001:db8::2"}) {
    for (int i = 0; i < 5; ++i) {
      const Received seen = seen_by(ip(destination));
      EXPECT_EQ(seen.source, ip(destination[0] == '1' ? "192.0.2.9" : "2001:db8::1"));
      EXPECT_GE(seen.port, 40000);
      EXPECT_LE(seen.port, 40009);
    }
  }
  EXPECT_THAT(table(), HasSubstr("snat ip to 192.0.2.9:40000-40009 fully-random"));
  EXPECT_THAT(table(), HasSubstr("masquerade to :40000-40009 fully-random"));
  EXPECT_EQ(sync(rules).messages, 0u);
  // nft takes its own listing back: what people see is what there is.
  const std::string file = testing::TempDir() + "/caracal-network.nft";
  ASSERT_TRUE(write_file_atomic(file, table()));
  run(pod_, "nft -c -f " + file);
  rules.nat_address_v4.reset();
  const NetRulesReport report = apply(rules);
  EXPECT_TRUE(report.rebuilt);
  EXPECT_EQ(report.reason, "its rules differ");
  EXPECT_EQ(report.added + report.removed, 0u);
  EXPECT_EQ(seen_by(ip("192.0.2.2")).source, ip("192.0.2.1"));
}

TEST_F(NetRulesRootTest, TunnelPacketsAreTakenFromNodesOnly) {
  NetworkRules rules;
  rules.nodes = {ip("192.0.2.2"), ip("2001:db8::2")};
  rules.vxlan_port = 4789;
  rules.vxlan_vni = 4096;
  rules.ipip = true;
  sync(rules);
  // A VXLAN header (RFC 7348), and one with another VNI.
  const std::string ours("\x08\0\0\0\0\x10\0\0 ours", 13);
  const std::string other("\x08\0\0\0\0\0\x07\0 other", 14);
  for (const auto& [node, stranger, here] :
       {std::tuple("192.0.2.2", "192.0.2.3", "192.0.2.1"),
        std::tuple("2001:db8::2", "2001:db8::3", "2001:db8::1")}) {
    const UniqueFd device = socket_in(node_, ip(here), 4789);
    const UniqueFd from_node = socket_in(outside_, ip(node), 0);
    const UniqueFd from_stranger = socket_in(outside_, ip(stranger), 0);
    send(from_stranger, ip(here), 4789, ours);
    send(from_stranger, ip(here), 4789, other);
    send(from_node, ip(here), 4789, ours);
    // In the order they were sent: the stranger's first is missing.
    auto first = receive(device);
    ASSERT_TRUE(first) << here;
    EXPECT_EQ(first->text, other);
    EXPECT_EQ(first->source, ip(stranger));
    auto second = receive(device);
    ASSERT_TRUE(second) << here;
    EXPECT_EQ(second->source, ip(node));
    EXPECT_FALSE(receive(device, 0));
  }
  // IPIP: a raw socket gets what the guard lets through.
  const UniqueFd device = socket_in(node_, ip("192.0.2.1"), 0, SOCK_RAW, IPPROTO_IPIP);
  const UniqueFd from_node = socket_in(outside_, ip("192.0.2.2"), 0, SOCK_RAW, IPPROTO_IPIP);
  const UniqueFd from_stranger = socket_in(outside_, ip("192.0.2.3"), 0, SOCK_RAW, IPPROTO_IPIP);
  send(from_stranger, ip("192.0.2.1"), 0, "stranger");
  send(from_node, ip("192.0.2.1"), 0, "node");
  const auto taken = receive(device);
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->text, HasSubstr("node"));
  EXPECT_FALSE(receive(device, 0));
  // The stranger joins the cluster.
  rules.nodes.insert(ip("192.0.2.3"));
  const NetRulesReport report = apply(rules);
  EXPECT_EQ(report.messages, 1u);
  send(from_stranger, ip("192.0.2.1"), 0, "stranger");
  EXPECT_TRUE(receive(device));
}

TEST_F(NetRulesRootTest, TunnelPacketsAreNotTracked) {
  // A table of another program that counts what is tracked and what is not.
  run(node_, "nft add table inet other");
  run(node_, "nft add chain inet other in { type filter hook input priority 10 ; }");
  run(node_,
      "nft add rule inet other in udp dport 4789 ct state untracked counter comment untracked");
  run(node_, "nft add rule inet other in udp dport 4789 ct state new counter comment tracked");
  run(node_, "nft add chain inet other out { type filter hook output priority 10 ; }");
  run(node_,
      "nft add rule inet other out udp dport 4789 ct state untracked counter comment untracked");
  NetworkRules rules;
  rules.nodes = {ip("192.0.2.2")};
  rules.vxlan_port = 4789;
  rules.vxlan_vni = 4096;
  sync(rules);
  const std::string ours("\x08\0\0\0\0\x10\0\0 ours", 13);
  const UniqueFd device = socket_in(node_, ip("192.0.2.1"), 4789);
  const UniqueFd from_node = socket_in(outside_, ip("192.0.2.2"), 4789);
  send(from_node, ip("192.0.2.1"), 4789, ours);
  ASSERT_TRUE(receive(device));
  send(device, ip("192.0.2.2"), 4789, ours);
  ASSERT_TRUE(receive(from_node));
  const std::string counted = run(node_, "nft list table inet other");
  EXPECT_THAT(counted, HasSubstr("untracked counter packets 1 bytes 41 comment \"untracked\""));
  EXPECT_THAT(counted, HasSubstr("new counter packets 0 bytes 0 comment \"tracked\""));
  EXPECT_THAT(counted.substr(counted.find("chain out")), HasSubstr("packets 1 bytes 41"));
}

TEST_F(NetRulesRootTest, RightIsKeptAndDamageIsRepaired) {
  NetworkRules rules = pools();
  rules.nodes = {ip("192.0.2.2"), ip("2001:db8::2")};
  rules.vxlan_port = 4789;
  rules.vxlan_vni = 4096;
  EXPECT_EQ(sync(rules).reason, "there was no table");
  const std::string text = table();
  NetRulesReport report = sync(rules);
  EXPECT_EQ(report.messages, 0u);
  EXPECT_EQ(report.right, 6u);
  EXPECT_FALSE(*driver_->changed());

  // A restart: another driver finds all of it.
  open();
  const uint32_t generation = *driver_->generation();
  report = sync(rules);
  EXPECT_EQ(report.messages, 0u) << report.reason;
  EXPECT_EQ(*driver_->generation(), generation);

  // Other programs' tables are no drift, and stay.
  run(node_, "nft add table inet other");
  run(node_, "nft add set inet other nodes4 { type ipv4_addr ; }");
  EXPECT_FALSE(*driver_->changed());
  for (const char* damage : {
           "nft add element inet caracal_network nodes4 { 203.0.113.1 }",
           "nft delete element inet caracal_network nodes4 { 192.0.2.2 }",
           "nft delete element inet caracal_network no_nat4 { 10.244.0.0/16 }",
           "nft flush chain inet caracal_network input",
           "nft add rule inet caracal_network postrouting accept",
           "nft add chain inet caracal_network strange",
           "nft delete table inet caracal_network",
       }) {
    run(node_, damage);
    EXPECT_TRUE(*driver_->changed()) << damage;
    report = sync(driver_->rules());
    EXPECT_GT(report.messages, 0u) << damage;
    EXPECT_EQ(table(), text) << damage;
    EXPECT_FALSE(*driver_->changed()) << damage;
  }
  // A delta that meets damage: repaired on the way.
  run(node_, "nft delete element inet caracal_network nodes4 { 192.0.2.2 }");
  rules.nodes = {ip("192.0.2.7")};
  apply(rules);
  EXPECT_THAT(table(), HasSubstr("192.0.2.7"));
  EXPECT_THAT(table(), Not(HasSubstr("192.0.2.2")));
  EXPECT_FALSE(*driver_->changed());

  ASSERT_TRUE(driver_->remove());
  ASSERT_TRUE(driver_->remove());
  EXPECT_THAT(run(node_, "nft list tables"), Not(HasSubstr("caracal_network")));
  EXPECT_THAT(run(node_, "nft list table inet other"), HasSubstr("set nodes4"));
}

TEST_F(NetRulesRootTest, UnusedPartsAreAbsentAndBadValuesAreNamed) {
  EXPECT_EQ(sync({}).messages, 0u);
  EXPECT_THAT(run(node_, "nft list tables"), Not(HasSubstr("caracal")));
  NetworkRules rules;
  rules.nat_sources = {cidr("10.244.0.0/16")};
  rules.nodes = {ip("192.0.2.2")};
  apply(rules);
  EXPECT_THAT(table(), Not(HasSubstr("nodes4")));
  EXPECT_THAT(table(), Not(HasSubstr("nat_sources6")));
  EXPECT_THAT(table(), Not(HasSubstr("chain input")));
  rules.ipip = true;
  apply(rules);
  EXPECT_THAT(table(), HasSubstr("chain input"));
  EXPECT_THAT(table(), Not(HasSubstr("chain prerouting")));
  EXPECT_EQ(sync(rules).messages, 0u);

  // In another order than a table that is made at once has them.
  rules = {};
  rules.nodes = {ip("192.0.2.2")};
  rules.vxlan_port = 4789;
  rules.vxlan_vni = 4096;
  apply(rules);
  rules.nat_sources = {cidr("10.244.0.0/16")};
  rules.ipip = true;
  apply(rules);
  EXPECT_EQ(sync(rules).messages, 0u);
  run(node_, "nft add table inet other");
  EXPECT_FALSE(*driver_->changed());

  rules.nat_first_port = 2000;
  rules.nat_last_port = 1000;
  const auto refused = driver_->apply(rules);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_THAT(refused.error().message, HasSubstr("NAT port range 2000-1000"));
  EXPECT_FALSE(*driver_->changed());
}

TEST_F(NetRulesRootTest, ThousandsOfNodes) {
  NetworkRules rules;
  rules.vxlan_port = 4789;
  for (uint32_t i = 0; i < 5000; ++i) rules.nodes.insert(net::IpAddr::v4(0x0b000000 + i));
  EXPECT_EQ(sync(rules).added, 5000u);
  rules.nodes.insert(net::IpAddr::v4(0x0b100000));
  const NetRulesReport report = apply(rules);
  EXPECT_EQ(report.messages, 1u);
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(sync(rules).right, 5001u);
}

}  // namespace
}  // namespace caracal::dataplane::netrules
