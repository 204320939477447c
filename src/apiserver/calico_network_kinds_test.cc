// Calico's kinds of the pod network as a client of the server sees them: pools, BGP, address
// management.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/test_client.h"
#include "apiserver/testing/api_fixture.h"

namespace caracal::apiserver {
namespace {

using ::testing::HasSubstr;

const std::string kRoot = "/apis/projectcalico.org/v3/";
const std::string kStoredRoot = "/apis/crd.projectcalico.org/v1/";
constexpr const char* kMerge = "application/merge-patch+json";

class CalicoNetworkKindsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = testing::start_server(); }
  static void TearDownTestSuite() { server_.reset(); }

  static TestResponse send(const std::string& method, const std::string& path,
                           const std::string& body = {}, const char* type = "application/json") {
    return TestClient(server_->local_url(), server_->admin_token()).send(method, path, body, type);
  }
  static TestResponse post(const std::string& plural, const std::string& name,
                           const std::string& spec) {
    return send("POST", kRoot + plural,
                R"j({"metadata":{"name":")j" + name + R"j("},"spec":)j" + spec + "}");
  }
  struct Refused {
    const char* plural;
    const char* name;
    const char* spec;
    const char* message;
  };
  template <size_t kCount>
  static void expect_refused(const Refused (&cases)[kCount]) {
    for (const Refused& one : cases) {
      const TestResponse refused = post(one.plural, one.name, one.spec);
      EXPECT_EQ(refused.code, 422) << one.spec << refused.body;
      EXPECT_THAT(refused.text({"message"}), HasSubstr(one.message)) << one.spec;
    }
  }

  static inline std::unique_ptr<ApiServer> server_;
};

TEST_F(CalicoNetworkKindsTest, PoolsHaveTheirDefaults) {
  const TestResponse v4 = post("ippools", "defaults4", R"j({"cidr":"10.100.0.0/16"})j");
  ASSERT_EQ(v4.code, 201) << v4.body;
  EXPECT_EQ(jsonio::get_int(v4.object, {"spec", "blockSize"}), 26);
  EXPECT_EQ(v4.text({"spec", "ipipMode"}), "Never");
  EXPECT_EQ(v4.text({"spec", "vxlanMode"}), "Never");
  EXPECT_EQ(v4.text({"spec", "nodeSelector"}), "all()");
  EXPECT_EQ(v4.text({"spec", "assignmentMode"}), "Automatic");
  EXPECT_EQ(jsonio::get_array(v4.object, {"spec", "allowedUses"}).size(), 2U);
  const TestResponse v6 = post("ippools", "defaults6", R"j({"cidr":"fd00:100::/48"})j");
  ASSERT_EQ(v6.code, 201) << v6.body;
  EXPECT_EQ(jsonio::get_int(v6.object, {"spec", "blockSize"}), 122);
}

TEST_F(CalicoNetworkKindsTest, WhatIsWrongWithAPoolIsNamed) {
  const Refused kCases[] = {
      {"ippools", "bad", "{}", "spec.cidr"},
      {"ippools", "bad", R"j({"cidr":"10.1.2.3/16"})j",
       "spec.cidr: Invalid value: \"10.1.2.3/16\": has bits set behind the prefix; did you mean "
       "10.1.0.0/16?"},
      {"ippools", "bad", R"j({"cidr":"169.254.7.0/24"})j",
       "spec.cidr: Invalid value: \"169.254.7.0/24\": must not overlap 169.254.0.0/16"},
      {"ippools", "bad", R"j({"cidr":"fe80:1::/64"})j", "must not overlap fe80::/10"},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/16","blockSize":33})j",
       "spec.blockSize: Invalid value: 33: must be a whole number between 20 and 32"},
      {"ippools", "bad", R"j({"cidr":"fd00::/64","blockSize":26})j",
       "spec.blockSize: Invalid value: 26: must be a whole number between 116 and 128"},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/27"})j",
       "must hold at least one block of blockSize 26"},
      {"ippools", "bad",
       R"j({"cidr":"10.1.0.0/16","ipipMode":"Always","vxlanMode":"CrossSubnet"})j",
       "spec.vxlanMode: Forbidden: cannot stand beside ipipMode"},
      {"ippools", "bad", R"j({"cidr":"fd00::/64","ipipMode":"Always"})j",
       "spec.ipipMode: Invalid value: \"Always\": must be \"Never\" in an IPv6 pool"},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/16","nodeSelector":"a = 'b'"})j",
       "spec.nodeSelector: Invalid value: \"a = 'b'\": column 3"},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/16","nodeSelector":"global()"})j",
       "spec.nodeSelector: Invalid value: \"global()\""},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/16","namespaceSelector":"has("})j",
       "spec.namespaceSelector: Invalid value"},
      {"ippools", "bad", R"j({"cidr":"10.1.0.0/16","allowedUses":["LoadBalancer","Workload"]})j",
       "spec.allowedUses: Forbidden: \"LoadBalancer\" cannot stand beside other uses"},
      {"ippools", "bad",
       R"j({"cidr":"10.1.0.0/16","allowedUses":["LoadBalancer"],"vxlanMode":"Always"})j",
       "spec.vxlanMode: Forbidden: must be \"Never\" in a pool for LoadBalancer"},
      {"ippools", "bad",
       R"j({"cidr":"10.1.0.0/16","allowedUses":["LoadBalancer"],"nodeSelector":"has(a)"})j",
       "spec.nodeSelector: Forbidden: must be \"all()\""},
  };
  expect_refused(kCases);
}

