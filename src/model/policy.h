// Policy: the one internal form of every policy API. Kubernetes NetworkPolicy is converted to it by
// kube/decode_network_policy; Calico's policies and ClusterNetworkPolicy will be, each in its own
// file.
//
// Evaluation of one endpoint and direction (calico.md 4.1): tiers by order; in a tier the policies
// that select the endpoint and name the direction, by order then name; their rules in order, the
// first match decides (Allow, Deny) or leaves the tier (Pass); at the end of a tier in which a
// policy applied, the tier's default action. When no tier decided: allowed.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/object.h"
#include "net/cidr.h"
#include "net/protocol.h"
#include "selector/selector.h"

namespace caracal::model {

enum class PolicyKind : uint8_t { kNetworkPolicy };  // grows with the APIs
enum class Action : uint8_t { kAllow, kDeny, kPass };
enum class Direction : uint8_t { kIngress, kEgress };

struct PolicyId {
  PolicyKind kind = PolicyKind::kNetworkPolicy;
  ObjectName name;
  std::string to_string() const;  // "NetworkPolicy dev/allow-web"
  auto operator<=>(const PolicyId&) const = default;
};

// A set of endpoints: those whose own labels and whose namespace's labels both match.
// `in_namespace` limits it to one namespace (a NetworkPolicy's own, when it has no
// namespaceSelector).
struct EndpointPeer {
  selector::Selector pods;
  selector::Selector namespaces;
  std::optional<std::string> in_namespace;
  bool operator==(const EndpointPeer&) const = default;
};

// A set of addresses: those in `net` and in none of `except`. Pods' addresses count too.
struct CidrPeer {
  net::Cidr net;
  std::vector<net::Cidr> except;
  bool operator==(const CidrPeer&) const = default;
};

using Peer = std::variant<EndpointPeer, CidrPeer>;

// One line of a rule's ports: all of a protocol, a range, or a name that each destination endpoint
// resolves by its own containerPorts.
struct PortMatch {
  net::Protocol protocol = net::kTcp;
  std::variant<net::PortRange, std::string> port;  // PortRange{} = every port of the protocol
  bool operator==(const PortMatch&) const = default;
};

// peers unset = everything; peers empty = nothing. ports unset = every protocol and port; empty =
// nothing. For ingress the peers are sources, for egress destinations; ports are always the
// destination's.
struct Rule {
  Action action = Action::kAllow;
  std::optional<std::vector<Peer>> peers;
  std::optional<std::vector<PortMatch>> ports;
  bool operator==(const Rule&) const = default;
};

struct Policy {
  PolicyId id;
  std::string tier = "default";
  double order = 1000;  // Kubernetes NetworkPolicy: 1000 in tier default (calico.md 4.7)
  // Endpoints the policy applies to.
  EndpointPeer selects;
  bool applies_ingress = false;
  bool applies_egress = false;
  std::vector<Rule> ingress;
  std::vector<Rule> egress;
  bool operator==(const Policy&) const = default;
};

struct Tier {
  std::string name;
  double order = 0;
  Action default_action = Action::kDeny;
  bool operator==(const Tier&) const = default;
};

// The tier of Kubernetes NetworkPolicy; always there.
inline const Tier kDefaultTier{"default", 1'000'000, Action::kDeny};

}  // namespace caracal::model
