#include "selector/selector.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace caracal::selector {
namespace {

using NodePtr = std::shared_ptr<const Node>;

// As Calico's selector language writes texts, which has no escapes. A text with both kinds of
// quotes cannot be written in it (and cannot be a label's value): it gets a form of its own.
void append_quoted(std::string& out, std::string_view text) {
  const bool has_double = text.find('"') != std::string_view::npos;
  if (!has_double || text.find('\'') == std::string_view::npos) {
    const char quote = has_double ? '\'' : '"';
    out += quote;
    out += text;
    out += quote;
    return;
  }
  out += "\\\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// Keys of Kubernetes need no quotes; any other text gets them, so that no two trees share a text.
void append_key(std::string& out, std::string_view key) {
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  });
  if (plain) {
    out += key;
  } else {
    append_quoted(out, key);
  }
}

void append_values(std::string& out, const std::vector<std::string>& values) {
  out += '{';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ", ";
    append_quoted(out, values[i]);
  }
  out += '}';
}

void append_node(std::string& out, const Node& node);

void append_joined(std::string& out, const Node& node, std::string_view glue) {
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (i > 0) out += glue;
    const Node& child = *node.children[i];
    const bool brackets = child.op == Op::kAnd || child.op == Op::kOr;
    if (brackets) out += '(';
    append_node(out, child);
    if (brackets) out += ')';
  }
}

void append_node(std::string& out, const Node& node) {
  switch (node.op) {
    case Op::kAll:
      out += "all()";
      return;
    case Op::kIn:
    case Op::kNotIn: {
      append_key(out, node.key);
      const bool in = node.op == Op::kIn;
      if (node.values.size() == 1) {
        out += in ? " == " : " != ";
        append_quoted(out, node.values.front());
      } else {
        out += in ? " in " : " not in ";
        append_values(out, node.values);
      }
      return;
    }
    case Op::kExists:
    case Op::kNotExists:
      out += node.op == Op::kExists ? "has(" : "!has(";
      append_key(out, node.key);
      out += ')';
      return;
    case Op::kContains:
    case Op::kStartsWith:
    case Op::kEndsWith:
      append_key(out, node.key);
      out += node.op == Op::kContains     ? " contains "
             : node.op == Op::kStartsWith ? " starts with "
                                          : " ends with ";
      append_quoted(out, node.values.front());
      return;
    case Op::kAnd:
      append_joined(out, node, " && ");
      return;
    case Op::kOr:
      append_joined(out, node, " || ");
      return;
    case Op::kNot: {
      const Node& child = *node.children.front();
      const bool brackets = child.op != Op::kAll;
      out += brackets ? "!(" : "!";
      append_node(out, child);
      if (brackets) out += ')';
      return;
    }
  }
}

std::string text_of(const Node& node) {
  std::string out;
  append_node(out, node);
  return out;
}

NodePtr make_node(Node node) { return std::make_shared<const Node>(std::move(node)); }

const NodePtr& everything() {
  static const NodePtr node = make_node({});
  return node;
}
const NodePtr& nothing() {
  static const NodePtr node = make_node({.op = Op::kNot, .children = {everything()}});
  return node;
}
bool is_nothing(const Node& node) {
  return node.op == Op::kNot && node.children.front()->op == Op::kAll;
}

// Children of a conjunction or disjunction, flattened, without repeats, by canonical text.
std::vector<NodePtr> flatten(Op op, const std::vector<NodePtr>& parts) {
  std::map<std::string, NodePtr> by_text;
  for (const NodePtr& part : parts) {
    if (part->op == op) {
      for (const NodePtr& child : part->children) by_text.emplace(text_of(*child), child);
    } else {
      by_text.emplace(text_of(*part), part);
    }
  }
  std::vector<NodePtr> out;
  out.reserve(by_text.size());
  for (auto& [text, node] : by_text) out.push_back(std::move(node));
  return out;
}

Op opposite(Op op) {
  switch (op) {
    case Op::kIn:
      return Op::kNotIn;
    case Op::kNotIn:
      return Op::kIn;
    case Op::kExists:
      return Op::kNotExists;
    case Op::kNotExists:
      return Op::kExists;
    default:
      return Op::kNot;
  }
}

}  // namespace

Selector::Selector() : root_(everything()) {
  static const auto text = std::make_shared<const std::string>("all()");
  canonical_ = text;
}

Selector::Selector(std::shared_ptr<const Node> root)
    : root_(std::move(root)), canonical_(std::make_shared<const std::string>(text_of(*root_))) {}

Selector Selector::requirement(Op op, std::string key, std::vector<std::string> values) {
  const bool part = op == Op::kContains || op == Op::kStartsWith || op == Op::kEndsWith;
  CARACAL_CHECK(part || op == Op::kIn || op == Op::kNotIn || op == Op::kExists ||
                op == Op::kNotExists);
  if (op == Op::kExists || op == Op::kNotExists) {
    values.clear();
  } else if (part) {
    CARACAL_CHECK(values.size() == 1);
  } else {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    // One of no values: nothing. None of no values: everything.
    if (values.empty()) return op == Op::kIn ? Selector(nothing()) : Selector();
  }
  return Selector(make_node({.op = op, .key = std::move(key), .values = std::move(values)}));
}

Selector Selector::all_of(std::vector<Selector> parts) {
  std::vector<NodePtr> nodes;
  for (const Selector& part : parts) {
    if (part.matches_everything()) continue;
    if (is_nothing(part.root())) return part;
    nodes.push_back(part.root_);
  }
  nodes = flatten(Op::kAnd, nodes);
  if (nodes.empty()) return Selector();
  if (nodes.size() == 1) return Selector(nodes.front());
  return Selector(make_node({.op = Op::kAnd, .children = std::move(nodes)}));
}

Selector Selector::any_of(std::vector<Selector> parts) {
  std::vector<NodePtr> nodes;
  for (const Selector& part : parts) {
    if (part.matches_everything()) return part;
    if (is_nothing(part.root())) continue;
    nodes.push_back(part.root_);
  }
  nodes = flatten(Op::kOr, nodes);
  if (nodes.empty()) return Selector(nothing());
  if (nodes.size() == 1) return Selector(nodes.front());
  return Selector(make_node({.op = Op::kOr, .children = std::move(nodes)}));
}

Selector Selector::negation(Selector part) {
  const Node& node = part.root();
  if (node.op == Op::kNot) return Selector(node.children.front());
  if (node.op == Op::kAll) return Selector(nothing());
  if (const Op op = opposite(node.op); op != Op::kNot) {
    return Selector(make_node({.op = op, .key = node.key, .values = node.values}));
  }
  return Selector(make_node({.op = Op::kNot, .children = {part.root_}}));
}

bool Selector::contains(const std::vector<std::string>& sorted, std::string_view value) {
  return std::binary_search(sorted.begin(), sorted.end(), value, std::less<>());
}

}  // namespace caracal::selector