TEST_F(CalicoNetworkKindsTest, PoolsDoNotOverlapAndKeepTheirRange) {
  ASSERT_EQ(post("ippools", "first", R"j({"cidr":"10.50.0.0/16"})j").code, 201);
  const TestResponse inside = post("ippools", "second", R"j({"cidr":"10.50.7.0/24"})j");
  EXPECT_EQ(inside.code, 422);
  EXPECT_THAT(inside.text({"message"}),
              HasSubstr("spec.cidr: Invalid value: \"10.50.7.0/24\": must not overlap 10.50.0.0/16 "
                        "of IPPool first"));
  EXPECT_EQ(post("ippools", "second", R"j({"cidr":"10.0.0.0/10"})j").code, 422);
  const std::string stored = R"j({"metadata":{"name":")j";
  EXPECT_EQ(
      send("POST", kStoredRoot + "ippools", stored + R"j(other"},"spec":{"cidr":"10.50.7.0/24"}})j")
          .code,
      422)
      << "of the other group";
  EXPECT_EQ(
      send("POST", kStoredRoot + "ippools", stored + R"j(first"},"spec":{"cidr":"10.50.0.0/16"}})j")
          .code,
      201)
      << "the same pool";

  const TestResponse moved =
      send("PATCH", kRoot + "ippools/first", R"j({"spec":{"cidr":"10.51.0.0/16"}})j", kMerge);
  EXPECT_EQ(moved.code, 422);
  EXPECT_THAT(moved.text({"message"}), HasSubstr("spec.cidr: Invalid value: \"10.51.0.0/16\": may "
                                                 "not be changed (from 10.50.0.0/16)"));
  const TestResponse resized =
      send("PATCH", kRoot + "ippools/first", R"j({"spec":{"blockSize":24}})j", kMerge);
  EXPECT_EQ(resized.code, 422);
  EXPECT_THAT(resized.text({"message"}),
              HasSubstr("spec.blockSize: Invalid value: 24: may not be changed (from 26)"));
  EXPECT_EQ(
      send("PATCH", kRoot + "ippools/first", R"j({"spec":{"vxlanMode":"Always"}})j", kMerge).code,
      200);
  // Controllers tell what becomes of a pool.
  const TestResponse told =
      send("PATCH", kRoot + "ippools/first/status",
           R"j({"status":{"conditions":[{"type":"Allocatable","status":"True","reason":"Ready",
                "message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})j",
           kMerge);
  EXPECT_EQ(told.code, 200) << told.body;
  EXPECT_EQ(jsonio::get_array(told.object, {"status", "conditions"}).size(), 1U);
  EXPECT_EQ(send("DELETE", kRoot + "ippools/first").code, 200);
}

