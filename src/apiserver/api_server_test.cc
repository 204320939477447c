// The server as its clients meet it: HTTP requests in, JSON out.
#include "apiserver/api_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/test_client.h"
#include "apiserver/testing/api_fixture.h"

namespace caracal::apiserver {
namespace {

using ::testing::HasSubstr;

class ApiServerTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(ApiServerOptions options) {
    options.anonymous_admin = true;
    options.bundled_crds = false;
    server_ = testing::start_server(std::move(options));
    client_ = std::make_unique<TestClient>(server_->local_url());
  }

  TestResponse post(const std::string& path, const std::string& body) {
    return client_->send("POST", path, body);
  }
  TestResponse get(const std::string& path) { return client_->get(path); }
  TestResponse patch(const std::string& path, const std::string& kind, const std::string& body) {
    return client_->send("PATCH", path, body, "application/" + kind + "+json");
  }
  TestResponse remove(const std::string& path, const std::string& body = {}) {
    return client_->send("DELETE", path, body);
  }
  TestResponse create_map(const std::string& name, const std::string& metadata = {}) {
    return post(kMaps, fmt::format(R"({{"metadata":{{"name":"{}"{}{}}},"data":{{"k":"v"}}}})", name,
                                   metadata.empty() ? "" : ",", metadata));
  }
  TestResponse create_pod(const std::string& name, const std::string& node = {}) {
    return post(
        "/api/v1/namespaces/default/pods",
        fmt::format(
            R"({{"metadata":{{"name":"{}"}},"spec":{{"nodeName":"{}","containers":[{{"name":"c","image":"i"}}]}}}})",
            name, node));
  }

  static constexpr const char* kMaps = "/api/v1/namespaces/default/configmaps";
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(ApiServerTest, HoldsWhatAClusterHasFromTheStart) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    const TestResponse response = get(fmt::format("/api/v1/namespaces/{}", name));
    EXPECT_EQ(response.code, 200);
    EXPECT_EQ(response.text({"status", "phase"}), "Active");
    EXPECT_EQ(response.text({"metadata", "labels", "kubernetes.io/metadata.name"}), name);
    EXPECT_EQ(get(fmt::format("/api/v1/namespaces/{}/serviceaccounts/default", name)).code, 200);
  }
  EXPECT_EQ(get("/api/v1/namespaces/default/services/kubernetes").text({"spec", "clusterIP"}),
            "10.96.0.1");
}

TEST_F(ApiServerTest, AnswersHealthVersionAndDiscovery) {
  EXPECT_EQ(get("/healthz").body, "ok");
  EXPECT_EQ(get("/readyz").code, 200);
  EXPECT_EQ(get("/version").text({"major"}), "1");
  EXPECT_EQ(get("/api").text({"kind"}), "APIVersions");
  EXPECT_THAT(get("/apis").body, HasSubstr("networking.k8s.io/v1"));
  EXPECT_EQ(get("/apis/networking.k8s.io").text({"preferredVersion", "version"}), "v1");
  EXPECT_THAT(get("/api/v1").body, HasSubstr("\"pods/status\""));
  EXPECT_EQ(get("/api/v7").code, 404);
  EXPECT_EQ(get("/apis/none.example").code, 404);
  EXPECT_EQ(get("/api/v1/gadgets").code, 404);
  EXPECT_EQ(get("/openapi/v2").text({"swagger"}), "2.0");
  EXPECT_THAT(get("/openapi/v3").body, HasSubstr("/openapi/v3/api/v1?hash="));
  EXPECT_THAT(get("/openapi/v3/api/v1").text({"openapi"}), HasSubstr("3.0"));
  const TestResponse aggregated = client_->send(
      "GET", "/apis", "", "",
      {"Accept: "
       "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"});
  EXPECT_EQ(aggregated.text({"kind"}), "APIGroupDiscoveryList");
}

TEST_F(ApiServerTest, CreateFillsInWhatTheServerOwns) {
  const TestResponse created =
      post(kMaps,
           R"({"metadata":{"name":"a","uid":"mine","creationTimestamp":"2001-01-01T00:00:00Z"}})");
  ASSERT_EQ(created.code, 201) << created.body;
  EXPECT_EQ(created.text({"apiVersion"}), "v1");
  EXPECT_EQ(created.text({"kind"}), "ConfigMap");
  EXPECT_EQ(created.text({"metadata", "namespace"}), "default");
  EXPECT_EQ(created.text({"metadata", "uid"}).size(), 36U);
  EXPECT_NE(created.text({"metadata", "creationTimestamp"}), "2001-01-01T00:00:00Z");
  EXPECT_FALSE(created.text({"metadata", "resourceVersion"}).empty());
  EXPECT_EQ(get(std::string(kMaps) + "/a").object, created.object);
}

