// Explanation: why a connection is allowed or denied, as data: a tree from the verdict down to the
// label, address or port that decided each rule.
//
// Made by policy/oracle/oracle.h; read by `caracal policy explain`, the lab and tests. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jsonio/json.h"
#include "model/object.h"
#include "model/policy.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::policy::oracle {

// kUndecided only of a hook of a host endpoint: no rule decided there, the packet goes on.
enum class Verdict : uint8_t { kAllowed, kDenied, kUndecided };

// The first packet of a connection. `port` is the destination port; a flow without port, source
// port or ICMP type matches only what does not look at it. Pod names are needed only where several
// pods hold one address.
struct Flow {
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol = net::kTcp;
  std::optional<uint16_t> port = std::nullopt;
  std::optional<model::ObjectName> source_pod = std::nullopt;
  std::optional<model::ObjectName> destination_pod = std::nullopt;
  std::optional<uint16_t> source_port = std::nullopt;
  std::optional<uint8_t> icmp_type = std::nullopt;
  std::optional<uint8_t> icmp_code = std::nullopt;
};

// Where a packet meets a host endpoint, in this order. Ingress hooks look at the interface a packet
// came in by, egress hooks at the one it leaves by.
enum class HostHook : uint8_t {
  kUntrackedIngress,
  kPreDnat,
  kIngress,
  kForwardIngress,
  kForwardEgress,
  kEgress,
  kUntrackedEgress,
};
constexpr model::Direction direction_of(HostHook hook) {
  return hook == HostHook::kForwardEgress || hook == HostHook::kEgress ||
                 hook == HostHook::kUntrackedEgress
             ? model::Direction::kEgress
             : model::Direction::kIngress;
}

// Does one peer of a rule hold the address of one end of the flow?
struct PeerCheck {
  enum class Reason : uint8_t {
    kMatches,
    kNoPod,             // the peer selects endpoints, the address belongs to none
    kOtherNamespace,    // the peer is limited to another namespace
    kPodLabels,         // `labels` are the endpoint's, with inherited ones where the peer sees them
    kNamespaceUnknown,  // the endpoint's Namespace object is not known, or it is in none
    kNamespaceLabels,   // `labels` are the namespace's
    kOutside,           // the address is not in the CIDR
    kExcepted,          // the address is in `except`
    kNotOfService,      // no slice of the service has the address
    kOtherServicePort,  // a slice has the address, with other ports
  };
  Reason reason = Reason::kMatches;
  model::Peer peer;
  std::string endpoint;  // what was compared: "pod dev/web", "network set x"; empty: the address
  std::optional<net::IpAddr> address;
  model::Labels labels;
  std::optional<net::Cidr> except;

  bool matches() const { return reason == Reason::kMatches; }
};

// Beside model::EndMatch: one list for each of all_of, and none_of.
struct EndCheck {
  std::vector<std::vector<PeerCheck>> all_of;
  std::vector<PeerCheck> none_of;

  bool all_hold() const;    // each list of all_of has a peer that matches
  bool none_holds() const;  // none of none_of matches
};

struct PortCheck {
  enum class Reason : uint8_t {
    kMatches,
    kOtherProtocol,
    kOtherPort,
    kOtherMessage,  // another ICMP type or code
    kNoPod,         // a named port, and the address belongs to no endpoint
    kNameAbsent,    // no endpoint at the address has a port of that name and protocol
    kNotThePeer,    // an endpoint has it, but not one that the rule's peers hold
  };
  Reason reason = Reason::kMatches;
  model::PortMatch port;
  std::vector<uint16_t> resolved;  // what a name stands for at that address

  bool matches() const { return reason == Reason::kMatches; }
};

// Every condition of a rule, and the first that does not hold.
struct RuleCheck {
  enum class Condition : uint8_t {
    kNone,  // all hold: the rule matches
    kFamily,
    kPeer,
    kNotPeer,
    kSelf,
    kNotSelf,
    kPorts,
    kNotPorts,
    kSourcePorts,
    kNotSourcePorts,
  };
  size_t index = 0;
  model::Action action = model::Action::kAllow;
  std::string name;
  Condition failed = Condition::kNone;
  std::optional<net::Family> family;
  EndCheck peer;
  EndCheck self;
  std::optional<std::vector<PortCheck>> ports;  // unset: every port
  std::vector<PortCheck> not_ports;
  std::optional<std::vector<PortCheck>> source_ports;
  std::vector<PortCheck> not_source_ports;

  bool matches() const { return failed == Condition::kNone; }
};

