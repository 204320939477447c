// CompiledSelector: a selector::Selector with its keys and values as StringIds, evaluated on labels
// of StringIds: no text is compared.
#pragma once

#include <span>
#include <vector>

#include "policy/string_table.h"
#include "selector/selector.h"

namespace caracal::policy {

struct Label {
  StringId key = 0;
  StringId value = 0;
  auto operator<=>(const Label&) const = default;
};

class CompiledSelector {
 public:
  CompiledSelector() = default;  // matches everything
  // Takes hold of the selector's texts in `strings`, until release().
  CompiledSelector(const selector::Selector& selector, StringTable& strings);
  void release(StringTable& strings);

  // `labels` sorted by key.
  bool matches(std::span<const Label> labels) const { return evaluate(root_, labels); }
  bool matches_everything() const { return root_.op == selector::Op::kAll; }

  // The shortest list of labels of which a match must have one, or empty when there is no such
  // list. What has none of them need not be looked at.
  const std::vector<Label>& required_labels() const { return required_; }

 private:
  struct Node {
    selector::Op op = selector::Op::kAll;
    StringId key = 0;
    std::vector<StringId> values;  // sorted
    std::vector<Node> children;
  };
  static Node compile(const selector::Node& node, StringTable& strings);
  static void release(const Node& node, StringTable& strings);
  static bool evaluate(const Node& node, std::span<const Label> labels);
  void consider(const Node& node);

  Node root_;
  std::vector<Label> required_;
};

}  // namespace caracal::policy
