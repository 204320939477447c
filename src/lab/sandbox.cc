#include "lab/sandbox.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "base/sha1.h"
#include "lab/conflist.h"
#include "lab/pod_status.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

constexpr std::chrono::seconds kPodStart{60};

Result<CniRuntime> runtime_of_node(const Paths& paths, const Plan& plan, const std::string& node) {
  const std::string path = paths.node_conflist(node);
  CARACAL_ASSIGN(const std::string text, read_file(path));
  CARACAL_ASSIGN(ConfList list, parse_conflist(text, path));
  return CniRuntime(std::move(list), cni_path(paths), netns_path(plan.node_netns(node)));
}

Attachment attachment_of(const Sandbox& sandbox) {
  return {.container_id = sandbox.container_id,
          .netns = netns_path(sandbox.netns),
          .args = {{"IgnoreUnknown", "1"},
                   {"K8S_POD_NAMESPACE", sandbox.pod.ns},
                   {"K8S_POD_NAME", sandbox.pod.name},
                   {"K8S_POD_INFRA_CONTAINER_ID", sandbox.container_id},
                   {"K8S_POD_UID", sandbox.uid}},
          .capabilities = sandbox.capabilities};
}

Status remove_netns(const std::string& name) {
  const Status removed = netlink::NetworkNamespace::remove(name);
  if (removed || removed.error().code == Errc::kNotFound) return {};
  return removed;
}

}  // namespace

json::value to_json(const Sandbox& sandbox) {
  json::array addresses;
  for (const net::IpAddr& address : sandbox.addresses)
    addresses.emplace_back(json::string(address.to_string()));
  return {{"namespace", sandbox.pod.ns},
          {"name", sandbox.pod.name},
          {"uid", sandbox.uid},
          {"node", sandbox.node},
          {"containerID", sandbox.container_id},
          {"netns", sandbox.netns},
          {"hostNetwork", sandbox.host_network},
          {"capabilities", sandbox.capabilities},
          {"cniResult", sandbox.cni_result},
          {"addresses", addresses},
          {"startTime", sandbox.start_time},
          {"restarts", sandbox.restarts},
          {"pid", sandbox.process.pid},
          {"pidStartTime", sandbox.process.start_time}};
}

Result<Sandbox> parse_sandbox(std::string_view text) {
  CARACAL_ASSIGN(const json::value value, jsonio::parse(text));
  Sandbox sandbox;
  sandbox.pod = {std::string(jsonio::get_string(value, {"namespace"})),
                 std::string(jsonio::get_string(value, {"name"}))};
  sandbox.uid = jsonio::get_string(value, {"uid"});
  sandbox.node = jsonio::get_string(value, {"node"});
  sandbox.container_id = jsonio::get_string(value, {"containerID"});
  sandbox.netns = jsonio::get_string(value, {"netns"});
  sandbox.host_network = jsonio::get_bool(value, {"hostNetwork"});
  sandbox.capabilities = jsonio::get_object(value, {"capabilities"});
  if (const json::value* result = jsonio::get(value, {"cniResult"})) sandbox.cni_result = *result;
  for (const json::value& entry : jsonio::get_array(value, {"addresses"})) {
    const json::string* address = entry.if_string();
    if (address == nullptr) return fail(Errc::kInvalid, "addresses: not a text");
    CARACAL_ASSIGN(const net::IpAddr parsed, net::IpAddr::parse(*address));
    sandbox.addresses.push_back(parsed);
  }
  sandbox.start_time = jsonio::get_string(value, {"startTime"});
  sandbox.restarts = static_cast<int>(jsonio::get_int(value, {"restarts"}));
  sandbox.process.pid = static_cast<pid_t>(jsonio::get_int(value, {"pid"}));
  sandbox.process.start_time = static_cast<uint64_t>(jsonio::get_int(value, {"pidStartTime"}));
  if (sandbox.uid.empty() || sandbox.pod.name.empty() || sandbox.netns.empty()) {
    return fail(Errc::kInvalid, "uid, name or netns is missing");
  }
  return sandbox;
}

