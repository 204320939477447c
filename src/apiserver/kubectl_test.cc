// The real kubectl against the real server, over TLS: every command the documentation promises.
//
// Runs with the kubectl of PATH, and with a second one named by CARACAL_KUBECTL_OLD; is skipped
// where there is none.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "apiserver/api_server.h"
#include "apiserver/test_client.h"
#include "base/file.h"
#include "base/subprocess.h"

namespace caracal::apiserver {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> kubectls() {
  std::vector<std::string> programs = {"kubectl"};
  if (const char* old = std::getenv("CARACAL_KUBECTL_OLD"); old != nullptr && *old != '\0')
    programs.emplace_back(old);
  return programs;
}

constexpr const char* kPod = R"(apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: example/web:v1
    ports:
    - {name: http, containerPort: 80}
)";

constexpr const char* kPolicy = R"(apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-web
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {}
    - ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}
    ports:
    - {protocol: TCP, port: 80}
)";

constexpr const char* kCrd = R"(apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.example.com
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the gadget shall be.
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How big it is.}
)";

class KubectlTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = (std::filesystem::temp_directory_path() / fmt::format("caracal-kubectl-{}", getpid()))
                  .string();
    std::filesystem::create_directories(folder_);
    ApiServerOptions options;
    options.listeners = {{"127.0.0.1", 0, true}};
    auto server = ApiServer::start(std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    ASSERT_TRUE(write_file_atomic(folder_ + "/kubeconfig", server_->kubeconfig(), 0600));
  }
  static void TearDownTestSuite() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void SetUp() override {
    const auto probe = run({.argv = {GetParam(), "version", "--client"}});
    if (!probe || probe->exit_code != 0) GTEST_SKIP() << "no kubectl at " << GetParam();
    old_ = probe->out.find("Minor:\"20\"") != std::string::npos;
    // A namespace of its own for each test.
    ns_ = fmt::format("t{}", ++counter_);
    ASSERT_EQ(kubectl({"create", "namespace", ns_}).exit_code, 0);
  }
  void TearDown() override {
    if (!ns_.empty()) kubectl({"delete", "namespace", ns_, "--wait=false"});
  }

  std::vector<std::string> environment(const std::string& editor = {}) const {
    // One discovery cache for each kubectl: they are of different formats.
    return {"KUBECONFIG=" + folder_ + "/kubeconfig", "PATH=/usr/bin:/bin",
            fmt::format("HOME={}/home-{}", folder_, std::hash<std::string>{}(GetParam())),
            "EDITOR=" + editor};
  }
  CommandOutput kubectl(std::vector<std::string> arguments, const std::string& input = {},
                        const std::string& editor = {}) const {
    Command command;
    command.argv = {GetParam(), "-n", ns_};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.input = input;
    command.environment = environment(editor);
    command.timeout = std::chrono::minutes(3);
    auto output = run(command);
    if (!output) return {.exit_code = -1, .out = {}, .err = output.error().message};
    return std::move(*output);
  }
  std::string out(std::vector<std::string> arguments, const std::string& input = {}) const {
    const CommandOutput output = kubectl(arguments, input);
    EXPECT_EQ(output.exit_code, 0) << ::testing::PrintToString(arguments) << "\n" << output.err;
    return output.out;
  }
  std::string error(std::vector<std::string> arguments, const std::string& input = {}) const {
    const CommandOutput output = kubectl(arguments, input);
    EXPECT_NE(output.exit_code, 0) << ::testing::PrintToString(arguments) << "\n" << output.out;
    return output.err;
  }
  std::string jsonpath(const std::string& what, const std::string& path) const {
    return out({"get", what, "-o", "jsonpath={" + path + "}"});
  }

  static inline std::unique_ptr<ApiServer> server_;
  static inline std::string folder_;
  static inline int counter_ = 0;
  std::string ns_;
  bool old_ = false;
};

