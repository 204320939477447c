// The oracle: what networking.k8s.io/v1 NetworkPolicy says about one flow, read literally from the
// World, with no index, no cache and no compiled form.
//
// It is the truth that the engine's tables and the kernel are compared with, and the source of
// `caracal policy explain`. Slow on purpose: every call reads every policy. Pure.
//
// Reading of the API, where its text leaves room:
//  * A pod is every networked pod that holds the address: by its status, or by its workload
//  interface
//    on this node (which knows the address before the API does). Where several do, a rule matches
//    the address when it matches one of them, its peers and its named ports together.
//  * Pods of the host network and finished pods are no pods here: their addresses are plain
//  addresses,
//    and policy never selects them.
//  * A pod in a namespace whose Namespace object is not known has no namespace labels: only a
//    namespace selector that matches everything matches it.
//  * A node reaches its own pods whatever the policies say, and a pod reaches itself.
//  * Ports are matched for TCP, UDP and SCTP; another protocol matches rules without ports, or a
//    port entry of that protocol with every port.
#pragma once

#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::policy::oracle {

Verdict evaluate(const model::World& world, const Flow& flow);
Explanation explain(const model::World& world, const Flow& flow);

// One side alone: what the policies that apply to `endpoint` in `direction` say of the peer
// address. Of the shortcuts (own node, same pod) none is taken: these are properties of the
// packet's path. An endpoint that is not a networked pod is closed.
DirectionExplanation explain_direction(const model::World& world, model::Direction direction,
                                       const model::ObjectName& endpoint, const net::IpAddr& peer,
                                       net::Protocol protocol, std::optional<uint16_t> port);

}  // namespace caracal::policy::oracle