TEST_F(ApiServerTest, GenerateNameMakesDifferentNames) {
  const std::string body = R"({"metadata":{"generateName":"job-"}})";
  const TestResponse first = post(kMaps, body);
  const TestResponse second = post(kMaps, body);
  ASSERT_EQ(first.code, 201) << first.body;
  EXPECT_THAT(std::string(first.text({"metadata", "name"})),
              ::testing::MatchesRegex("job-[a-z0-9]{5}"));
  EXPECT_NE(first.text({"metadata", "name"}), second.text({"metadata", "name"}));
}

TEST_F(ApiServerTest, ErrorsAreWordedAsKubectlUsersKnowThem) {
  create_map("a");
  const TestResponse again = create_map("a");
  EXPECT_EQ(again.code, 409);
  EXPECT_EQ(again.text({"reason"}), "AlreadyExists");
  EXPECT_EQ(again.text({"message"}), "configmaps \"a\" already exists");

  const TestResponse missing = get(std::string(kMaps) + "/b");
  EXPECT_EQ(missing.code, 404);
  EXPECT_EQ(missing.text({"message"}), "configmaps \"b\" not found");
  EXPECT_EQ(missing.text({"details", "kind"}), "configmaps");
  EXPECT_EQ(missing.text({"status"}), "Failure");

  const TestResponse nowhere =
      post("/api/v1/namespaces/none/configmaps", R"({"metadata":{"name":"a"}})");
  EXPECT_EQ(nowhere.code, 404);
  EXPECT_EQ(nowhere.text({"message"}), "namespaces \"none\" not found");

  const TestResponse policy = post(
      "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
      R"({"metadata":{"name":"x"},"spec":{"podSelector":{},"ingress":[{"ports":[{"port":70000}]}]}})");
  EXPECT_EQ(policy.code, 422);
  EXPECT_EQ(policy.text({"reason"}), "Invalid");
  EXPECT_EQ(policy.text({"message"}),
            "NetworkPolicy.networking.k8s.io \"x\" is invalid: spec.ingress[0].ports[0].port: "
            "Invalid value: 70000: "
            "must be between 1 and 65535, inclusive");
  const json::array& causes = jsonio::get_array(policy.object, {"details", "causes"});
  ASSERT_EQ(causes.size(), 1U);
  EXPECT_EQ(jsonio::get_string(causes[0], {"field"}), "spec.ingress[0].ports[0].port");

  EXPECT_EQ(post(kMaps, "{").code, 400);
  EXPECT_EQ(post(kMaps, "[]").code, 400);
  EXPECT_EQ(post(kMaps, R"({"kind":"Pod","metadata":{"name":"z"}})").code, 400);
  EXPECT_EQ(post(kMaps, R"({"metadata":{"name":"Bad_Name"}})").code, 422);
  EXPECT_EQ(post(kMaps, R"({"metadata":{}})").code, 422);
  EXPECT_EQ(post(kMaps, R"({"metadata":{"name":"n","namespace":"other"}})").code, 400);
  EXPECT_EQ(client_->send("PUT", kMaps, "{}").code, 405);
  EXPECT_EQ(client_->send("POST", kMaps, "x", "text/plain").code, 415);
}

TEST_F(ApiServerTest, UnknownFieldsFollowFieldValidation) {
  const std::string body = R"({"metadata":{"name":"u"},"dada":{"k":"v"}})";
  const TestResponse strict = post(std::string(kMaps) + "?fieldValidation=Strict", body);
  EXPECT_EQ(strict.code, 400);
  EXPECT_THAT(std::string(strict.text({"message"})),
              HasSubstr("strict decoding error: unknown field \"dada\""));
  const TestResponse warned = post(std::string(kMaps) + "?fieldValidation=Warn", body);
  EXPECT_EQ(warned.code, 201);
  EXPECT_THAT(warned.headers, ::testing::Contains("Warning: 299 - \"unknown field \\\"dada\\\"\""));
  EXPECT_EQ(jsonio::get(warned.object, {"dada"}), nullptr);
  EXPECT_EQ(post(std::string(kMaps) + "?fieldValidation=Maybe", body).code, 400);
}

