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

enum class Verdict : uint8_t { kAllowed, kDenied };

// The first packet of a connection. `port` is the destination port; a flow without one matches only
// what does not look at ports. Pod names are needed only where several pods hold one address.
struct Flow {
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol = net::kTcp;
  std::optional<uint16_t> port;
  std::optional<model::ObjectName> source_pod;
  std::optional<model::ObjectName> destination_pod;
};

// Does one peer of a rule hold the other end of the flow?
struct PeerCheck {
  enum class Reason : uint8_t {
    kMatches,
    kNoPod,             // the peer selects pods, the address belongs to none
    kOtherNamespace,    // the peer is limited to another namespace
    kPodLabels,         // `labels` are the pod's
    kNamespaceUnknown,  // the pod's Namespace object is not known
    kNamespaceLabels,   // `labels` are the namespace's
    kOutside,           // the address is not in the CIDR
    kExcepted,          // the address is in `except`
  };
  Reason reason = Reason::kMatches;
  model::Peer peer;
  std::optional<model::ObjectName> pod;  // the pod compared
  model::Labels labels;
  std::optional<net::Cidr> except;

  bool matches() const { return reason == Reason::kMatches; }
};

struct PortCheck {
  enum class Reason : uint8_t {
    kMatches,
    kOtherProtocol,
    kOtherPort,
    kNoPod,       // a named port, and the destination address belongs to no pod
    kNameAbsent,  // the destination pod has no port of that name and protocol
  };
  Reason reason = Reason::kMatches;
  model::PortMatch port;
  std::vector<uint16_t> resolved;  // what a name stands for on the destination pod

  bool matches() const { return reason == Reason::kMatches; }
};

// Empty lists with `any_` set: the rule does not look at it.
struct RuleCheck {
  size_t index = 0;
  model::Action action = model::Action::kAllow;
  bool any_peer = false;
  bool any_port = false;
  bool matches = false;
  std::vector<PeerCheck> peers;
  std::vector<PortCheck> ports;
};

struct PolicyCheck {
  enum class Reason : uint8_t {
    kApplies,
    kOtherDirection,  // it selects the endpoint, but does not name this direction
    kPodLabels,
    kNamespaceUnknown,
    kNamespaceLabels,
  };
  Reason reason = Reason::kApplies;
  model::PolicyId id;
  std::string tier;
  model::EndpointPeer selects;
  model::Labels labels;                // compared with `selects`
  std::optional<std::string> invalid;  // why the policy's rules are not used
  bool reached = false;                // a decision before it makes its rules irrelevant
  std::vector<RuleCheck> rules;        // up to the deciding one

  bool applies() const { return reason == Reason::kApplies; }
};

struct DirectionExplanation {
  // What settled the verdict.
  enum class Decision : uint8_t {
    kNotAPod,      // this end is no pod: nothing is enforced there
    kHostNetwork,  // the pod shares its node's addresses: policy does not apply
    kSamePod,      // a pod always reaches itself
    kFromOwnNode,  // a node always reaches its own pods
    kUnknownPod,   // a local interface whose pod is not known: closed
    kNotIsolated,  // no policy applies in this direction
    kRule,         // `policy` and `rule` say which
    kTierDefault,  // policies of `tier` apply, none of their rules matched
    kEndOfTiers,   // every tier passed it on
  };
  model::Direction direction = model::Direction::kIngress;
  Verdict verdict = Verdict::kAllowed;
  Decision decision = Decision::kNotAPod;
  std::optional<model::ObjectName> endpoint;
  bool isolated = false;
  std::optional<model::PolicyId> policy;
  std::optional<size_t> rule;
  std::string tier;
  std::vector<PolicyCheck>
      policies;                 // in the order of evaluation, those of other namespaces left out
  size_t other_namespaces = 0;  // how many were left out
};

struct Explanation {
  Flow flow;
  Verdict verdict = Verdict::kAllowed;
  DirectionExplanation egress;
  DirectionExplanation ingress;
};

std::string_view to_string(Verdict verdict);  // "allowed", "denied"

// {"verdict", "source": {...}, "destination", "protocol", "port", "egress": {...}, "ingress":
// {...}}
json::value to_json(const Explanation& explanation);
json::value to_json(const DirectionExplanation& explanation);
// The same as an indented tree, a line a node, newline at the end.
std::string to_text(const Explanation& explanation);

}  // namespace caracal::policy::oracle
