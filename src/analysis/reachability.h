// Reachability: the policies of a whole cluster, resolved: for every pod and direction the set of
// ports that is open towards every other pod and every address.
//
// Made from a model::World in one go (what is slow happens there, on several threads if allowed);
// then questions are look-ups. It equals policy/oracle, which reads the same World rule by rule: a
// test compares them on random worlds. Read by analysis/connectivity, the CLI and benchmarks. The
// World must outlive it and not change. Once made, read-only: any thread may ask.
//
// Not part of the picture: host endpoints as targets of policy, and pods of the host network, which
// are plain addresses; names of ports are not looked up on host endpoints, and of several pods with
// one address each is judged by itself where a rule looks at the policy's own end. That a node
// always reaches its own pods and a pod itself is known to evaluate() alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "analysis/address_space.h"
#include "analysis/verdict_rows.h"
#include "model/world.h"
#include "policy/oracle/explanation.h"
#include "policy/port_set.h"

namespace caracal::analysis {

// A pod's number: its place in the order of world.pods.
using PodNumber = uint32_t;

class Reachability {
 public:
  explicit Reachability(const model::World& world, unsigned threads = 1);
  ~Reachability();
  Reachability(Reachability&&) noexcept;

  const model::World& world() const;
  // By number.
  const model::Pod& pod(PodNumber pod) const;
  size_t pod_count() const;
  std::optional<PodNumber> find(const model::ObjectName& name) const;
  // Has the pod a network of its own, with an address (or at least a label to be known by)?
  bool networked(PodNumber pod, net::Family family) const;

  // What policies on one side let through between `pod` and a peer.
  const policy::PortSet& allowed(model::Direction direction, PodNumber pod, net::Family family,
                                 Place peer) const;
  // The place of a pod, or of an address, as a peer. REQUIRES: networked(pod, family).
  Place peer_place(PodNumber pod, net::Family family) const;
  Place peer_place(const net::IpAddr& address) const;
  // Pods in the same class of one family have all connections in common.
  uint64_t pod_class(PodNumber pod, net::Family family) const;

  // Both sides together. Nothing where a pod has no address of the family.
  policy::PortSet connections(PodNumber from, PodNumber to, net::Family family) const;
  policy::PortSet connections_from(const net::IpAddr& from, PodNumber to) const;
  policy::PortSet connections_to(PodNumber from, const net::IpAddr& to) const;
  // One flow, as the oracle would say. REQUIRES: the flow has a port if its protocol has ports; of
  // ICMP, a flow without type or code stands for a message that no rule names.
  policy::oracle::Verdict evaluate(const policy::oracle::Flow& flow) const;

  // The addresses, cut where policies cut them.
  const AddressSpace& addresses() const;

  // The parts, for calculations over everything at once (all_pairs.h).
  struct Group {
    std::vector<uint32_t> policies;  // of policies(), in the order of evaluation
    bool namespace_known = true;
    Row row;
  };
  const std::vector<Group>& groups(model::Direction direction) const;
  // The group of a pod's own place.
  uint32_t group_of(model::Direction direction, Place self) const;
  Place self_place(PodNumber pod, net::Family family) const;
  // All enforced policies, invalid ones in their enforced form, in the order of evaluation.
  const std::vector<const model::Policy*>& policies() const;
  const PortSetPool& port_sets() const;
  const PeerLine& line() const;

 private:
  std::optional<PodNumber> pod_at(const net::IpAddr& address,
                                  const std::optional<model::ObjectName>& name) const;
  bool is_own_node(const model::Pod& pod, const net::IpAddr& address) const;

  class State;
  std::unique_ptr<State> state_;
};

}  // namespace caracal::analysis