TEST_F(ApiServerTest, UpdateComparesResourceVersions) {
  TestResponse created = create_map("a");
  const std::string path = std::string(kMaps) + "/a";
  json::value changed = created.object;
  jsonio::ensure(changed, {"data", "k"}) = "2";
  const TestResponse updated = client_->send("PUT", path, jsonio::to_string(changed));
  ASSERT_EQ(updated.code, 200) << updated.body;
  EXPECT_NE(updated.text({"metadata", "resourceVersion"}),
            created.text({"metadata", "resourceVersion"}));
  const TestResponse late = client_->send("PUT", path, jsonio::to_string(changed));
  EXPECT_EQ(late.code, 409);
  EXPECT_EQ(late.text({"reason"}), "Conflict");
  EXPECT_EQ(late.text({"message"}),
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; "
            "please apply your "
            "changes to the latest version and try again");
  // Nothing changed: nothing written.
  const TestResponse same = client_->send("PUT", path, updated.body);
  EXPECT_EQ(same.text({"metadata", "resourceVersion"}),
            updated.text({"metadata", "resourceVersion"}));
  EXPECT_EQ(client_->send("PUT", std::string(kMaps) + "/b", R"({"metadata":{"name":"b"}})").code,
            404);
  EXPECT_EQ(client_->send("PUT", path, R"({"metadata":{"name":"b"}})").code, 400);
}

TEST_F(ApiServerTest, PatchesInThreeWays) {
  create_map("a");
  const std::string path = std::string(kMaps) + "/a";
  EXPECT_EQ(patch(path, "merge-patch", R"({"data":{"k":null,"m":"1"}})").text({"data", "m"}), "1");
  EXPECT_EQ(patch(path, "strategic-merge-patch", R"({"metadata":{"labels":{"x":"y"}}})")
                .text({"metadata", "labels", "x"}),
            "y");
  EXPECT_EQ(patch(path, "json-patch", R"([{"op":"replace","path":"/data/m","value":"2"}])")
                .text({"data", "m"}),
            "2");
  EXPECT_EQ(patch(path, "json-patch", R"([{"op":"test","path":"/data/m","value":"9"}])").code, 422);
  EXPECT_EQ(patch(path, "json-patch", R"({"op":"test"})").code, 400);
  EXPECT_EQ(patch(path, "merge-patch", R"({"metadata":{"name":"other"}})").code, 400);
  EXPECT_EQ(patch(path, "merge-patch", R"({"metadata":{"resourceVersion":"1"}})").code, 409);
  const TestResponse apply = client_->send("PATCH", path, "{}", "application/apply-patch+yaml");
  EXPECT_EQ(apply.code, 415);
  EXPECT_THAT(std::string(apply.text({"message"})),
              HasSubstr("server-side apply is not supported"));
  EXPECT_THAT(patch(path + "?fieldValidation=Strict", "merge-patch", R"({"nope":1})").body,
              HasSubstr("unknown field"));
}

TEST_F(ApiServerTest, DryRunChangesNothing) {
  const TestResponse dry =
      post(std::string(kMaps) + "?dryRun=All", R"({"metadata":{"name":"dry"}})");
  EXPECT_EQ(dry.code, 201);
  EXPECT_EQ(get(std::string(kMaps) + "/dry").code, 404);
  create_map("a");
  EXPECT_EQ(remove(std::string(kMaps) + "/a?dryRun=All").code, 200);
  EXPECT_EQ(get(std::string(kMaps) + "/a").code, 200);
  EXPECT_EQ(post(std::string(kMaps) + "?dryRun=Some", "{}").code, 400);
}

TEST_F(ApiServerTest, StatusAndSpecAreWrittenApart) {
  create_pod("p", "n1");
  const std::string path = "/api/v1/namespaces/default/pods/p";
  TestResponse pod = get(path);
  EXPECT_EQ(pod.text({"status", "phase"}), "Pending");
  const TestResponse status = patch(
      path + "/status", "merge-patch",
      R"({"status":{"phase":"Running","podIP":"10.0.0.1"},"metadata":{"labels":{"no":"no"}}})");
  ASSERT_EQ(status.code, 200) << status.body;
  EXPECT_EQ(status.text({"status", "podIP"}), "10.0.0.1");
  EXPECT_EQ(jsonio::get(status.object, {"metadata", "labels"}), nullptr);
  const TestResponse main = patch(
      path, "merge-patch", R"({"status":{"phase":"Failed"},"metadata":{"labels":{"a":"b"}}})");
  EXPECT_EQ(main.text({"status", "phase"}), "Running");
  EXPECT_EQ(main.text({"metadata", "labels", "a"}), "b");
}

