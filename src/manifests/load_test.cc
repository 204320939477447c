#include "manifests/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::manifests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Manifests load_text(std::string_view text, const LoadOptions& options = {}) {
  Documents documents;
  parse_documents("test.yaml", text, documents);
  return load(std::move(documents), options);
}

std::vector<std::string> pods_of(const Manifests& manifests) {
  std::vector<std::string> out;
  for (const auto& [name, pod] : manifests.world.pods) out.push_back(name.to_string());
  return out;
}

std::vector<std::string> texts(const std::vector<Problem>& problems) {
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.to_string());
  return out;
}

TEST(Documents, ABrokenOneDoesNotHideTheOthers) {
  Documents documents;
  parse_documents(
      "a.yaml",
      "# nothing but a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
      "---\nkind: [\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: b\n",
      documents);
  ASSERT_THAT(documents.documents, SizeIs(2));
  EXPECT_EQ(documents.documents[0].source, (Source{"a.yaml", 3, 1}));
  EXPECT_EQ(documents.documents[1].source, (Source{"a.yaml", 9, 3}));
  ASSERT_THAT(documents.problems, SizeIs(1));
  EXPECT_TRUE(documents.problems[0].error);
  EXPECT_THAT(documents.problems[0].to_string(), HasSubstr("a.yaml:7: document 2: "));
  EXPECT_THAT(documents.problems[0].to_string(), HasSubstr("line 8"));  // where it was noticed
}

TEST(Documents, ListsAreOpenedAndFieldsHaveLines) {
  Documents documents;
  parse_documents(
      "l.yaml",
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n"
      "    name: one\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: two\n"
      "  spec:\n    containers:\n    - name: c\n      ports:\n      - containerPort: 1\n",
      documents);
  ASSERT_THAT(documents.documents, SizeIs(2));
  EXPECT_EQ(documents.documents[0].source.line, 4U);
  const Document& two = documents.documents[1];
  EXPECT_EQ(two.source.line, 8U);
  EXPECT_EQ(line_of(two, "metadata.name"), 11U);
  EXPECT_EQ(line_of(two, "spec.containers[0].ports[0].containerPort"), 16U);
  EXPECT_EQ(line_of(two, "spec.containers[0].image"), 14U);  // the nearest above it
}

TEST(Documents, ListsOfAKindAndJsonAreRead) {
  Documents documents;
  parse_documents(
      "p.json",
      "{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}",
      documents);
  ASSERT_THAT(documents.documents, SizeIs(1));
  EXPECT_EQ(jsonio::get_string(documents.documents[0].value, {"kind"}), "Pod");
  EXPECT_EQ(jsonio::get_string(documents.documents[0].value, {"apiVersion"}), "v1");
  parse_documents("x.json", "[{\"src\": \"a\"}]", documents);
  ASSERT_THAT(documents.problems, SizeIs(1));
  EXPECT_FALSE(documents.problems[0].error);
}

TEST(Load, WorkloadsStandForPods) {
  const Manifests manifests =
      load(std::vector<std::string>{CARACAL_SOURCE_DIR "/src/manifests/testdata/review/base"});
  EXPECT_THAT(texts(manifests.problems), IsEmpty());
  EXPECT_THAT(pods_of(manifests), ElementsAre("ops/backup", "shop/db", "shop/front",
                                              "{ingress-controller}/ingress-controller"));
  const model::Pod& front = manifests.world.pods.at({"shop", "front"});
  EXPECT_EQ(front.labels.at("app"), "front");
  ASSERT_THAT(front.ports, SizeIs(1));
  EXPECT_EQ(front.ports[0].port, 8080);
  ASSERT_THAT(front.addresses, SizeIs(1));
  EXPECT_TRUE(net::Cidr::parse("240.0.0.0/8")->contains(front.addresses[0]));
  EXPECT_EQ(manifests.view.workloads.at({"shop", "front"}).to_string(), "shop/front[Deployment]");
  EXPECT_EQ(manifests.view.workloads.at({"ops", "backup"}).to_string(), "ops/backup[CronJob]");
  // What the API server adds to namespaces, those that nobody declared among them.
  EXPECT_EQ(manifests.world.namespaces.at("ops").labels.at("kubernetes.io/metadata.name"), "ops");
  EXPECT_EQ(manifests.world.namespaces.at("shop").labels.at("team"), "web");
  // The service's endpoints, and what the Ingress leads to.
  ASSERT_THAT(manifests.world.endpoint_slices, SizeIs(1));
  EXPECT_EQ(manifests.world.endpoint_slices.begin()->second.addresses, front.addresses);
  ASSERT_THAT(manifests.view.exposures, SizeIs(1));
  EXPECT_EQ(manifests.view.exposures[0].ports, policy::PortSet::one(net::kTcp, 8080));
}