struct PolicyCheck {
  enum class Reason : uint8_t {
    kApplies,
    kOtherDirection,  // it selects the endpoint, but does not name this direction
    kPodLabels,
    kNamespaceUnknown,
    kNamespaceLabels,
    kPodsOnly,   // the endpoint is a host endpoint, the policy selects pods
    kOtherHook,  // for another place in a packet's way
  };
  Reason reason = Reason::kApplies;
  model::PolicyId id;
  double order = 0;
  model::EndpointPeer selects;
  model::Labels labels;                // compared with `selects`
  std::optional<std::string> invalid;  // why the policy's rules are not used
  // Set: without effect; `rules` and `deciding` tell what it would do at its place.
  std::optional<model::StagedAction> staged;
  bool reached = false;            // a decision before it makes its rules irrelevant
  std::vector<RuleCheck> rules;    // up to the deciding one
  std::optional<size_t> deciding;  // the rule that decided, or passed on
  std::vector<std::string> warnings;

  bool applies() const { return reason == Reason::kApplies; }
};

struct TierCheck {
  enum class Outcome : uint8_t {
    kNotReached,       // decided before
    kNoPolicy,         // no enforced policy of it applies: skipped
    kRule,             // a rule decided
    kDefault,          // the tier's default action denied
    kPassedByRule,     // a rule passed on to the next tier
    kPassedByDefault,  // no rule matched, and the default action is Pass
    kNoMatch,          // no rule matched, and this hook has no end-of-tier action
  };
  std::string name;
  double order = 0;
  model::Action default_action = model::Action::kDeny;
  bool missing = false;  // there are policies of it, but no Tier
  bool closed = false;   // its end denies because of an invalid policy, not by default_action
  Outcome outcome = Outcome::kNotReached;
  std::vector<PolicyCheck> policies;  // in the order of evaluation
};

struct DirectionExplanation {
  // What settled the verdict.
  enum class Decision : uint8_t {
    kNotAPod,           // this end is no pod: nothing is enforced there
    kHostNetwork,       // the pod shares its node's addresses: policy does not apply
    kSamePod,           // a pod always reaches itself
    kFromOwnNode,       // a node always reaches its own pods
    kToOwnNode,         // what a pod may do towards its node: settings.to_host
    kUnknownPod,        // a local interface whose pod is not known: closed
    kNotIsolated,       // no policy applies in this direction
    kRule,              // `policy` and `rule` say which
    kTierDefault,       // policies of `tier` apply, none of their rules matched
    kEndOfTiers,        // every tier passed it on
    kNamespaceUnknown,  // no tier decided, and the pod's namespace is not known
    kNoHostEndpoint,    // no host endpoint is on the interface
    kFailsafe,          // a port that host endpoint policy never closes
    kProfile,           // no tier decided; `profile`, the host endpoint's first, does
    kNoProfile,         // no tier decided, and the host endpoint has no profile
    kGoesOn,            // no rule decided in a hook without end-of-tier action
  };
  model::Direction direction = model::Direction::kIngress;
  Verdict verdict = Verdict::kAllowed;
  Decision decision = Decision::kNotAPod;
  std::optional<model::ObjectName> endpoint;
  std::optional<std::string> host_endpoint;
  std::optional<HostHook> hook;
  bool isolated = false;
  std::optional<model::PolicyId> policy;
  std::optional<size_t> rule;
  std::string rule_name;
  std::string tier;
  std::string profile;
  // A rule with action Log matched before the decision; the policies tell which.
  bool logged = false;
  // In the order of evaluation; tiers without policies, and policies of other namespaces, left out.
  std::vector<TierCheck> tiers;
  size_t other_namespaces = 0;  // how many policies were left out
};

struct Explanation {
  Flow flow;
  Verdict verdict = Verdict::kAllowed;
  DirectionExplanation egress;
  DirectionExplanation ingress;
};

std::string_view to_string(Verdict verdict);  // "allowed", "denied", "undecided"
std::string_view to_string(HostHook hook);    // "input", "forward (from)", ...

// {"verdict", "source": {...}, "destination", "protocol", "port", "egress": {...}, "ingress":
// {...}}; every condition of every rule that was looked at.
json::value to_json(const Explanation& explanation);
json::value to_json(const DirectionExplanation& explanation);
// The same as an indented tree, a line a node, newline at the end; of each rule that does not match
// the first condition that does not hold.
std::string to_text(const Explanation& explanation);
std::string to_text(const DirectionExplanation& explanation);

}  // namespace caracal::policy::oracle
