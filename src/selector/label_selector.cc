// Selector::from_label_selector: metav1.LabelSelector of the Kubernetes API.
#include <fmt/format.h>

#include <algorithm>

#include "jsonio/json.h"
#include "selector/label_syntax.h"
#include "selector/selector.h"

namespace caracal::selector {
namespace {

std::string copy_of(const json::string& text) { return std::string(text.data(), text.size()); }

tl::unexpected<Error> invalid(std::string_view field, std::string_view value,
                              std::string_view why) {
  return fail(Errc::kInvalid, fmt::format("{}: Invalid value: {}: {}", field, value, why));
}
std::string quoted(std::string_view text) { return jsonio::to_string(json::string(text)); }

tl::unexpected<Error> wrong_type(std::string_view field, const json::value& value,
                                 std::string_view expected) {
  return invalid(field, jsonio::to_string(value), fmt::format("must be {}", expected));
}

Status check_members(const json::object& object, std::string_view where,
                     std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string text;
      for (const std::string_view k : known)
        text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", k);
      return fail(Errc::kInvalid,
                  fmt::format("unknown field \"{}{}\": known are {}", where, name, text));
    }
  }
  return {};
}

Status add_match_labels(const json::value& labels, std::vector<Selector>& parts) {
  const json::object* object = labels.if_object();
  if (object == nullptr)
    return wrong_type("matchLabels", labels, "an object of label keys and values");
  for (const auto& member : *object) {
    const std::string key(member.key().data(), member.key().size());
    if (const auto problem = label_key_problem(key)) {
      return invalid("matchLabels", quoted(key), *problem);
    }
    const json::string* value = member.value().if_string();
    if (value == nullptr) {
      return wrong_type(fmt::format("matchLabels[{}]", key), member.value(), "a string");
    }
    std::string text = copy_of(*value);
    if (const auto problem = label_value_problem(text)) {
      return invalid("matchLabels", quoted(text), *problem);
    }
    parts.push_back(Selector::requirement(Op::kIn, key, {std::move(text)}));
  }
  return {};
}

Result<std::vector<std::string>> read_values(const json::value* values, const std::string& field) {
  std::vector<std::string> out;
  if (values == nullptr || values->is_null()) return out;
  const json::array* array = values->if_array();
  if (array == nullptr) return wrong_type(field, *values, "an array of strings");
  for (size_t i = 0; i < array->size(); ++i) {
    const json::string* text = (*array)[i].if_string();
    if (text == nullptr)
      return wrong_type(fmt::format("{}[{}]", field, i), (*array)[i], "a string");
    out.push_back(copy_of(*text));
  }
  return out;
}

Result<std::string> read_string(const json::object& object, std::string_view name,
                                const std::string& field) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return std::string();
  const json::string* text = value->if_string();
  if (text == nullptr) return wrong_type(field, *value, "a string");
  return copy_of(*text);
}

Result<Selector> read_expression(const json::value& expression, const std::string& field) {
  const json::object* object = expression.if_object();
  if (object == nullptr)
    return wrong_type(field, expression, "an object with key, operator and values");
  CARACAL_TRY(check_members(*object, field + ".", {"key", "operator", "values"}));
  CARACAL_ASSIGN(const std::string key, read_string(*object, "key", field + ".key"));
  CARACAL_ASSIGN(const std::string op_text, read_string(*object, "operator", field + ".operator"));
  CARACAL_ASSIGN(std::vector<std::string> values,
                 read_values(object->if_contains("values"), field + ".values"));

  Op op = Op::kAll;
  if (op_text == "In" || op_text == "NotIn") {
    op = op_text == "In" ? Op::kIn : Op::kNotIn;
    if (values.empty()) {
      return fail(Errc::kInvalid, field +
                                      ".values: Required value: must be specified when `operator` "
                                      "is 'In' or 'NotIn'");
    }
  } else if (op_text == "Exists" || op_text == "DoesNotExist") {
    op = op_text == "Exists" ? Op::kExists : Op::kNotExists;
    if (!values.empty()) {
      return fail(Errc::kInvalid, field +
                                      ".values: Forbidden: may not be specified when `operator` is "
                                      "'Exists' or 'DoesNotExist'");
    }
  } else {
    return invalid(field + ".operator", quoted(op_text),
                   "not a valid selector operator (valid: In, NotIn, Exists, DoesNotExist)");
  }
  if (const auto problem = label_key_problem(key)) {
    return invalid(field + ".key", quoted(key), *problem);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (const auto problem = label_value_problem(values[i])) {
      return invalid(fmt::format("{}.values[{}]", field, i), quoted(values[i]), *problem);
    }
  }
  return Selector::requirement(op, key, std::move(values));
}

}  // namespace

Result<Selector> Selector::from_label_selector(const json::value& label_selector) {
  if (label_selector.is_null()) return Selector();
  const json::object* object = label_selector.if_object();
  if (object == nullptr) {
    return fail(Errc::kInvalid,
                fmt::format("Invalid value: {}: must be an object with matchLabels and "
                            "matchExpressions",
                            jsonio::to_string(label_selector)));
  }
  CARACAL_TRY(check_members(*object, "", {"matchLabels", "matchExpressions"}));
  std::vector<Selector> parts;
  if (const json::value* labels = object->if_contains("matchLabels");
      labels && !labels->is_null()) {
    CARACAL_TRY(add_match_labels(*labels, parts));
  }
  const json::value* expressions = object->if_contains("matchExpressions");
  if (expressions != nullptr && !expressions->is_null()) {
    const json::array* array = expressions->if_array();
    if (array == nullptr) return wrong_type("matchExpressions", *expressions, "an array");
    for (size_t i = 0; i < array->size(); ++i) {
      CARACAL_ASSIGN(Selector part,
                     read_expression((*array)[i], fmt::format("matchExpressions[{}]", i)));
      parts.push_back(std::move(part));
    }
  }
  return all_of(std::move(parts));
}

}  // namespace caracal::selector
