// Sandbox: a pod as it runs on the lab's machine: a network namespace, attached through the node's
// CNI conflist, and a process in it. Each has a record file, so that a supervisor started again
// adopts what runs, and `lab down` finds what is left. Blocking; called by the supervisor's
// workers, one at a time for each pod.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "lab/plan.h"
#include "lab/pod_spec.h"
#include "lab/process.h"

namespace caracal::lab {

struct Sandbox {
  model::ObjectName pod;
  std::string uid;
  std::string node;
  std::string container_id;
  std::string netns;  // name; of a pod with hostNetwork, the node's
  bool host_network = false;
  json::object capabilities;  // what ADD was given; DEL gets the same
  json::value cni_result;
  std::vector<net::IpAddr> addresses;
  std::string start_time;  // RFC 3339
  int restarts = 0;
  Process process;
};

json::value to_json(const Sandbox& sandbox);
Result<Sandbox> parse_sandbox(std::string_view text);

// Addresses of a CNI result ("ips", version 0.3.0 to 1.1.0), host part only, in its order.
Result<std::vector<net::IpAddr>> addresses_of_result(const json::value& result);

class SandboxRuntime {
 public:
  // `pod_program`: path of caracal-lab-pod.
  SandboxRuntime(Plan plan, Paths paths, std::string pod_program);

  // Namespace, CNI ADD, process, record. On failure nothing is left; the message is fit for an
  // event.
  Result<Sandbox> start(const PodSpec& pod) const;
  // The process anew in the sandbox that is there.
  Status restart_process(Sandbox& sandbox, const PodSpec& pod) const;
  // SIGTERM and `grace` for the process, CNI DEL, namespace, record. Goes on behind failures; a
  // failed DEL keeps the record, so that it can be tried again.
  Status stop(const Sandbox& sandbox, std::chrono::milliseconds grace) const;

  // Every record there is; unreadable ones are left out.
  std::vector<Sandbox> load_records() const;

 private:
  Result<Process> start_process(const Sandbox& sandbox, const PodSpec& pod) const;
  std::string record_path(const std::string& uid) const {
    return paths_.pods() + "/" + uid + ".json";
  }
  Status write_sandbox(const Sandbox& sandbox) const;

  Plan plan_;
  Paths paths_;
  std::string pod_program_;
};

// Folders in which the nodes of the lab look for CNI plugins: the lab's own (with "caracal"), then
// those of Debian and of upstream.
std::vector<std::string> cni_path(const Paths& paths);
// The conflist of one node: caracal, then portmap and bandwidth where they are installed.
json::value make_conflist(const Paths& paths, std::string_view node);

}  // namespace caracal::lab
