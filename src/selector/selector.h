// Selector: an expression over the labels of one object, as an immutable tree.
//
// Made from a Kubernetes LabelSelector (the API object), from kubectl's -l text, or later from
// Calico's selector language; whoever made it, there is one tree, one evaluator and one canonical
// text. Two selectors are equal exactly when their canonical texts are; that text is the key under
// which the policy calculation shares work. Values; copying is cheap (shared immutable nodes);
// thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::selector {

enum class Op : uint8_t {
  kAll,        // matches everything
  kIn,         // key present and its value one of values
  kNotIn,      // key absent, or its value none of values (Kubernetes: NotIn matches absent keys)
  kExists,     // key present
  kNotExists,  // key absent
  kAnd,        // all children match
  kOr,         // one child matches
  kNot,        // the only child does not match
  kContains,   // key present and its value contains values[0]; likewise the next two
  kStartsWith,
  kEndsWith,
};

struct Node {
  Op op = Op::kAll;
  std::string key;
  std::vector<std::string> values;                    // sorted, no repeats
  std::vector<std::shared_ptr<const Node>> children;  // sorted by canonical text for kAnd and kOr
};

class Selector {
 public:
  Selector();  // matches everything

  // REQUIRES: an Op about a key; exactly one value for kContains, kStartsWith and kEndsWith.
  static Selector requirement(Op op, std::string key, std::vector<std::string> values = {});
  // Conjunction. Flattens, drops repeats and kAll; no children gives "everything".
  static Selector all_of(std::vector<Selector> parts);
  static Selector any_of(std::vector<Selector> parts);
  static Selector negation(Selector part);

  // From the API object metav1.LabelSelector {matchLabels, matchExpressions}. An empty object
  // matches everything. Errors name the field relative to the selector, as the API server words
  // them
  // ("matchExpressions[0].operator: Invalid value: ...").
  static Result<Selector> from_label_selector(const json::value& label_selector);
  // From kubectl's text: "a=b,c!=d,e in (x,y),f notin (z),g,!h". Note that in this syntax != and
  // notin match absent keys.
  static Result<Selector> parse_label_query(std::string_view text);
  // Calico's selector language (calico.md section 3): "a == 'b' && (has(c) || d in {'e'})"; empty
  // text matches everything. global() matches everything, too: the callers that give it a meaning
  // look at the text before. Errors: kInvalid, with the column (from 1), what stands there and what
  // may.
  static Result<Selector> parse_expression(std::string_view text);

  // `lookup(key)` gives the value of a label as optional<string_view>.
  template <typename Lookup>
  bool matches(const Lookup& lookup) const {
    return evaluate(*root_, lookup);
  }
  bool matches_everything() const { return root_->op == Op::kAll; }

  const std::string& canonical() const { return *canonical_; }  // "all()" for everything
  const Node& root() const { return *root_; }
  bool operator==(const Selector& other) const { return *canonical_ == *other.canonical_; }
  auto operator<=>(const Selector& other) const { return *canonical_ <=> *other.canonical_; }

 private:
  explicit Selector(std::shared_ptr<const Node> root);

  template <typename Lookup>
  static bool evaluate(const Node& node, const Lookup& lookup) {
    switch (node.op) {
      case Op::kAll:
        return true;
      case Op::kIn:
      case Op::kNotIn: {
        const std::optional<std::string_view> value = lookup(std::string_view(node.key));
        const bool in = value && contains(node.values, *value);
        return node.op == Op::kIn ? in : !in;
      }
      case Op::kExists:
        return lookup(std::string_view(node.key)).has_value();
      case Op::kNotExists:
        return !lookup(std::string_view(node.key)).has_value();
      case Op::kAnd:
        for (const auto& child : node.children) {
          if (!evaluate(*child, lookup)) return false;
        }
        return true;
      case Op::kOr:
        for (const auto& child : node.children) {
          if (evaluate(*child, lookup)) return true;
        }
        return false;
      case Op::kNot:
        return !evaluate(*node.children.front(), lookup);
      case Op::kContains:
      case Op::kStartsWith:
      case Op::kEndsWith: {
        const std::optional<std::string_view> value = lookup(std::string_view(node.key));
        return value && part_matches(node.op, *value, node.values.front());
      }
    }
    return false;
  }
  static bool contains(const std::vector<std::string>& sorted, std::string_view value);
  static bool part_matches(Op op, std::string_view value, std::string_view part) {
    if (op == Op::kStartsWith) return value.starts_with(part);
    if (op == Op::kEndsWith) return value.ends_with(part);
    return value.find(part) != std::string_view::npos;
  }

  std::shared_ptr<const Node> root_;
  std::shared_ptr<const std::string> canonical_;
};

}  // namespace caracal::selector

template <>
struct std::hash<caracal::selector::Selector> {
  size_t operator()(const caracal::selector::Selector& s) const noexcept {
    return std::hash<std::string>{}(s.canonical());
  }
};
