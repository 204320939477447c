#include "apimachinery/schema_validate.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "apimachinery/quantity.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::apimachinery {
namespace {

// The JSON type as kube-openapi names it in messages.
std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "integer";
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "";
}

bool has_type(const json::value& value, SchemaType type) {
  switch (type) {
    case SchemaType::kAny:
      return true;
    case SchemaType::kObject:
      return value.is_object();
    case SchemaType::kArray:
      return value.is_array();
    case SchemaType::kString:
      return value.is_string();
    case SchemaType::kBoolean:
      return value.is_bool();
    case SchemaType::kNumber:
      return value.is_number();
    case SchemaType::kInteger:
      return value.is_int64() || value.is_uint64() ||
             (value.is_double() && std::floor(value.get_double()) == value.get_double());
  }
  return true;
}

// Characters (code points) of a UTF-8 text.
size_t text_length(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string number_text(double value) {
  if (std::floor(value) == value && std::fabs(value) < 1e15)
    return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

// Formats that CRDs are checked for; unknown ones are documentation.
bool has_format(std::string_view text, std::string_view format) {
  if (format == "ipv4") {
    const auto address = net::IpAddr::parse(text);
    return address && address->is_v4();
  }
  if (format == "ipv6") {
    const auto address = net::IpAddr::parse(text);
    return address && !address->is_v4();
  }
  if (format == "cidr") return net::Cidr::parse(text).has_value();
  if (format == "date-time") {
    static const re2::RE2 kTime(
        R"(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2}))");
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kTime);
  }
  if (format == "date") {
    static const re2::RE2 kDate(R"(\d{4}-\d{2}-\d{2})");
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kDate);
  }
  if (format == "uuid") {
    static const re2::RE2 kUuid(
        "(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}");
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kUuid);
  }
  if (format == "duration") {
    static const re2::RE2 kDuration(R"(-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+|0)");
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kDuration);
  }
  return true;
}

class Validator {
 public:
  std::vector<FieldError> take() { return std::move(errors_); }

  void check(const Schema& schema, const json::value& value, const FieldPath& path) {
    if (value.is_null() && (schema.nullable || schema.type == SchemaType::kAny)) return;
    if (schema.int_or_string) {
      if (!value.is_string() && !has_type(value, SchemaType::kInteger)) {
        wrong_type(value, path, "integer,string");
        return;
      }
    } else if (schema.quantity) {
      check_quantity(value, path);
      return;
    } else if (!has_type(value, schema.type)) {
      wrong_type(value, path, to_string(schema.type));
      return;
    }
    check_enum(schema, value, path);
    if (const json::string* text = value.if_string()) check_text(schema, *text, path);
    if (value.is_number()) check_number(schema, value, path);
    if (const json::array* array = value.if_array()) check_array(schema, *array, path);
    if (const json::object* object = value.if_object()) check_object(schema, *object, path);
    check_logic(schema, value, path);
  }

 private:
  static std::string in_body(const FieldPath& path, std::string_view what) {
    return path.empty() ? fmt::format("in body {}", what)
                        : fmt::format("{} in body {}", path.text(), what);
  }

  void wrong_type(const json::value& value, const FieldPath& path, std::string_view wanted) {
    const std::string_view got = type_name(value);
    errors_.push_back(FieldError::type_invalid(
        path, json::string(got),
        in_body(path, fmt::format("must be of type {}: \"{}\"", wanted, got))));
  }

  void invalid(const json::value& value, const FieldPath& path, std::string_view what) {
    errors_.push_back(FieldError::invalid(path, value, in_body(path, what)));
  }

