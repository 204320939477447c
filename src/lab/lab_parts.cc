#include "lab/lab_parts.h"

#include <fmt/format.h>

#include <thread>

#include "base/file.h"
#include "jsonio/yaml.h"
#include "kube/blocking_client.h"
#include "kube/http.h"
#include "lab/node_object.h"
#include "lab/node_reporter.h"
#include "lab/pod_status.h"
#include "lab/program_keeper.h"
#include "lab/sandbox.h"

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kApiTime{60};
// All agents of a big lab start at once, on one machine.
constexpr std::chrono::seconds kNodesTime{60};

Status ignore_exists(const Result<json::value>& result) {
  if (result || result.error().code == Errc::kExists) return {};
  return fail(result.error());
}

// Where objects of a kind are, by the server's own list of what it has.
Result<std::string> collection_path(kube::BlockingClient& client, const json::value& object) {
  const std::string api(jsonio::get_string(object, {"apiVersion"}));
  const std::string kind(jsonio::get_string(object, {"kind"}));
  const std::string root = api.find('/') == std::string::npos ? "/api/" + api : "/apis/" + api;
  const auto resources = client.get(root);
  if (!resources) return fail(resources.error().within(fmt::format("apiVersion {}", api)));
  std::vector<std::string> kinds;
  for (const json::value& resource : jsonio::get_array(*resources, {"resources"})) {
    const std::string name(jsonio::get_string(resource, {"name"}));
    if (name.find('/') != std::string::npos) continue;  // a part of another one
    kinds.emplace_back(jsonio::get_string(resource, {"kind"}));
    if (kinds.back() != kind) continue;
    std::string ns;
    if (jsonio::get_bool(resource, {"namespaced"}))
      ns = jsonio::get_string(object, {"metadata", "namespace"}, "default");
    return kube::resource_path(api, ns, name);
  }
  return fail(Errc::kInvalid, fmt::format("kind {}: {} has {}", kind, api, fmt::join(kinds, ", ")));
}

Status apply_object(kube::BlockingClient& client, const json::value& object) {
  CARACAL_ASSIGN(const std::string path, collection_path(client, object));
  const auto created = client.create(path, object);
  if (created) return {};
  if (created.error().code != Errc::kExists) return fail(created.error());
  const std::string name(jsonio::get_string(object, {"metadata", "name"}));
  CARACAL_TRY(client.patch(path + "/" + name, kube::kMergePatch, object));
  return {};
}

}  // namespace

bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

Status make_folders(const Lab& lab) {
  for (const std::string& folder : {lab.paths.file("log"), lab.paths.file("pid"), lab.paths.pods(),
                                    lab.paths.cni_bin(), lab.paths.api_data()}) {
    CARACAL_TRY(make_directories(folder));
  }
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    CARACAL_TRY(make_directories(lab.paths.node_net_d(node.name)));
    CARACAL_TRY(make_directories(lab.paths.node_agent_state(node.name)));
    CARACAL_TRY(make_directories(lab.paths.node_run(node.name)));
    CARACAL_TRY(write_file_atomic(lab.paths.node_conflist(node.name),
                                  jsonio::to_pretty_string(make_conflist(lab.paths, node.name))));
  }
  return {};
}

Status start_api(const Lab& lab, const Programs& programs) {
  const bool ipv4 = lab.plan.topology.has(net::Family::kIPv4);
  Spawn child;
  child.argv = {programs.apiserver,
                "--listen",
                fmt::format("{}:{}", ipv4 ? "127.0.0.1" : "[::1]", lab.plan.api_port),
                "--data-dir",
                lab.paths.api_data(),
                "--write-kubeconfig",
                lab.paths.kubeconfig()};
  for (const net::IpAddr& address : lab.plan.host_addresses()) {
    const std::string text = address.to_string();
    child.argv.insert(
        child.argv.end(),
        {"--listen",
         fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), text, lab.plan.api_port),
         "--san", text});
  }
  child.log = lab.paths.log("apiserver");
  child.environment = {process_marker(lab.plan.topology.name)};
  CARACAL_ASSIGN(const Process process, spawn(child));
  CARACAL_TRY(write_record(lab.paths.pid("apiserver"), process));
  std::string last;
  const bool ready = wait_until(kApiTime, [&] {
    if (!alive(process)) return true;
    const auto access = access_of(lab);
    if (!access) return false;
    kube::BlockingClient client(*access);
    const auto answer = client.call({.path = "/readyz", .accept = "*/*"});
    if (!answer) last = answer.error().message;
    return answer.has_value();
  });
  if (!ready || !alive(process)) {
    const auto log = read_file(lab.paths.log("apiserver"));
    const std::string tail = log ? log->substr(log->size() > 600 ? log->size() - 600 : 0) : "";
    return fail(Errc::kUnavailable, fmt::format("caracal-apiserver {}: {}\n{}",
                                                ready ? "ended" : "is not ready", last, tail));
  }
  return {};
}

