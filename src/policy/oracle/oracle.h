// The oracle: what the policy APIs say about one flow, read literally from the World, with no
// index, no cache and no compiled form.
//
// It is the truth that the engine's tables and the kernel are compared with, and the source of
// `caracal policy explain`. Slow on purpose: every call reads every policy. Pure.
//
// Reading of the model, where its text leaves room:
//  * A pod is every networked pod that holds the address: by its status, or by its workload
//    interface on this node (which knows the address before the API does).
//  * A peer is a set of addresses: it holds an address when one endpoint, network set or slice
//    there matches. Where several do, each list of an EndMatch may hold by another of them, and a
//    peer of none_of excludes by any.
//  * A name of a port is resolved by an endpoint that the rule names: for which the first list of
//    that end with endpoints in it holds; on a pod's own end by the pod itself. In a list of ports
//    that must not match: by every endpoint at the address.
//  * Pods of the host network and finished pods are no pods here: their addresses are plain
//    addresses, and policy never selects them.
//  * A pod in a namespace whose Namespace object is not known has no namespace labels: only a
//    namespace selector that matches everything matches it. What no tier decides is denied then,
//    because the profile that would allow it is not there.
//  * projectcalico.org/namespace, /orchestrator and /serviceaccount are what they are, whatever
//    labels of these names a pod gives itself; what it inherits yields to its own labels.
//  * A node reaches its own pods whatever the policies say, and a pod reaches itself.
//  * Ports are matched for TCP, UDP and SCTP, message types for ICMP and ICMPv6; another protocol
//    matches rules without ports, or a port entry of that protocol with every port.
//  * Policies of Hook::kForward hold for pods as those of kNormal; kPreDnat and kUntracked ones
//    never do.
//  * Forwarded traffic that every tier of a host endpoint passes on is allowed: profiles speak of
//    the host's own traffic.
#pragma once

#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::policy::oracle {

// Both ends of a flow. An end on a host is judged by the host endpoint that has its address, else
// by the "*" one of the node that has it, in the hooks for the host's own traffic.
Verdict evaluate(const model::World& world, const Flow& flow);
Explanation explain(const model::World& world, const Flow& flow);

// One side alone: what the policies that apply to `endpoint` in `direction` say of the flow; the
// endpoint's own address is the flow's destination for ingress, its source for egress. Of the
// shortcuts (own node, same pod) none is taken: these are properties of the packet's path. An
// endpoint that is not a networked pod is closed.
DirectionExplanation explain_direction(const model::World& world, model::Direction direction,
                                       const model::ObjectName& endpoint, const Flow& flow);
// The same where only the far end matters; the own address is the pod's first of the family.
DirectionExplanation explain_direction(const model::World& world, model::Direction direction,
                                       const model::ObjectName& endpoint, const net::IpAddr& peer,
                                       net::Protocol protocol, std::optional<uint16_t> port);

// Does the hook let the packet through whatever policies say (PolicySettings::inbound, outbound)?
// Before connection tracking the answers of such connections, known by their source port, count
// too; forwarded packets never do (calico.md 4.8).
bool is_failsafe(const model::World& world, HostHook hook, const Flow& flow);

// What the host endpoint on an interface of `node` says in one hook (host_endpoint.h). Without one
// there: undecided, kNoHostEndpoint. In the hooks before connection tracking and NAT a failsafe
// port is allowed when there is anything to decide.
DirectionExplanation explain_host(const model::World& world, const std::string& node, HostHook hook,
                                  const std::string& interface, const Flow& flow);

}  // namespace caracal::policy::oracle