TEST_P(KubectlTest, AppliesAndShows) {
  EXPECT_EQ(out({"apply", "-f", "-"}, kPod), "pod/web created\n");
  EXPECT_EQ(out({"apply", "-f", "-"}, kPod), "pod/web unchanged\n");
  EXPECT_EQ(out({"apply", "-f", "-"}, kPolicy),
            "networkpolicy.networking.k8s.io/allow-web created\n");
  EXPECT_EQ(out({"apply", "-f", "-"}, kPolicy),
            "networkpolicy.networking.k8s.io/allow-web unchanged\n");
  std::string changed = kPod;
  changed.replace(changed.find("{app: web}"), 10, "{app: db}");
  EXPECT_EQ(out({"apply", "-f", "-"}, changed), "pod/web configured\n");

  EXPECT_THAT(out({"get", "pods"}), AllOf(HasSubstr("NAME"), HasSubstr("READY"), HasSubstr("web"),
                                          HasSubstr("0/1"), HasSubstr("Pending")));
  EXPECT_THAT(out({"get", "pods", "-o", "wide"}), HasSubstr("NOMINATED NODE"));
  EXPECT_THAT(out({"get", "pods", "-A"}), AllOf(HasSubstr("NAMESPACE"), HasSubstr(ns_)));
  EXPECT_THAT(out({"get", "pod", "web", "-o", "yaml"}),
              HasSubstr("terminationGracePeriodSeconds: 1"));
  EXPECT_THAT(out({"get", "pod", "web", "-o", "json"}), HasSubstr("\"kind\": \"Pod\""));
  EXPECT_EQ(jsonpath("pods", ".items[*].metadata.name"), "web");
  EXPECT_EQ(out({"get", "pods", "-l", "app=db", "-o", "name"}), "pod/web\n");
  EXPECT_EQ(out({"get", "pods", "-l", "app!=db", "-o", "name"}), "");
  EXPECT_EQ(out({"get", "pods", "--field-selector", "metadata.name=web", "-o", "name"}),
            "pod/web\n");
  EXPECT_EQ(out({"get", "pods,netpol", "-o", "name"}),
            "pod/web\nnetworkpolicy.networking.k8s.io/allow-web\n");
  EXPECT_THAT(out({"get", "ns"}), AllOf(HasSubstr("default"), HasSubstr("Active")));
  EXPECT_THAT(out({"get", "netpol"}), AllOf(HasSubstr("POD-SELECTOR"), HasSubstr("app=web")));
  EXPECT_THAT(error({"get", "pod", "none"}), HasSubstr("pods \"none\" not found"));
}

TEST_P(KubectlTest, Describes) {
  out({"apply", "-f", "-"}, kPod);
  out({"apply", "-f", "-"}, kPolicy);
  const std::string node =
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"spec":{"podCIDR":"10.1.0.0/24"}})";
  kubectl({"apply", "-f", "-"}, node);
  EXPECT_THAT(out({"describe", "pod", "web"}),
              AllOf(HasSubstr("example/web:v1"), HasSubstr("80/TCP")));
  EXPECT_THAT(out({"describe", "networkpolicy", "allow-web"}),
              AllOf(HasSubstr("192.0.2.0/24"), HasSubstr("To Port: 80/TCP")));
  EXPECT_THAT(out({"describe", "namespace", ns_}), HasSubstr("Active"));
  EXPECT_THAT(out({"describe", "node", "n1"}), HasSubstr("10.1.0.0/24"));
  EXPECT_THAT(out({"describe", "-n", "default", "service", "kubernetes"}), HasSubstr("10.96.0.1"));
}

