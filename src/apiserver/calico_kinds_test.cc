// Calico's kinds and the cluster-wide policies as a client of the server sees them: defaults,
// refusals, warnings, tiers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/test_client.h"
#include "apiserver/testing/api_fixture.h"

namespace caracal::apiserver {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kPolicies = "/apis/projectcalico.org/v3/namespaces/default/networkpolicies";
constexpr const char* kGlobal = "/apis/projectcalico.org/v3/globalnetworkpolicies";
constexpr const char* kTiers = "/apis/projectcalico.org/v3/tiers";

class CalicoKindsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = testing::start_server(); }
  static void TearDownTestSuite() { server_.reset(); }

  static TestClient client() { return TestClient(server_->local_url(), server_->admin_token()); }
  static std::string named(const std::string& name, const std::string& spec) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":)" + spec + "}";
  }

  static inline std::unique_ptr<ApiServer> server_;
};

TEST_F(CalicoKindsTest, DefaultsAreStored) {
  const TestResponse made =
      client().send("POST", kPolicies, named("p", R"({"egress":[{"action":"Allow"}]})"));
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.text({"spec", "tier"}), "default");
  EXPECT_EQ(made.text({"metadata", "labels", "projectcalico.org/tier"}), "default");
  EXPECT_THAT(jsonio::get_array(made.object, {"spec", "types"}),
              ElementsAre(json::value("Egress")));
  const TestResponse selected =
      client().get(std::string(kPolicies) + "?fieldSelector=spec.tier%3Ddefault,metadata.name%3Dp");
  EXPECT_EQ(jsonio::get_array(selected.object, {"items"}).size(), 1U);
}

TEST_F(CalicoKindsTest, WhatIsWrongIsRefused) {
  const struct {
    const char* path;
    std::string object;
    const char* message;
  } kCases[] = {
      {kPolicies, named("bad", R"({"selector":"a = 'b'"})"),
       "spec.selector: Invalid value: \"a = 'b'\": column 3: found \"=\", expected one of =="},
      {kPolicies, named("a.b.c", "{}"), "metadata.name: Invalid value: \"a.b.c\""},
      {kPolicies, named("bad", R"({"ingress":[{"action":"Allow","destination":{"ports":[80]}}]})"),
       "spec.ingress[0].destination: Forbidden: port numbers need a protocol"},
      {kPolicies, named("bad", R"({"tier":"ops"})"), "spec.tier: Not found: \"ops\""},
      {kGlobal, named("bad", R"({"preDNAT":true})"), "spec.applyOnForward: Required value"},
      {kTiers, named("default2", R"({"order":"x"})"), "spec.order"},
      {kTiers, named("a.b", "{}"), "metadata.name: Invalid value: \"a.b\""},
      {"/apis/projectcalico.org/v3/hostendpoints", named("h", R"({"node":"n"})"),
       "spec.interfaceName: Required value: or expectedIPs"},
      {"/apis/crd.projectcalico.org/v1/globalnetworksets", named("s", R"({"nets":["10.1"]})"),
       "spec.nets[0]: Invalid value: \"10.1\": must be an address or a CIDR"},
      {"/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
       named(
           "c",
           R"({"tier":"Admin","priority":1,"subject":{"namespaces":{"matchLabels":{"a_":"b"}}}})"),
       "spec.subject.namespaces.matchLabels"},
  };
  for (const auto& c : kCases) {
    const TestResponse refused = client().send("POST", c.path, c.object);
    EXPECT_EQ(refused.code, 422) << c.object << refused.body;
    EXPECT_THAT(refused.text({"message"}), HasSubstr(c.message));
  }
}

TEST_F(CalicoKindsTest, WhatIsNotEnforcedIsAWarning) {
  const TestResponse http = client().send(
      "POST", kPolicies,
      named("http", R"({"ingress":[{"action":"Allow","http":{"methods":["GET"]}}]})"));
  EXPECT_EQ(http.code, 201) << http.body;
  EXPECT_THAT(http.headers, Contains(HasSubstr("HTTP requests are not inspected")));
  const TestResponse nodes =
      client().send("POST", "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies",
                    named("nodes", R"({"priority":1,"subject":{"namespaces":{}},
                         "egress":[{"action":"Deny","to":[{"nodes":{}}]}]})"));
  EXPECT_EQ(nodes.code, 201) << nodes.body;
  EXPECT_THAT(nodes.headers, Contains(HasSubstr("the rule denies everything")));
}

TEST_F(CalicoKindsTest, Tiers) {
  const TestResponse builtin = client().get(std::string(kTiers) + "/kube-admin");
  EXPECT_EQ(builtin.code, 200);
  EXPECT_EQ(jsonio::get_int(builtin.object, {"spec", "order"}), 1000);
  EXPECT_EQ(builtin.text({"spec", "defaultAction"}), "Pass");
  const TestResponse kept = client().send("DELETE", std::string(kTiers) + "/default");
  EXPECT_EQ(kept.code, 403);
  EXPECT_THAT(kept.text({"message"}), HasSubstr("this tier may not be deleted"));

  ASSERT_EQ(client().send("POST", kTiers, named("ops", R"({"order":5})")).code, 201);
  ASSERT_EQ(client().send("POST", kGlobal, named("ops.deny", R"({"tier":"ops"})")).code, 201);
  const TestResponse used = client().send("DELETE", std::string(kTiers) + "/ops");
  EXPECT_EQ(used.code, 409) << used.body;
  EXPECT_THAT(used.text({"message"}), HasSubstr("GlobalNetworkPolicy ops.deny"));
  EXPECT_EQ(client().send("DELETE", std::string(kGlobal) + "/ops.deny").code, 200);
  EXPECT_EQ(client().send("DELETE", std::string(kTiers) + "/ops").code, 200);

  // A policy may be moved, but only to a tier that exists.
  ASSERT_EQ(client().send("POST", kGlobal, named("moving", "{}")).code, 201);
  const std::string merge = "application/merge-patch+json";
  EXPECT_EQ(
      client()
          .send("PATCH", std::string(kGlobal) + "/moving", R"({"spec":{"tier":"nowhere"}})", merge)
          .code,
      422);
  const TestResponse moved = client().send("PATCH", std::string(kGlobal) + "/moving",
                                           R"({"spec":{"tier":"kube-baseline"}})", merge);
  EXPECT_EQ(moved.code, 200) << moved.body;
  EXPECT_EQ(moved.text({"metadata", "labels", "projectcalico.org/tier"}), "kube-baseline");
}

TEST_F(CalicoKindsTest, TablesHaveTheColumnsOfTheirKind) {
  const TestResponse table =
      client().send("GET", kTiers, {}, "application/json",
                    {"Accept: application/json;as=Table;v=v1;g=meta.k8s.io"});
  std::vector<std::string> names;
  for (const json::value& column : jsonio::get_array(table.object, {"columnDefinitions"}))
    names.emplace_back(jsonio::get_string(column, {"name"}));
  EXPECT_THAT(names, ElementsAre("Name", "Order", "DefaultAction", "Age"));
}

}  // namespace
}  // namespace caracal::apiserver
