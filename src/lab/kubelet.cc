#include "lab/kubelet.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/log.h"
#include "kube/http.h"

namespace caracal::lab {
namespace {

// A lab is torn down by people who wait for it: pods get at most this long to end.
constexpr std::chrono::milliseconds kLongestGrace{2'000};

std::string pod_path(const model::ObjectName& name) {
  return kube::resource_path("v1", name.ns, "pods", name.name);
}

Status tell(ClientPool& clients, const PodSpec& pod, std::string_view type, std::string_view reason,
            std::string_view message, std::string_view source) {
  const json::value event =
      make_event("Pod", pod.name, pod.uid, type, reason, message, source, pod.node, now_rfc3339());
  return clients.with([&](kube::BlockingClient& client) -> Status {
    CARACAL_TRY(client.create(kube::resource_path("v1", pod.name.ns, "events"), event));
    return {};
  });
}

Status patch_status(ClientPool& clients, const PodSpec& pod, json::value status) {
  const json::value patch{{"metadata", json::object{{"uid", pod.uid}}},
                          {"status", std::move(status)}};
  return clients.with([&](kube::BlockingClient& client) -> Status {
    CARACAL_TRY(client.patch(pod_path(pod.name) + "/status", kube::kMergePatch, patch));
    return {};
  });
}

void log_failure(const char* what, const model::ObjectName& name, const Status& status) {
  if (!status) log::warn(what, {{"pod", name.to_string()}, {"error", status.error().message}});
}

}  // namespace

Kubelet::Kubelet(event::Loop& loop, ClientPool& clients, const Plan& plan,
                 const SandboxRuntime& runtime)
    : loop_(loop), clients_(clients), plan_(plan), runtime_(runtime) {}

void Kubelet::adopt(std::vector<Sandbox> sandboxes) {
  for (Sandbox& sandbox : sandboxes) {
    const model::ObjectName name = sandbox.pod;
    Entry& entry = entries_[name];
    entry.sandbox = std::move(sandbox);
    entry.condition = condition_of(*entry.sandbox, PodCondition::Phase::kRunning);
    entry.status_due = true;
    watch_process(name, entry);
  }
}

void Kubelet::on_pod(const model::ObjectName& name, const json::value* object) {
  if (object == nullptr) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    found->second.spec.reset();
    found->second.assumed_node.clear();
  } else {
    Entry& entry = entries_[name];
    PodSpec spec = read_pod_spec(*object);
    if (entry.spec && entry.spec->uid != spec.uid) {
      entry.failures = 0;
      entry.finished = false;
      entry.assumed_node.clear();
      entry.last_event.clear();
    }
    entry.spec = std::move(spec);
    const json::value* status = jsonio::get(*object, {"status"});
    entry.status = status == nullptr ? json::value() : *status;
  }
  reconcile(name);
}

void Kubelet::on_node(const std::string& name, const json::value* object) {
  if (object == nullptr) {
    nodes_.erase(name);
    return;
  }
  SchedulableNode node;
  node.name = name;
  for (const auto& label : jsonio::get_object(*object, {"metadata", "labels"})) {
    if (const json::string* text = label.value().if_string()) {
      node.labels[std::string(label.key())] = std::string(*text);
    }
  }
  node.unschedulable = jsonio::get_bool(*object, {"spec", "unschedulable"});
  for (const json::value& taint : jsonio::get_array(*object, {"spec", "taints"})) {
    const std::string_view effect = jsonio::get_string(taint, {"effect"});
    if (effect == "NoSchedule" || effect == "NoExecute") node.unschedulable = true;
  }
  node.ready = false;
  for (const json::value& condition : jsonio::get_array(*object, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) == "Ready") {
      node.ready = jsonio::get_string(condition, {"status"}) == "True";
    }
  }
  nodes_[name] = std::move(node);
  // What waits for a node may have one now.
  std::vector<model::ObjectName> waiting;
  for (const auto& [pod, entry] : entries_) {
    if (entry.spec && entry.spec->node.empty()) waiting.push_back(pod);
  }
  for (const model::ObjectName& pod : waiting) reconcile(pod);
}