TEST_P(KubectlTest, ChangesObjects) {
  out({"apply", "-f", "-"}, kPod);
  out({"apply", "-f", "-"}, kPolicy);
  EXPECT_EQ(out({"label", "pod", "web", "tier=front"}), "pod/web labeled\n");
  EXPECT_EQ(out({"annotate", "pod", "web", "note=hello"}), "pod/web annotated\n");
  EXPECT_EQ(jsonpath("pod/web", ".metadata.labels.tier"), "front");
  EXPECT_EQ(out({"label", "pod", "web", "tier-"}).rfind("pod/web ", 0), 0U);
  EXPECT_EQ(jsonpath("pod/web", ".metadata.labels.tier"), "");
  const std::string policy = "networkpolicy/allow-web";
  out({"patch", policy, "-p", R"({"spec":{"policyTypes":["Ingress","Egress"]}})"});
  out({"patch", policy, "--type=merge", "-p", R"({"metadata":{"labels":{"a":"b"}}})"});
  out({"patch", policy, "--type=json", "-p",
       R"([{"op":"replace","path":"/spec/ingress/0/ports/0/port","value":81}])"});
  EXPECT_EQ(jsonpath(policy, ".spec.policyTypes[1]"), "Egress");
  EXPECT_EQ(jsonpath(policy, ".metadata.labels.a"), "b");
  EXPECT_EQ(jsonpath(policy, ".spec.ingress[0].ports[0].port"), "81");
  const CommandOutput edited = kubectl({"edit", "pod", "web"}, "", "sed -i s/hello/world/");
  EXPECT_EQ(edited.out, "pod/web edited\n") << edited.err;
  EXPECT_EQ(jsonpath("pod/web", ".metadata.annotations.note"), "world");
  std::string changed = kPolicy;
  changed.replace(changed.find("port: 80"), 8, "port: 82");
  const CommandOutput diff = kubectl({"diff", "-f", "-"}, changed);
  EXPECT_EQ(diff.exit_code, 1) << diff.err;
  EXPECT_THAT(diff.out, AllOf(HasSubstr("-    - port: 81"), HasSubstr("+    - port: 82")));
  EXPECT_EQ(jsonpath(policy, ".spec.ingress[0].ports[0].port"), "81");
}

TEST_P(KubectlTest, CreatesByName) {
  EXPECT_EQ(out({"create", "configmap", "cfg", "--from-literal=a=b"}), "configmap/cfg created\n");
  EXPECT_EQ(out({"create", "secret", "generic", "sec", "--from-literal=a=b"}),
            "secret/sec created\n");
  EXPECT_EQ(out({"create", "serviceaccount", "robot"}), "serviceaccount/robot created\n");
  EXPECT_EQ(out({"create", "service", "clusterip", "svc", "--tcp=80:8080"}),
            "service/svc created\n");
  EXPECT_EQ(jsonpath("configmap/cfg", ".data.a"), "b");
  EXPECT_EQ(jsonpath("secret/sec", ".data.a"), "Yg==");
  EXPECT_THAT(jsonpath("service/svc", ".spec.clusterIP"), ::testing::StartsWith("10.96."));
  EXPECT_EQ(jsonpath("service/svc", ".spec.ports[0].targetPort"), "8080");
  EXPECT_THAT(out({"run", "again", "--image=example/x"}), HasSubstr("pod/again created"));
  EXPECT_THAT(error({"create", "namespace", ns_}),
              HasSubstr("namespaces \"" + ns_ + "\" already exists"));
  EXPECT_THAT(kubectl({"get", "events"}).err, HasSubstr("No resources found"));
  EXPECT_EQ(out({"auth", "can-i", "create", "pods"}), "yes\n");
}

TEST_P(KubectlTest, Deletes) {
  for (const char* name : {"a", "b", "c", "d"}) {
    out({"create", "configmap", name});
    if (*name > 'b') out({"label", "configmap", name, "group=x"});
  }
  EXPECT_EQ(out({"delete", "configmap", "a"}).rfind("configmap \"a\" deleted", 0), 0U);
  EXPECT_THAT(out({"delete", "configmap", "-l", "group=x"}),
              AllOf(HasSubstr("\"c\""), HasSubstr("\"d\"")));
  EXPECT_EQ(out({"get", "configmap", "-o", "name"}), "configmap/b\n");
  out({"apply", "-f", "-"}, kPolicy);
  EXPECT_THAT(out({"delete", "-f", "-"}, kPolicy), HasSubstr("\"allow-web\" deleted"));
  EXPECT_THAT(error({"delete", "-f", "-"}, kPolicy),
              HasSubstr("networkpolicies.networking.k8s.io \"allow-web\" not found"));
  EXPECT_THAT(error({"delete", "namespace", "default"}),
              HasSubstr("this namespace may not be deleted"));
  const std::string other = ns_ + "-gone";
  out({"create", "namespace", other});
  out({"delete", "namespace", other});  // waits until it is gone
  EXPECT_THAT(error({"get", "namespace", other}), HasSubstr("not found"));
}

