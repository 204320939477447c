#include "apimachinery/strategic_merge_patch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "apimachinery/json_patch.h"
#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

const Schema& schema_of(std::string_view group, std::string_view kind) {
  static const auto registry = ResourceRegistry::with_builtins();
  static const auto catalog = (*registry)->snapshot();
  return *catalog->find_kind(group, "v1", kind)->schema;
}

std::string patched(std::string_view object, std::string_view patch, std::string_view kind = "Pod",
                    std::string_view group = "") {
  const auto result = apply_strategic_merge_patch(J(object), J(patch), schema_of(group, kind));
  return result ? jsonio::to_string(*result) : result.error().message;
}

TEST(StrategicMergePatch, ObjectsMergeAndNullDeletes) {
  EXPECT_EQ(patched(R"({"metadata":{"name":"a","labels":{"x":"1","y":"2"}}})",
                    R"({"metadata":{"labels":{"x":null,"z":"3"}}})"),
            R"({"metadata":{"name":"a","labels":{"y":"2","z":"3"}}})");
  EXPECT_EQ(patched("{}", R"({"metadata":{"labels":{"x":null,"z":"3"}}})"),
            R"({"metadata":{"labels":{"z":"3"}}})");
}

TEST(StrategicMergePatch, KeyedListsMergeByKey) {
  EXPECT_EQ(
      patched(R"({"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"}]},
                                              {"name":"b","image":"2"}]}})",
              R"({"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"2"}]},
                                              {"name":"c","image":"3"}]}})"),
      R"({"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"},)"
      R"({"name":"Y","value":"2"}]},{"name":"b","image":"2"},{"name":"c","image":"3"}]}})");
}

TEST(StrategicMergePatch, OtherListsAreReplaced) {
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"name":"a","args":["1","2"]}]}})",
                    R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})"),
            R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})");
  EXPECT_EQ(patched(R"({"spec":{"ingress":[{"from":[]}]}})", R"({"spec":{"ingress":[{}]}})",
                    "NetworkPolicy", "networking.k8s.io"),
            R"({"spec":{"ingress":[{}]}})");
}

TEST(StrategicMergePatch, DirectivesOnObjects) {
  EXPECT_EQ(patched(R"({"metadata":{"labels":{"x":"1","y":"2"}}})",
                    R"({"metadata":{"labels":{"$patch":"replace","z":"3"}}})"),
            R"({"metadata":{"labels":{"z":"3"}}})");
  EXPECT_EQ(patched(R"({"metadata":{"labels":{"x":"1"}}})",
                    R"({"metadata":{"labels":{"$patch":"delete"}}})"),
            R"({"metadata":{"labels":{}}})");
  EXPECT_EQ(patched(R"({"metadata":{}})", R"({"metadata":{"labels":{"$patch":"delete"}}})"),
            R"({"metadata":{}})");
  EXPECT_EQ(patched(R"({"metadata":{"labels":{"x":"1"}}})",
                    R"({"metadata":{"labels":{"$patch":"merge","y":"2"}}})"),
            R"({"metadata":{"labels":{"x":"1","y":"2"}}})");
  EXPECT_THAT(patched("{}", R"({"metadata":{"$patch":"drop"}})"),
              HasSubstr("metadata.$patch: \"drop\" is unknown: must be merge, replace or delete"));
}

TEST(StrategicMergePatch, DirectivesInKeyedLists) {
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                    R"({"spec":{"containers":[{"$patch":"delete","name":"a"}]}})"),
            R"({"spec":{"containers":[{"name":"b"}]}})");
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                    R"({"spec":{"containers":[{"name":"c"},{"$patch":"replace"}]}})"),
            R"({"spec":{"containers":[{"name":"c"}]}})");
  // Deleting what is not there, in a list that is not there.
  EXPECT_EQ(
      patched(R"({"spec":{}})", R"({"spec":{"containers":[{"$patch":"delete","name":"a"}]}})"),
      R"({"spec":{"containers":[]}})");
  EXPECT_THAT(patched("{}", R"({"spec":{"containers":[{"image":"x"}]}})"),
              HasSubstr("spec.containers[0]: must have the list's merge key \"name\""));
  EXPECT_THAT(patched("{}", R"({"spec":{"containers":["x"]}})"), HasSubstr("must be an object"));
}