Result<std::vector<net::IpAddr>> addresses_of_result(const json::value& result) {
  std::vector<net::IpAddr> out;
  for (const json::value& ip : jsonio::get_array(result, {"ips"})) {
    const std::string_view text = jsonio::get_string(ip, {"address"});
    const auto address = net::IpAddr::parse(text.substr(0, text.find('/')));
    if (!address) {
      return fail(Errc::kInvalid,
                  fmt::format("CNI result: ips: \"{}\" is not an address prefix", text));
    }
    out.push_back(*address);
  }
  if (out.empty()) return fail(Errc::kInvalid, "CNI result: ips: no address");
  return out;
}

std::vector<std::string> cni_path(const Paths& paths) {
  return {paths.cni_bin(), "/usr/lib/cni", "/opt/cni/bin"};
}

json::value make_conflist(const Paths& paths, std::string_view node) {
  json::array plugins{json::object{{"type", "caracal"}, {"socket", paths.node_socket(node)}}};
  for (const char* type : {"portmap", "bandwidth"}) {
    for (const std::string& folder : cni_path(paths)) {
      if (::access((folder + "/" + type).c_str(), X_OK) != 0) continue;
      const char* capability = std::string_view(type) == "portmap" ? "portMappings" : "bandwidth";
      plugins.push_back(
          json::object{{"type", type}, {"capabilities", json::object{{capability, true}}}});
      break;
    }
  }
  return {{"cniVersion", "1.0.0"}, {"name", "caracal"}, {"plugins", std::move(plugins)}};
}

SandboxRuntime::SandboxRuntime(Plan plan, Paths paths, std::string pod_program)
    : plan_(std::move(plan)), paths_(std::move(paths)), pod_program_(std::move(pod_program)) {}

Status SandboxRuntime::write_sandbox(const Sandbox& sandbox) const {
  return write_file_atomic(record_path(sandbox.uid), jsonio::to_pretty_string(to_json(sandbox)));
}

Result<Process> SandboxRuntime::start_process(const Sandbox& sandbox, const PodSpec& pod) const {
  Spawn child;
  child.netns = netns_path(sandbox.netns);
  child.log = paths_.log(fmt::format("pod-{}", sandbox.pod.ns + "." + sandbox.pod.name));
  child.environment = {"CARACAL_LAB_PROCESS=" + plan_.topology.name};
  if (pod.command.empty()) {
    child.argv = {pod_program_, "--name", sandbox.pod.name, "--ready-fd", "3"};
    for (const ServedPort& port : pod.ports) {
      const char* protocol = port.protocol == ServedPort::Protocol::kTcp   ? "TCP"
                             : port.protocol == ServedPort::Protocol::kUdp ? "UDP"
                                                                           : "SCTP";
      child.argv.insert(child.argv.end(), {"--port", fmt::format("{}:{}", protocol, port.port)});
    }
    child.wait_ready = kPodStart;
  } else {
    child.argv = pod.command;
    child.environment.insert(child.environment.end(), pod.environment.begin(),
                             pod.environment.end());
  }
  return spawn(child);
}