void Kubelet::on_synced() {
  synced_ = true;
  std::vector<model::ObjectName> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  for (const model::ObjectName& name : names) reconcile(name);
}

void Kubelet::reconcile(const model::ObjectName& name) {
  if (!synced_) return;
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.busy) return;
  Entry& entry = found->second;
  if (!entry.spec) {
    if (entry.sandbox) return stop(name, entry, std::chrono::milliseconds(0));
    entries_.erase(found);
    return;
  }
  const PodSpec& spec = *entry.spec;
  if (entry.sandbox) {
    // Of another pod of that name, or left half made by a supervisor that was killed.
    const bool half = entry.sandbox->cni_result.is_null() && !entry.sandbox->host_network;
    if (half || entry.sandbox->uid != spec.uid)
      return stop(name, entry, std::chrono::milliseconds(0));
  }
  if (spec.deleting) {
    if (!spec.node.empty() && plan_.find_node(spec.node) == nullptr) return;  // another kubelet's
    if (entry.sandbox) {
      return stop(name, entry, std::min(kLongestGrace, std::chrono::milliseconds(spec.grace)));
    }
    return remove_object(name, entry);
  }
  if (entry.retry.active()) return;
  if (entry.status_due && !spec.finished) return write_status(name, entry);
  if (spec.finished || entry.finished) return;
  if (spec.node.empty()) return bind(name, entry);
  if (plan_.find_node(spec.node) == nullptr) return;
  if (!entry.sandbox) return start(name, entry);
  if (entry.condition && entry.condition->phase == PodCondition::Phase::kRestarting)
    return restart(name, entry);
}

void Kubelet::bind(const model::ObjectName& name, Entry& entry) {
  if (!entry.assumed_node.empty()) return;
  if (!entry.spec->scheduler.empty() && entry.spec->scheduler != "default-scheduler") return;
  std::vector<SchedulableNode> nodes;
  for (const auto& [node_name, node] : nodes_) nodes.push_back(node);
  std::vector<PlacedPod> placed;
  for (const auto& [pod, other] : entries_) {
    if (!other.spec) continue;
    const std::string& node = other.spec->node.empty() ? other.assumed_node : other.spec->node;
    if (!node.empty()) placed.push_back({pod, other.spec->labels, node});
  }
  const auto chosen = choose_node(*entry.spec, nodes, placed);
  struct Done {
    bool bound;
  };
  const std::string why = chosen ? "" : chosen.error().message;
  if (!chosen && entry.last_event == why)
    return;  // told already; the next change of a node tries again
  entry.busy = true;
  entry.last_event = why;
  entry.assumed_node = chosen ? *chosen : "";
  loop_.work(
      [this, pod = *entry.spec, node = entry.assumed_node, why,
       status = entry.status]() mutable -> Done {
        if (node.empty()) {
          log_failure("event not written", pod.name,
                      tell(clients_, pod, "Warning", "FailedScheduling", why, "default-scheduler"));
          json::array conditions{json::object{{"type", "PodScheduled"},
                                              {"status", "False"},
                                              {"reason", "Unschedulable"},
                                              {"message", why},
                                              {"lastTransitionTime", now_rfc3339()}}};
          log_failure(
              "status not written", pod.name,
              patch_status(clients_, pod, {{"phase", "Pending"}, {"conditions", conditions}}));
          return {false};
        }
        const json::value binding{
            {"apiVersion", "v1"},
            {"kind", "Binding"},
            {"metadata",
             json::object{{"name", pod.name.name}, {"namespace", pod.name.ns}, {"uid", pod.uid}}},
            {"target", json::object{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}}}};
        const auto bound = clients_.with([&](kube::BlockingClient& client) -> Status {
          CARACAL_TRY(client.create(pod_path(pod.name) + "/binding", binding));
          return {};
        });
        log_failure("pod not bound", pod.name, bound);
        if (!bound) return {false};
        log_failure("event not written", pod.name,
                    tell(clients_, pod, "Normal", "Scheduled",
                         fmt::format("Successfully assigned {} to {}", pod.name.to_string(), node),
                         "default-scheduler"));
        return {true};
      },
      [this, name](Done done) {
        Entry& e = entries_[name];
        e.busy = false;
        if (!done.bound) {
          const bool tried = !e.assumed_node.empty();
          e.assumed_node.clear();
          if (tried) return retry_later(name, e);
        }
        reconcile(name);
      });
}

