#include "apimachinery/json_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <optional>

#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

// A stored document is read back by a parser with this limit (jsonio::parse), so no patch may nest
// deeper.
constexpr size_t kMaxDepth = 128;
// What "copy" operations of one patch may add together: a few of them could else double a document
// each.
constexpr size_t kMaxCopiedBytes = 3 * 1024 * 1024;

size_t depth_of(const json::value& value) {
  size_t deepest = 0;
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) deepest = std::max(deepest, depth_of(member.value()));
    return deepest + 1;
  }
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) deepest = std::max(deepest, depth_of(element));
    return deepest + 1;
  }
  return 0;
}

// An index of an existing element (RFC 6901 section 4: no sign, no leading zero).
std::optional<size_t> array_index(std::string_view step, size_t size) {
  if (step.empty() || (step.size() > 1 && step[0] == '0')) return std::nullopt;
  const std::optional<uint64_t> index = parse_decimal(step, size == 0 ? 0 : size - 1);
  if (!index || *index >= size) return std::nullopt;
  return static_cast<size_t>(*index);
}

json::value* child(json::value& parent, std::string_view step) {
  if (json::object* object = parent.if_object()) return object->if_contains(step);
  if (json::array* array = parent.if_array()) {
    const std::optional<size_t> index = array_index(step, array->size());
    return index ? &(*array)[*index] : nullptr;
  }
  return nullptr;
}

json::value* walk(json::value& document, const PointerSteps& path, size_t steps) {
  json::value* at = &document;
  for (size_t i = 0; i < steps && at != nullptr; ++i) at = child(*at, path[i]);
  return at;
}

std::string quoted(std::string_view path) { return fmt::format("\"{}\"", path); }

Result<json::value*> existing(json::value& document, const PointerSteps& path,
                              std::string_view text) {
  json::value* at = walk(document, path, path.size());
  if (at == nullptr) return fail(Errc::kInvalid, "path " + quoted(text) + " does not exist");
  return at;
}

Status add_value(json::value& document, const PointerSteps& path, std::string_view text,
                 json::value value) {
  if (path.size() + depth_of(value) > kMaxDepth) {
    return fail(Errc::kInvalid,
                fmt::format("path {} would nest deeper than {} levels", quoted(text), kMaxDepth));
  }
  if (path.empty()) {
    document = std::move(value);
    return {};
  }
  json::value* parent = walk(document, path, path.size() - 1);
  const std::string& last = path.back();
  if (parent == nullptr) {
    return fail(Errc::kInvalid, "the parent of path " + quoted(text) + " does not exist");
  }
  if (json::object* object = parent->if_object()) {
    (*object)[last] = std::move(value);
    return {};
  }
  json::array* array = parent->if_array();
  if (array == nullptr) {
    return fail(Errc::kInvalid,
                "the parent of path " + quoted(text) + " is neither an object nor an array");
  }
  if (last == "-") {
    array->push_back(std::move(value));
    return {};
  }
  const std::optional<size_t> index = array_index(last, array->size() + 1);
  if (!index) {
    return fail(Errc::kInvalid,
                fmt::format("path {}: \"{}\" is no index of an array of {} (0 to {}, or \"-\")",
                            quoted(text), last, array->size(), array->size()));
  }
  array->insert(array->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return {};
}

Result<json::value> take_value(json::value& document, const PointerSteps& path,
                               std::string_view text) {
  if (path.empty()) return fail(Errc::kInvalid, "the whole document cannot be removed");
  CARACAL_ASSIGN(json::value * at, existing(document, path, text));
  json::value taken = std::move(*at);
  json::value* parent = walk(document, path, path.size() - 1);
  if (json::object* object = parent->if_object()) {
    // A stable erase keeps the order of the other members.
    object->stable_erase(path.back());
  } else if (json::array* array = parent->if_array()) {
    array->erase(array->begin() + (at - array->data()));
  }
  return taken;
}

constexpr std::array<std::string_view, 6> kOpNames = {"add",  "remove", "replace",
                                                      "move", "copy",   "test"};

const json::string* text_member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr ? value->if_string() : nullptr;
}

bool number_equal(const json::value& a, const json::value& b) {
  if (a.is_double() || b.is_double()) {
    boost::system::error_code ignored;
    return a.to_number<double>(ignored) == b.to_number<double>(ignored);
  }
  return a == b;  // compares int64 and uint64 by value
}

}  // namespace

bool json_equal(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return number_equal(a, b);
  if (a.kind() != b.kind()) return false;
  if (const json::array* left = a.if_array()) {
    const json::array& right = b.get_array();
    return std::equal(left->begin(), left->end(), right.begin(), right.end(), json_equal);
  }
  if (const json::object* left = a.if_object()) {
    const json::object& right = b.get_object();
    if (left->size() != right.size()) return false;
    return std::all_of(left->begin(), left->end(), [&right](const json::key_value_pair& member) {
      const json::value* other = right.if_contains(member.key());
      return other != nullptr && json_equal(member.value(), *other);
    });
  }
  return a == b;
}

