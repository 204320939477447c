// PodQuestions: what the policies of a world ask of a pod, so that pods which answer alike need not
// be told apart: keys of labels with the values that matter, names of ports, service accounts.
//
// Filled by PeerTable and RuleCompiler::prepare as they read the policies; read by PodClasses.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/policy.h"

namespace caracal::analysis {

class PodQuestions {
 public:
  // Own labels and service accounts that a peer's selector for pods looks at.
  void ask(const model::EndpointPeer& peer);
  // A port that a rule names.
  void ask_port(const std::string& name, net::Protocol protocol) {
    ports_.insert({name, protocol});
  }

  bool names_ports() const { return !ports_.empty(); }
  bool accounts() const { return accounts_; }
  bool names_port(const std::string& name, net::Protocol protocol) const {
    return !ports_.empty() && ports_.contains({name, protocol});
  }
  // What a label answers: its value, one text for all values that nobody names, or nothing where
  // nobody asks for the key.
  std::optional<std::string_view> answer(std::string_view key, std::string_view value) const;

 private:
  struct Values {
    bool every = false;  // parts of values are looked at
    std::set<std::string, std::less<>> named;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  void ask(const selector::Node& node);

  std::unordered_map<std::string, Values, TextHash, std::equal_to<>> keys_;
  std::set<std::pair<std::string, net::Protocol>> ports_;
  bool accounts_ = false;
};

}  // namespace caracal::analysis
