// The words of an Explanation: what a check compared and what came of it, for people (`text`) and
// for programs (`word`, one stable CamelCase word). Shared by to_text and to_json.
#pragma once

#include <string>
#include <string_view>

#include "policy/oracle/explanation.h"

namespace caracal::policy::oracle {

std::string labels_text(const model::Labels& labels);
std::string endpoints_text(const model::EndpointPeer& peer);
std::string peer_text(const model::Peer& peer);
std::string port_text(const model::PortMatch& port);
// "TCP/80", "ICMP type 8 code 0", "TCP 40000 -> 80".
std::string protocol_text(const Flow& flow);

std::string why(const PeerCheck& check);
std::string why(const PortCheck& check);
std::string why(const PolicyCheck& check, model::Direction direction);
std::string why(const TierCheck& check);
std::string why(const DirectionExplanation& side);

std::string_view word(model::Direction direction);  // "ingress", "egress"
std::string_view word(model::Action action);
std::string_view word(model::StagedAction action);
std::string_view word(PeerCheck::Reason reason);
std::string_view word(PortCheck::Reason reason);
std::string_view word(RuleCheck::Condition condition);
std::string_view word(PolicyCheck::Reason reason);
std::string_view word(TierCheck::Outcome outcome);
std::string_view word(DirectionExplanation::Decision decision);

}  // namespace caracal::policy::oracle
