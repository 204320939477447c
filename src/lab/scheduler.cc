#include "lab/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace caracal::lab {
namespace {

// metav1.LabelSelector (matchLabels and matchExpressions) on labels; null selects nothing.
bool matches(const json::value* selector, const model::Labels& labels) {
  if (selector == nullptr || !selector->is_object()) return false;
  for (const auto& member : jsonio::get_object(*selector, {"matchLabels"})) {
    const auto label = labels.find(std::string_view(member.key().data(), member.key().size()));
    const json::string* wanted = member.value().if_string();
    if (wanted == nullptr || label == labels.end() || label->second != std::string_view(*wanted))
      return false;
  }
  for (const json::value& expression : jsonio::get_array(*selector, {"matchExpressions"})) {
    const auto label = labels.find(jsonio::get_string(expression, {"key"}));
    const std::string_view op = jsonio::get_string(expression, {"operator"});
    const bool there = label != labels.end();
    const json::array& values = jsonio::get_array(expression, {"values"});
    const bool in =
        there && std::any_of(values.begin(), values.end(), [&](const json::value& value) {
          const json::string* text = value.if_string();
          return text != nullptr && std::string_view(*text) == label->second;
        });
    if ((op == "In" && !in) || (op == "NotIn" && in) || (op == "Exists" && !there) ||
        (op == "DoesNotExist" && there)) {
      return false;
    }
  }
  return true;
}

bool selector_fits(const PodSpec& pod, const SchedulableNode& node) {
  return std::all_of(pod.node_selector.begin(), pod.node_selector.end(), [&](const auto& wanted) {
    const auto label = node.labels.find(wanted.first);
    return label != node.labels.end() && label->second == wanted.second;
  });
}

bool affinity_fits(const PodSpec& pod, const SchedulableNode& node,
                   const std::vector<PlacedPod>& placed) {
  return std::all_of(
      pod.affinity_terms.begin(), pod.affinity_terms.end(), [&](const json::value& term) {
        if (jsonio::get_string(term, {"topologyKey"}) != "kubernetes.io/hostname") return false;
        return std::any_of(placed.begin(), placed.end(), [&](const PlacedPod& other) {
          return other.node == node.name && other.name.ns == pod.name.ns &&
                 other.name != pod.name &&
                 matches(jsonio::get(term, {"labelSelector"}), other.labels);
        });
      });
}

}  // namespace

Result<std::string> choose_node(const PodSpec& pod, const std::vector<SchedulableNode>& nodes,
                                const std::vector<PlacedPod>& placed) {
  std::map<std::string, int> reasons;
  const SchedulableNode* best = nullptr;
  long fewest = 0;
  for (const SchedulableNode& node : nodes) {
    if (!node.ready) {
      ++reasons["node(s) were not ready"];
    } else if (node.unschedulable) {
      ++reasons["node(s) were unschedulable"];
    } else if (!selector_fits(pod, node)) {
      ++reasons["node(s) didn't match Pod's node affinity/selector"];
    } else if (!affinity_fits(pod, node, placed)) {
      ++reasons["node(s) didn't match pod affinity rules"];
    } else {
      const auto count = std::count_if(placed.begin(), placed.end(),
                                       [&](const PlacedPod& p) { return p.node == node.name; });
      if (best == nullptr || count < fewest || (count == fewest && node.name < best->name)) {
        best = &node;
        fewest = count;
      }
    }
  }
  if (best != nullptr) return best->name;
  std::string why;
  for (const auto& [reason, count] : reasons)
    why += fmt::format("{}{} {}", why.empty() ? "" : ", ", count, reason);
  return fail(Errc::kUnavailable, fmt::format("0/{} nodes are available: {}.", nodes.size(), why));
}

}  // namespace caracal::lab
