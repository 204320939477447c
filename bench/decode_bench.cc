// From the API server's bytes to model values: a list of pods cut into items, parsed, decoded.
//
//   decode_bench                         all cases
//
// The pods are as a cluster's API server gives them, some 4 KB each: managedFields, two containers
// with probes, volumes, conditions. "bytes_per_second" counts the text of the list, read in pieces
// of 16 KB as from a socket.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <string>

#include "kube/decode.h"
#include "kube/list_splitter.h"
#include "kube/scratch_parser.h"

namespace caracal::kube {
namespace {

std::string container(const char* name, int port) {
  return fmt::format(
      R"({{"name":"{0}","image":"registry.example.com/team/{0}:v1.27.3","ports":[{{"name":"http","containerPort":{1},"protocol":"TCP"}}],)"
      R"("env":[{{"name":"POD_IP","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"status.podIP"}}}}}},{{"name":"LOG","value":"info \"quoted\""}}],)"
      R"("resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},)"
      R"("volumeMounts":[{{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],)"
      R"("livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http","scheme":"HTTP"}},"initialDelaySeconds":3,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},)"
      R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{{"runAsNonRoot":true,"readOnlyRootFilesystem":true}}}})",
      name, port);
}

std::string pod(int number) {
  const std::string app = fmt::format("app-{}", number % 200);
  const std::string address =
      fmt::format("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
  const std::string condition =
      R"({{"type":"{}","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-23T04:05:06Z"}})";
  std::string out = fmt::format(
      R"({{"metadata":{{"name":"{0}-7d9c5b6f4-{1:05}","generateName":"{0}-7d9c5b6f4-","namespace":"ns-{2}","uid":"8c1e9a52-52a3-4d1c-9b1e-{1:012}","resourceVersion":"{1}","creationTimestamp":"2026-11-23T04:05:06Z",)"
      R"("labels":{{"app":"{0}","pod-template-hash":"7d9c5b6f4","release":"stable","team":"team-{3}","tier":"back"}},)"
      R"("annotations":{{"prometheus.io/scrape":"true","checksum/config":"0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff"}},)"
      R"("ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"{0}-7d9c5b6f4","uid":"5e0a2c1d-0000-4000-8000-000000000000","controller":true,"blockOwnerDeletion":true}}],)"
      R"("managedFields":[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-11-23T04:05:06Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app":{{}},"f:pod-template-hash":{{}},"f:release":{{}},"f:team":{{}},"f:tier":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"5e0a2c1d\"}}":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"main\"}}":{{".":{{}},"f:image":{{}},"f:name":{{}},"f:ports":{{}},"f:resources":{{}}}}}},"f:dnsPolicy":{{}},"f:restartPolicy":{{}}}}}}}}]}},)",
      app, number, number % 250, number % 20);
  out += fmt::format(
      R"("spec":{{"volumes":[{{"name":"kube-api-access-x7k2p","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],)"
      R"("containers":[{},{}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","nodeName":"node-{}","schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},)",
      container("main", 8080), container("sidecar", 9090), number % 500);
  out += R"("status":{"phase":"Running","conditions":[)";
  for (const char* type : {"Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
    out += fmt::format(fmt::runtime(condition), type);
    out += *type == 'P' ? "]" : ",";
  }
  out += fmt::format(
      R"(,"hostIP":"192.0.2.{0}","podIP":"{1}","podIPs":[{{"ip":"{1}"}}],"startTime":"2026-11-23T04:05:06Z","containerStatuses":[{{"name":"main","state":{{"running":{{"startedAt":"2026-11-23T04:05:07Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example.com/team/main:v1.27.3","imageID":"registry.example.com/team/main@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","containerID":"containerd://00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","started":true}}],"qosClass":"Burstable"}}}})",
      number % 250, address);
  return out;
}

// One page after the other would repeat the same work: one list of `pods` pods.
const std::string& list_of(int pods) {
  static std::string text;
  static int present = 0;
  if (present == pods) return text;
  present = pods;
  text = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[)";
  for (int p = 0; p < pods; ++p) {
    if (p != 0) text += ',';
    text += pod(p);
  }
  text += "]}";
  return text;
}

template <typename OnItem>
void read(benchmark::State& state, const OnItem& on_item) {
  const std::string& text = list_of(static_cast<int>(state.range(0)));
  size_t items = 0;
  for (auto _ : state) {
    constexpr size_t kPiece = size_t{16} << 10;
    ListSplitter splitter;
    items = 0;
    for (size_t at = 0; at < text.size(); at += kPiece) {
      splitter.feed(std::string_view(text).substr(at, kPiece), [&](std::string_view item) {
        ++items;
        return on_item(item);
      });
    }
    if (!splitter.finish()) state.SkipWithError("the list did not end");
  }
  if (items != static_cast<size_t>(state.range(0))) state.SkipWithError("items are missing");
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
  state.SetItemsProcessed(state.range(0) * state.iterations());
}

void Split(benchmark::State& state) {
  read(state, [](std::string_view item) {
    benchmark::DoNotOptimize(item);
    return true;
  });
}
BENCHMARK(Split)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void SplitAndParse(benchmark::State& state) {
  ScratchParser parser;
  read(state, [&](std::string_view item) {
    const auto value = parser.parse(item);
    benchmark::DoNotOptimize(value);
    return value.has_value();
  });
}
BENCHMARK(SplitAndParse)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// All of what the agent does with a list before the calculation has it.
void SplitParseDecode(benchmark::State& state) {
  ScratchParser parser;
  read(state, [&](std::string_view item) {
    const auto value = parser.parse(item);
    if (!value) return false;
    const Result<model::Pod> decoded = decode_pod(**value);
    benchmark::DoNotOptimize(decoded);
    return decoded.has_value() && decoded->addresses.size() == 1;
  });
}
BENCHMARK(SplitParseDecode)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace caracal::kube

BENCHMARK_MAIN();