TEST_F(ApiServerTest, GenerationCountsSpecChanges) {
  const std::string path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
  const TestResponse created = post(path, R"({"metadata":{"name":"g"},"spec":{"podSelector":{}}})");
  EXPECT_EQ(jsonio::get_int(created.object, {"metadata", "generation"}), 1);
  EXPECT_EQ(jsonio::get_int(
                patch(path + "/g", "merge-patch", R"({"metadata":{"labels":{"a":"b"}}})").object,
                {"metadata", "generation"}),
            1);
  EXPECT_EQ(jsonio::get_int(patch(path + "/g", "merge-patch",
                                  R"({"spec":{"podSelector":{"matchLabels":{"a":"b"}}}})")
                                .object,
                            {"metadata", "generation"}),
            2);
}

TEST_F(ApiServerTest, GracefulDeletionWaitsForTheNode) {
  create_pod("p", "n1");
  const std::string path = "/api/v1/namespaces/default/pods/p";
  const TestResponse deleted = remove(path);
  ASSERT_EQ(deleted.code, 200);
  EXPECT_EQ(deleted.text({"kind"}), "Pod");
  EXPECT_EQ(jsonio::get_int(deleted.object, {"metadata", "deletionGracePeriodSeconds"}), 30);
  EXPECT_EQ(get(path).code, 200);
  EXPECT_EQ(remove(path, R"({"gracePeriodSeconds":0,"preconditions":{"uid":"other"}})").code, 409);
  const TestResponse finished =
      remove(path, fmt::format(R"({{"gracePeriodSeconds":0,"preconditions":{{"uid":"{}"}}}})",
                               deleted.text({"metadata", "uid"})));
  EXPECT_EQ(finished.text({"status"}), "Success");
  EXPECT_EQ(get(path).code, 404);
  // Nobody runs an unbound pod: it goes at once.
  create_pod("q");
  EXPECT_EQ(remove("/api/v1/namespaces/default/pods/q").text({"status"}), "Success");
}

TEST_F(ApiServerTest, BindingPutsAPodOnANodeOnce) {
  create_pod("p");
  const std::string path = "/api/v1/namespaces/default/pods/p/binding";
  const std::string body =
      R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}})";
  EXPECT_EQ(post(path, body).code, 201);
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/p").text({"spec", "nodeName"}), "n1");
  EXPECT_EQ(post(path, body).code, 409);
}

TEST_F(ApiServerTest, FinalizersHoldADeletionBack) {
  create_map("f", R"("finalizers":["example.com/wait"])");
  const std::string path = std::string(kMaps) + "/f";
  const TestResponse deleting = remove(path);
  EXPECT_FALSE(deleting.text({"metadata", "deletionTimestamp"}).empty());
  EXPECT_EQ(get(path).code, 200);
  EXPECT_EQ(patch(path, "merge-patch",
                  R"({"metadata":{"finalizers":["example.com/wait","example.com/more"]}})")
                .code,
            422);
  EXPECT_EQ(patch(path, "merge-patch", R"({"metadata":{"finalizers":null}})").code, 200);
  EXPECT_EQ(get(path).code, 404);
}

TEST_F(ApiServerTest, DependentsFollowTheirOwner) {
  const TestResponse owner = create_map("owner");
  const std::string reference = fmt::format(
      R"("ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{}","blockOwnerDeletion":true}}])",
      owner.text({"metadata", "uid"}));
  const auto gone = [](const TestResponse& response) { return response.code == 404; };
  const std::string child = std::string(kMaps) + "/child";

  create_map("child", reference);
  remove(std::string(kMaps) + "/owner", R"({"propagationPolicy":"Background"})");
  EXPECT_EQ(client_->until(child, gone).code, 404);

  // An owner that never was: collected, too.
  create_map("child", reference);
  EXPECT_EQ(client_->until(child, gone).code, 404);
}

