// ServedCollections: which of the collections that policy may depend on the API server serves now.
//
// On the client's loop; read by ClusterWatch. Asks for discovery again and again: a CRD may be
// installed, or go, at any time. A watch of the definitions tells when, so that it is known within
// a second; where that is not allowed or breaks down, the period is what remains. A group whose
// answer fails (an aggregated API server that is down) counts as it did before: not served, at the
// start, so that nobody waits for a server that may itself run in pods.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "calico/decode.h"
#include "event/loop.h"
#include "kube/client.h"

namespace caracal::agent {

class ServedCollections {
 public:
  using Served = std::set<const calico::Collection*>;
  // Of those that not every server has. Runs after the first complete answer, then on changes.
  using OnChange = std::function<void(const Served&)>;

  ServedCollections(kube::Client& client, event::Duration period, OnChange on_change);
  void start() {
    ask();
    find_definitions();
  }
  // Something looks different: asks again soon.
  void hurry();
  bool known() const { return known_; }

 private:
  void ask();
  void ask_in(event::Duration delay);
  void take_groups(const std::string& body);
  void ask_version(const std::string& group_version);
  void take_version(const std::string& group_version, const Result<kube::Response>& response);
  void finish();
  void find_definitions();
  void watch_definitions(const std::string& resource_version);
  void follow_definitions_in(event::Duration delay);
  void definition_changed();

  kube::Client& client_;
  event::Duration period_;
  OnChange on_change_;
  std::map<std::string, Served> by_version_;  // "projectcalico.org/v3"
  Served told_;
  bool known_ = false;
  bool asking_ = false;
  event::Handle timer_;
  std::map<std::string, kube::Call> calls_;  // by group and version; "": the groups
  bool changed_meanwhile_ = false;           // a definition, while discovery was asked
  kube::Call definitions_;
  event::Handle definitions_timer_;
  event::Handle changed_timer_;
};

}  // namespace caracal::agent
