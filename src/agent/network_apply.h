// NetworkApply: the dataplane loop's half of the pod network: what the calculation asks for, given
// to the drivers of tunnels and address rules in the order that loses no packet.
//
//   begin(): new devices, peers, rules  ->  routes (by the caller)  ->  end(): what is not needed
//
// Used by Dataplane, on its loop. Keeps the network as it should be, so that a failure or a change
// by somebody else is answered by comparing everything anew.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/netrules/net_rules_driver.h"
#include "dataplane/tunnel/tunnel_driver.h"
#include "desired/network.h"
#include "jsonio/json.h"

namespace caracal::agent {

class NetworkApply {
 public:
  NetworkApply(dataplane::tunnel::TunnelDriver tunnels, dataplane::netrules::NetRulesDriver rules)
      : tunnels_(std::move(tunnels)), rules_(std::move(rules)) {}

  // From now on the kernel is to hold this; compared with what it holds.
  void begin(desired::PodNetwork network);
  // `parts` holds what the delta names, as it is to be. Before a first network: nothing.
  void begin(const desired::PodNetworkDelta& delta, const desired::PodNetwork& parts);
  // Compares everything with the kernel again.
  void begin_again();
  void end();

  // Something is not as it should be: begin_again() after a while.
  bool pending() const { return synced_ && !problems_.empty(); }
  bool synced() const { return synced_; }
  const std::vector<std::string>& problems() const { return problems_; }
  // {device, kind, address, peers, state, problem} of each tunnel.
  json::array tunnels() const;

  dataplane::tunnel::TunnelDriver& tunnel_driver() { return tunnels_; }
  // Did somebody else change our table, or WireGuard's peers? Asks the kernel.
  bool changed_quietly();

 private:
  void note(const Result<dataplane::tunnel::TunnelReport>& report);
  void note_rules(const Result<dataplane::netrules::NetRulesReport>& done);
  void collect();

  dataplane::tunnel::TunnelDriver tunnels_;
  dataplane::netrules::NetRulesDriver rules_;
  desired::PodNetwork wanted_;
  bool synced_ = false;
  std::vector<dataplane::tunnel::TunnelProblem> tunnel_problems_;
  std::string tunnel_error_;
  std::string rules_error_;
  std::vector<std::string> problems_;
};

}  // namespace caracal::agent
