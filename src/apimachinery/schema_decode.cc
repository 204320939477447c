#include "apimachinery/schema_decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apimachinery/field_error.h"
#include "apimachinery/quantity.h"

namespace caracal::apimachinery {
namespace {

std::string_view short_name(std::string_view definition) {
  const size_t dot = definition.rfind('.');
  return dot == std::string_view::npos ? definition : definition.substr(dot + 1);
}

std::string_view json_kind(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "bool";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "value";
}

// The type as a Go decoder names it: int32, bool, []v1.ServicePort, map[string]string.
std::string decoder_type(const Schema& schema) {
  if (schema.int_or_string) return "intstr.IntOrString";
  if (schema.quantity) return "resource.Quantity";
  if (schema.type == SchemaType::kArray)
    return "[]" + (schema.items ? decoder_type(*schema.items) : std::string("any"));
  if (schema.additional_properties != nullptr)
    return "map[string]" + decoder_type(*schema.additional_properties);
  if (!schema.definition.empty()) {
    std::string_view package = schema.definition;
    package = package.substr(0, package.rfind('.'));
    return fmt::format("{}.{}", short_name(package), short_name(schema.definition));
  }
  switch (schema.type) {
    case SchemaType::kInteger:
      return schema.format.empty() ? "int64" : schema.format;
    case SchemaType::kNumber:
      return "float64";
    case SchemaType::kBoolean:
      return "bool";
    case SchemaType::kString:
      return schema.format == "byte" ? "[]uint8" : "string";
    default:
      return "object";
  }
}

bool fits_integer(const json::value& value, std::string_view format) {
  if (value.is_double()) {
    const double real = value.get_double();
    if (std::floor(real) != real) return false;
    return format == "int32" ? std::fabs(real) <= 2147483647.0 : std::fabs(real) < 9.2e18;
  }
  if (const uint64_t* natural = value.if_uint64()) {
    return format != "int32" ? *natural <= uint64_t{std::numeric_limits<int64_t>::max()}
                             : *natural <= 2147483647U;
  }
  const int64_t integer = value.get_int64();
  return format != "int32" || (integer >= std::numeric_limits<int32_t>::min() &&
                               integer <= std::numeric_limits<int32_t>::max());
}

std::optional<size_t> base64_error(std::string_view text) {
  size_t length = 0;
  for (; length < text.size(); ++length) {
    const char c = text[length];
    const bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '+' || c == '/';
    if (!digit) break;
  }
  size_t padding = length;
  while (padding < text.size() && text[padding] == '=') ++padding;
  if (padding != text.size() || padding - length > 2) return length;
  if (text.size() % 4 != 0) return text.size();
  return std::nullopt;
}

// RFC 3339, as Go's time package reads it: date, T, time, optional fraction, Z or offset.
bool is_time(std::string_view text) {
  static constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size() + 1) return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] == 'd' ? !is_digit(text[i]) : text[i] != kShape[i]) return false;
  }
  const auto two = [&text](size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
  if (two(5) < 1 || two(5) > 12 || two(8) < 1 || two(8) > 31 || two(11) > 23 || two(14) > 59 ||
      two(17) > 60)
    return false;
  text.remove_prefix(kShape.size());
  if (text.front() == '.') {
    text.remove_prefix(1);
    if (text.empty() || !is_digit(text.front())) return false;
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
  }
  if (text == "Z") return true;
  return text.size() == 6 && (text[0] == '+' || text[0] == '-') && is_digit(text[1]) &&
         is_digit(text[2]) && text[3] == ':' && is_digit(text[4]) && is_digit(text[5]);
}