// kubectl waits for the node to end a bound pod; here the test is the node.
TEST_P(KubectlTest, DeletesGracefully) {
  out({"apply", "-f", "-"}, kPod);
  const TestClient node(server_->local_url(), server_->admin_token());
  const std::string path = fmt::format("/api/v1/namespaces/{}/pods/web", ns_);
  ASSERT_EQ(node.send("POST", path + "/binding", R"({"target":{"kind":"Node","name":"n1"}})").code,
            201);
  auto deleting = std::async(std::launch::async, [this] {
    return kubectl({"delete", "pod", "web"});
  });
  const auto marked = node.until(path, [](const TestResponse& pod) {
    return !pod.text({"metadata", "deletionTimestamp"}).empty();
  });
  ASSERT_EQ(jsonio::get_int(marked.object, {"metadata", "deletionGracePeriodSeconds"}), 1);
  ASSERT_EQ(node.send("DELETE", path, R"({"gracePeriodSeconds":0})").code, 200);
  const CommandOutput deleted = deleting.get();
  EXPECT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_THAT(deleted.out, HasSubstr("pod \"web\" deleted"));
}

TEST_P(KubectlTest, WatchesAndWaits) {
  out({"apply", "-f", "-"}, kPod);
  const TestClient node(server_->local_url(), server_->admin_token());
  const std::string path = fmt::format("/api/v1/namespaces/{}/pods/web", ns_);
  const auto wait_for_watches = [](size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (server_->watches() < count && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
  };
  const size_t before = server_->watches();
  // It would watch for ever: the shell ends it when it has seen what is awaited.
  const std::string seen = fmt::format("{}/{}-watched", folder_, ns_);
  auto watching = std::async(std::launch::async, [this, &seen] {
    return run({.argv = {"sh", "-c",
                         "file=$1; shift; \"$@\" >$file & i=0; "
                         "until grep -q Running $file || [ $((i += 1)) -gt 600 ]; do sleep 0.1; "
                         "done; kill $!; wait; cat $file",
                         "watch", seen, GetParam(), "-n", ns_, "get", "pods", "-w"},
                .environment = environment(),
                .timeout = std::chrono::minutes(3)});
  });
  wait_for_watches(before + 1);
  auto waiting = std::async(std::launch::async, [this] {
    return kubectl({"wait", "pod/web", "--for=condition=Ready", "--timeout=60s"});
  });
  wait_for_watches(before + 2);
  ASSERT_EQ(
      node.send("PATCH", path + "/status",
                R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})",
                "application/merge-patch+json")
          .code,
      200);
  const CommandOutput ready = waiting.get();
  EXPECT_EQ(ready.exit_code, 0) << ready.err;
  EXPECT_THAT(ready.out, HasSubstr("pod/web condition met"));
  const auto watched = watching.get();
  ASSERT_TRUE(watched) << watched.error().message;
  EXPECT_THAT(watched->out, AllOf(HasSubstr("Pending"), HasSubstr("Running")));
}

