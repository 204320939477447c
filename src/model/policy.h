// Policy: the one internal form of every policy API. Kubernetes NetworkPolicy is converted to it by
// kube/decode_network_policy, ClusterNetworkPolicy and its forerunners by
// kube/decode_cluster_policy, Calico's policies by calico/decode_policy.
//
// Evaluation of one endpoint and direction (calico.md 4.1): tiers by order; in a tier the policies
// that select the endpoint and name the direction, by order then name; their rules in order: the
// first match decides (Allow, Deny), leaves the tier (Pass) or is written down and goes on (Log);
// at the end of a tier in which an enforced policy applied, the tier's default action (Deny, when
// one of them has `closes_tier`). When no tier decided: allowed, if the pod's namespace is known
// (its profile allows), else denied. Host endpoints: see host_endpoint.h.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/object.h"
#include "net/cidr.h"
#include "net/protocol.h"
#include "selector/selector.h"

namespace caracal::model {

enum class PolicyKind : uint8_t {
  kNetworkPolicy,               // networking.k8s.io/v1
  kCalicoNetworkPolicy,         // projectcalico.org NetworkPolicy
  kGlobalNetworkPolicy,         // projectcalico.org
  kClusterNetworkPolicy,        // policy.networking.k8s.io/v1alpha2
  kAdminNetworkPolicy,          // policy.networking.k8s.io/v1alpha1
  kBaselineAdminNetworkPolicy,  // policy.networking.k8s.io/v1alpha1
  kStagedNetworkPolicy,         // projectcalico.org, as the next two
  kStagedGlobalNetworkPolicy,
  kStagedKubernetesNetworkPolicy,
};
// Log matches, is written down, and evaluation goes on with the next rule.
enum class Action : uint8_t { kAllow, kDeny, kPass, kLog };
enum class Direction : uint8_t { kIngress, kEgress };

struct PolicyId {
  PolicyKind kind = PolicyKind::kNetworkPolicy;
  ObjectName name;
  std::string to_string() const;  // "NetworkPolicy dev/allow-web"
  auto operator<=>(const PolicyId&) const = default;
};
std::string_view to_string(PolicyKind kind);  // "NetworkPolicy", "Calico NetworkPolicy", ...
bool is_staged(PolicyKind kind);

// A set of endpoints: those whose own labels and whose namespace's labels both match.
// `in_namespace` limits it to one namespace (a NetworkPolicy's own, when it has no
// namespaceSelector).
//
// With `inherited` (Calico's APIs) the selector `pods` sees more than an endpoint's own labels, and
// holds more than pods:
//  * labels: own ones first, then projectcalico.org/namespace (the namespace's name),
//    projectcalico.org/orchestrator ("k8s"; pods only), projectcalico.org/serviceaccount (pods;
//    names of 63 and more characters have none), pcns.KEY and pcns.projectcalico.org/name of the
//    namespace, pcsa.KEY and pcsa.projectcalico.org/name of the service account
//    (calico.md 2.7, 2.8, 3.4). What belongs to a namespace is there only while the Namespace
//    object is known; same for service accounts;
//  * pods, host endpoints (their expectedIPs), network sets (their nets). As the target of a policy
//    (`Policy::selects`) network sets never count. NetworkSets have the labels of their namespace,
//    GlobalNetworkSets and host endpoints have none.
// Without it: pods with a network of their own, nothing else.
struct EndpointPeer {
  selector::Selector pods;
  selector::Selector namespaces;
  std::optional<std::string> in_namespace;
  bool inherited = false;
  bool operator==(const EndpointPeer&) const = default;
};

// A set of addresses: those in `net` and in none of `except`. Pods' addresses count too.
struct CidrPeer {
  net::Cidr net;
  std::vector<net::Cidr> except;
  bool operator==(const CidrPeer&) const = default;
};

// The endpoints of a Service, by its EndpointSlices (ready addresses). As the destination of an
// egress rule: address, protocol and port of an endpoint together; as the source of an ingress
// rule: the address alone (calico.md 4.5). Never the Service's own address.
struct ServicePeer {
  ObjectName service;
  bool operator==(const ServicePeer&) const = default;
};

using Peer = std::variant<EndpointPeer, CidrPeer, ServicePeer>;

// One end of a connection. Each list of `all_of` must hold it (in any of its peers: an empty list
// holds nothing), no peer of `none_of` may. Nothing given: every address.
struct EndMatch {
  std::vector<std::vector<Peer>> all_of;
  std::vector<Peer> none_of;
  bool any() const { return all_of.empty() && none_of.empty(); }
  bool operator==(const EndMatch&) const = default;
};

struct IcmpMatch {
  uint8_t type = 0;
  std::optional<uint8_t> code;  // unset: every code
  bool operator==(const IcmpMatch&) const = default;
};

// One entry of a rule's ports: all of a protocol, a range, a name that each endpoint of that end
// resolves by its own ports, or a message type of ICMP or ICMPv6.
struct PortMatch {
  net::Protocol protocol = net::kTcp;
  std::variant<net::PortRange, std::string, IcmpMatch> port;  // PortRange{} = the whole protocol
  bool operator==(const PortMatch&) const = default;
};

// A rule matches when everything given matches. `peer` is the far end: the source of ingress, the
// destination of egress; `self` is the endpoint the policy applies to. `ports` are the
// destination's: unset = every protocol and port; empty = nothing; none of `not_ports` may match.
// `source_ports` likewise with the source's.
struct Rule {
  Action action = Action::kAllow;
  EndMatch peer;
  EndMatch self;
  std::optional<std::vector<PortMatch>> ports;
  std::vector<PortMatch> not_ports;
  std::optional<std::vector<PortMatch>> source_ports;
  std::vector<PortMatch> not_source_ports;
  std::optional<net::Family> family;
  std::string name;  // where the API has names of rules; for people only
  bool operator==(const Rule&) const = default;
};

// Where a policy holds for host endpoints (host_endpoint.h); pods know kNormal only.
enum class Hook : uint8_t {
  kNormal,     // to and from the host's own processes, and pods
  kForward,    // normal, and also what the host forwards (applyOnForward)
  kPreDnat,    // before destination NAT; ingress only
  kUntracked,  // before connection tracking; an allowed packet is not tracked
};

// What a staged policy is meant to do once enforced.
enum class StagedAction : uint8_t { kSet, kDelete, kLearn, kIgnore };

struct Policy {
  PolicyId id;
  std::string tier = "default";
  double order =
      1000;  // Kubernetes NetworkPolicy: 1000 in tier default (calico.md 4.7); infinity: last
  // Endpoints the policy applies to.
  EndpointPeer selects;
  bool applies_ingress = false;
  bool applies_egress = false;
  Hook hook = Hook::kNormal;
  // Set for the staged kinds, which have no effect on any packet.
  std::optional<StagedAction> staged;
  std::vector<Rule> ingress;
  std::vector<Rule> egress;
  // Where it applies, the end of its tier denies whatever the tier's default action is: of an
  // invalid policy nobody knows what it meant to deny (world.h, enforced_form).
  bool closes_tier = false;
  // What of the object is not enforced as written, and what happens instead; for status and
  // explain.
  std::vector<std::string> warnings;
  bool operator==(const Policy&) const = default;
};

struct Tier {
  std::string name;
  double order = 0;                       // infinity: last
  Action default_action = Action::kDeny;  // kDeny or kPass
  bool operator==(const Tier&) const = default;
};

// The tier of Kubernetes NetworkPolicy; always there.
inline const Tier kDefaultTier{"default", 1'000'000, Action::kDeny};
// Of the tier Admin and Baseline of ClusterNetworkPolicy; always there too (calico.md 2.4, 4.9).
inline const Tier kAdminTier{"kube-admin", 1'000, Action::kPass};
inline const Tier kBaselineTier{"kube-baseline", 10'000'000, Action::kPass};

}  // namespace caracal::model