class Decoder {
 public:
  // `dotted` is the path without indexes, `owner` the type that has the field.
  std::optional<std::string> check(const Schema& schema, const json::value& value,
                                   const FieldPath& path, const std::string& dotted,
                                   std::string_view owner) const {
    if (value.is_null()) return std::nullopt;
    if (schema.int_or_string) {
      if (value.is_string() || value.is_int64() || value.is_uint64()) return std::nullopt;
      return mismatch(schema, value, path, dotted, owner);
    }
    if (schema.quantity) return check_quantity(schema, value, path, dotted, owner);
    switch (schema.type) {
      case SchemaType::kAny:
        return std::nullopt;
      case SchemaType::kObject:
        return check_object(schema, value, path, dotted, owner);
      case SchemaType::kArray:
        return check_array(schema, value, path, dotted, owner);
      case SchemaType::kString:
        return check_string(schema, value, path, dotted, owner);
      case SchemaType::kInteger:
        if (!value.is_number() || !fits_integer(value, schema.format))
          return mismatch(schema, value, path, dotted, owner);
        return std::nullopt;
      case SchemaType::kNumber:
        if (!value.is_number()) return mismatch(schema, value, path, dotted, owner);
        return std::nullopt;
      case SchemaType::kBoolean:
        if (!value.is_bool()) return mismatch(schema, value, path, dotted, owner);
        return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static std::string shown(const json::value& value) {
    std::string text = jsonio::to_string(value);
    if (text.size() > 100) text = text.substr(0, 97) + "...";
    return text;
  }

  static std::string mismatch(const Schema& schema, const json::value& value, const FieldPath& path,
                              const std::string& dotted, std::string_view owner) {
    // As Go does, an unfit number is shown itself: "number 70000000000".
    std::string kind(json_kind(value));
    if (value.is_number() &&
        (schema.type == SchemaType::kInteger || schema.type == SchemaType::kNumber)) {
      kind += " " + shown(value);
    }
    if (path.empty())
      return fmt::format("json: cannot unmarshal {} into Go value of type {}", kind,
                         decoder_type(schema));
    return fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {} ({} is {})",
                       kind, owner, dotted, decoder_type(schema), path.text(), shown(value));
  }

  std::optional<std::string> check_object(const Schema& schema, const json::value& value,
                                          const FieldPath& path, const std::string& dotted,
                                          std::string_view owner) const {
    const json::object* object = value.if_object();
    if (object == nullptr) return mismatch(schema, value, path, dotted, owner);
    if (!schema.definition.empty()) owner = short_name(schema.definition);
    for (const auto& [name, member] : *object) {
      const auto property = schema.properties.find(name);
      const Schema* child =
          property != schema.properties.end() ? property->second : schema.additional_properties;
      if (child == nullptr) continue;
      // A map's keys are no field names to the decoder.
      const bool is_field = property != schema.properties.end();
      const std::string next = !is_field ? dotted
                               : dotted.empty()
                                   ? std::string(name)
                                   : fmt::format("{}.{}", dotted, std::string_view(name));
      if (auto error =
              check(*child, member, is_field ? path.child(name) : path.key(name), next, owner))
        return error;
    }
    return std::nullopt;
  }

  std::optional<std::string> check_array(const Schema& schema, const json::value& value,
                                         const FieldPath& path, const std::string& dotted,
                                         std::string_view owner) const {
    const json::array* array = value.if_array();
    if (array == nullptr) return mismatch(schema, value, path, dotted, owner);
    if (schema.items == nullptr) return std::nullopt;
    for (size_t i = 0; i < array->size(); ++i) {
      if (auto error = check(*schema.items, (*array)[i], path.index(i), dotted, owner))
        return error;
    }
    return std::nullopt;
  }

  std::optional<std::string> check_string(const Schema& schema, const json::value& value,
                                          const FieldPath& path, const std::string& dotted,
                                          std::string_view owner) const {
    const json::string* text = value.if_string();
    if (text == nullptr) return mismatch(schema, value, path, dotted, owner);
    if (schema.format == "byte") {
      if (const auto at = base64_error(*text)) {
        return fmt::format("illegal base64 data at input byte {} ({} is {})", *at, path.text(),
                           shown(value));
      }
    }
    if (schema.format == "date-time" && !is_time(*text)) {
      return fmt::format(
          "parsing time {}: {} must be an RFC 3339 time such as \"2006-01-02T15:04:05Z\"",
          shown(value), path.text());
    }
    return std::nullopt;
  }

  std::optional<std::string> check_quantity(const Schema& schema, const json::value& value,
                                            const FieldPath& path, const std::string& dotted,
                                            std::string_view owner) const {
    if (value.is_number()) return std::nullopt;
    const json::string* text = value.if_string();
    if (text == nullptr) return mismatch(schema, value, path, dotted, owner);
    if (is_quantity(*text)) return std::nullopt;
    return fmt::format(
        "quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' ({} is {})",
        path.text(), shown(value));
  }
};

// An embedded object always has these, whatever its schema says.
bool is_embedded_member(const Schema& schema, std::string_view name) {
  return schema.embedded_resource && (name == "apiVersion" || name == "kind" || name == "metadata");
}

bool knows(const Schema& schema, std::string_view name) {
  return schema.preserve_unknown_fields || schema.additional_properties_allowed ||
         schema.member(name) != nullptr || is_embedded_member(schema, name);
}

void collect_unknown(const Schema& schema, const json::value& value, const FieldPath& path,
                     std::vector<std::string>& paths) {
  if (const json::object* object = value.if_object()) {
    if (schema.type == SchemaType::kAny && schema.properties.empty()) return;
    for (const auto& [name, member] : *object) {
      const bool is_field = schema.properties.contains(std::string_view(name));
      const FieldPath at =
          is_field || schema.additional_properties == nullptr ? path.child(name) : path.key(name);
      if (!knows(schema, name)) {
        paths.push_back(at.text());
      } else if (const Schema* child = schema.member(name)) {
        collect_unknown(*child, member, at, paths);
      }
    }
  } else if (const json::array* array = value.if_array();
             array != nullptr && schema.items != nullptr) {
    for (size_t i = 0; i < array->size(); ++i)
      collect_unknown(*schema.items, (*array)[i], path.index(i), paths);
  }
}

template <typename Drop>
void remove_members(const Schema& schema, json::value& value, const Drop& drop) {
  if (json::object* object = value.if_object()) {
    if (schema.type == SchemaType::kAny && schema.properties.empty()) return;
    std::vector<std::string> gone;
    for (auto& [name, member] : *object) {
      if (drop(schema, name, member)) {
        gone.emplace_back(name);
      } else if (const Schema* child = schema.member(name)) {
        remove_members(*child, member, drop);
      }
    }
    if (gone.empty()) return;
    // erase() moves the last member into the gap; keep the order of the user's text.
    json::object kept;
    kept.reserve(object->size());
    for (auto& [name, member] : *object) {
      if (std::find(gone.begin(), gone.end(), std::string_view(name)) == gone.end())
        kept.emplace(name, std::move(member));
    }
    *object = std::move(kept);
  } else if (json::array* array = value.if_array(); array != nullptr && schema.items != nullptr) {
    for (json::value& element : *array) remove_members(*schema.items, element, drop);
  }
}

}  // namespace

