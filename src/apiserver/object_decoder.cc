#include "apiserver/object_decoder.h"

#include <fmt/format.h>

#include "apimachinery/builtin_validation.h"
#include "apimachinery/crd.h"
#include "apimachinery/defaulting.h"
#include "apimachinery/json_patch.h"
#include "apimachinery/names.h"
#include "apimachinery/object_meta.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_validate.h"
#include "apiserver/object.h"
#include "calico/object_rules.h"

namespace caracal::apiserver {
namespace {

using apimachinery::FieldPath;

std::string cannot_be_handled(const ResourceType& type, std::string_view why) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", type.kind, type.version,
                     type.kind, why);
}

bool is_crd(const ResourceType& type) {
  return type.builtin && type.group == "apiextensions.k8s.io" &&
         type.kind == "CustomResourceDefinition";
}

ApiStatus check_identity(const ResourceType& type, json::object& object) {
  const auto fill = [&object](std::string_view name, const std::string& value) {
    json::value& member = object[name];
    if (member.is_null()) member = value;
  };
  fill("apiVersion", type.api_version());
  fill("kind", type.kind);
  const json::value& api_version = object["apiVersion"];
  const json::value& kind = object["kind"];  // both exist: no member moves any more
  if (!api_version.is_string() || !kind.is_string()) {
    return refuse(ApiError::bad_request("apiVersion and kind must be strings"));
  }
  if (api_version.get_string() != type.api_version()) {
    return refuse(ApiError::bad_request(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    std::string_view(api_version.get_string()), type.api_version())));
  }
  if (kind.get_string() != type.kind) {
    return refuse(ApiError::bad_request(
        fmt::format("the kind in the data ({}) does not match the expected kind ({})",
                    std::string_view(kind.get_string()), type.kind)));
  }
  return {};
}

// The rules of Calico's kinds and their neighbours, which are served as custom resources.
const calico::ObjectRules* rules_of(const ResourceType& type) {
  return type.builtin ? nullptr : calico::find_rules(type.group, type.kind);
}

// Equal in all that rules look at.
bool same_to_rules(const json::value& a, const json::value& b) {
  const auto same = [&](std::initializer_list<std::string_view> path) {
    const json::value* one = jsonio::get(a, path);
    const json::value* other = jsonio::get(b, path);
    if (one == nullptr || other == nullptr) return one == other;
    return apimachinery::json_equal(*one, *other);
  };
  return same({"spec"}) && same({"metadata", "labels"}) && same({"metadata", "annotations"});
}

FieldError field_error(const kube::FieldProblem& problem) {
  using Type = kube::FieldProblem::Type;
  const FieldPath path(problem.field);
  switch (problem.type) {
    case Type::kRequired:
      return FieldError::required(path, problem.text);
    case Type::kForbidden:
      return FieldError::forbidden(path, problem.text);
    case Type::kDuplicate:
      return FieldError::duplicate(path, problem.value);
    case Type::kInvalid:
      break;
  }
  // Worded by somebody else: "spec.x: text".
  if (problem.field.empty()) return FieldError::forbidden(path, problem.text);
  return FieldError::invalid(path, problem.value, problem.text);
}

}  // namespace

ApiResult<FieldValidation> parse_field_validation(std::string_view text) {
  if (text.empty() || text == "Warn") return FieldValidation::kWarn;
  if (text == "Ignore") return FieldValidation::kIgnore;
  if (text == "Strict") return FieldValidation::kStrict;
  return refuse(
      ApiError::bad_request(fmt::format("fieldValidation: Unsupported value: \"{}\": supported "
                                        "values: \"\", \"Ignore\", \"Warn\", \"Strict\"",
                                        text)));
}

std::vector<std::string> object_warnings(const ResourceType& type, const json::value& object) {
  const calico::ObjectRules* rules = rules_of(type);
  if (rules == nullptr || !object.is_object()) return {};
  kube::ObjectReader reader;
  rules->check(object, reader);
  return reader.warnings();
}

ApiResult<json::value> decode_object(const ResourceType& type, json::value value,
                                     FieldValidation validation,
                                     std::vector<std::string>& warnings) {
  json::object* object = value.if_object();
  if (object == nullptr) return refuse(ApiError::bad_request("the request body must be an object"));
  CARACAL_API_TRY(check_identity(type, *object));
  if (type.builtin) {
    if (const auto wrong = apimachinery::decode_error(*type.schema, value)) {
      return refuse(ApiError::bad_request(cannot_be_handled(type, *wrong)));
    }
  } else if (const json::value* metadata = object->if_contains("metadata");
             metadata != nullptr && !metadata->is_object() && !metadata->is_null()) {
    return refuse(ApiError::bad_request(cannot_be_handled(type, "metadata must be an object")));
  }
  if (validation != FieldValidation::kIgnore) {
    const std::vector<std::string> unknown = apimachinery::unknown_fields(*type.schema, value);
    if (!unknown.empty() && validation == FieldValidation::kStrict) {
      return refuse(ApiError::bad_request(
          cannot_be_handled(type, apimachinery::strict_decoding_error(unknown))));
    }
    for (const std::string& path : unknown)
      warnings.push_back(apimachinery::unknown_field_warning(path));
  }
  return normalize_object(type, std::move(value));
}

json::value normalize_object(const ResourceType& type, json::value value) {
  if (!type.preserve_unknown_fields) apimachinery::prune(*type.schema, value);
  apimachinery::drop_nulls(*type.schema, value);
  apimachinery::apply_defaults(type, value);
  if (is_crd(type)) apimachinery::default_crd(value);
  if (const calico::ObjectRules* rules = rules_of(type); rules && rules->apply_defaults) {
    rules->apply_defaults(value);
  }
  return with_leading_members(std::move(value), type);
}

std::vector<FieldError> validate_object(const ResourceType& type, const json::value& object,
                                        const json::value* old, bool status_only) {
  std::vector<FieldError> errors = apimachinery::validate(*type.schema, object);
  if (status_only) return errors;
  const auto append = [&errors](std::vector<FieldError> more) {
    for (FieldError& error : more) errors.push_back(std::move(error));
  };
  const apimachinery::NameRule rule = type.builtin ? apimachinery::name_rule(type.group, type.kind)
                                                   : apimachinery::NameRule::kSubdomain;
  append(apimachinery::validate_object_meta(object, old, rule, type.namespaced));
  if (!errors.empty()) return errors;  // the checks below expect a well-shaped object
  if (is_crd(type)) {
    append(apimachinery::validate_crd(object));
    if (old != nullptr && errors.empty()) append(apimachinery::validate_crd_update(object, *old));
  } else if (const calico::ObjectRules* rules = rules_of(type)) {
    // What an older release took may lose its finalizers, and so go.
    if (old != nullptr && same_to_rules(object, *old)) return errors;
    kube::ObjectReader reader;
    rules->check(object, reader);
    if (old != nullptr && rules->check_change != nullptr) rules->check_change(object, *old, reader);
    for (const kube::FieldProblem& problem : reader.problems())
      errors.push_back(field_error(problem));
  } else if (type.builtin) {
    append(apimachinery::validate_builtin(type.group, type.kind, object, old));
  }
  return errors;
}

}  // namespace caracal::apiserver
