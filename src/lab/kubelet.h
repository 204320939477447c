// Kubelet: the lab's kubelet of all nodes, and its scheduler. Brings what runs in line with the Pod
// objects: binds pods without a node, starts those bound, writes status and events, tears down
// those deleted and removes their objects.
//
//   Reflector(pods, nodes) -> on_pod/on_node -> reconcile(pod) -> worker: SandboxRuntime, API ->
//   reconcile
//
// Everything but the workers runs on the loop's thread; at most one worker is busy with a pod at a
// time. What it decides depends on the pod's object and sandbox only, so a restart goes on where it
// was.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "event/loop.h"
#include "lab/client_pool.h"
#include "lab/pod_status.h"
#include "lab/sandbox.h"
#include "lab/scheduler.h"

namespace caracal::lab {

class Kubelet {
 public:
  // All must outlive it.
  Kubelet(event::Loop& loop, ClientPool& clients, const Plan& plan, const SandboxRuntime& runtime);

  // Takes over what an earlier supervisor started. Before the first on_pod().
  void adopt(std::vector<Sandbox> sandboxes);
  // From the reflectors; nullptr: gone.
  void on_pod(const model::ObjectName& name, const json::value* object);
  void on_node(const std::string& name, const json::value* object);
  // All pods have been reported once: sandboxes without a pod may go.
  void on_synced();

 private:
  struct Entry {
    std::optional<PodSpec> spec;  // unset: no such object
    json::value status;           // of the object
    std::optional<Sandbox> sandbox;
    std::optional<PodCondition> condition;  // what the status should say; unset: nothing to say yet
    bool status_due = false;
    bool busy = false;         // a worker is at it
    bool stopping = false;     // stop() has been tried; what waits is another try of it
    bool finished = false;     // the process ended for good
    std::string assumed_node;  // bound, and the object does not show it yet
    int failures = 0;          // in a row
    std::string last_event;    // message, not to be told again at each retry
    event::Handle retry;
    UniqueFd process_fd;  // pidfd
    event::Handle process_watch;
  };

  void reconcile(const model::ObjectName& name);
  void start(const model::ObjectName& name, Entry& entry);
  void stop(const model::ObjectName& name, Entry& entry, std::chrono::milliseconds grace);
  void remove_object(const model::ObjectName& name, Entry& entry);
  void bind(const model::ObjectName& name, Entry& entry);
  void write_status(const model::ObjectName& name, Entry& entry);
  void restart(const model::ObjectName& name, Entry& entry);
  void watch_process(const model::ObjectName& name, Entry& entry);
  void on_process_end(const model::ObjectName& name);
  void retry_later(const model::ObjectName& name, Entry& entry);
  PodCondition condition_of(const Sandbox& sandbox, PodCondition::Phase phase) const;
  std::vector<net::IpAddr> host_addresses(const std::string& node) const;

  event::Loop& loop_;
  ClientPool& clients_;
  const Plan& plan_;
  const SandboxRuntime& runtime_;
  std::map<model::ObjectName, Entry> entries_;
  std::map<std::string, SchedulableNode> nodes_;
  bool synced_ = false;
};

}  // namespace caracal::lab