TEST(StrategicMergePatch, ListsOfTextsAreSets) {
  EXPECT_EQ(patched(R"({"metadata":{"finalizers":["a/1","b/2"]}})",
                    R"({"metadata":{"finalizers":["b/2","c/3"]}})"),
            R"({"metadata":{"finalizers":["a/1","b/2","c/3"]}})");
  EXPECT_EQ(patched(R"({"metadata":{"finalizers":["a/1","b/2"]}})",
                    R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a/1"]}})"),
            R"({"metadata":{"finalizers":["b/2"]}})");
  EXPECT_EQ(patched(R"({"metadata":{"name":"x"}})",
                    R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a/1"]}})"),
            R"({"metadata":{"name":"x"}})");
  EXPECT_THAT(patched(R"({"metadata":{"finalizers":["a"]}})",
                      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":"a"}})"),
              HasSubstr("must be a list"));
}

TEST(StrategicMergePatch, RetainKeys) {
  EXPECT_EQ(patched(R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
                    R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","configMap"],
                                            "configMap":{"name":"c"}}]}})"),
            R"({"spec":{"volumes":[{"name":"v","configMap":{"name":"c"}}]}})");
  EXPECT_THAT(patched("{}", R"({"spec":{"$retainKeys":["a"],"nodeName":"n"}})"),
              HasSubstr("spec.$retainKeys: does not list \"nodeName\", which the patch sets"));
}

TEST(StrategicMergePatch, ElementOrder) {
  // The client knows b and a; s1 and s2 are the server's alone and keep their places.
  EXPECT_EQ(
      patched(R"({"spec":{"containers":[{"name":"s1"},{"name":"a"},{"name":"s2"},{"name":"b"}]}})",
              R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})"),
      R"({"spec":{"containers":[{"name":"s1"},{"name":"s2"},{"name":"b"},{"name":"a"}]}})");
  EXPECT_EQ(
      patched(R"({"spec":{"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]}})",
              R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"n"},{"name":"b"}],
                                "containers":[{"name":"n"}]}})"),
      R"({"spec":{"containers":[{"name":"a"},{"name":"n"},{"name":"s"},{"name":"b"}]}})");
  EXPECT_EQ(
      patched(R"({"metadata":{"finalizers":["a","b"]}})",
              R"({"metadata":{"$setElementOrder/finalizers":["b","a","c"],"finalizers":["c"]}})"),
      R"({"metadata":{"finalizers":["b","a","c"]}})");
  EXPECT_THAT(patched("{}", R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],
                                        "containers":[{"name":"b"}]}})"),
              HasSubstr("spec.containers[0]: is missing in the $setElementOrder list"));
  EXPECT_THAT(patched("{}", R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],
                                        "containers":[{"name":"b"},{"name":"a"}]}})"),
              HasSubstr("spec.containers[1]: stands in another place"));
}

TEST(StrategicMergePatch, MustBeAnObject) {
  EXPECT_EQ(patched("{}", "[]"), "strategic merge patch: must be an object");
}

// The three below are what kubectl apply (1.20 and 1.32 alike) sent for a changed manifest.
TEST(StrategicMergePatch, KubectlApplyOfAPod) {
  const std::string_view live = R"({"metadata":{"name":"web","labels":{"app":"web","tier":"front"},
      "annotations":{"a":"1"},"finalizers":["example.com/one"]},
    "spec":{"nodeName":"n1","containers":[
        {"name":"main","image":"nginx:1","ports":[{"containerPort":80,"name":"http","protocol":"TCP"},
           {"containerPort":443,"name":"https","protocol":"TCP"}],
         "env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},
        {"name":"side","image":"busybox"}],
      "volumes":[{"name":"v","emptyDir":{}}]}})";
  const std::string_view patch =
      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["example.com/one"],
      "$setElementOrder/finalizers":["example.com/two"],"annotations":{"a":null},
      "finalizers":["example.com/two"],"labels":{"tier":null,"zone":"z1"}},
    "spec":{"$setElementOrder/containers":[{"name":"side"},{"name":"main"}],
      "$setElementOrder/volumes":[{"name":"v"}],
      "containers":[{"image":"busybox:2","name":"side"},
        {"$setElementOrder/env":[{"name":"C"},{"name":"B"}],
         "$setElementOrder/ports":[{"containerPort":8080},{"containerPort":80}],
         "env":[{"name":"C","value":"3"},{"name":"B","value":"22"},{"$patch":"delete","name":"A"}],
         "image":"nginx:2","name":"main",
         "ports":[{"containerPort":8080,"name":"alt"},{"$patch":"delete","containerPort":443}]}],
      "volumes":[{"$retainKeys":["configMap","name"],"configMap":{"name":"cm"},"emptyDir":null,
                  "name":"v"}]}})";
  EXPECT_EQ(patched(live, patch),
            R"({"metadata":{"name":"web","labels":{"app":"web","zone":"z1"},"annotations":{},)"
            R"("finalizers":["example.com/two"]},"spec":{"nodeName":"n1","containers":[)"
            R"({"name":"side","image":"busybox:2"},)"
            R"({"name":"main","image":"nginx:2","ports":[{"containerPort":8080,"name":"alt"},)"
            R"({"containerPort":80,"name":"http","protocol":"TCP"}],)"
            R"("env":[{"name":"C","value":"3"},{"name":"B","value":"22"}]}],)"
            R"("volumes":[{"name":"v","configMap":{"name":"cm"}}]}})");
}