TEST_F(ApiServerTest, ForegroundAndOrphanDeletion) {
  const auto reference = [](const TestResponse& owner) {
    return fmt::format(
        R"("ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"o","uid":"{}","blockOwnerDeletion":true}}])",
        owner.text({"metadata", "uid"}));
  };
  const auto gone = [](const TestResponse& response) { return response.code == 404; };
  const std::string owner = std::string(kMaps) + "/o";
  const std::string child = std::string(kMaps) + "/child";

  create_map("child", reference(create_map("o")) + R"(,"finalizers":["example.com/wait"])");
  EXPECT_THAT(remove(owner, R"({"propagationPolicy":"Foreground"})").body,
              HasSubstr("foregroundDeletion"));
  client_->until(child, [](const TestResponse& r) {
    return !r.text({"metadata", "deletionTimestamp"}).empty();
  });
  EXPECT_EQ(get(owner).code, 200);  // waits for the child
  patch(child, "merge-patch", R"({"metadata":{"finalizers":null}})");
  EXPECT_EQ(client_->until(owner, gone).code, 404);
  EXPECT_EQ(get(child).code, 404);

  create_map("child", reference(create_map("o")));
  remove(owner, R"({"propagationPolicy":"Orphan"})");
  EXPECT_EQ(client_->until(owner, gone).code, 404);
  const TestResponse left = get(child);
  EXPECT_EQ(left.code, 200);
  EXPECT_EQ(jsonio::get(left.object, {"metadata", "ownerReferences"}), nullptr);
}

TEST_F(ApiServerTest, NamespaceGoesWithItsContents) {
  post("/api/v1/namespaces", R"({"metadata":{"name":"dev"}})");
  post("/api/v1/namespaces/dev/configmaps",
       R"({"metadata":{"name":"held","finalizers":["example.com/wait"]}})");
  post("/api/v1/namespaces/dev/secrets", R"({"metadata":{"name":"s"}})");
  const TestResponse deleting = remove("/api/v1/namespaces/dev");
  EXPECT_EQ(deleting.text({"status", "phase"}), "Terminating");
  const auto gone = [](const TestResponse& response) { return response.code == 404; };
  EXPECT_EQ(client_->until("/api/v1/namespaces/dev/secrets/s", gone).code, 404);
  const TestResponse refused =
      post("/api/v1/namespaces/dev/configmaps", R"({"metadata":{"name":"late"}})");
  EXPECT_EQ(refused.code, 403);
  EXPECT_EQ(refused.text({"message"}),
            "configmaps \"late\" is forbidden: unable to create new content in namespace dev "
            "because it is being "
            "terminated");
  patch("/api/v1/namespaces/dev/configmaps/held", "merge-patch",
        R"({"metadata":{"finalizers":null}})");
  EXPECT_EQ(client_->until("/api/v1/namespaces/dev", gone).code, 404);
  EXPECT_EQ(remove("/api/v1/namespaces/default").code, 403);
}

TEST_F(ApiServerTest, ListsSelectAndPage) {
  for (int i = 0; i < 5; ++i)
    create_map(fmt::format("m{}", i), fmt::format(R"("labels":{{"odd":"{}"}})", i % 2));
  const auto names = [](const TestResponse& list) {
    std::string text;
    for (const json::value& item : jsonio::get_array(list.object, {"items"})) {
      text += std::string(jsonio::get_string(item, {"metadata", "name"})) + " ";
    }
    return text;
  };
  EXPECT_EQ(names(get(std::string(kMaps) + "?labelSelector=odd%3D1")), "m1 m3 ");
  EXPECT_EQ(names(get(std::string(kMaps) + "?fieldSelector=metadata.name%3Dm2")), "m2 ");
  EXPECT_EQ(get(std::string(kMaps) + "?fieldSelector=spec.x%3D1").code, 400);
  EXPECT_EQ(get(std::string(kMaps) + "?labelSelector=%3D%3D").code, 400);
  const TestResponse first = get(std::string(kMaps) + "?limit=2");
  EXPECT_EQ(first.text({"kind"}), "ConfigMapList");
  EXPECT_EQ(names(first), "m0 m1 ");
  remove(std::string(kMaps) + "/m3");
  const TestResponse second =
      get(fmt::format("{}?limit=10&continue={}", kMaps, first.text({"metadata", "continue"})));
  EXPECT_EQ(names(second), "m2 m3 m4 ");
  EXPECT_EQ(second.text({"metadata", "resourceVersion"}),
            first.text({"metadata", "resourceVersion"}));
  EXPECT_EQ(get(std::string(kMaps) + "?continue=zz").code, 400);
  EXPECT_EQ(get(std::string(kMaps) + "?resourceVersion=99999").code, 504);
  EXPECT_EQ(names(get(fmt::format("{}?resourceVersion={}&resourceVersionMatch=Exact", kMaps,
                                  first.text({"metadata", "resourceVersion"})))),
            "m0 m1 m2 m3 m4 ");
  EXPECT_EQ(get("/api/v1/configmaps").text({"kind"}), "ConfigMapList");
}