TEST_P(KubectlTest, Explains) {
  EXPECT_THAT(out({"explain", "networkpolicy.spec.policyTypes"}),
              AllOf(HasSubstr("<[]string>"), HasSubstr("Egress")));
  EXPECT_THAT(out({"explain", "networkpolicy.spec"}),
              AllOf(HasSubstr("podSelector"), HasSubstr("policyTypes")));
  EXPECT_THAT(out({"explain", "pod.spec.containers"}),
              AllOf(HasSubstr("image"), HasSubstr("ports")));
  EXPECT_THAT(out({"explain", "globalnetworkpolicy.spec"}), HasSubstr("selector"));
  EXPECT_THAT(error({"explain", "pod.spec.nonsense"}), HasSubstr("nonsense"));
  EXPECT_THAT(out({"api-resources"}),
              AllOf(HasSubstr("networkpolicies"), HasSubstr("netpol"), HasSubstr("NetworkPolicy"),
                    HasSubstr("customresourcedefinitions")));
  EXPECT_THAT(out({"api-versions"}), AllOf(HasSubstr("networking.k8s.io/v1\n"),
                                           HasSubstr("projectcalico.org/v3\n"), HasSubstr("v1\n")));
}

TEST_P(KubectlTest, CustomResources) {
  out({"apply", "-f", "-"}, kCrd);
  out({"wait", "--for=condition=established", "crd/gadgets.example.com", "--timeout=60s"});
  const std::string gadget =
      "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 3}\n";
  EXPECT_EQ(out({"apply", "-f", "-"}, gadget), "gadget.example.com/g created\n");
  EXPECT_EQ(out({"apply", "-f", "-"}, gadget), "gadget.example.com/g unchanged\n");
  EXPECT_THAT(out({"get", "gd"}), AllOf(HasSubstr("SIZE"), HasSubstr("3")));
  EXPECT_THAT(out({"explain", "gadgets.spec.size"}), HasSubstr("How big it is."));
  out({"patch", "gadget", "g", "--type=merge", "-p", R"({"spec":{"size":4}})"});
  EXPECT_EQ(jsonpath("gadget/g", ".spec.size"), "4");
  std::string bad = gadget;
  bad.replace(bad.find("size: 3"), 7, "size: 0");
  EXPECT_THAT(error({"apply", "-f", "-"}, bad),
              AllOf(HasSubstr("spec.size"), HasSubstr("should be greater than or equal to 1")));
  out({"delete", "crd", "gadgets.example.com"});
  EXPECT_NE(kubectl({"get", "gadgets"}).exit_code, 0);
}

