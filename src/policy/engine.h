// Engine: the policy calculation of one node: the present world in, the verdict tables out.
//
// Fed with model::Updates by the agent's calculation loop; the PolicyDelta of each flush() goes to
// the dataplane. Pure: no clock, no I/O, no thread of its own; call it from one thread. What the
// tables hold is a function of the present world alone: the order and number of updates leave no
// trace, except in the numbers given to identities, groups, rows and port classes. Numbers of what
// is gone are used again, in the same delta at the earliest: a delta is one transaction.
//
//   Update --> PolicyTable, EndpointIndex, NamespaceTable, NetworkSetTable, ServiceTable,
//              LocalEndpoints, HostEndpoints                                  (apply: what exists)
//   flush: LocalEndpoints, HostEndpoints (which policies apply) --> PolicyCompiler
//          --> PredicateRegistry, CidrRegistry (who satisfies what) --> IdentityTable
//          --> GroupTable, RowTable (who may do what) --> delta
//
// A change costs what it changes; see the headers of the parts. An endpoint whose pod is not known
// is closed; an invalid policy isolates what it selects and allows nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "desired/policy_tables.h"
#include "model/update.h"
#include "policy/endpoint_status.h"

namespace caracal::policy {

struct EngineOptions {
  // The name of this node: whose host endpoints are targets of policy here.
  std::string node;
};

class Engine {
 public:
  explicit Engine(EngineOptions options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Takes note of a change. The tables stay as they are until flush().
  void apply(const model::Update& update);
  // Computes what the changes since the last flush do to the tables. The first delta is against
  // empty tables.
  desired::PolicyDelta flush();
  // The tables as of the last flush; before the first they are not meaningful.
  const desired::PolicyTables& tables() const;
  // By interface, as of the last flush.
  std::map<std::string, EndpointStatus> statuses() const;
  // Of the host endpoints of this node, by name, as of the last flush.
  std::map<std::string, HostEndpointStatus> host_statuses() const;

  // Sizes of the state, for metrics.
  struct Counts {
    size_t pods = 0;
    size_t local_endpoints = 0;
    size_t identities = 0;
    size_t groups = 0;
    size_t texts = 0;
  };
  Counts counts() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace caracal::policy