TEST_F(ApiServerTest, ContinuedListExpiresWithCompaction) {
  for (int i = 0; i < 3; ++i) create_map(fmt::format("m{}", i));
  const TestResponse first = get(std::string(kMaps) + "?limit=1");
  create_map("later");
  ASSERT_TRUE(server_->store().compact(server_->store().revision()));
  const TestResponse next =
      get(fmt::format("{}?limit=1&continue={}", kMaps, first.text({"metadata", "continue"})));
  EXPECT_EQ(next.code, 410);
  EXPECT_EQ(next.text({"reason"}), "Expired");
}

TEST_F(ApiServerTest, DeleteCollectionTakesWhatIsSelected) {
  create_map("a", R"("labels":{"x":"1"})");
  create_map("b", R"("labels":{"x":"2"})");
  EXPECT_EQ(remove(std::string(kMaps) + "?labelSelector=x%3D1").code, 200);
  EXPECT_EQ(get(std::string(kMaps) + "/a").code, 404);
  EXPECT_EQ(get(std::string(kMaps) + "/b").code, 200);
}

TEST_F(ApiServerTest, TablesForKubectl) {
  create_pod("p");
  const TestResponse table =
      client_->send("GET", "/api/v1/namespaces/default/pods", "", "",
                    {"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json"});
  EXPECT_EQ(table.text({"kind"}), "Table");
  ASSERT_EQ(jsonio::get_array(table.object, {"rows"}).size(), 1U);
  EXPECT_EQ(jsonio::get_array(table.object, {"rows"})[0].at("cells").at(0), json::value("p"));
  EXPECT_EQ(
      client_->send("GET", "/api/v1/pods", "", "", {"Accept: application/vnd.kubernetes.protobuf"})
          .code,
      406);
}

TEST_F(ApiServerTest, ServiceAddressesComeFromTheRange) {
  const std::string path = "/api/v1/namespaces/default/services";
  const std::string body = R"({{"metadata":{{"name":"{}"}},"spec":{{"ports":[{{"port":80}}]{}}}}})";
  const TestResponse web = post(path, fmt::format(fmt::runtime(body), "web", ""));
  ASSERT_EQ(web.code, 201) << web.body;
  EXPECT_THAT(std::string(web.text({"spec", "clusterIP"})), ::testing::StartsWith("10.96."));
  const TestResponse taken =
      post(path, fmt::format(fmt::runtime(body), "two", R"(,"clusterIP":"10.96.0.1")"));
  EXPECT_EQ(taken.code, 422);
  EXPECT_THAT(taken.body, HasSubstr("provided IP is already allocated"));
  EXPECT_EQ(post(path, fmt::format(fmt::runtime(body), "none", R"(,"clusterIP":"None")"))
                .text({"spec", "clusterIP"}),
            "None");
  const TestResponse replaced =
      client_->send("PUT", path + "/web", fmt::format(fmt::runtime(body), "web", ""));
  EXPECT_EQ(replaced.text({"spec", "clusterIP"}), web.text({"spec", "clusterIP"}));
}