TEST_F(CalicoNetworkKindsTest, AddressManagement) {
  const Refused kCases[] = {
      {"ipamconfigurations", "other", "{}",
       "metadata.name: Invalid value: \"other\": must be \"default\""},
      {"ipamconfigurations", "default", R"j({"strictAffinity":false,"autoAllocateBlocks":false})j",
       "spec.autoAllocateBlocks: Forbidden: may be false only where strictAffinity is true"},
      {"ipamconfigurations", "default", R"j({"maxBlocksPerHost":3})j",
       "spec.maxBlocksPerHost: Forbidden: may be set only where strictAffinity is true"},
      {"ipamconfigurations", "default", R"j({"ipCooldownSeconds":1201})j",
       "spec.ipCooldownSeconds"},
      {"ipreservations", "r", R"j({"reservedCIDRs":["ten"]})j",
       "spec.reservedCIDRs[0]: Invalid value: \"ten\": must be an address or a CIDR"},
  };
  expect_refused(kCases);
  EXPECT_EQ(
      post("ipamconfigurations", "default", R"j({"strictAffinity":true,"maxBlocksPerHost":3})j")
          .code,
      201);
  EXPECT_EQ(post("ipreservations", "r", R"j({"reservedCIDRs":["10.0.0.1","10.1.0.0/24"]})j").code,
            201);
}

TEST_F(CalicoNetworkKindsTest, BgpPeers) {
  const Refused kCases[] = {
      {"bgppeers", "p", "{}", "spec.peerIP: Required value: or peerSelector"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.300","asNumber":1})j",
       "spec.peerIP: Invalid value: \"10.0.0.300\": must be an address, ADDRESS:PORT"},
      {"bgppeers", "p", R"j({"peerIP":"[fd00::1]","asNumber":1})j", "spec.peerIP: Invalid value"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.1"})j",
       "spec.asNumber: Required value: the peer's, beside peerIP"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.1","asNumber":"1.70000"})j",
       "spec.asNumber: Invalid value: \"1.70000\": must be an AS number"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.1","asNumber":0})j",
       "spec.asNumber: Invalid value: 0"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.1","asNumber":1,"peerSelector":"all()"})j",
       "spec.peerSelector: Forbidden: cannot stand beside peerIP"},
      {"bgppeers", "p", R"j({"peerSelector":"has(rr)","asNumber":1})j",
       "spec.asNumber: Forbidden: cannot stand beside peerSelector"},
      {"bgppeers", "p", R"j({"node":"a","nodeSelector":"all()","peerSelector":"all()"})j",
       "spec.nodeSelector: Forbidden: cannot stand beside node"},
      {"bgppeers", "p", R"j({"peerIP":"10.0.0.1","asNumber":1,"reachableBy":"fd00::1"})j",
       "spec.reachableBy: Invalid value: \"fd00::1\": must be of the same family as peerIP"},
      {"bgppeers", "p", R"j({"peerSelector":"all()","reachableBy":"10.0.0.1"})j",
       "spec.reachableBy: Forbidden: may stand only beside peerIP"},
      {"bgppeers", "p", R"j({"localWorkloadSelector":"has(a)"})j",
       "spec.asNumber: Required value: the peer's, beside localWorkloadSelector"},
      {"bgppeers", "p", R"j({"localWorkloadSelector":"has(a","asNumber":1})j",
       "spec.localWorkloadSelector: Invalid value"},
      {"bgppeers", "p", R"j({"peerSelector":"all()","password":{"secretKeyRef":{"name":"s"}}})j",
       "spec.password.secretKeyRef.key"},
      {"bgppeers", "p", R"j({"peerSelector":"all()","maxRestartTime":"soon"})j",
       "spec.maxRestartTime: Invalid value: \"soon\": must be a time such as 90s"},
  };
  expect_refused(kCases);
  const std::string kGood[] = {
      R"j({"peerIP":"10.0.0.1:1790","asNumber":"64512.7"})j",
      R"j({"peerIP":"[fd00::1]:179","asNumber":"65000","reachableBy":"fd00::2"})j",
      R"j({"peerIP":"fe80::1%eth0","asNumber":65000,
           "password":{"secretKeyRef":{"name":"s","key":"k"}}})j",
      R"j({"nodeSelector":"rack == 'a'","peerSelector":"has(rr)","maxRestartTime":"1m30s"})j",
      R"j({"localWorkloadSelector":"has(bgp)","asNumber":4200000000})j",
  };
  for (const std::string& spec : kGood) {
    const TestResponse made = post("bgppeers", "good", spec);
    EXPECT_EQ(made.code, 201) << spec << made.body;
    EXPECT_EQ(made.text({"spec", "sourceAddress"}), "UseNodeIP");
    EXPECT_EQ(send("DELETE", kRoot + "bgppeers/good").code, 200);
  }
}

