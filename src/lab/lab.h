// Lab: brings a whole lab up, takes it down without a trace, and says what it is. Blocking; for the
// command line and tests.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/cluster_access.h"
#include "lab/plan.h"
#include "lab/process.h"
#include "lab/programs.h"

namespace caracal::lab {

inline constexpr const char* kRunFolder = "/run/caracal";

// Told what is being done, a line each.
using Progress = std::function<void(const std::string&)>;

// A lab that is up (or was, before a crash).
struct Lab {
  Plan plan;
  Paths paths;
};

// `state_dir` empty: /run/caracal/NAME. On failure everything is taken back.
// Errors: kPermission without root, kExists when a lab of that name is there.
Result<Lab> lab_up(Topology topology, const std::string& state_dir, const Programs& programs,
                   const Progress& progress);

// Starts again what of the lab's own programs has died (API server, supervisor; the supervisor sees
// to the agents). Running pods are adopted, and nothing stored is lost. Returns what was started.
Result<std::vector<std::string>> lab_repair(const Lab& lab, const Programs& programs);

// Ends every process of the lab, removes its namespaces, links and files. What is not there is no
// error, so it may be called again and after any crash.
Status lab_down(const std::string& name, const Progress& progress);

// The lab of this name. Errors: kNotFound says how to bring one up.
Result<Lab> find_lab(const std::string& name);
std::vector<std::string> list_labs();

// How to speak to its API server as admin, from the host.
Result<kube::ClusterAccess> access_of(const Lab& lab);

// "CARACAL_LAB_PROCESS=NAME": marks the processes of a lab.
std::string process_marker(std::string_view name);

// Ends an agent of the lab, or lets it run again; the supervisor sees to it.
enum class AgentAction { kStop, kStart, kKill, kRestart };
// Returns what was done in words. kKill: SIGKILL, and waits until the new one answers; kRestart:
// the same with SIGTERM.
Result<std::string> act_on_agent(const Lab& lab, const std::string& node, AgentAction action);

}  // namespace caracal::lab
