#include "agent/address_wishes.h"

#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::agent {
namespace {

json::value yaml(std::string_view text) { return jsonio::parse_yaml(text).value().front(); }

TEST(AddressWishes, ThePodsWordGoesBeforeItsNamespaces) {
  AddressWishes wishes("node1");
  const json::value ns = yaml(R"(
metadata:
  labels: {team: red}
  annotations:
    cni.projectcalico.org/ipv4pools: '["red-pool"]'
    cni.projectcalico.org/ipv6pools: '["red-six"]'
)");
  wishes.ns("dev", &ns);
  const json::value pod = yaml(R"(
metadata:
  annotations: {cni.projectcalico.org/ipv4pools: '["10.9.0.0/16", "spare"]'}
spec: {nodeName: node1}
)");
  wishes.pod({"dev", "a"}, &pod);
  const auto a = wishes.of({"dev", "a"});
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->pools_v4, (std::vector<std::string>{"10.9.0.0/16", "spare"}));
  EXPECT_EQ(a->pools_v6, (std::vector<std::string>{"red-six"}));
  EXPECT_EQ(a->namespace_labels, (model::Labels{{"team", "red"}}));
  const auto b = wishes.of({"dev", "b"});
  ASSERT_TRUE(b);
  EXPECT_EQ(b->pools_v4, (std::vector<std::string>{"red-pool"}));
  wishes.pod({"dev", "a"}, nullptr);
  EXPECT_EQ(wishes.of({"dev", "a"})->pools_v4, (std::vector<std::string>{"red-pool"}));
}

TEST(AddressWishes, AddressesAndMacAreThePodsAlone) {
  AddressWishes wishes("node1");
  const json::value pod = yaml(R"(
metadata:
  annotations:
    cni.projectcalico.org/ipAddrs: '["192.168.7.7", "fd00::7"]'
    cni.projectcalico.org/hwAddr: "02:00:00:12:34:56"
    cni.projectcalico.org/ipFamilies: '["IPv6"]'
spec: {nodeName: node1}
)");
  wishes.pod({"dev", "a"}, &pod);
  const auto wish = wishes.of({"dev", "a"});
  ASSERT_TRUE(wish) << wish.error().message;
  EXPECT_EQ(wish->addresses.size(), 2U);
  EXPECT_EQ(wish->mac->to_string(), "02:00:00:12:34:56");
  EXPECT_EQ(wish->families, std::vector{net::Family::kIPv6});
}

TEST(AddressWishes, BadAnnotationsAreNamed) {
  const auto error_of = [](const std::string& name, const std::string& value) {
    AddressWishes wishes("node1");
    const json::value pod = yaml("metadata: {annotations: {cni.projectcalico.org/" + name + ": '" +
                                 value + "'}}\nspec: {nodeName: node1}");
    wishes.pod({"dev", "a"}, &pod);
    const auto wish = wishes.of({"dev", "a"});
    return wish ? std::string() : wish.error().message;
  };
  EXPECT_EQ(error_of("ipv4pools", "red"),
            "pod dev/a: annotation cni.projectcalico.org/ipv4pools: \"red\": no JSON; valid is a "
            "JSON list of texts, like [\"a\", \"b\"]");
  EXPECT_NE(error_of("ipAddrs", "[\"10.0.0.300\"]").find("ipAddrs"), std::string::npos);
  EXPECT_NE(error_of("ipAddrs", "[\"10.0.0.3\", \"10.0.0.4\"]").find("at most one address of each"),
            std::string::npos);
  EXPECT_NE(error_of("hwAddr", "01:00:00:00:00:01").find("must be a MAC"), std::string::npos);
  EXPECT_NE(error_of("ipFamilies", "[\"IPv5\"]").find("must be IPv4 or IPv6"), std::string::npos);
}

TEST(AddressWishes, PodsOfOtherNodesAreNotKept) {
  AddressWishes wishes("node1");
  const json::value pod = yaml(
      "metadata: {annotations: {cni.projectcalico.org/ipv4pools: broken}}\nspec: {nodeName: n2}");
  wishes.pod({"dev", "a"}, &pod);
  EXPECT_TRUE(wishes.of({"dev", "a"}));
}

}  // namespace
}  // namespace caracal::agent
