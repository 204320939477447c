#include "agent/policy_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNow = "2026-01-02T03:04:05Z";

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents ? documents->at(0) : json::value();
}

std::optional<kube::Request> request(const char* version, const char* kind, std::string_view object,
                                     bool invalid, const std::string& text) {
  const calico::Collection* collection = calico::find_collection(version, kind);
  EXPECT_NE(collection, nullptr);
  std::vector<calico::Finding> findings;
  if (!text.empty()) findings.push_back({collection, {"", "p"}, invalid, text});
  return status_request(*collection, findings, yaml(object), "node1", kNow);
}

TEST(PolicyStatus, ConditionsAreWrittenOnlyWhenTheyDiffer) {
  constexpr const char* kVersion = "policy.networking.k8s.io/v1alpha2";
  constexpr const char* kKind = "ClusterNetworkPolicy";
  const auto first =
      request(kVersion, kKind, "{metadata: {name: p, resourceVersion: '7', generation: 3}}", true,
              "spec.subject: required");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->method, "PATCH");
  EXPECT_EQ(first->path, "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/p/status");
  const json::value body = *jsonio::parse(first->body);
  EXPECT_EQ(jsonio::get_string(body, {"metadata", "resourceVersion"}), "7");
  const json::value mine = jsonio::get_array(body, {"status", "conditions"}).at(0);
  EXPECT_EQ(
      mine,
      yaml("{type: caracal.io/Enforced, status: 'False', reason: Invalid, message: 'spec.subject: "
           "required', lastTransitionTime: '2026-01-02T03:04:05Z', "
           "observedGeneration: 3}"));

  const std::string told =
      "{metadata: {name: p, resourceVersion: '8'}, status: {conditions: [{type: Other, status: "
      "'True'}, {type: caracal.io/Enforced, status: 'False', reason: Invalid, message: "
      "'spec.subject: "
      "required', lastTransitionTime: '2025-01-01T00:00:00Z'}]}}";
  EXPECT_FALSE(request(kVersion, kKind, told, true, "spec.subject: required"));
  // Another text: the same transition. Another's condition stays.
  const auto other = request(kVersion, kKind, told, true, "spec.tier: required");
  ASSERT_TRUE(other);
  const json::value changed = *jsonio::parse(other->body);
  const json::array& conditions = jsonio::get_array(changed, {"status", "conditions"});
  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(jsonio::get_string(conditions[0], {"type"}), "Other");
  EXPECT_EQ(jsonio::get_string(conditions[1], {"lastTransitionTime"}), "2025-01-01T00:00:00Z");
  const auto valid = request(kVersion, kKind, told, false, "");
  ASSERT_TRUE(valid);
  EXPECT_THAT(valid->body, HasSubstr("\"reason\":\"Enforced\""));
  EXPECT_THAT(valid->body, HasSubstr(kNow));
  const auto partly = request(kVersion, kKind, told, false, "spec.egress[0].to[0].nodes: no");
  EXPECT_THAT(partly->body, HasSubstr("\"reason\":\"PartlyEnforced\""));
  EXPECT_THAT(request("projectcalico.org/v3", "Tier", "{metadata: {name: t}}", false, "")->body,
              HasSubstr("\"type\":\"caracal.io/Enforced\",\"status\":\"True\""));
}

TEST(PolicyStatus, EventsForKindsWithoutStatus) {
  const char* object = "{metadata: {name: p, namespace: dev, uid: u1, resourceVersion: '7'}}";
  const auto event =
      request("projectcalico.org/v3", "NetworkPolicy", object, true, "spec.selector: bad");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->method, "POST");
  EXPECT_EQ(event->path, "/api/v1/namespaces/dev/events");
  const json::value body = *jsonio::parse(event->body);
  EXPECT_EQ(jsonio::get_string(body, {"message"}), "spec.selector: bad");
  EXPECT_EQ(jsonio::get_string(body, {"reason"}), "Invalid");
  EXPECT_EQ(jsonio::get_string(body, {"involvedObject", "namespace"}), "dev");
  EXPECT_EQ(jsonio::get_string(body, {"involvedObject", "kind"}), "NetworkPolicy");
  // The same text about the same object has the same name; another text has another.
  const auto name = [](const kube::Request& r) {
    const json::value value = *jsonio::parse(r.body);
    return std::string(jsonio::get_string(value, {"metadata", "name"}));
  };
  EXPECT_EQ(name(*event), name(*request("projectcalico.org/v3", "NetworkPolicy", object, true,
                                        "spec.selector: bad")));
  EXPECT_NE(name(*event), name(*request("projectcalico.org/v3", "NetworkPolicy", object, true,
                                        "spec.order: bad")));
  const auto global = request("crd.projectcalico.org/v1", "GlobalNetworkPolicy",
                              "{metadata: {name: p}}", false, "spec.x: unknown field");
  ASSERT_TRUE(global);
  EXPECT_EQ(global->path, "/api/v1/namespaces/default/events");
  EXPECT_THAT(global->body, HasSubstr("\"reason\":\"NotEnforced\""));
  EXPECT_FALSE(request("projectcalico.org/v3", "NetworkPolicy", object, false, ""));
  EXPECT_FALSE(request("v1", "Pod", object, true, "metadata.labels: bad"));
}

}  // namespace
}  // namespace caracal::agent