void Kubelet::start(const model::ObjectName& name, Entry& entry) {
  struct Done {
    Result<Sandbox> sandbox = fail(Errc::kInternal, "");
    bool told = false;
  };
  entry.busy = true;
  const std::string last_event = entry.last_event;
  loop_.work(
      [this, pod = *entry.spec, status = entry.status, last_event]() -> Done {
        Done done;
        done.sandbox = pod.problem.empty() ? runtime_.start(pod)
                                           : Result<Sandbox>(fail(Errc::kInvalid, pod.problem));
        if (!done.sandbox) {
          const std::string& why = done.sandbox.error().message;
          log::warn("pod not started", {{"pod", pod.name.to_string()}, {"error", why}});
          if (why == last_event) return done;
          log_failure("event not written", pod.name,
                      tell(clients_, pod, "Warning", "FailedCreatePodSandBox",
                           "Failed to create pod sandbox: " + why, "kubelet"));
          PodCondition condition;
          condition.message = why;
          condition.host_addresses = host_addresses(pod.node);
          log_failure(
              "status not written", pod.name,
              patch_status(clients_, pod, make_pod_status(pod, condition, status, now_rfc3339())));
          return done;
        }
        const PodCondition condition = condition_of(*done.sandbox, PodCondition::Phase::kRunning);
        const Status told =
            patch_status(clients_, pod, make_pod_status(pod, condition, status, now_rfc3339()));
        log_failure("status not written", pod.name, told);
        done.told = told.has_value();
        for (const std::string& container : pod.containers) {
          log_failure("event not written", pod.name,
                      tell(clients_, pod, "Normal", "Started", "Started container " + container,
                           "kubelet"));
        }
        return done;
      },
      [this, name](Done done) {
        Entry& e = entries_[name];
        e.busy = false;
        if (!done.sandbox) {
          e.last_event = done.sandbox.error().message;
          return retry_later(name, e);
        }
        e.failures = 0;
        e.last_event.clear();
        e.sandbox = std::move(*done.sandbox);
        e.condition = condition_of(*e.sandbox, PodCondition::Phase::kRunning);
        e.status_due = !done.told;
        watch_process(name, e);
        reconcile(name);
      });
}

void Kubelet::stop(const model::ObjectName& name, Entry& entry, std::chrono::milliseconds grace) {
  if (entry.stopping && entry.retry.active()) return;
  entry.retry.reset();
  entry.stopping = true;
  entry.busy = true;
  entry.process_watch.reset();
  entry.process_fd.reset();
  loop_.work([this, sandbox = *entry.sandbox, grace]() { return runtime_.stop(sandbox, grace); },
             [this, name](Status stopped) {
               Entry& e = entries_[name];
               e.busy = false;
               log_failure("pod not torn down", name, stopped);
               if (!stopped) return retry_later(name, e);
               e.failures = 0;
               e.stopping = false;
               e.finished = false;
               e.sandbox.reset();
               e.condition.reset();
               e.status_due = false;
               reconcile(name);
             });
}

void Kubelet::remove_object(const model::ObjectName& name, Entry& entry) {
  if (entry.retry.active()) return;
  entry.busy = true;
  loop_.work(
      [this, name]() {
        return clients_.with([&](kube::BlockingClient& client) -> Status {
          const auto removed = client.remove(pod_path(name), {{"gracePeriodSeconds", "0"}});
          if (!removed && removed.error().code != Errc::kNotFound) return fail(removed.error());
          return {};
        });
      },
      [this, name](Status removed) {
        Entry& e = entries_[name];
        e.busy = false;
        log_failure("pod object not removed", name, removed);
        // Done: the reflector will say that it is gone. A finalizer keeps it, then there is nothing
        // to do.
        if (!removed) return retry_later(name, e);
        if (!e.spec) reconcile(name);
      });
}

