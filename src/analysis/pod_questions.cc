#include "analysis/pod_questions.h"

namespace caracal::analysis {
namespace {

// No label has this value.
constexpr std::string_view kOtherValue = "\x01";

}  // namespace

void PodQuestions::ask(const model::EndpointPeer& peer) {
  if (!peer.pods.matches_everything()) ask(peer.pods.root());
}

void PodQuestions::ask(const selector::Node& node) {
  using selector::Op;
  for (const auto& child : node.children) ask(*child);
  if (node.key.empty()) return;
  if (node.key.starts_with("pcsa.") || node.key == "projectcalico.org/serviceaccount")
    accounts_ = true;
  Values& values = keys_[node.key];
  switch (node.op) {
    case Op::kIn:
    case Op::kNotIn:
      values.named.insert(node.values.begin(), node.values.end());
      break;
    case Op::kContains:
    case Op::kStartsWith:
    case Op::kEndsWith:
      values.every = true;
      break;
    default:
      break;  // present or not
  }
}

std::optional<std::string_view> PodQuestions::answer(std::string_view key,
                                                     std::string_view value) const {
  const auto it = keys_.find(key);
  if (it == keys_.end()) return std::nullopt;
  if (it->second.every || it->second.named.contains(value)) return value;
  return kOtherValue;
}

}  // namespace caracal::analysis
