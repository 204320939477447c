#include "agent/node_address.h"

#include <gtest/gtest.h>

#include "agent/node_setup.h"

namespace caracal::agent {
namespace {

model::NodeAddress at(const char* address, int bits) {
  return {net::IpAddr::parse(address).value(), bits};
}

std::vector<HostLink> links() {
  return {{1, "lo", "", true, true, 65536, {at("127.0.0.1", 8), at("::1", 128)}},
          {2, "docker0", "bridge", true, false, 1500, {at("172.17.0.1", 16)}},
          {3,
           "eth0",
           "",
           true,
           false,
           1450,
           {at("10.0.0.7", 24), at("fe80::1", 64), at("fd00::7", 64)}},
          {4, "eth1", "", true, false, 9000, {at("10.1.0.7", 16)}},
          {5, "eth2", "", false, false, 1300, {at("10.2.0.7", 16)}}};
}

std::string found(std::string_view method, net::Family family = net::Family::kIPv4,
                  const model::Node* node = nullptr) {
  const auto parsed = parse_detection_method(method);
  if (!parsed) return parsed.error().message;
  const auto address = detect_node_address(*parsed, family, links(), node);
  if (!address) return "none: " + address.error().message;
  return address->address.to_string() + "/" + std::to_string(address->bits);
}

TEST(NodeAddress, FirstFoundLeavesOutWhatIsNotTheNodes) {
  EXPECT_EQ(found("first-found"), "10.0.0.7/24");
  EXPECT_EQ(found(""), "10.0.0.7/24");
  EXPECT_EQ(found("first-found", net::Family::kIPv6), "fd00::7/64");
}

TEST(NodeAddress, ByInterfaceOrPrefix) {
  EXPECT_EQ(found("interface=eth1"), "10.1.0.7/16");
  EXPECT_EQ(found("interface=wlan.*,eth[1-9]"), "10.1.0.7/16");
  EXPECT_EQ(found("interface=eth2"),
            "none: no interface that matches eth2 has a usable IPv4 address");
  EXPECT_EQ(found("skip-interface=eth0"), "10.1.0.7/16");
  EXPECT_EQ(found("cidr=192.168.0.0/16,10.1.0.0/16"), "10.1.0.7/16");
  EXPECT_EQ(found("cidr=192.168.0.0/16"),
            "none: no IPv4 address of this node is inside 192.168.0.0/16");
}

TEST(NodeAddress, TheInternalIpGetsItsPrefixFromTheInterface) {
  model::Node node;
  node.name = "n";
  EXPECT_EQ(found("kubernetes-internal-ip", net::Family::kIPv4, &node),
            "none: Node n has no InternalIP of IPv4");
  node.internal_addresses = {net::IpAddr::parse("10.1.0.7").value()};
  EXPECT_EQ(found("kubernetes-internal-ip", net::Family::kIPv4, &node), "10.1.0.7/16");
  node.internal_addresses = {net::IpAddr::parse("10.3.0.7").value()};
  EXPECT_EQ(found("kubernetes-internal-ip", net::Family::kIPv4, &node), "10.3.0.7/32");
}

TEST(NodeAddress, TheKernelSaysHowItReachesSomething) {
  const auto method = parse_detection_method("can-reach=127.0.0.1").value();
  const auto address = detect_node_address(method, net::Family::kIPv4, links(), nullptr);
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->address.to_string(), "127.0.0.1");
}

TEST(NodeAddress, BadMethodsAreRefusedWithWhatIsValid) {
  EXPECT_NE(found("interface=(").find("\"(\" is no regular expression"), std::string::npos);
  EXPECT_NE(found("nearest").find("valid are first-found"), std::string::npos);
  EXPECT_NE(found("cidr=10.0.0.0/77").find("address detection method"), std::string::npos);
  EXPECT_NE(found("interface=").find("nothing behind the ="), std::string::npos);
}

TEST(NodeAddress, TheMtuIsThatOfTheNodesOwnLinks) {
  EXPECT_EQ(host_mtu(links(), ""), 1450U);
  EXPECT_EQ(host_mtu(links(), "^eth1$"), 9000U);
  std::vector<HostLink> with_tunnel = links();
  with_tunnel.push_back({9, "vxlan.calico", "vxlan", true, false, 1400, {}});
  EXPECT_EQ(host_mtu(with_tunnel, ""), 1450U);
  EXPECT_EQ(host_mtu({}, ""), 1500U);
}

}  // namespace
}  // namespace caracal::agent