void Kubelet::write_status(const model::ObjectName& name, Entry& entry) {
  entry.busy = true;
  entry.status_due = false;
  loop_.work(
      [this, pod = *entry.spec, condition = *entry.condition, old = entry.status]() {
        return patch_status(clients_, pod, make_pod_status(pod, condition, old, now_rfc3339()));
      },
      [this, name](Status written) {
        Entry& e = entries_[name];
        e.busy = false;
        log_failure("status not written", name, written);
        if (!written && written.error().code != Errc::kNotFound) {
          e.status_due = true;
          return retry_later(name, e);
        }
        reconcile(name);
      });
}

void Kubelet::restart(const model::ObjectName& name, Entry& entry) {
  entry.busy = true;
  loop_.work(
      [this, pod = *entry.spec, sandbox = *entry.sandbox]() mutable -> Result<Sandbox> {
        CARACAL_TRY(runtime_.restart_process(sandbox, pod));
        return sandbox;
      },
      [this, name](Result<Sandbox> sandbox) {
        Entry& e = entries_[name];
        e.busy = false;
        if (!sandbox) {
          log::warn("pod not restarted",
                    {{"pod", name.to_string()}, {"error", sandbox.error().message}});
          return retry_later(name, e);
        }
        e.sandbox = std::move(*sandbox);
        e.condition = condition_of(*e.sandbox, PodCondition::Phase::kRunning);
        e.status_due = true;
        watch_process(name, e);
        reconcile(name);
      });
}

void Kubelet::watch_process(const model::ObjectName& name, Entry& entry) {
  entry.process_watch.reset();
  entry.process_fd = open_pidfd(entry.sandbox->process);
  if (!entry.process_fd) {
    loop_.post([this, name] { on_process_end(name); });
    return;
  }
  auto watch = loop_.watch_fd(entry.process_fd.get(), {.read = true},
                              [this, name](event::Ready) { on_process_end(name); });
  if (watch) {
    entry.process_watch = std::move(*watch);
  } else {
    log::error("process of a pod cannot be watched",
               {{"pod", name.to_string()}, {"error", watch.error().message}});
  }
}

void Kubelet::on_process_end(const model::ObjectName& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || !found->second.sandbox) return;
  Entry& entry = found->second;
  entry.process_watch.reset();
  entry.process_fd.reset();
  // Of a process that an earlier supervisor started, nobody knows how it ended.
  int status = 0;
  int code = 255;
  if (::waitpid(entry.sandbox->process.pid, &status, WNOHANG) == entry.sandbox->process.pid) {
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string policy = entry.spec ? entry.spec->restart_policy : "Always";
  const bool again = policy == "Always" || (policy == "OnFailure" && code != 0);
  using Phase = PodCondition::Phase;
  entry.condition = condition_of(*entry.sandbox, again       ? Phase::kRestarting
                                                 : code == 0 ? Phase::kSucceeded
                                                             : Phase::kFailed);
  entry.condition->exit_code = code;
  entry.condition->finish_time = now_rfc3339();
  entry.condition->message = fmt::format("the process ended with exit status {}", code);
  entry.finished = !again;
  entry.status_due = true;
  log::info("process of a pod ended", {{"pod", name.to_string()}, {"exit", code}});
  reconcile(name);
  if (again) retry_later(name, entry);
}

void Kubelet::retry_later(const model::ObjectName& name, Entry& entry) {
  const int shift = std::min(entry.failures++, 4);
  entry.retry = loop_.after(std::chrono::milliseconds(500 << shift), [this, name] {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    found->second.retry.reset();
    reconcile(name);
  });
}

PodCondition Kubelet::condition_of(const Sandbox& sandbox, PodCondition::Phase phase) const {
  PodCondition condition;
  condition.phase = phase;
  condition.pod_addresses = sandbox.addresses;
  condition.host_addresses = host_addresses(sandbox.node);
  condition.container_id = sandbox.container_id;
  condition.start_time = sandbox.start_time;
  condition.restarts = sandbox.restarts;
  return condition;
}

std::vector<net::IpAddr> Kubelet::host_addresses(const std::string& node) const {
  for (size_t i = 0; i < plan_.topology.nodes.size(); ++i) {
    if (plan_.topology.nodes[i].name == node) return plan_.node_addresses(i);
  }
  return {};
}

}  // namespace caracal::lab
