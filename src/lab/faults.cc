#include "lab/faults.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "lab/lab_parts.h"
#include "lab/program_keeper.h"

namespace caracal::lab {
namespace {

constexpr std::array<std::pair<Fault::Kind, std::string_view>, 4> kKinds = {{
    {Fault::Kind::kCut, "cut"},
    {Fault::Kind::kApi, "api"},
    {Fault::Kind::kLoss, "loss"},
    {Fault::Kind::kDelay, "delay"},
}};

Status save_faults(const Paths& paths, const std::vector<Fault>& faults) {
  json::array list;
  for (const Fault& fault : faults) list.push_back(to_json(fault));
  return write_file_atomic(paths.faults(), jsonio::to_pretty_string(list));
}

Status in_fabric(const Plan& plan, std::vector<std::string> argv, std::string input) {
  const auto done = run_checked({.argv = std::move(argv),
                                 .input = std::move(input),
                                 .netns = netns_path(plan.fabric_netns())});
  if (!done) return fail(done.error());
  return {};
}

const Fault* find(const std::vector<Fault>& faults, Fault::Kind kind, const std::string& target) {
  for (const Fault& fault : faults) {
    if (fault.kind == kind && fault.target == target) return &fault;
  }
  return nullptr;
}

// Both directions: what the fabric sends to the end, and what the end sends.
Status set_delay(const Plan& plan, const Link& link, int milliseconds) {
  for (const auto& [netns, device] :
       {std::pair(plan.fabric_netns(), link.port), std::pair(link.netns, link.device)}) {
    Command command{.argv = {"tc", "qdisc"}};
    if (!netns.empty()) command.netns = netns_path(netns);
    if (milliseconds == 0) {
      command.argv.insert(command.argv.end(), {"del", "dev", device, "root"});
    } else {
      command.argv.insert(command.argv.end(), {"replace", "dev", device, "root", "netem", "delay",
                                               fmt::format("{}ms", milliseconds)});
    }
    CARACAL_ASSIGN(const CommandOutput done, run(command));
    if (done.exit_code == 0 || milliseconds == 0) continue;  // nothing to take away is fine
    if (done.err.find("qdisc kind is unknown") != std::string::npos) {
      return fail(Errc::kUnsupported,
                  "this kernel has no netem (sch_netem), which delays packets; loss works");
    }
    return fail(Errc::kInternal, fmt::format("tc: {}", trim(done.err)));
  }
  return {};
}

Status apply(const Lab& lab, const std::vector<Fault>& before, const std::vector<Fault>& faults) {
  const Plan& plan = lab.plan;
  std::string batch;
  for (const Link& link : plan.links()) {
    const bool cut = find(faults, Fault::Kind::kCut, link.name) != nullptr;
    batch += fmt::format("link set {} {}\n", link.port, cut ? "down" : "up");
    const Fault* delay = find(faults, Fault::Kind::kDelay, link.name);
    const Fault* old = find(before, Fault::Kind::kDelay, link.name);
    if (delay != nullptr) CARACAL_TRY(set_delay(plan, link, delay->value));
    if (delay == nullptr && old != nullptr) CARACAL_TRY(set_delay(plan, link, 0));
  }
  CARACAL_TRY(in_fabric(plan, {"nft", "-f", "-"}, faults_ruleset(plan, faults)));
  return in_fabric(plan, {"ip", "-batch", "-"}, batch);
}

// The process of this name in a node's namespace.
std::vector<Process> programs_in(const std::string& netns, std::string_view name) {
  std::vector<Process> out;
  for (const Process& process : find_by_netns({netns_path(netns)})) {
    const auto comm = read_file(fmt::format("/proc/{}/comm", process.pid));
    if (comm && trim(*comm) == name) out.push_back(process);
  }
  return out;
}

bool is_frozen(const Process& process) {
  const auto text = read_file(fmt::format("/proc/{}/stat", process.pid));
  const size_t end = text ? text->rfind(')') : std::string::npos;
  return end != std::string::npos && end + 2 < text->size() && (*text)[end + 2] == 'T';
}

Status check_node(const Plan& plan, const std::string& node) {
  if (plan.find_node(node) != nullptr) return {};
  std::vector<std::string> names;
  for (const NodeSpec& one : plan.topology.nodes) names.push_back(one.name);
  return fail(Errc::kNotFound, fmt::format("lab {} has no node {}; it has {}", plan.topology.name,
                                           node, fmt::join(names, ", ")));
}

}  // namespace

std::string_view to_string(Fault::Kind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  return "?";
}

std::string to_text(const Fault& fault) {
  switch (fault.kind) {
    case Fault::Kind::kCut:
      return fmt::format("link {} is cut", fault.target);
    case Fault::Kind::kApi:
      return fault.target.empty()
                 ? "packets of every node to the API server are dropped"
                 : fmt::format("packets of {} to the API server are dropped", fault.target);
    case Fault::Kind::kLoss:
      return fmt::format("link {} loses {} % of its packets each way", fault.target, fault.value);
    case Fault::Kind::kDelay:
      return fmt::format("link {} takes {} ms longer each way", fault.target, fault.value);
  }
  return "?";
}

json::value to_json(const Fault& fault) {
  return {{"kind", to_string(fault.kind)}, {"target", fault.target}, {"value", fault.value}};
}

Result<std::vector<Fault>> load_faults(const Paths& paths) {
  std::vector<Fault> out;
  const auto text = read_file(paths.faults());
  if (!text) return out;
  CARACAL_ASSIGN(const json::value value, jsonio::parse(*text));
  const json::array* list = value.if_array();
  if (list == nullptr) return fail(Errc::kInvalid, paths.faults() + ": not a list");
  for (const json::value& one : *list) {
    const std::string_view kind = jsonio::get_string(one, {"kind"});
    const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                    [kind](const auto& entry) { return entry.second == kind; });
    if (found == kKinds.end())
      return fail(Errc::kInvalid, fmt::format("{}: kind {}", paths.faults(), kind));
    out.push_back({found->first, std::string(jsonio::get_string(one, {"target"})),
                   static_cast<int>(jsonio::get_int(one, {"value"}))});
  }
  return out;
}