Result<Sandbox> SandboxRuntime::start(const PodSpec& pod) const {
  Sandbox sandbox;
  sandbox.pod = pod.name;
  sandbox.uid = pod.uid;
  sandbox.node = pod.node;
  // As container runtimes have them: 64 hex digits. The uid makes it unique.
  sandbox.container_id = sha1_hex(pod.uid) + sha1_hex("sandbox " + pod.uid).substr(0, 24);
  sandbox.host_network = pod.host_network;
  if (!pod.port_mappings.empty()) sandbox.capabilities["portMappings"] = pod.port_mappings;
  if (!pod.bandwidth.empty()) sandbox.capabilities["bandwidth"] = pod.bandwidth;

  if (pod.host_network) {
    sandbox.netns = plan_.node_netns(pod.node);
    for (size_t i = 0; i < plan_.topology.nodes.size(); ++i) {
      if (plan_.topology.nodes[i].name == pod.node) sandbox.addresses = plan_.node_addresses(i);
    }
  } else {
    sandbox.netns = plan_.pod_netns(pod.name);
    CARACAL_ASSIGN(const CniRuntime cni, runtime_of_node(paths_, plan_, pod.node));
    // Recorded before it is made: after a crash the record leads to what may be there.
    CARACAL_TRY(write_sandbox(sandbox));
    if (auto made = netlink::NetworkNamespace::create(sandbox.netns); !made) {
      ::unlink(record_path(sandbox.uid).c_str());
      return fail(made.error().within("network namespace " + sandbox.netns));
    }
    const auto undo = [&] {
      [[maybe_unused]] const Status removed = remove_netns(sandbox.netns);
      ::unlink(record_path(sandbox.uid).c_str());
    };
    auto result = cni.add(attachment_of(sandbox));
    if (!result) {
      undo();
      return fail(result.error().code == 11 ? Errc::kUnavailable : Errc::kInternal,
                  result.error().message());
    }
    sandbox.cni_result = std::move(*result);
    auto addresses = addresses_of_result(sandbox.cni_result);
    if (!addresses) {
      [[maybe_unused]] const auto detached = cni.del(attachment_of(sandbox), sandbox.cni_result);
      undo();
      return fail(addresses.error());
    }
    sandbox.addresses = std::move(*addresses);
  }
  sandbox.start_time = now_rfc3339();
  auto process = start_process(sandbox, pod);
  if (!process) {
    [[maybe_unused]] const Status stopped = stop(sandbox, std::chrono::milliseconds(0));
    return fail(process.error());
  }
  sandbox.process = *process;
  CARACAL_TRY(write_sandbox(sandbox));
  return sandbox;
}

Status SandboxRuntime::restart_process(Sandbox& sandbox, const PodSpec& pod) const {
  CARACAL_ASSIGN(sandbox.process, start_process(sandbox, pod));
  sandbox.start_time = now_rfc3339();
  ++sandbox.restarts;
  return write_sandbox(sandbox);
}

Status SandboxRuntime::stop(const Sandbox& sandbox, std::chrono::milliseconds grace) const {
  CARACAL_TRY(stop_process(sandbox.process, grace));
  if (!sandbox.host_network) {
    // What a host command left running would keep the namespace alive.
    stop_processes(find_by_netns({netns_path(sandbox.netns)}), std::chrono::milliseconds(0));
    CARACAL_ASSIGN(const CniRuntime cni, runtime_of_node(paths_, plan_, sandbox.node));
    if (const auto detached = cni.del(attachment_of(sandbox), sandbox.cni_result); !detached) {
      return fail(Errc::kUnavailable, detached.error().message());
    }
    CARACAL_TRY(remove_netns(sandbox.netns));
  }
  ::unlink(paths_.log(fmt::format("pod-{}", sandbox.pod.ns + "." + sandbox.pod.name)).c_str());
  ::unlink(record_path(sandbox.uid).c_str());
  return {};
}

std::vector<Sandbox> SandboxRuntime::load_records() const {
  std::vector<Sandbox> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(paths_.pods(), ignored)) {
    if (entry.path().extension() != ".json") continue;
    const auto text = read_file(entry.path().string());
    auto sandbox = text ? parse_sandbox(*text) : Result<Sandbox>(fail(text.error()));
    if (sandbox) {
      out.push_back(std::move(*sandbox));
    } else {
      log::warn("record of a pod cannot be read",
                {{"file", entry.path().string()}, {"error", sandbox.error().message}});
    }
  }
  return out;
}

}  // namespace caracal::lab