Status write_node_kubeconfigs(const Lab& lab) {
  CARACAL_ASSIGN(const std::string text, read_file(lab.paths.kubeconfig()));
  CARACAL_ASSIGN(std::vector<json::value> documents, jsonio::parse_yaml(text));
  if (documents.size() != 1)
    return fail(Errc::kInternal, lab.paths.kubeconfig() + ": not one document");
  json::object* config = documents.front().if_object();
  json::value* clusters = config == nullptr ? nullptr : config->if_contains("clusters");
  if (clusters == nullptr || !clusters->is_array())
    return fail(Errc::kInternal, lab.paths.kubeconfig() + ": no clusters");
  for (json::value& cluster : clusters->get_array()) {
    jsonio::ensure(cluster, {"cluster", "server"}) = lab.plan.api_url();
  }
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    CARACAL_TRY(write_file_atomic(lab.paths.node_kubeconfig(node.name),
                                  jsonio::to_yaml(documents.front()), 0600));
  }
  return {};
}

Status create_objects(const Lab& lab) {
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    CARACAL_TRY(ignore_exists(client.create(kube::resource_path("v1", "", "namespaces"),
                                            {{"apiVersion", "v1"},
                                             {"kind", "Namespace"},
                                             {"metadata", json::object{{"name", name}}}})));
  }
  for (size_t i = 0; i < lab.plan.topology.nodes.size(); ++i) {
    const std::string path = kube::resource_path("v1", "", "nodes");
    CARACAL_TRY(ignore_exists(client.create(path, make_node(lab.plan, i))));
    const json::value patch{
        {"status", make_node_status(lab.plan, i, false, "caracal-agent has not answered yet", {},
                                    now_rfc3339())}};
    CARACAL_TRY(client.patch(path + "/" + lab.plan.topology.nodes[i].name + "/status",
                             kube::kMergePatch, patch));
  }
  return {};
}

Status apply_objects(const Lab& lab) {
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  const json::array& objects = lab.plan.topology.objects;
  for (size_t i = 0; i < objects.size(); ++i) {
    const Status applied = apply_object(client, objects[i]);
    if (!applied) {
      return fail(applied.error().within(
          fmt::format("objects[{}], {} {}", i, jsonio::get_string(objects[i], {"kind"}),
                      jsonio::get_string(objects[i], {"metadata", "name"}))));
    }
  }
  return {};
}

Status start_supervisor(const Lab& lab, const Programs& programs) {
  Spawn child;
  child.argv = {programs.self, "lab", "run", "--name", lab.plan.topology.name, "--ready-fd", "3"};
  child.log = lab.paths.log("supervisor");
  child.environment = {process_marker(lab.plan.topology.name)};
  child.wait_ready = std::chrono::seconds(60);
  CARACAL_ASSIGN(const Process process, spawn(child));
  return write_record(lab.paths.pid("supervisor"), process);
}

Status wait_for_nodes(const Lab& lab) {
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  std::string why;
  const bool ready = wait_until(kNodesTime, [&] {
    const auto nodes = client.list(kube::resource_path("v1", "", "nodes"));
    if (!nodes) {
      why = nodes.error().message;
      return false;
    }
    size_t count = 0;
    for (const json::value& node : jsonio::get_array(*nodes, {"items"})) {
      for (const json::value& condition : jsonio::get_array(node, {"status", "conditions"})) {
        if (jsonio::get_string(condition, {"type"}) != "Ready") continue;
        if (jsonio::get_string(condition, {"status"}) == "True") {
          ++count;
        } else {
          why = fmt::format("node {}: {}", jsonio::get_string(node, {"metadata", "name"}),
                            jsonio::get_string(condition, {"message"}));
        }
      }
    }
    return count >= lab.plan.topology.nodes.size();
  });
  if (ready) return {};
  // What the agents that are not ready said last.
  std::string said;
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    if (ask_agent(lab.paths.node_socket(node.name))) continue;
    const auto log = read_file(lab.paths.log(agent_record_name(node.name)));
    if (!log || log->empty()) continue;
    said = fmt::format("\nlast of the log of {}'s agent:\n{}", node.name,
                       log->substr(log->size() > 600 ? log->size() - 600 : 0));
    break;
  }
  return fail(Errc::kTimeout,
              fmt::format("the nodes are not ready after {} s: {}; logs are in {}{}",
                          kNodesTime.count(), why, lab.paths.file("log"), said));
}

}  // namespace caracal::lab