std::string faults_ruleset(const Plan& plan, const std::vector<Fault>& faults) {
  // In one transaction: the table as it was, if it was, goes.
  std::string out = "table bridge lab_faults {}\ndelete table bridge lab_faults\n";
  if (faults.empty()) return out;
  out += "table bridge lab_faults {\n chain forward {\n  type filter hook forward priority 0;\n";
  for (const Fault& fault : faults) {
    if (fault.kind == Fault::Kind::kLoss) {
      if (const auto link = plan.find_link(fault.target)) {
        const std::string chance =
            fault.value >= 100 ? "" : fmt::format("numgen random mod 100 < {} ", fault.value);
        for (const char* side : {"iifname", "oifname"})
          out += fmt::format("  {} \"{}\" {}drop\n", side, link->port, chance);
      }
    }
    if (fault.kind != Fault::Kind::kApi) continue;
    std::string to, from;
    if (!fault.target.empty()) {
      const auto link = plan.find_link(fault.target);
      if (!link) continue;
      to = fmt::format("iifname \"{}\" ", link->port);
      from = fmt::format("oifname \"{}\" ", link->port);
    }
    for (const net::IpAddr& address : plan.host_addresses()) {
      const char* family = address.is_v4() ? "ip" : "ip6";
      out += fmt::format("  {}{} daddr {} tcp dport {} drop\n", to, family, address.to_string(),
                         plan.api_port);
      out += fmt::format("  {}{} saddr {} tcp sport {} drop\n", from, family, address.to_string(),
                         plan.api_port);
    }
  }
  return out + " }\n}\n";
}

Status add_fault(const Lab& lab, const Fault& fault) {
  if (fault.kind == Fault::Kind::kApi) {
    if (!fault.target.empty()) CARACAL_TRY(check_node(lab.plan, fault.target));
  } else if (!lab.plan.find_link(fault.target)) {
    std::vector<std::string> names;
    for (const Link& link : lab.plan.links()) names.push_back(link.name);
    return fail(Errc::kNotFound,
                fmt::format("lab {} has no link {}; it has {}", lab.plan.topology.name,
                            fault.target, fmt::join(names, ", ")));
  }
  CARACAL_ASSIGN(const std::vector<Fault> before, load_faults(lab.paths));
  std::vector<Fault> faults = before;
  std::erase_if(faults, [&](const Fault& other) {
    return other.kind == fault.kind && other.target == fault.target;
  });
  faults.push_back(fault);
  if (const Status applied = apply(lab, before, faults); !applied) {
    [[maybe_unused]] const Status back = apply(lab, faults, before);
    return applied;
  }
  return save_faults(lab.paths, faults);
}

Result<bool> remove_fault(const Lab& lab, Fault::Kind kind, const std::string& target) {
  CARACAL_ASSIGN(const std::vector<Fault> before, load_faults(lab.paths));
  std::vector<Fault> faults = before;
  if (std::erase_if(faults, [&](const Fault& other) {
        return other.kind == kind && other.target == target;
      }) == 0)
    return false;
  CARACAL_TRY(apply(lab, before, faults));
  CARACAL_TRY(save_faults(lab.paths, faults));
  return true;
}

