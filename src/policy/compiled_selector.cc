#include "policy/compiled_selector.h"

#include <algorithm>

namespace caracal::policy {

using selector::Op;

CompiledSelector::CompiledSelector(const selector::Selector& selector, StringTable& strings)
    : root_(compile(selector.root(), strings)) {
  consider(root_);
  if (root_.op == Op::kAnd) {
    for (const Node& child : root_.children) consider(child);
  }
}

void CompiledSelector::consider(const Node& node) {
  if (node.op != Op::kIn) return;
  if (!required_.empty() && required_.size() <= node.values.size()) return;
  required_.clear();
  for (const StringId value : node.values) required_.push_back({node.key, value});
}

void CompiledSelector::release(StringTable& strings) {
  release(root_, strings);
  root_ = {};
  required_.clear();
}

CompiledSelector::Node CompiledSelector::compile(const selector::Node& node, StringTable& strings) {
  Node out;
  out.op = node.op;
  const bool has_key = node.op == Op::kIn || node.op == Op::kNotIn || node.op == Op::kExists ||
                       node.op == Op::kNotExists;
  if (has_key) out.key = strings.acquire(node.key);
  for (const std::string& value : node.values) out.values.push_back(strings.acquire(value));
  std::sort(out.values.begin(), out.values.end());
  for (const auto& child : node.children) out.children.push_back(compile(*child, strings));
  return out;
}

void CompiledSelector::release(const Node& node, StringTable& strings) {
  if (node.key != 0) strings.release(node.key);
  for (const StringId value : node.values) strings.release(value);
  for (const Node& child : node.children) release(child, strings);
}

bool CompiledSelector::evaluate(const Node& node, std::span<const Label> labels) {
  const auto value = [&]() -> StringId {
    for (const Label& label : labels) {  // few labels: a scan beats a search
      if (label.key == node.key) return label.value;
    }
    return 0;
  };
  const auto child_matches = [&](const Node& child) { return evaluate(child, labels); };
  switch (node.op) {
    case Op::kAll:
      return true;
    case Op::kIn:
      return std::binary_search(node.values.begin(), node.values.end(), value());
    case Op::kNotIn:
      return !std::binary_search(node.values.begin(), node.values.end(), value());
    case Op::kExists:
      return value() != 0;
    case Op::kNotExists:
      return value() == 0;
    case Op::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), child_matches);
    case Op::kOr:
      return std::any_of(node.children.begin(), node.children.end(), child_matches);
    case Op::kNot:
      return !evaluate(node.children.front(), labels);
  }
  return false;
}

}  // namespace caracal::policy