TEST(StrategicMergePatch, KubectlApplyOfAService) {
  EXPECT_EQ(
      patched(R"({"spec":{"clusterIP":"10.96.0.7","selector":{"app":"web","old":"x"},
                        "ports":[{"name":"http","port":80},{"name":"https","port":443}]}})",
              R"({"spec":{"$setElementOrder/ports":[{"port":443},{"port":81}],
                        "ports":[{"port":443,"targetPort":8443},{"name":"alt","port":81},
                                 {"$patch":"delete","port":80}],"selector":{"old":null}}})",
              "Service"),
      R"({"spec":{"clusterIP":"10.96.0.7","selector":{"app":"web"},)"
      R"("ports":[{"name":"https","port":443,"targetPort":8443},{"name":"alt","port":81}]}})");
}

TEST(StrategicMergePatch, KubectlApplyOfANetworkPolicy) {
  EXPECT_EQ(
      patched(
          R"({"spec":{"podSelector":{"matchLabels":{"app":"web"}},"policyTypes":["Ingress"],
                          "ingress":[{"from":[{"podSelector":{}}]}]}})",
          R"({"spec":{"ingress":null,"podSelector":{"matchExpressions":[{"key":"app","operator":"In",
                  "values":["web"]}],"matchLabels":null},"policyTypes":["Ingress","Egress"]}})",
          "NetworkPolicy", "networking.k8s.io"),
      R"({"spec":{"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]},)"
      R"("policyTypes":["Ingress","Egress"]}})");
}

// --- properties on random pods and patches
// -----------------------------------------------------------

json::array random_containers(std::mt19937& random, bool is_patch) {
  json::array list;
  for (int i = 0; i < 4; ++i) {
    if (random() % 2 == 0) continue;
    json::object container{{"name", "c" + std::to_string(i)}};
    if (is_patch && random() % 4 == 0) {
      container["$patch"] = "delete";
    } else {
      container["image"] = "i" + std::to_string(random() % 3);
      if (is_patch && random() % 4 == 0) container["image"] = nullptr;
      json::array ports;
      for (int port = 80; port < 83; ++port) {
        if (random() % 2 == 0) ports.push_back(json::object{{"containerPort", port}});
      }
      container["ports"] = ports;
    }
    list.push_back(std::move(container));
  }
  return list;
}

json::value random_pod(std::mt19937& random, bool is_patch) {
  json::object labels;
  for (int i = 0; i < 4; ++i) {
    if (random() % 2 == 0) continue;
    json::value& label = labels["l" + std::to_string(i)];
    if (is_patch && random() % 3 == 0) continue;  // null
    label = json::string("v" + std::to_string(random() % 3));
  }
  json::array finalizers;
  for (int i = 0; i < 3; ++i) {
    if (random() % 2 == 0) finalizers.emplace_back("f/" + std::to_string(i));
  }
  return json::object{{"metadata", json::object{{"labels", labels}, {"finalizers", finalizers}}},
                      {"spec", json::object{{"containers", random_containers(random, is_patch)}}}};
}

TEST(StrategicMergePatch, TwiceIsOnceOnRandomPods) {
  std::mt19937 random(1);
  const Schema& schema = schema_of("", "Pod");
  for (int i = 0; i < 1000; ++i) {
    const json::value pod = random_pod(random, false);
    const json::value patch = random_pod(random, true);
    const json::value once = apply_strategic_merge_patch(pod, patch, schema).value();
    const json::value twice = apply_strategic_merge_patch(once, patch, schema).value();
    ASSERT_TRUE(json_equal(once, twice)) << pod << " + " << patch;
    ASSERT_EQ(jsonio::to_string(once).find('$'), std::string::npos) << once;
    // Names stay unique.
    std::set<std::string> names;
    for (const json::value& container : jsonio::get_array(once, {"spec", "containers"})) {
      ASSERT_TRUE(names.emplace(jsonio::get_string(container, {"name"})).second) << once;
    }
  }
}

TEST(StrategicMergePatch, AnEmptyPatchChangesNothing) {
  std::mt19937 random(2);
  for (int i = 0; i < 100; ++i) {
    const json::value pod = random_pod(random, false);
    EXPECT_EQ(apply_strategic_merge_patch(pod, json::object(), schema_of("", "Pod")).value(), pod);
  }
}

}  // namespace
}  // namespace caracal::apimachinery