Status heal_all(const Lab& lab) {
  CARACAL_ASSIGN(const std::vector<Fault> before, load_faults(lab.paths));
  CARACAL_TRY(apply(lab, before, {}));
  CARACAL_TRY(save_faults(lab.paths, {}));
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    for (const Process& bird : programs_in(lab.plan.node_netns(node.name), "bird")) {
      if (is_frozen(bird)) CARACAL_TRY(send_signal(bird, SIGCONT));
    }
    if (::access(lab.paths.node_agent_stopped(node.name).c_str(), F_OK) == 0)
      CARACAL_TRY(act_on_agent(lab, node.name, AgentAction::kStart));
  }
  for (const RouterSpec& router : lab.plan.topology.routers) {
    if (::access((lab.paths.router(router.name) + "/stopped").c_str(), F_OK) == 0)
      CARACAL_TRY(act_on_router(lab, router.name, false));
  }
  return {};
}

Result<std::string> act_on_bird(const Lab& lab, const std::string& node, BirdAction action) {
  CARACAL_TRY(check_node(lab.plan, node));
  const std::vector<Process> birds = programs_in(lab.plan.node_netns(node), "bird");
  if (birds.empty()) {
    return fail(Errc::kNotFound, fmt::format("BIRD does not run on {}; `caracal node status` says "
                                             "why",
                                             node));
  }
  for (const Process& bird : birds) {
    CARACAL_TRY(send_signal(bird, action == BirdAction::kStop    ? SIGSTOP
                                  : action == BirdAction::kStart ? SIGCONT
                                                                 : SIGKILL));
  }
  switch (action) {
    case BirdAction::kStop:
      return fmt::format(
          "BIRD of {} (pid {}) frozen: its peers hear nothing more of it, until its agent "
          "notices, kills it and starts another (half a minute)",
          node, birds.front().pid);
    case BirdAction::kStart:
      return fmt::format("BIRD of {} (pid {}) goes on", node, birds.front().pid);
    case BirdAction::kKill:
      return fmt::format("BIRD of {} (pid {}) killed; its agent starts it again", node,
                         birds.front().pid);
  }
  return std::string();
}

Result<std::string> act_on_router(const Lab& lab, const std::string& name, bool stop) {
  const auto& routers = lab.plan.topology.routers;
  const auto router = std::find_if(routers.begin(), routers.end(),
                                   [&](const RouterSpec& one) { return one.name == name; });
  if (router == routers.end() || !router->bgp) {
    return fail(Errc::kNotFound, fmt::format("lab {} has no router {} that speaks BGP",
                                             lab.plan.topology.name, name));
  }
  const std::string file = lab.paths.router(name) + "/stopped";
  if (stop) {
    CARACAL_TRY(write_file_atomic(file, ""));
  } else {
    ::unlink(file.c_str());
  }
  const auto supervisor = read_record(lab.paths.pid("supervisor"));
  if (!supervisor) return fail(Errc::kNotFound, "the lab's supervisor does not run");
  CARACAL_TRY(send_signal(*supervisor, SIGUSR1));
  const bool done = wait_until(std::chrono::seconds(60), [&] {
    for (const char* program : {"zebra", "bgpd"}) {
      const auto process = read_record(lab.paths.pid(fmt::format("{}-{}", program, name)));
      if ((process && alive(*process)) == stop) return false;
    }
    return true;
  });
  if (!done) {
    return fail(Errc::kTimeout,
                fmt::format("FRR of {} {} after 60 s", name, stop ? "still runs" : "does not run"));
  }
  return fmt::format("FRR of {} {}", name, stop ? "stopped" : "runs");
}

Result<std::vector<ActiveFault>> active_faults(const Lab& lab) {
  std::vector<ActiveFault> out;
  CARACAL_ASSIGN(const std::vector<Fault> faults, load_faults(lab.paths));
  for (const Fault& fault : faults)
    out.push_back({std::string(to_string(fault.kind)), fault.target, to_text(fault)});
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    if (::access(lab.paths.node_agent_stopped(node.name).c_str(), F_OK) == 0)
      out.push_back({"agent", node.name, fmt::format("the agent of {} is stopped", node.name)});
    for (const Process& bird : programs_in(lab.plan.node_netns(node.name), "bird")) {
      if (is_frozen(bird))
        out.push_back({"bird", node.name, fmt::format("BIRD of {} is frozen", node.name)});
    }
  }
  for (const RouterSpec& router : lab.plan.topology.routers) {
    if (::access((lab.paths.router(router.name) + "/stopped").c_str(), F_OK) == 0)
      out.push_back({"router", router.name, fmt::format("FRR of {} is stopped", router.name)});
  }
  return out;
}

}  // namespace caracal::lab
