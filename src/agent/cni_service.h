// CniService: answers the CNI plugin: ADD, DEL, CHECK, STATUS, GC.
//
// On the calculation loop; what blocks (links, fsync) runs on its workers. Operations on one
// interface go one after the other, on different interfaces side by side. The steps of an ADD:
//
//   pod known -> lease reserved (durable) -> policy computed -> policy in the kernel (acknowledged)
//   -> link made -> lease committed -> result
//
// so a pod never has a link without policy. A failure at any step undoes those before it; a crash
// leaves a pending lease, which recover() undoes at the next start.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/address_source.h"
#include "agent/address_wishes.h"
#include "agent/calculation.h"
#include "agent/dataplane.h"
#include "agent/endpoint.h"
#include "agent/options.h"
#include "cni/error.h"
#include "cni/request.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "ipam/lease_book.h"
#include "kube/client.h"
#include "telemetry/metrics.h"

namespace caracal::dataplane::link {
struct PodLink;
}

namespace caracal::agent {

class LinkMonitor;

struct CniLimits {
  event::Duration pod_known{5'000};    // until the API server tells of the pod
  event::Duration ask_api{300};        // then it is asked directly
  event::Duration programmed{10'000};  // until the kernel has the policy
};

class CniService {
 public:
  using Answer = std::function<void(cni::Outcome<json::value>)>;

  CniService(event::Loop& loop, const Options& options, ipam::LeaseBook& leases,
             AddressSource& addresses, const AddressWishes& wishes, Calculation& calculation,
             Dataplane& dataplane, kube::Client& api, telemetry::Metrics& metrics,
             CniLimits limits = {});

  // Before anything else: takes up the endpoints of a former agent whose links are alive, and
  // undoes what it had not finished (addresses of a pool go back as soon as the API server can be
  // asked). Blocking.
  Status recover();

  void handle(const cni::Request& request, Answer answer);

  // The pods' links are watched from now on: one that goes without DEL is told, and its endpoint is
  // taken out of the tables, so that whatever gets its name next is closed.
  void watch_links(LinkMonitor& links);
  // To be called when links came or went.
  void look_at_links();

  // Interfaces that work, and those whose link has vanished (their lease waits for DEL or GC).
  const std::map<std::string, Endpoint>& endpoints() const { return endpoints_; }
  const std::set<std::string>& vanished() const { return vanished_; }
  // Why ADD cannot be served now; empty: it can.
  std::string not_ready_reason() const;

 private:
  struct Add;
  using AddPtr = std::shared_ptr<Add>;

  void add(const cni::Request& request, Answer answer);
  void add_await_pod(const AddPtr& add);
  void add_ask_api(const AddPtr& add);
  void add_addresses(const AddPtr& add);
  void add_policy(const AddPtr& add);
  void add_link(const AddPtr& add);
  void add_done(const AddPtr& add, const dataplane::link::PodLink& link);
  void add_failed(const AddPtr& add, cni::Error error);

  void del(const ipam::AttachmentId& id, const std::string& network, Answer answer);
  void del_now(const ipam::AttachmentId& id, Answer answer);
  void check(const cni::Request& request, Answer answer);
  void gc(const cni::Request& request, Answer answer);
  void release_until_done(const Endpoint& endpoint, event::Backoff backoff);
  cni::Outcome<json::value> status() const;

  // Runs operations of one interface in turn. `run` gets a function to call when it is over.
  void in_turn(const std::string& interface, std::function<void(std::function<void()>)> run);
  void next_turn(const std::string& interface);
  Answer measured(const cni::Request& request, Answer answer);

  event::Loop& loop_;
  const Options& options_;
  ipam::LeaseBook& leases_;
  AddressSource& addresses_;
  const AddressWishes& wishes_;
  Calculation& calculation_;
  Dataplane& dataplane_;
  kube::Client& api_;
  telemetry::Metrics& metrics_;
  CniLimits limits_;

  std::map<std::string, Endpoint> endpoints_;  // by interface; the owner of the link
  std::set<std::string> vanished_;
  std::map<ipam::AttachmentId, event::Handle> release_timers_;
  LinkMonitor* links_ = nullptr;
  telemetry::Counter& links_vanished_;
  std::map<std::string, std::deque<std::function<void(std::function<void()>)>>> turns_;
};

}  // namespace caracal::agent
