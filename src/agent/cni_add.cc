// The steps of ADD; their order and what undoes them is in cni_service.h.
#include <fmt/format.h>

#include "agent/cni_service.h"
#include "base/log.h"
#include "cni/result.h"
#include "dataplane/link/pod_link.h"
#include "jsonio/json.h"
#include "kube/decode.h"

namespace caracal::agent {

namespace link = dataplane::link;

using cni::Code;

namespace {

cni::AddResult make_result(const Endpoint& endpoint, const link::PodLink& made) {
  cni::AddResult result;
  result.interfaces = {{made.host_interface, made.host_mac.to_string(), "", made.mtu},
                       {made.pod_interface, made.pod_mac.to_string(), endpoint.netns, made.mtu}};
  for (const net::IpAddr& address : endpoint.addresses) {
    const net::IpAddr gateway = address.is_v4() ? link::gateway_v4() : link::gateway_v6();
    result.addresses.push_back({address, net::address_bits(address.family()), gateway, 1});
    result.routes.push_back({net::Cidr(net::IpAddr::first(address.family()), 0), gateway});
  }
  return result;
}

}  // namespace

// One ADD on its way.
struct CniService::Add {
  cni::Request request;
  Endpoint endpoint;
  Answer answer;
  std::function<void()> finished;  // lets the interface's next operation begin
  event::Handle timer;             // of the step that waits
  event::Handle ask_timer;
  kube::Call call;
  bool waiting = false;     // for the step that `timer` limits
  bool registered = false;  // known to the policy calculation
};

void CniService::add(const cni::Request& request, Answer answer) {
  if (const std::string reason = not_ready_reason(); !reason.empty()) {
    return answer(cni::refuse(Code::kTryAgainLater, "caracal-agent is not ready", reason));
  }
  auto add = std::make_shared<Add>();
  add->request = request;
  add->answer = std::move(answer);
  Endpoint& endpoint = add->endpoint;
  endpoint.attachment = {request.container_id, request.ifname};
  endpoint.network = request.config.name;
  endpoint.pod = {request.pod_namespace, request.pod_name};
  endpoint.interface = interface_name(options_.interface_prefix, endpoint.pod);
  endpoint.netns = request.netns;
  endpoint.mtu = request.config.mtu != 0 ? request.config.mtu : options_.mtu;
  in_turn(endpoint.interface, [this, add](std::function<void()> finished) {
    add->finished = std::move(finished);
    add_await_pod(add);
  });
}

void CniService::add_addresses(const AddPtr& add) {
  Endpoint& endpoint = add->endpoint;
  AddressRequest request{
      endpoint.attachment, endpoint.network, endpoint.pod, add->request.config.requested_ips, {}};
  const auto refuse = [this, add](cni::Error error) {
    add->answer(tl::unexpected<cni::Error>(std::move(error)));
    add->finished();
  };
  const auto wish = wishes_.of(endpoint.pod);
  if (!wish) return refuse(cni::to_error(wish.error(), "no address for the pod"));
  endpoint.mac = wish->mac;
  request.attributes = to_attributes(endpoint);
  addresses_.reserve(request, [this, add, refuse](const Result<ipam::Lease>& lease) {
    if (!lease) return refuse(cni::to_error(lease.error(), "no address for the pod"));
    add->endpoint.addresses = lease->addresses;
    const Endpoint before = endpoint_of(*lease);
    if (before.interface != add->endpoint.interface) {
      // The same container and interface for another pod: the lease must not be undone.
      return refuse({Code::kInvalidEnvironment,
                     fmt::format("container {} already belongs to pod {}",
                                 add->endpoint.attachment.to_string(), before.pod.to_string()),
                     ""});
    }
    add_policy(add);
  });
}

void CniService::add_await_pod(const AddPtr& add) {
  const model::ObjectName& pod = add->endpoint.pod;
  if (calculation_.knows_pod(pod)) return add_addresses(add);
  add->waiting = true;
  const auto go_on = [this, add] {
    if (!add->waiting) return;
    add->waiting = false;
    add->timer.reset();
    add->ask_timer.reset();
    add->call.cancel();
    add_addresses(add);
  };
  calculation_.when_pod_known(pod, go_on);
  add->ask_timer = loop_.after(limits_.ask_api, [this, add] { add_ask_api(add); });
  add->timer = loop_.after(limits_.pod_known, [this, add] {
    if (!add->waiting) return;
    add->waiting = false;
    add->ask_timer.reset();
    add->call.cancel();
    add_failed(
        add,
        {Code::kTryAgainLater, fmt::format("pod {} is not known", add->endpoint.pod.to_string()),
         fmt::format("the API server did not tell of it within {} ms", limits_.pod_known.count())});
  });
}

// The watch is late, or there is no such pod: the API server knows.
void CniService::add_ask_api(const AddPtr& add) {
  kube::Request request;
  request.path = kube::resource_path("v1", add->endpoint.pod.ns, "pods", add->endpoint.pod.name);
  request.timeout = limits_.pod_known;
  add->call = api_.request(std::move(request), [this, add](Result<kube::Response> response) {
    if (!add->waiting) return;
    if (!response && response.error().code == Errc::kNotFound) {
      add->waiting = false;
      add->timer.reset();
      return add_failed(add, {Code::kTryAgainLater,
                              fmt::format("pod {} does not exist", add->endpoint.pod.to_string()),
                              response.error().message});
    }
    if (!response) return;  // the timer ends the wait
    const auto object = jsonio::parse(response->body);
    if (!object) return;
    auto pod = kube::decode_pod(*object);
    // The watch may have told meanwhile, and it is never older than this answer.
    if (pod && !calculation_.knows_pod(add->endpoint.pod)) {
      calculation_.update(model::PodUpdate{add->endpoint.pod, std::move(*pod)});
    }
  });
}

void CniService::add_policy(const AddPtr& add) {
  calculation_.set_endpoint(local_endpoint(add->endpoint), false);
  add->registered = true;
  add->waiting = true;
  add->timer = loop_.after(limits_.programmed, [this, add] {
    if (!add->waiting) return;
    add->waiting = false;
    add_failed(add, {Code::kTryAgainLater, "the pod's policy is not in the kernel yet",
                     fmt::format("no acknowledgement within {} ms", limits_.programmed.count())});
  });
  calculation_.flush_then([this, add] {
    if (!add->waiting) return;
    add->waiting = false;
    add->timer.reset();
    const Applied& applied = calculation_.applied();
    const auto closed = applied.closed.find(add->endpoint.interface);
    if (closed != applied.closed.end() || !applied.policy_synced) {
      return add_failed(add,
                        {Code::kInternal, "the pod's policy cannot be programmed",
                         closed != applied.closed.end() ? closed->second : applied.policy_error});
    }
    add_link(add);
  });
}

void CniService::add_link(const AddPtr& add) {
  calculation_.link_begins();
  loop_.work(
      [&leases = leases_, spec = link_spec(add->endpoint)]() -> Result<link::PodLink> {
        CARACAL_TRY(leases.sync());
        return link::create_pod_link(spec);
      },
      [this, add](const Result<link::PodLink>& made) {
        if (made) {
          add_done(add, *made);
        } else {
          add_failed(add, cni::to_error(made.error(),
                                        fmt::format("no link for {}", add->endpoint.to_string())));
        }
        calculation_.link_ends();
      });
}

void CniService::add_done(const AddPtr& add, const link::PodLink& link) {
  const Endpoint& endpoint = add->endpoint;
  Status committed;
  // A former sandbox of the pod has lost the interface; its lease must not claim it after a
  // restart.
  if (const auto old = endpoints_.find(endpoint.interface);
      old != endpoints_.end() && old->second.attachment != endpoint.attachment) {
    Endpoint former = old->second;
    former.interface.clear();
    committed = leases_.commit(former.attachment, to_attributes(former));
    if (committed) endpoints_.erase(old);
  }
  if (committed) committed = leases_.commit(endpoint.attachment, to_attributes(endpoint));
  if (!committed) {
    cni::Error error = cni::to_error(committed.error(), "the pod's network cannot be recorded");
    error.code = Code::kIoFailure;
    return add_failed(add, std::move(error));
  }
  endpoints_[endpoint.interface] = endpoint;
  vanished_.erase(endpoint.interface);
  calculation_.set_endpoint(local_endpoint(endpoint), true);
  cni::AddResult result = make_result(endpoint, link);
  if (add->request.config.prev_result)
    result = cni::chain(*add->request.config.prev_result, result);
  if (result.dns.empty()) result.dns = add->request.config.dns;
  add->answer(json::value(cni::render(result, add->request.config.version)));
  add->finished();
}

// Undoes whatever was done so far, then answers.
void CniService::add_failed(const AddPtr& add, cni::Error error) {
  const std::string& interface = add->endpoint.interface;
  const auto owner = endpoints_.find(interface);
  if (owner != endpoints_.end() && owner->second.attachment == add->endpoint.attachment) {
    endpoints_.erase(owner);
  }
  const auto finish = [this, add, error](const Status& removed) {
    if (!removed) {
      // The lease stays pending: its address is not given out while the link may be there.
      log::error("a failed ADD could not be undone",
                 {{"endpoint", add->endpoint.to_string()}, {"error", removed.error().message}});
    } else if (!add->endpoint.addresses.empty()) {
      release_until_done(add->endpoint, event::Backoff({.first = event::Duration(500)}));
    }
    add->answer(tl::unexpected<cni::Error>(error));
    add->finished();
  };
  // Another sandbox of the same pod holds the interface: it keeps it, with its own addresses.
  if (endpoints_.contains(interface) && !vanished_.contains(interface)) {
    if (add->registered) calculation_.set_endpoint(local_endpoint(endpoints_.at(interface)), true);
    return calculation_.flush_then([finish] { finish({}); });
  }
  if (!add->registered) return finish({});
  calculation_.remove_endpoint(interface);
  calculation_.flush_then([this, interface, finish] {
    loop_.work([interface] { return link::delete_pod_link(interface); }, finish);
  });
}

}  // namespace caracal::agent
