#include "agent/cni_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/link_monitor.h"
#include "base/log.h"
#include "dataplane/link/pod_link.h"
#include "jsonio/json.h"

namespace caracal::agent {

namespace link = dataplane::link;

using cni::Code;
using cni::Command;

CniService::CniService(event::Loop& loop, const Options& options, ipam::LeaseBook& leases,
                       AddressSource& addresses, const AddressWishes& wishes,
                       Calculation& calculation, Dataplane& dataplane, kube::Client& api,
                       telemetry::Metrics& metrics, CniLimits limits)
    : loop_(loop),
      options_(options),
      leases_(leases),
      addresses_(addresses),
      wishes_(wishes),
      calculation_(calculation),
      dataplane_(dataplane),
      api_(api),
      metrics_(metrics),
      limits_(limits),
      links_vanished_(metrics.counter("caracal_links_vanished_total",
                                      "Pod links that somebody else removed")) {}

void CniService::watch_links(LinkMonitor& links) {
  links_ = &links;
  look_at_links();
}

void CniService::look_at_links() {
  if (links_ == nullptr) return;
  for (const auto& [interface, endpoint] : endpoints_) {
    // An operation at work on it makes and removes links itself, and looks again at its end.
    if (vanished_.contains(interface) || turns_.contains(interface)) continue;
    if (links_->has_link(interface)) continue;
    vanished_.insert(interface);
    links_vanished_.add();
    log::error("the link of an endpoint has vanished; its addresses stay reserved until DEL or GC",
               {{"endpoint", endpoint.to_string()}, {"interface", interface}});
    calculation_.remove_endpoint(interface);
  }
}

Status CniService::recover() {
  CARACAL_ASSIGN(const std::vector<link::HostLink> links,
                 link::list_host_links(options_.interface_prefix));
  std::set<std::string> alive;
  for (const link::HostLink& one : links) alive.insert(one.name);

  std::vector<Endpoint> unfinished;
  for (const auto& [id, lease] : leases_.leases()) {
    Endpoint endpoint = endpoint_of(lease);
    if (lease.committed) {
      if (!endpoint.interface.empty()) endpoints_[endpoint.interface] = std::move(endpoint);
    } else {
      unfinished.push_back(std::move(endpoint));
    }
  }
  for (const Endpoint& endpoint : unfinished) {
    log::warn("undoing an ADD that a former agent did not finish",
              {{"endpoint", endpoint.to_string()}});
    // Its interface may have been another sandbox's before; that one has lost it either way.
    CARACAL_TRY(link::delete_pod_link(endpoint.interface));
    alive.erase(endpoint.interface);
    release_until_done(endpoint, event::Backoff({.first = event::Duration(500)}));
  }
  for (const auto& [interface, endpoint] : endpoints_) {
    if (alive.erase(interface) != 0) {
      calculation_.set_endpoint(local_endpoint(endpoint), true);
    } else {
      vanished_.insert(interface);
      log::warn("the link of an endpoint has vanished; its addresses stay reserved until DEL or GC",
                {{"endpoint", endpoint.to_string()}, {"interface", interface}});
    }
  }
  for (const std::string& interface : alive) {
    log::warn("a workload interface that is not ours is left alone, and closed by policy",
              {{"interface", interface}});
  }
  log::info("endpoints recovered", {{"endpoints", endpoints_.size() - vanished_.size()},
                                    {"vanished", vanished_.size()},
                                    {"undone", unfinished.size()}});
  return {};
}

// Its lease stays pending until it is done, so the addresses are nobody else's.
void CniService::release_until_done(const Endpoint& endpoint, event::Backoff backoff) {
  const auto again = [this, endpoint, backoff](const Status& released) mutable {
    if (released) {
      release_timers_.erase(endpoint.attachment);
      return;
    }
    if (backoff.failures() == 0 || backoff.failures() == 6) {
      log::warn("addresses not released yet",
                {{"endpoint", endpoint.to_string()}, {"error", released.error().message}});
    }
    const event::Duration wait = backoff.next();
    release_timers_[endpoint.attachment] =
        loop_.after(wait, [this, endpoint, backoff] { release_until_done(endpoint, backoff); });
  };
  addresses_.release(endpoint.attachment, endpoint.network, again);
}

CniService::Answer CniService::measured(const cni::Request& request, Answer answer) {
  const std::string label = fmt::format("command=\"{}\"", cni::to_string(request.command));
  telemetry::Histogram& seconds =
      metrics_.histogram("caracal_cni_seconds", "Time of CNI requests", label);
  telemetry::Counter& errors =
      metrics_.counter("caracal_cni_errors_total", "CNI requests that failed", label);
  return [&seconds, &errors, begin = event::Clock::now(), request,
          answer = std::move(answer)](cni::Outcome<json::value> outcome) {
    const auto elapsed = event::Clock::now() - begin;
    seconds.observe(elapsed);
    const double ms = std::chrono::duration<double, std::milli>(elapsed).count();
    const std::string pod = request.pod_namespace + "/" + request.pod_name;
    if (outcome) {
      log::info("cni", {{"command", cni::to_string(request.command)},
                        {"container", request.container_id},
                        {"pod", pod},
                        {"ms", ms}});
    } else {
      errors.add();
      log::warn("cni failed", {{"command", cni::to_string(request.command)},
                               {"container", request.container_id},
                               {"pod", pod},
                               {"code", static_cast<int>(outcome.error().code)},
                               {"error", outcome.error().msg},
                               {"details", outcome.error().details},
                               {"ms", ms}});
    }
    answer(std::move(outcome));
  };
}

void CniService::handle(const cni::Request& request, Answer answer) {
  answer = measured(request, std::move(answer));
  switch (request.command) {
    case Command::kAdd:
      return add(request, std::move(answer));
    case Command::kDel:
      return del({request.container_id, request.ifname}, request.config.name, std::move(answer));
    case Command::kCheck:
      return check(request, std::move(answer));
    case Command::kGc:
      return gc(request, std::move(answer));
    case Command::kStatus:
      return answer(status());
    case Command::kVersion:
      return answer(json::value(cni::version_reply("")));
  }
}

void CniService::in_turn(const std::string& interface,
                         std::function<void(std::function<void()>)> run) {
  auto& queue = turns_[interface];
  queue.push_back(std::move(run));
  if (queue.size() == 1) next_turn(interface);
}

void CniService::next_turn(const std::string& interface) {
  // A copy: the operation leaves the queue when it is over, which may be within the call.
  const auto run = turns_.at(interface).front();
  run([this, interface] {
    auto& queue = turns_.at(interface);
    queue.pop_front();
    if (queue.empty()) {
      turns_.erase(interface);
      // What the kernel told of meanwhile was the operation's doing, or was not.
      if (links_ != nullptr) {
        links_->refresh();
        look_at_links();
      }
    } else {
      loop_.post([this, interface] { next_turn(interface); });
    }
  });
}

// ---- DEL ----

void CniService::del(const ipam::AttachmentId& id, const std::string& network, Answer answer) {
  const ipam::Lease* lease = leases_.find(id);
  if (lease == nullptr) {
    // Nothing of it is left here, or there never was. A pool may still know of it: an ADD that was
    // cut off between the pool's answer and the lease.
    return addresses_.release(id, network, [answer, id](const Status& released) {
      if (released) return answer(json::value(json::object()));
      answer(cni::refuse(Code::kTryAgainLater,
                         fmt::format("addresses of container {} not released", id.to_string()),
                         released.error().message));
    });
  }
  in_turn(endpoint_of(*lease).interface, [this, id, answer](std::function<void()> finished) {
    del_now(id, [answer, finished = std::move(finished)](cni::Outcome<json::value> outcome) {
      answer(std::move(outcome));
      finished();
    });
  });
}

void CniService::del_now(const ipam::AttachmentId& id, Answer answer) {
  const ipam::Lease* lease = leases_.find(id);
  if (lease == nullptr) return answer(json::value(json::object()));
  const Endpoint endpoint = endpoint_of(*lease);
  const auto release = [this, endpoint, answer = std::move(answer)](const Status& removed) {
    if (!removed) {
      return answer(tl::unexpected<cni::Error>(cni::to_error(
          removed.error(), fmt::format("link of {} not removed", endpoint.to_string()))));
    }
    const auto owner = endpoints_.find(endpoint.interface);
    if (owner != endpoints_.end() && owner->second.attachment == endpoint.attachment) {
      endpoints_.erase(owner);
      vanished_.erase(endpoint.interface);
    }
    addresses_.release(
        endpoint.attachment, endpoint.network, [endpoint, answer](const Status& released) {
          if (released) return answer(json::value(json::object()));
          answer(cni::refuse(Code::kTryAgainLater,
                             fmt::format("addresses of {} not released", endpoint.to_string()),
                             released.error().message));
        });
  };
  const auto owner = endpoints_.find(endpoint.interface);
  if (endpoint.interface.empty() || (owner != endpoints_.end() && owner->second.attachment != id)) {
    // A newer sandbox of the pod has the interface by now.
    return release({});
  }
  // Policy and routes first: the pod is cut off before its address is free.
  calculation_.remove_endpoint(endpoint.interface);
  calculation_.flush_then([this, endpoint, release] {
    loop_.work([interface = endpoint.interface] { return link::delete_pod_link(interface); },
               release);
  });
}

// ---- CHECK ----

void CniService::check(const cni::Request& request, Answer answer) {
  const ipam::AttachmentId id{request.container_id, request.ifname};
  const ipam::Lease* lease = leases_.find(id);
  if (lease == nullptr || !lease->committed) {
    return answer(
        cni::refuse(Code::kUnknownContainer,
                    fmt::format("container {} has no network of Caracal", id.to_string())));
  }
  Endpoint endpoint = endpoint_of(*lease);
  endpoint.netns = request.netns;
  std::vector<std::string> differences;
  for (const net::IpAddr& address : endpoint.addresses) {
    const auto& told = request.config.prev_result->addresses;
    if (std::none_of(told.begin(), told.end(),
                     [&](const cni::Address& a) { return a.address == address; })) {
      differences.push_back(fmt::format("prevResult has no address {}", address.to_string()));
    }
  }
  loop_.work([spec = link_spec(endpoint)] { return link::check_pod_link(spec); },
             [this, endpoint, differences,
              answer = std::move(answer)](const Result<std::vector<std::string>>& found) mutable {
               if (!found) {
                 return answer(tl::unexpected<cni::Error>(cni::to_error(
                     found.error(), fmt::format("{} cannot be checked", endpoint.to_string()))));
               }
               differences.insert(differences.end(), found->begin(), found->end());
               if (!calculation_.synced()) {
                 differences.push_back("policy: the agent is not in sync with the API server");
               }
               dataplane_.check_interface(
                   endpoint.interface, [endpoint, differences,
                                        answer](Result<std::vector<std::string>> policy) mutable {
                     if (!policy) {
                       differences.push_back("policy: " + policy.error().message);
                     } else {
                       differences.insert(differences.end(), policy->begin(), policy->end());
                     }
                     if (differences.empty()) return answer(json::value(json::object()));
                     answer(cni::refuse(Code::kCheckFailed,
                                        fmt::format("the network of {} is not as it was made",
                                                    endpoint.to_string()),
                                        fmt::format("{}", fmt::join(differences, "; "))));
                   });
             });
}

// ---- STATUS and GC ----

std::string CniService::not_ready_reason() const {
  if (!calculation_.synced()) return "not in sync with the API server";
  if (const std::string reason = addresses_.not_ready_reason(); !reason.empty()) return reason;
  if (!calculation_.applied().policy_synced) {
    const std::string& error = calculation_.applied().policy_error;
    return error.empty() ? "policy is not in the kernel yet"
                         : "policy is not in the kernel: " + error;
  }
  return {};
}

cni::Outcome<json::value> CniService::status() const {
  if (const std::string reason = not_ready_reason(); !reason.empty()) {
    return cni::refuse(Code::kNotAvailable, "caracal-agent cannot serve ADD", reason);
  }
  if (const std::string full = addresses_.exhausted(); !full.empty())
    return cni::refuse(Code::kNotAvailable, "no address is left on this node", full);
  if (!calculation_.applied().policy_error.empty()) {
    return cni::refuse(Code::kLimitedConnectivity,
                       "the kernel refuses policy; endpoints are closed",
                       calculation_.applied().policy_error);
  }
  return json::value(json::object());
}

void CniService::gc(const cni::Request& request, Answer answer) {
  std::set<ipam::AttachmentId> valid;
  for (const cni::ValidAttachment& one : request.valid_attachments) {
    valid.insert({one.container_id, one.ifname});
  }
  std::vector<ipam::AttachmentId> garbage;
  for (const auto& [id, lease] : leases_.leases()) {
    const Endpoint endpoint = endpoint_of(lease);
    // Leave alone what an operation is at work on: the list is older than it.
    const bool busy = !lease.committed && turns_.contains(endpoint.interface);
    if (endpoint.network == request.config.name && !valid.contains(id) && !busy)
      garbage.push_back(id);
  }
  if (garbage.empty()) return answer(json::value(json::object()));
  struct Round {
    size_t left;
    std::string errors;
  };
  auto round = std::make_shared<Round>(Round{garbage.size(), ""});
  for (const ipam::AttachmentId& id : garbage) {
    log::info("cni garbage", {{"container", id.container_id}, {"ifname", id.ifname}});
    del(id, request.config.name, [round, id, answer](const cni::Outcome<json::value>& outcome) {
      if (!outcome) {
        round->errors += fmt::format("{}{}: {}: {}", round->errors.empty() ? "" : "; ",
                                     id.to_string(), outcome.error().msg, outcome.error().details);
      }
      if (--round->left != 0) return;
      if (round->errors.empty()) return answer(json::value(json::object()));
      answer(cni::refuse(Code::kInternal, "some attachments could not be removed", round->errors));
    });
  }
}

}  // namespace caracal::agent
