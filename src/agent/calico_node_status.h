// CalicoNodeStatus: answers the objects of that kind which ask for this node's state: BIRD, BGP
// sessions, routes.
//
// On the calculation loop. Follows the collection in whichever of Calico's two API groups is served
// (an object that is in both counts as that of projectcalico.org). Each object of this node gets
// its status when it comes and when its spec changes, and then every updatePeriodSeconds; an answer
// that fails is tried again with backoff. Routes are read on a worker.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/node_routes.h"
#include "agent/patch_writer.h"
#include "base/result.h"
#include "bgp/bird_reply.h"
#include "kube/reflector.h"

namespace caracal::agent {

class BgpService;
struct Options;

// spec of a CalicoNodeStatus (projectcalico.org/v3, crd.projectcalico.org/v1).
struct NodeStatusSpec {
  bool agent = false;
  bool bgp = false;
  bool routes = false;
  uint32_t period_seconds = 0;  // 0: one answer
  bool operator==(const NodeStatusSpec&) const = default;
};
// nullopt: another node is asked. Errors: kInvalid with field, value and what is valid. Left out,
// updatePeriodSeconds is 10.
Result<std::optional<NodeStatusSpec>> read_node_status_spec(const json::value& object,
                                                            std::string_view node);

// The parts of the status as a merge patch, from what BgpService::status() tells; one BIRD serves
// both families.
json::object agent_status(const json::value& bgp);
json::object bgp_status(const json::value& bgp);

class CalicoNodeStatus {
 public:
  struct Sources {
    // As BgpService::status(): `done` on the loop.
    std::function<void(std::function<void(json::object)> done)> bgp;
    // On a worker.
    std::function<Result<std::vector<KernelNodeRoute>>()> kernel_routes;
    // BIRD's answer to `show route`; asked only while it runs. `done` on the loop.
    std::function<void(std::function<void(Result<bgp::Reply>)> done)> bird_routes;
  };
  struct Settings {
    std::string node;
    event::Duration second{1'000};  // of updatePeriodSeconds
    // Of an answer that was not taken, and of looking for the collection while it is not served.
    event::BackoffOptions backoff{.first = event::Duration(1'000),
                                  .longest = event::Duration(60'000)};
  };

  CalicoNodeStatus(kube::Client& client, Settings settings, Sources sources);
  ~CalicoNodeStatus();
  void start();

  // Objects that are answered.
  size_t answered() const { return asked_.size(); }

 private:
  static constexpr size_t kGroups = 2;
  struct Asked;  // one object, while its spec stays
  struct Object {
    std::array<std::optional<NodeStatusSpec>, kGroups> specs;
    std::array<std::string, kGroups> problems;  // told in the log
  };
  using Whose = std::weak_ptr<Asked>;  // an answer under way for a spec that has gone is forgotten

  void take(size_t group, const std::string& name, const json::value* object);
  void reconsider(const std::string& name);
  void answer(const Whose& whose);
  void take_bgp(const Whose& whose, json::object bgp);
  void take_kernel_routes(const Whose& whose, Result<std::vector<KernelNodeRoute>> routes);
  void write(const Whose& whose, const std::vector<BirdNodeRoute>& bird);
  void written(const Whose& whose);

  kube::Client& client_;
  Settings settings_;
  Sources sources_;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::shared_ptr<Asked>> asked_;
  std::array<std::unique_ptr<kube::Reflector>, kGroups> reflectors_;
};

// The sources of an agent that runs.
CalicoNodeStatus::Sources node_status_sources(event::Loop& loop, BgpService& bgp,
                                              const Options& options);

}  // namespace caracal::agent
