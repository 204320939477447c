#include "policy/compiled_selector.h"

#include <algorithm>

namespace caracal::policy {

using selector::Op;

namespace {

bool has_key(Op op) {
  switch (op) {
    case Op::kIn:
    case Op::kNotIn:
    case Op::kExists:
    case Op::kNotExists:
    case Op::kContains:
    case Op::kStartsWith:
    case Op::kEndsWith:
      return true;
    default:
      return false;
  }
}

CompiledSelector::Origin origin_of(std::string_view key) {
  using Origin = CompiledSelector::Origin;
  if (key == kNamespaceKey) return Origin::kNamespace;
  if (key == kOrchestratorKey) return Origin::kOrchestrator;
  if (key == kAccountKey) return Origin::kAccount;
  if (key == kNamespaceNameKey) return Origin::kNamespaceName;
  if (key == kAccountNameKey) return Origin::kAccountName;
  if (key.starts_with(kNamespacePrefix)) return Origin::kNamespaceLabel;
  if (key.starts_with(kAccountPrefix)) return Origin::kAccountLabel;
  return Origin::kOwn;
}

// What an endpoint is, whatever labels of these names it gives itself.
bool is_fixed(CompiledSelector::Origin origin) {
  using Origin = CompiledSelector::Origin;
  return origin == Origin::kNamespace || origin == Origin::kOrchestrator ||
         origin == Origin::kAccount;
}

// Service account names of this length and more are no labels (calico.md 2.7).
constexpr size_t kAccountLimit = 63;

}  // namespace

CompiledSelector::CompiledSelector(const selector::Selector& selector, StringTable& strings,
                                   bool inherited)
    : strings_(&strings), root_(compile(selector.root(), strings, inherited)) {
  consider(root_);
  if (root_.op == Op::kAnd) {
    for (const Node& child : root_.children) consider(child);
  }
  const auto asks_for_key = [](const Node& node) {
    const bool needs = node.op == Op::kExists || node.op == Op::kContains ||
                       node.op == Op::kStartsWith || node.op == Op::kEndsWith;
    return needs && node.origin == Origin::kOwn;
  };
  if (!required_.empty()) return;
  if (asks_for_key(root_)) required_key_ = root_.key;
  if (root_.op != Op::kAnd) return;
  for (const Node& child : root_.children) {
    if (asks_for_key(child)) required_key_ = child.key;
  }
}

void CompiledSelector::consider(const Node& node) {
  if (node.op != Op::kIn) return;
  switch (node.origin) {
    case Origin::kOwn:
    case Origin::kNamespace:
    case Origin::kNamespaceName:
    case Origin::kNamespaceLabel:
      break;
    default:
      return;
  }
  const bool better = required_.empty() || node.values.size() < required_.size() ||
                      (node.values.size() == required_.size() && node.origin == Origin::kOwn);
  if (!better) return;
  required_.clear();
  for (const StringId value : node.values) required_.push_back({node.key, value});
  required_origin_ = node.origin;
  required_inner_ = node.inner;
}

void CompiledSelector::release(StringTable& strings) {
  release(root_, strings);
  root_ = {};
  required_.clear();
  required_key_ = 0;
}

CompiledSelector::Node CompiledSelector::compile(const selector::Node& node, StringTable& strings,
                                                 bool inherited) {
  Node out;
  out.op = node.op;
  if (has_key(node.op)) {
    out.key = strings.acquire(node.key);
    if (inherited) out.origin = origin_of(node.key);
    if (out.origin == Origin::kOrchestrator) out.inner = strings.acquire("k8s");
    const bool prefixed =
        out.origin == Origin::kNamespaceLabel || out.origin == Origin::kAccountLabel;
    if (prefixed) {
      out.inner = strings.acquire(std::string_view(node.key).substr(kNamespacePrefix.size()));
    }
    uses_accounts_ |= out.origin == Origin::kAccountLabel || out.origin == Origin::kAccountName;
  }
  for (const std::string& value : node.values) out.values.push_back(strings.acquire(value));
  std::sort(out.values.begin(), out.values.end());
  for (const auto& child : node.children) {
    out.children.push_back(compile(*child, strings, inherited));
  }
  return out;
}

void CompiledSelector::release(const Node& node, StringTable& strings) {
  if (node.key != 0) strings.release(node.key);
  if (node.inner != 0) strings.release(node.inner);
  for (const StringId value : node.values) strings.release(value);
  for (const Node& child : node.children) release(child, strings);
}

bool CompiledSelector::matches(const LabelSpan& labels) const {
  return evaluate(root_, [&](const Node& node) { return labels.find(node.key); });
}

bool CompiledSelector::matches(const EndpointLabels& endpoint) const {
  return evaluate(root_, [&](const Node& node) {
    const StringId own = endpoint.own.find(node.key);
    if (own == 0) return inherited_value(node, endpoint);
    if (!is_fixed(node.origin)) return own;
    const StringId fixed = inherited_value(node, endpoint);
    return fixed != 0 ? fixed : own;
  });
}

StringId CompiledSelector::inherited_value(const Node& node, const EndpointLabels& e) const {
  switch (node.origin) {
    case Origin::kOwn:
      return 0;
    case Origin::kNamespace:
      return e.ns;
    case Origin::kOrchestrator:
      return e.is_pod ? node.inner : 0;
    case Origin::kAccount:
      return e.account != 0 && strings_->text(e.account).size() < kAccountLimit ? e.account : 0;
    case Origin::kNamespaceName:
      return e.ns_labels ? e.ns : 0;
    case Origin::kAccountName:
      return e.account_labels ? e.account : 0;
    case Origin::kNamespaceLabel:
      return e.ns_labels ? e.ns_labels->find(node.inner) : 0;
    case Origin::kAccountLabel:
      return e.account_labels ? e.account_labels->find(node.inner) : 0;
  }
  return 0;
}

template <typename Value>
bool CompiledSelector::evaluate(const Node& node, const Value& value) const {
  const auto value_has = [&](const auto& compare) {
    const StringId id = value(node);
    return id != 0 && compare(strings_->text(id), strings_->text(node.values.front()));
  };
  const auto child_matches = [&](const Node& child) { return evaluate(child, value); };
  switch (node.op) {
    case Op::kAll:
      return true;
    case Op::kIn:
      return std::binary_search(node.values.begin(), node.values.end(), value(node));
    case Op::kNotIn:
      return !std::binary_search(node.values.begin(), node.values.end(), value(node));
    case Op::kExists:
      return value(node) != 0;
    case Op::kNotExists:
      return value(node) == 0;
    case Op::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), child_matches);
    case Op::kOr:
      return std::any_of(node.children.begin(), node.children.end(), child_matches);
    case Op::kContains:
      return value_has([](std::string_view text, std::string_view part) {
        return text.find(part) != std::string_view::npos;
      });
    case Op::kStartsWith:
      return value_has(
          [](std::string_view text, std::string_view part) { return text.starts_with(part); });
    case Op::kEndsWith:
      return value_has(
          [](std::string_view text, std::string_view part) { return text.ends_with(part); });
    case Op::kNot:
      return !evaluate(node.children.front(), value);
  }
  return false;
}

}  // namespace caracal::policy