Result<PointerSteps> parse_json_pointer(std::string_view text) {
  PointerSteps steps;
  if (text.empty()) return steps;
  if (text[0] != '/') {
    return fail(Errc::kInvalid, "pointer " + quoted(text) + " must be empty or begin with \"/\"");
  }
  for (const std::string_view piece : split(text.substr(1), '/')) {
    std::string step;
    for (size_t i = 0; i < piece.size(); ++i) {
      if (piece[i] != '~') {
        step.push_back(piece[i]);
        continue;
      }
      const char escaped = i + 1 < piece.size() ? piece[i + 1] : '\0';
      if (escaped != '0' && escaped != '1') {
        return fail(Errc::kInvalid,
                    "pointer " + quoted(text) + " holds a \"~\" that is neither \"~0\" nor \"~1\"");
      }
      step.push_back(escaped == '0' ? '~' : '/');
      ++i;
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<JsonPatch::Operation> JsonPatch::parse_operation(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return fail(Errc::kInvalid, "must be an object");
  Operation out;

  const json::string* op = text_member(*object, "op");
  if (op == nullptr) return fail(Errc::kInvalid, "member \"op\" is missing or not a text");
  const auto* const name = std::find(kOpNames.begin(), kOpNames.end(), std::string_view(*op));
  if (name == kOpNames.end()) {
    return fail(
        Errc::kInvalid,
        fmt::format("op \"{}\" is unknown: must be add, remove, replace, move, copy or test",
                    std::string_view(*op)));
  }
  out.op = static_cast<Op>(name - kOpNames.begin());

  const json::string* path = text_member(*object, "path");
  if (path == nullptr) return fail(Errc::kInvalid, "member \"path\" is missing or not a text");
  out.path_text = std::string_view(*path);
  CARACAL_ASSIGN(out.path, parse_json_pointer(out.path_text));

  if (out.op == Op::kMove || out.op == Op::kCopy) {
    const json::string* from = text_member(*object, "from");
    if (from == nullptr) return fail(Errc::kInvalid, "member \"from\" is missing or not a text");
    out.from_text = std::string_view(*from);
    CARACAL_ASSIGN(out.from, parse_json_pointer(out.from_text));
  } else if (out.op != Op::kRemove) {
    const json::value* member = object->if_contains("value");
    if (member == nullptr) return fail(Errc::kInvalid, "member \"value\" is missing");
    out.value = *member;
  }
  return out;
}

Result<JsonPatch> JsonPatch::parse(const json::value& operations) {
  const json::array* array = operations.if_array();
  if (array == nullptr) {
    return fail(Errc::kInvalid, "a JSON patch must be an array of operations");
  }
  if (array->size() > kMaxOperations) {
    return fail(Errc::kExhausted,
                fmt::format("a JSON patch may hold at most {} operations, this one has {}",
                            kMaxOperations, array->size()));
  }
  JsonPatch patch;
  for (const json::value& element : *array) {
    auto operation = parse_operation(element);
    if (!operation) {
      return fail(operation.error().within(
          fmt::format("JSON patch operation {}", patch.operations_.size())));
    }
    patch.operations_.push_back(std::move(*operation));
  }
  return patch;
}

Status JsonPatch::apply_one(const Operation& operation, json::value& document) {
  switch (operation.op) {
    case Op::kAdd:
      return add_value(document, operation.path, operation.path_text, operation.value);
    case Op::kRemove:
      CARACAL_TRY(take_value(document, operation.path, operation.path_text));
      return {};
    case Op::kReplace: {
      CARACAL_ASSIGN(json::value * at, existing(document, operation.path, operation.path_text));
      if (operation.path.size() + depth_of(operation.value) > kMaxDepth) {
        return fail(Errc::kInvalid, fmt::format("path {} would nest deeper than {} levels",
                                                quoted(operation.path_text), kMaxDepth));
      }
      *at = operation.value;
      return {};
    }
    case Op::kMove: {
      if (operation.from == operation.path) {
        CARACAL_TRY(existing(document, operation.from, operation.from_text));
        return {};
      }
      const bool into_itself =
          operation.from.size() < operation.path.size() &&
          std::equal(operation.from.begin(), operation.from.end(), operation.path.begin());
      if (into_itself) {
        return fail(Errc::kInvalid,
                    fmt::format("{} cannot be moved into its own part {}",
                                quoted(operation.from_text), quoted(operation.path_text)));
      }
      CARACAL_ASSIGN(json::value taken, take_value(document, operation.from, operation.from_text));
      return add_value(document, operation.path, operation.path_text, std::move(taken));
    }
    case Op::kCopy: {
      CARACAL_ASSIGN(const json::value* at,
                     existing(document, operation.from, operation.from_text));
      return add_value(document, operation.path, operation.path_text, json::value(*at));
    }
    case Op::kTest: {
      CARACAL_ASSIGN(const json::value* at,
                     existing(document, operation.path, operation.path_text));
      if (json_equal(*at, operation.value)) return {};
      return fail(Errc::kConflict,
                  fmt::format("path {} is {}, not {}", quoted(operation.path_text),
                              json::serialize(*at), json::serialize(operation.value)));
    }
  }
  return fail(Errc::kInternal, "an operation without a rule");
}

Result<json::value> JsonPatch::apply(json::value document) const {
  size_t copied = 0;
  for (size_t i = 0; i < operations_.size(); ++i) {
    const Operation& operation = operations_[i];
    if (operation.op == Op::kCopy) {
      const json::value* from = walk(document, operation.from, operation.from.size());
      if (from != nullptr) copied += json::serialize(*from).size();
      if (copied > kMaxCopiedBytes) {
        return fail(
            Errc::kInvalid,
            fmt::format("JSON patch operation {} (copy): the copies of one patch may not add "
                        "more than {} bytes",
                        i, kMaxCopiedBytes));
      }
    }
    if (Status done = apply_one(operation, document); !done) {
      return fail(done.error().within(fmt::format("JSON patch operation {} ({})", i,
                                                  kOpNames[static_cast<size_t>(operation.op)])));
    }
  }
  return document;
}

}  // namespace caracal::apimachinery