// One object of every kind that says policy, with its short name.
TEST_P(KubectlTest, PolicyKinds) {
  const struct {
    const char* version;
    const char* kind;
    const char* resource;
    const char* short_name;  // "": none
    const char* spec;
    const char* explained;  // a field of spec, and a word of its text
    const char* text;
  } kKinds[] = {
      {"projectcalico.org/v3", "NetworkPolicy", "networkpolicies.projectcalico.org", "cnp",
       "{selector: has(a), ingress: [{action: Allow}]}", "selector", "endpoints"},
      {"projectcalico.org/v3", "GlobalNetworkPolicy", "globalnetworkpolicies.projectcalico.org",
       "gnp", "{order: 5, ingress: [{action: Deny}]}", "preDNAT", "translation"},
      {"projectcalico.org/v3", "StagedNetworkPolicy", "stagednetworkpolicies.projectcalico.org",
       "snp", "{selector: all()}", "stagedAction", "tried out"},
      {"projectcalico.org/v3", "StagedGlobalNetworkPolicy",
       "stagedglobalnetworkpolicies.projectcalico.org", "sgnp", "{}", "tier", "Tier"},
      {"projectcalico.org/v3", "StagedKubernetesNetworkPolicy",
       "stagedkubernetesnetworkpolicies.projectcalico.org", "sknp", "{podSelector: {}}",
       "podSelector", "Pods"},
      {"projectcalico.org/v3", "Tier", "tiers.projectcalico.org", "", "{order: 7}", "order",
       "lowest first"},
      {"projectcalico.org/v3", "NetworkSet", "networksets.projectcalico.org", "netset",
       "{nets: [10.0.0.0/8]}", "nets", "ranges"},
      {"projectcalico.org/v3", "GlobalNetworkSet", "globalnetworksets.projectcalico.org", "gns",
       "{nets: ['2001:db8::/32']}", "nets", "ranges"},
      {"projectcalico.org/v3", "HostEndpoint", "hostendpoints.projectcalico.org", "hep",
       "{node: n1, interfaceName: eth0}", "expectedIPs", "Addresses"},
      {"policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy",
       "clusternetworkpolicies.policy.networking.k8s.io", "",
       "{tier: Admin, priority: 5, subject: {namespaces: {}}}", "priority", "lowest number"},
      {"policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy",
       "adminnetworkpolicies.policy.networking.k8s.io", "anp",
       "{priority: 5, subject: {namespaces: {}}}", "subject", "Pods"},
      {"policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy",
       "baselineadminnetworkpolicies.policy.networking.k8s.io", "banp",
       "{subject: {namespaces: {}}}", "subject", "Pods"},
  };
  for (const auto& c : kKinds) {
    const std::string name = fmt::format("{}-p", ns_);
    const std::string manifest =
        fmt::format("apiVersion: {}\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n", c.version,
                    c.kind, name, c.spec);
    EXPECT_THAT(out({"apply", "-f", "-"}, manifest), HasSubstr(name + " created\n")) << c.kind;
    EXPECT_THAT(out({"apply", "-f", "-"}, manifest), HasSubstr(name + " unchanged\n")) << c.kind;
    const std::string short_name = *c.short_name == '\0' ? c.resource : c.short_name;
    EXPECT_THAT(out({"get", short_name, name}), AllOf(HasSubstr("AGE"), HasSubstr(name)));
    EXPECT_THAT(out({"explain", "--api-version", c.version,
                     std::string(c.resource, std::string_view(c.resource).find('.')) + ".spec." +
                         c.explained}),
                HasSubstr(c.text))
        << c.kind;
    out({"delete", c.resource, name});
  }
  EXPECT_THAT(error({"delete", "tiers", "default"}), HasSubstr("this tier may not be deleted"));
  EXPECT_THAT(error({"apply", "-f", "-"},
                    "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x}\n"
                    "spec: {selector: a = 'b'}\n"),
              AllOf(HasSubstr("spec.selector"), HasSubstr("column 3")));
  const CommandOutput warned =
      kubectl({"apply", "-f", "-"},
              "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x}\n"
              "spec: {ingress: [{action: Allow, http: {methods: [GET]}}]}\n");
  EXPECT_EQ(warned.exit_code, 0) << warned.err;
  EXPECT_THAT(warned.err, HasSubstr("HTTP requests are not inspected"));
}

TEST_P(KubectlTest, BadManifestsAreExplained) {
  std::string port = kPolicy;
  port.replace(port.find("port: 80"), 8, "port: 70000");
  EXPECT_THAT(error({"apply", "-f", "-"}, port),
              HasSubstr("spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 "
                        "and 65535, inclusive"));
  std::string unknown = kPolicy;
  unknown.replace(unknown.find("podSelector"), 11, "podSelecter");
  EXPECT_THAT(error({"apply", "-f", "-"}, unknown), HasSubstr("podSelecter"));
  std::string cidr = kPolicy;
  cidr.replace(cidr.find("192.0.2.0/24"), 12, "192.0.2.0");
  EXPECT_THAT(error({"create", "-f", "-"}, cidr), HasSubstr("192.0.2.0"));
  EXPECT_THAT(error({"apply", "--server-side", "-f", "-"}, kPod),
              HasSubstr("server-side apply is not supported"));
  EXPECT_NE(error({"apply", "-f", "-"}, "apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}\n")
                .find("Gizmo"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Clients, KubectlTest, ::testing::ValuesIn(kubectls()),
                         [](const auto& suite) { return suite.index == 0 ? "InPath" : "Old"; });

}  // namespace
}  // namespace caracal::apiserver