std::optional<std::string> decode_error(const Schema& schema, const json::value& object) {
  return Decoder().check(schema, object, FieldPath(), "", short_name(schema.definition));
}

std::vector<std::string> unknown_fields(const Schema& schema, const json::value& object) {
  std::vector<std::string> paths;
  collect_unknown(schema, object, FieldPath(), paths);
  return paths;
}

std::string unknown_field_warning(const std::string& path) {
  return fmt::format("unknown field \"{}\"", path);
}

std::string strict_decoding_error(const std::vector<std::string>& unknown_paths) {
  std::string text = "strict decoding error: ";
  for (size_t i = 0; i < unknown_paths.size(); ++i) {
    if (i > 0) text += ", ";
    text += unknown_field_warning(unknown_paths[i]);
  }
  return text;
}

void prune(const Schema& schema, json::value& object) {
  remove_members(schema, object,
                 [](const Schema& parent, std::string_view name, const json::value&) {
                   return !knows(parent, name);
                 });
}

void drop_nulls(const Schema& schema, json::value& object) {
  remove_members(schema, object,
                 [](const Schema& parent, std::string_view name, const json::value& member) {
                   if (!member.is_null()) return false;
                   const Schema* child = parent.member(name);
                   return child != nullptr && !child->nullable && child->type != SchemaType::kAny;
                 });
}

}  // namespace caracal::apimachinery