  void check_quantity(const json::value& value, const FieldPath& path) {
    if (value.is_number()) return;
    const json::string* text = value.if_string();
    if (text == nullptr) {
      wrong_type(value, path, "string");
    } else if (!is_quantity(*text)) {
      errors_.push_back(FieldError::invalid(path, value,
                                            "quantities must match the regular expression "
                                            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
    }
  }

  void check_enum(const Schema& schema, const json::value& value, const FieldPath& path) {
    if (schema.enum_values.empty()) return;
    if (!schema.custom && value.is_string() && value.get_string().empty()) return;
    if (std::find(schema.enum_values.begin(), schema.enum_values.end(), value) !=
        schema.enum_values.end())
      return;
    std::vector<std::string> supported;
    for (const json::value& known : schema.enum_values) {
      supported.push_back(known.is_string() ? std::string(known.get_string())
                                            : jsonio::to_string(known));
    }
    errors_.push_back(FieldError::not_supported(path, value, supported));
  }

  void check_text(const Schema& schema, const json::string& text, const FieldPath& path) {
    const size_t length = text_length(text);
    if (schema.max_length && length > *schema.max_length)
      errors_.push_back(FieldError::too_long(path, *schema.max_length));
    if (schema.min_length && length < *schema.min_length) {
      invalid(text, path, fmt::format("should be at least {} chars long", *schema.min_length));
    }
    if (schema.regex &&
        !re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *schema.regex)) {
      invalid(text, path, fmt::format("should match '{}'", schema.pattern));
    }
    if (!schema.format.empty() && !has_format(text, schema.format)) {
      invalid(text, path,
              fmt::format("must be of type {}: {}", schema.format, jsonio::to_string(text)));
    }
  }

  void check_number(const Schema& schema, const json::value& value, const FieldPath& path) {
    const double real = value.to_number<double>();
    if (schema.maximum &&
        (schema.exclusive_maximum ? real >= *schema.maximum : real > *schema.maximum)) {
      invalid(
          value, path,
          fmt::format("should be less than {}{}", schema.exclusive_maximum ? "" : "or equal to ",
                      number_text(*schema.maximum)));
    }
    if (schema.minimum &&
        (schema.exclusive_minimum ? real <= *schema.minimum : real < *schema.minimum)) {
      invalid(
          value, path,
          fmt::format("should be greater than {}{}", schema.exclusive_minimum ? "" : "or equal to ",
                      number_text(*schema.minimum)));
    }
    if (schema.multiple_of && *schema.multiple_of > 0) {
      const double quotient = real / *schema.multiple_of;
      if (std::fabs(quotient - std::round(quotient)) > 1e-9) {
        invalid(value, path,
                fmt::format("should be a multiple of {}", number_text(*schema.multiple_of)));
      }
    }
    const bool is_small = real >= -2147483648.0 && real <= 2147483647.0;
    if (schema.type == SchemaType::kInteger && schema.format == "int32" && !is_small) {
      invalid(value, path, fmt::format("must be of type int32: \"{}\"", number_text(real)));
    }
  }

  void check_array(const Schema& schema, const json::array& array, const FieldPath& path) {
    if (schema.max_items && array.size() > *schema.max_items) {
      errors_.push_back(FieldError::too_many(path, array.size(), *schema.max_items));
    }
    if (schema.min_items && array.size() < *schema.min_items) {
      invalid(json::value(uint64_t{array.size()}), path,
              fmt::format("should have at least {} items", *schema.min_items));
    }
    if (schema.items != nullptr) {
      for (size_t i = 0; i < array.size(); ++i) check(*schema.items, array[i], path.index(i));
    }
    if (schema.unique_items) {
      std::set<std::string> seen;
      for (const json::value& element : array) {
        if (!seen.insert(jsonio::to_string(element)).second) {
          invalid(element, path, "shouldn't contain duplicates");
          break;
        }
      }
    }
    if (schema.custom && schema.list_type_set && schema.list_type != ListType::kAtomic)
      check_keys(schema, array, path);
  }

  // Sets have no equal elements, keyed lists no two with the same key values.
  void check_keys(const Schema& schema, const json::array& array, const FieldPath& path) {
    std::set<std::string> seen;
    for (size_t i = 0; i < array.size(); ++i) {
      json::value key = array[i];
      if (schema.list_type == ListType::kMap) {
        const json::object* object = array[i].if_object();
        if (object == nullptr) continue;
        json::object parts;
        for (const std::string& name : schema.list_map_keys) {
          const json::value* part = object->if_contains(name);
          const Schema* property = schema.items == nullptr ? nullptr : schema.items->member(name);
          if (part != nullptr) {
            parts[name] = *part;
          } else if (property != nullptr && property->default_value) {
            parts[name] = *property->default_value;
          }
        }
        key = std::move(parts);
      }
      if (!seen.insert(jsonio::to_string(key)).second)
        errors_.push_back(FieldError::duplicate(path.index(i), key));
    }
  }

  void check_object(const Schema& schema, const json::object& object, const FieldPath& path) {
    for (const std::string& name : schema.required) {
      const json::value* member = object.if_contains(name);
      if (member == nullptr) errors_.push_back(FieldError::required(path.child(name)));
    }
    if (schema.max_properties && object.size() > *schema.max_properties) {
      errors_.push_back(FieldError::too_many(path, object.size(), *schema.max_properties));
    }
    if (schema.min_properties && object.size() < *schema.min_properties) {
      invalid(json::value(uint64_t{object.size()}), path,
              fmt::format("should have at least {} properties", *schema.min_properties));
    }
    for (const auto& [name, member] : object) {
      const auto property = schema.properties.find(std::string_view(name));
      if (property != schema.properties.end()) {
        check(*property->second, member, path.child(name));
      } else if (schema.additional_properties != nullptr) {
        check(*schema.additional_properties, member, path.key(name));
      }
    }
  }

  static std::vector<FieldError> try_branch(const Schema& schema, const json::value& value,
                                            const FieldPath& path) {
    Validator branch;
    branch.check(schema, value, path);
    return branch.take();
  }

  void append(std::vector<FieldError> more) {
    for (FieldError& error : more) errors_.push_back(std::move(error));
  }

  void check_logic(const Schema& schema, const json::value& value, const FieldPath& path) {
    for (const Schema* part : schema.all_of) append(try_branch(*part, value, path));
    if (!schema.any_of.empty()) {
      std::vector<FieldError> first;
      bool matched = false;
      for (size_t i = 0; i < schema.any_of.size() && !matched; ++i) {
        auto errors = try_branch(*schema.any_of[i], value, path);
        matched = errors.empty();
        if (i == 0) first = std::move(errors);
      }
      if (!matched) {
        invalid(shown(value), path, "must validate at least one schema (anyOf)");
        append(std::move(first));
      }
    }
    if (!schema.one_of.empty()) {
      size_t matches = 0;
      std::vector<FieldError> first;
      for (size_t i = 0; i < schema.one_of.size(); ++i) {
        auto errors = try_branch(*schema.one_of[i], value, path);
        if (errors.empty()) ++matches;
        if (i == 0) first = std::move(errors);
      }
      if (matches != 1) {
        invalid(shown(value), path,
                fmt::format("must validate one and only one schema (oneOf). {}",
                            matches == 0 ? "Found none valid"
                                         : fmt::format("Found {} valid alternatives", matches)));
        if (matches == 0) append(std::move(first));
      }
    }
    if (schema.not_schema != nullptr && try_branch(*schema.not_schema, value, path).empty()) {
      invalid(shown(value), path, "must not validate the schema (not)");
    }
  }

  // Whole objects are not repeated in a message.
  static json::value shown(const json::value& value) {
    return value.is_structured() ? json::value(json::string(type_name(value))) : value;
  }

  std::vector<FieldError> errors_;
};

}  // namespace

std::vector<FieldError> validate(const Schema& schema, const json::value& value,
                                 const FieldPath& path) {
  Validator validator;
  validator.check(schema, value, path);
  return validator.take();
}

}  // namespace caracal::apimachinery