TEST(Load, AddressesAreStable) {
  const std::string one = "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n---\n";
  const std::string more = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n";
  const model::ObjectName b{"default", "b"};
  EXPECT_EQ(load_text(one).world.pods.at(b).addresses,
            load_text(more + one).world.pods.at(b).addresses);
}

TEST(Load, PodsAreOfTheirTopmostOwner) {
  const Manifests manifests = load_text(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {a: b}}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-1, ownerReferences: [{kind: Deployment, name: web, controller: true}]}
spec: {template: {metadata: {labels: {a: b}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1-x, ownerReferences: [{kind: ReplicaSet, name: web-1, controller: true}]}
---
apiVersion: v1
kind: Pod
metadata: {name: orphan, ownerReferences: [{kind: ReplicaSet, name: other, controller: true}]}
)");
  // Only the pods that are there: their owners stand for no others.
  EXPECT_THAT(pods_of(manifests), ElementsAre("default/orphan", "default/web-1-x"));
  EXPECT_EQ(manifests.view.workloads.at({"default", "web-1-x"}).to_string(),
            "default/web[Deployment]");
  EXPECT_EQ(manifests.view.workloads.at({"default", "orphan"}).to_string(),
            "default/other[ReplicaSet]");
}

TEST(Load, WorkloadsOfOneNameAreTwoPods) {
  const Manifests manifests = load_text(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {a: b}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec: {template: {metadata: {labels: {a: c}}}}
)");
  EXPECT_THAT(pods_of(manifests), ElementsAre("default/web", "default/web-statefulset"));
}

TEST(Load, TypesSurviveAndErrorsNameTheField) {
  const Manifests manifests = load_text(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: text, namespace: dev}
spec:
  podSelector: {}
  ingress:
  - ports:
    - port: "80"
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: number, namespace: dev}
spec:
  podSelector: {}
  ingress:
  - ports:
    - port: 80
)");
  // "80" is the name of a port, and no valid one: a name needs a letter.
  ASSERT_THAT(manifests.problems, SizeIs(1));
  EXPECT_TRUE(manifests.has_errors());
  EXPECT_THAT(manifests.problems[0].to_string(),
              HasSubstr("test.yaml:9: NetworkPolicy dev/text: spec.ingress[0].ports[0].port"));
  EXPECT_THAT(manifests.world.policies, SizeIs(1));
  EXPECT_THAT(manifests.world.invalid_policies, SizeIs(1));
}

TEST(Load, HostNetworkPodsCountOnlyWhenAsked) {
  constexpr std::string_view kText =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true}\n";
  EXPECT_FALSE(load_text(kText).world.pods.begin()->second.networked());
  LoadOptions options;
  options.every_pod = true;
  EXPECT_TRUE(load_text(kText, options).world.pods.begin()->second.networked());
}

TEST(Load, TheLastOfTwoCountsAndIsTold) {
  const Manifests manifests = load_text(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: one}}\n---\n"
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: two}}\n");
  ASSERT_THAT(manifests.problems, SizeIs(1));
  EXPECT_THAT(manifests.problems[0].to_string(), HasSubstr("is there twice, first in test.yaml:1"));
  EXPECT_EQ(manifests.world.namespaces.at("a").labels.at("x"), "two");
}

TEST(Load, UserDefinedNetworksAreApart) {
  const Manifests manifests = load_text(R"(
apiVersion: v1
kind: Namespace
metadata: {name: green, labels: {k8s.ovn.org/primary-user-defined-network: ""}}
---
apiVersion: k8s.ovn.org/v1
kind: UserDefinedNetwork
metadata: {name: n, namespace: green}
spec: {topology: Layer2, layer2: {role: Primary}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: green}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: red}
)");
  EXPECT_EQ(manifests.view.networks.at({"green", "a"}), "UDN green");
  EXPECT_FALSE(manifests.view.networks.contains({"red", "a"}));
}

}  // namespace
}  // namespace caracal::manifests