TEST_F(CalicoNetworkKindsTest, BgpConfigurationsAndFilters) {
  const Refused kCases[] = {
      {"bgpconfigurations", "other", "{}",
       "metadata.name: Invalid value: \"other\": must be \"default\" or \"node.NAME\""},
      {"bgpconfigurations", "node.a", R"j({"nodeToNodeMeshEnabled":false})j",
       "spec.nodeToNodeMeshEnabled: Forbidden: may stand only in the object \"default\""},
      {"bgpconfigurations", "default",
       R"j({"communities":[{"name":"c","value":"1:70000"}],"prefixAdvertisements":[]})j",
       "spec.communities[0].value: Invalid value: \"1:70000\": must be a community AA:NN"},
      {"bgpconfigurations", "default", R"j({"communities":[{"name":"c","value":"1:2"}]})j",
       "spec.prefixAdvertisements: Required value"},
      {"bgpconfigurations", "default",
       R"j({"prefixAdvertisements":[{"cidr":"10.0.0.0/8","communities":["c"]}]})j",
       "spec.prefixAdvertisements[0].communities[0]: Invalid value: \"c\": is no name in"},
      {"bgpconfigurations", "default", R"j({"serviceClusterIPs":[{"cidr":"10.0.0.1/8"}]})j",
       "spec.serviceClusterIPs[0].cidr: Invalid value"},
      {"bgpconfigurations", "default",
       R"j({"nodeToNodeMeshEnabled":false,"nodeMeshMaxRestartTime":"1m"})j",
       "spec.nodeMeshMaxRestartTime: Forbidden: cannot stand beside nodeToNodeMeshEnabled false"},
      {"bgpfilters", "f", R"j({"importV4":[{"action":"Accept","cidr":"10.0.0.0/8"}]})j",
       "spec.importV4[0].matchOperator: Required value: beside cidr"},
      {"bgpfilters", "f",
       R"j({"importV6":[{"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"In"}]})j",
       "spec.importV6[0].cidr: Invalid value: \"10.0.0.0/8\": must be an IPv6 CIDR"},
      {"bgpfilters", "f",
       R"j({"exportV4":[{"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"In",
           "prefixLength":{"min":30,"max":24}}]})j",
       "spec.exportV4[0].prefixLength.min: Invalid value: 30: must not be greater than max (24)"},
      {"bgpfilters", "f",
       R"j({"exportV4":[{"action":"Reject","operations":[{"setPriority":{"value":7}}]}]})j",
       "spec.exportV4[0].operations: Forbidden: may stand only beside action \"Accept\""},
      {"bgpfilters", "f",
       R"j({"exportV4":[{"action":"Accept","communities":{"values":["1:2:3:4"]}}]})j",
       "spec.exportV4[0].communities.values[0]: Invalid value: \"1:2:3:4\""},
      {"bgpfilters", "f",
       R"j({"exportV4":[{"action":"Accept","operations":[{"addCommunity":{"value":"x"}}]}]})j",
       "spec.exportV4[0].operations[0].addCommunity.value: Invalid value: \"x\""},
  };
  expect_refused(kCases);
  const TestResponse made = post("bgpconfigurations", "default",
                                 R"j({"asNumber":"64512","nodeToNodeMeshEnabled":true,
          "communities":[{"name":"c","value":"64512:1"}],
          "prefixAdvertisements":[{"cidr":"10.0.0.0/8","communities":["c","1:2:3"]}]})j");
  EXPECT_EQ(made.code, 201) << made.body;
  const TestResponse filter = post("bgpfilters", "f", R"j({"exportV4":[{"action":"Accept",
          "cidr":"10.0.0.0/8","matchOperator":"In","prefixLength":{"min":24},"peerType":"eBGP",
          "operations":[{"addCommunity":{"value":"1:2"}},{"prependASPath":{"prefix":[65000]}}]}]})j");
  EXPECT_EQ(filter.code, 201) << filter.body;
}

}  // namespace
}  // namespace caracal::apiserver
