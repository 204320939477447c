#include "lab/node_object.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lab/condition.h"

namespace caracal::lab {
namespace {

std::string os_image() {
  const auto text = read_file("/etc/os-release");
  if (!text) return "Linux";
  for (const std::string_view line : split(*text, '\n')) {
    constexpr std::string_view kKey = "PRETTY_NAME=\"";
    if (line.starts_with(kKey))
      return std::string(line.substr(kKey.size(), line.size() - kKey.size() - 1));
  }
  return "Linux";
}

std::string_view architecture(const utsname& name) {
  const std::string_view machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

json::object node_condition(std::string_view type, bool on, std::string_view reason,
                            std::string_view message, const json::value& old_status,
                            const std::string& now) {
  json::object out = make_condition(type, on, old_status, now);
  out["lastHeartbeatTime"] = now;
  out["reason"] = reason;
  out["message"] = message;
  return out;
}

}  // namespace

json::value make_node(const Plan& plan, size_t index) {
  const NodeSpec& node = plan.topology.nodes[index];
  utsname machine{};
  ::uname(&machine);
  json::object labels{{"kubernetes.io/hostname", node.name},
                      {"kubernetes.io/os", "linux"},
                      {"kubernetes.io/arch", architecture(machine)}};
  for (const auto& [key, value] : node.labels) labels[key] = value;
  json::array cidrs;
  for (const net::Cidr& cidr : node.pod_cidrs) cidrs.emplace_back(json::string(cidr.to_string()));
  json::object spec{{"podCIDRs", cidrs}};
  if (!cidrs.empty()) spec["podCIDR"] = cidrs.front();
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", json::object{{"name", node.name}, {"labels", labels}}},
          {"spec", spec}};
}

json::value make_node_status(const Plan& plan, size_t index, bool ready, std::string_view message,
                             const json::value& old_status, const std::string& now) {
  const NodeSpec& node = plan.topology.nodes[index];
  utsname machine{};
  ::uname(&machine);
  json::array addresses;
  for (const net::IpAddr& address : plan.node_addresses(index)) {
    addresses.push_back(json::object{{"type", "InternalIP"}, {"address", address.to_string()}});
  }
  addresses.push_back(json::object{{"type", "Hostname"}, {"address", node.name}});
  const long memory_kib = ::sysconf(_SC_PHYS_PAGES) / 1024 * ::sysconf(_SC_PAGESIZE);
  const json::object resources{{"cpu", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
                               {"memory", fmt::format("{}Ki", memory_kib)},
                               {"pods", "250"}};
  return {
      {"addresses", addresses},
      {"capacity", resources},
      {"allocatable", resources},
      {"conditions",
       json::array{
           node_condition("NetworkUnavailable", false, "CaracalIsUp", "the lab's fabric is up",
                          old_status, now),
           node_condition("MemoryPressure", false, "KubeletHasSufficientMemory", "", old_status,
                          now),
           node_condition("DiskPressure", false, "KubeletHasNoDiskPressure", "", old_status, now),
           node_condition("PIDPressure", false, "KubeletHasSufficientPID", "", old_status, now),
           node_condition("Ready", ready, ready ? "KubeletReady" : "AgentNotReady",
                          ready ? std::string_view("caracal-agent answers") : message, old_status,
                          now)}},
      {"nodeInfo", json::object{{"machineID", ""},
                                {"systemUUID", ""},
                                {"bootID", ""},
                                {"kernelVersion", machine.release},
                                {"osImage", os_image()},
                                {"containerRuntimeVersion", "caracal-lab://" CARACAL_LAB_VERSION},
                                {"kubeletVersion", "v" CARACAL_LAB_VERSION "-caracal-lab"},
                                {"kubeProxyVersion", ""},
                                {"operatingSystem", "linux"},
                                {"architecture", architecture(machine)}}}};
}

json::value make_lease(std::string_view node, const std::string& now) {
  return {
      {"apiVersion", "coordination.k8s.io/v1"},
      {"kind", "Lease"},
      {"metadata", json::object{{"name", node}, {"namespace", "kube-node-lease"}}},
      {"spec",
       json::object{{"holderIdentity", node}, {"leaseDurationSeconds", 40}, {"renewTime", now}}}};
}

}  // namespace caracal::lab