TEST_F(ApiServerTest, CrdsAreServedWhileTheyExist) {
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const TestResponse crd = post(
      crds,
      R"({"metadata":{"name":"gadgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
    "names":{"plural":"gadgets","kind":"Gadget","shortNames":["gd"]},
    "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
      "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}],
      "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","required":["size"],
        "properties":{"size":{"type":"integer","minimum":1},"color":{"type":"string","default":"red"}}},
        "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
  ASSERT_EQ(crd.code, 201) << crd.body;
  EXPECT_THAT(crd.body, HasSubstr("Established"));
  const std::string path = "/apis/example.com/v1/namespaces/default/gadgets";
  EXPECT_THAT(get("/apis/example.com/v1").body, HasSubstr("\"gd\""));
  const TestResponse made =
      post(path, R"({"metadata":{"name":"g"},"spec":{"size":3,"extra":1},"status":{"x":1}})");
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.text({"spec", "color"}), "red");
  EXPECT_EQ(jsonio::get(made.object, {"spec", "extra"}), nullptr);
  EXPECT_EQ(jsonio::get(made.object, {"status"}), nullptr);
  const TestResponse bad = post(path, R"({"metadata":{"name":"h"},"spec":{"size":0}})");
  EXPECT_EQ(bad.code, 422);
  EXPECT_THAT(bad.body, HasSubstr("spec.size"));
  EXPECT_EQ(patch(path + "/g/status", "merge-patch", R"({"status":{"ok":true}})").code, 200);
  EXPECT_EQ(patch(path + "/g", "strategic-merge-patch", "{}").code, 415);
  EXPECT_THAT(get("/openapi/v2").body, HasSubstr("Gadget"));

  remove(crds + "/gadgets.example.com");
  const auto gone = [](const TestResponse& response) { return response.code == 404; };
  EXPECT_EQ(client_->until(crds + "/gadgets.example.com", gone).code, 404);
  EXPECT_EQ(get(path + "/g").code, 404);
  EXPECT_EQ(get("/apis/example.com/v1").code, 404);
  EXPECT_TRUE(server_->store().list({.resource = "gadgets.example.com"})->items.empty());
}

TEST_F(ApiServerTest, TokensAndTls) {
  ApiServerOptions options;
  options.listeners = {{"127.0.0.1", 0, true}};
  options.bundled_crds = false;
  auto server = ApiServer::start(std::move(options));
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_THAT((*server)->local_url(), HasSubstr("https://"));
  const TestClient stranger((*server)->local_url());
  const TestResponse refused = stranger.get("/api/v1/pods");
  EXPECT_EQ(refused.code, 401);
  EXPECT_EQ(refused.text({"reason"}), "Unauthorized");
  EXPECT_EQ(stranger.get("/healthz").code, 200);
  EXPECT_EQ(TestClient((*server)->local_url(), "wrong").get("/api/v1/pods").code, 401);
  const TestClient admin((*server)->local_url(), (*server)->admin_token());
  EXPECT_EQ(admin.get("/api/v1/pods").code, 200);
  const TestResponse review =
      admin.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                 R"({"spec":{"resourceAttributes":{"verb":"create","resource":"pods"}}})");
  EXPECT_TRUE(jsonio::get_bool(review.object, {"status", "allowed"})) << review.body;
  EXPECT_THAT((*server)->kubeconfig(), HasSubstr("certificate-authority-data"));
}

TEST_F(ApiServerTest, ObjectsAreServedInEveryVersion) {
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const std::string schema =
      R"("schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}})";
  const TestResponse crd = post(
      crds,
      fmt::format(
          R"({{"metadata":{{"name":"things.example.com"}},"spec":{{"group":"example.com","scope":"Cluster","names":{{"plural":"things","kind":"Thing"}},
      "versions":[{{"name":"v1","served":true,"storage":false,"deprecated":true,{0}}},{{"name":"v2","served":true,"storage":true,{0}}}]}}}})",
          schema));
  ASSERT_EQ(crd.code, 201) << crd.body;
  ASSERT_EQ(post("/apis/example.com/v1/things", R"({"metadata":{"name":"t"}})").code, 201);
  const TestResponse old = get("/apis/example.com/v1/things/t");
  EXPECT_EQ(old.text({"apiVersion"}), "example.com/v1");
  EXPECT_THAT(old.headers,
              ::testing::Contains("Warning: 299 - \"example.com/v1 Thing is deprecated\""));
  EXPECT_EQ(get("/apis/example.com/v2/things/t").text({"apiVersion"}), "example.com/v2");
  const TestResponse list = get("/apis/example.com/v1/things");
  EXPECT_EQ(jsonio::get_string(jsonio::get_array(list.object, {"items"}).at(0), {"apiVersion"}),
            "example.com/v1");
  EXPECT_EQ(
      patch("/apis/example.com/v1/things/t", "merge-patch", R"({"x":1})").text({"apiVersion"}),
      "example.com/v1");
}

TEST_F(ApiServerTest, LargeBodiesAreRefused) {
  const TestResponse response = post(kMaps, std::string(4u << 20, 'x'));
  EXPECT_EQ(response.code, 413);
}

}  // namespace
}  // namespace caracal::apiserver
