#include "apimachinery/object_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace caracal::apimachinery {
namespace {

using Errors = std::vector<FieldError>;

const json::value* member(const json::value* value, std::string_view name) {
  const json::object* object = value != nullptr ? value->if_object() : nullptr;
  return object != nullptr ? object->if_contains(name) : nullptr;
}

const json::array& elements(const json::value* value) {
  static const json::array kEmpty;
  const json::array* array = value != nullptr ? value->if_array() : nullptr;
  return array != nullptr ? *array : kEmpty;
}

std::string_view text(const json::value* value) {
  const json::string* string = value != nullptr ? value->if_string() : nullptr;
  return string != nullptr ? std::string_view(*string) : std::string_view();
}

void check_names(const json::value& meta, NameRule rule, bool namespaced, const FieldPath& path,
                 Errors& errors) {
  const std::string_view name = text(member(&meta, "name"));
  const std::string_view prefix = text(member(&meta, "generateName"));
  if (!prefix.empty()) {
    // What is appended ends in a letter or digit, so a prefix may end in '-'.
    if (NameFault fault = check_name(rule, std::string(prefix.substr(0, 58)) + "x")) {
      errors.push_back(
          FieldError::invalid(path.child("generateName"), json::value(prefix), *fault));
    }
  }
  if (name.empty()) {
    errors.push_back(
        FieldError::required(path.child("name"), "either name or generateName must be given"));
  } else if (NameFault fault = check_name(rule, name)) {
    errors.push_back(FieldError::invalid(path.child("name"), json::value(name), *fault));
  }
  const std::string_view ns = text(member(&meta, "namespace"));
  if (!namespaced) {
    if (!ns.empty()) {
      errors.push_back(
          FieldError::forbidden(path.child("namespace"), "objects of this kind have no namespace"));
    }
  } else if (ns.empty()) {
    errors.push_back(FieldError::required(path.child("namespace")));
  } else if (NameFault fault = check_dns1123_label(ns)) {
    errors.push_back(FieldError::invalid(path.child("namespace"), json::value(ns), *fault));
  }
}

void check_annotations(const json::value* annotations, const FieldPath& path, Errors& errors) {
  const json::object* object = annotations != nullptr ? annotations->if_object() : nullptr;
  if (object == nullptr) return;
  size_t bytes = 0;
  for (const auto& entry : *object) {
    const std::string_view key = entry.key();
    // Keys of annotations may hold capitals in their prefix, for old clients' sake.
    std::string lower(key);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (NameFault fault = check_qualified_name(lower)) {
      errors.push_back(FieldError::invalid(path, json::value(key), *fault));
    }
    bytes += key.size() + text(&entry.value()).size();
  }
  if (bytes > kMaxAnnotationsBytes)
    errors.push_back(FieldError::too_long(path, kMaxAnnotationsBytes));
}

void check_owners(const json::value* owners, const FieldPath& path, Errors& errors) {
  std::string controller;
  for (size_t i = 0; i < elements(owners).size(); ++i) {
    const json::value& owner = elements(owners)[i];
    const FieldPath at = path.index(i);
    for (const std::string_view field : {"apiVersion", "kind", "name", "uid"}) {
      if (text(member(&owner, field)).empty()) {
        errors.push_back(FieldError::required(at.child(field), "must not be empty"));
      }
    }
    const json::value* flag = member(&owner, "controller");
    if (flag == nullptr || !flag->is_bool() || !flag->get_bool()) continue;
    const std::string name =
        fmt::format("{}/{}", text(member(&owner, "kind")), text(member(&owner, "name")));
    if (!controller.empty()) {
      errors.push_back(FieldError::invalid(
          at.child("controller"), true,
          fmt::format("only one owner may be the controller, and {} is it already", controller)));
    }
    controller = name;
  }
}

void check_finalizers(const json::value* finalizers, const FieldPath& path, Errors& errors) {
  bool orphan = false;
  bool foreground = false;
  for (size_t i = 0; i < elements(finalizers).size(); ++i) {
    const std::string_view name = text(&elements(finalizers)[i]);
    orphan |= name == "orphan";
    foreground |= name == "foregroundDeletion";
    if (NameFault fault = check_qualified_name(name)) {
      errors.push_back(FieldError::invalid(path.index(i), json::value(name), *fault));
    }
  }
  if (orphan && foreground) {
    errors.push_back(
        FieldError::invalid(path, *finalizers, "orphan and foregroundDeletion exclude each other"));
  }
}

void check_update(const json::value& meta, const json::value& old, const FieldPath& path,
                  Errors& errors) {
  // A field that an update leaves out keeps its stored value.
  for (const std::string_view field :
       {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"}) {
    const json::value* now = member(&meta, field);
    const json::value* before = member(&old, field);
    const bool changed =
        now != nullptr && !now->is_null() && (before == nullptr || *now != *before);
    if (changed)
      errors.push_back(FieldError::invalid(path.child(field), *now, "field is immutable"));
  }
  const json::value* deletion = member(&old, "deletionTimestamp");
  if (deletion == nullptr || deletion->is_null()) return;
  const json::array& before = elements(member(&old, "finalizers"));
  for (const json::value& finalizer : elements(member(&meta, "finalizers"))) {
    if (std::find(before.begin(), before.end(), finalizer) != before.end()) continue;
    errors.push_back(FieldError::forbidden(
        path.child("finalizers"),
        fmt::format("no finalizer can be added while the object is being deleted, found \"{}\"",
                    text(&finalizer))));
  }
}

void append(Errors& to, Errors&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void check_requirement(const json::value& requirement, const FieldPath& path, Errors& errors) {
  const std::string_view key = text(member(&requirement, "key"));
  const std::string_view op = text(member(&requirement, "operator"));
  const json::array& values = elements(member(&requirement, "values"));
  if (op == "In" || op == "NotIn") {
    if (values.empty()) {
      errors.push_back(FieldError::required(path.child("values"),
                                            "operators In and NotIn need at least one value"));
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!values.empty()) {
      errors.push_back(FieldError::forbidden(path.child("values"),
                                             "operators Exists and DoesNotExist take no values"));
    }
  } else {
    errors.push_back(FieldError::invalid(path.child("operator"), json::value(op),
                                         "not a selector operator: must be In, NotIn, Exists or "
                                         "DoesNotExist"));
  }
  if (NameFault fault = check_qualified_name(key)) {
    errors.push_back(FieldError::invalid(path.child("key"), json::value(key), *fault));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string_view value = text(&values[i]);
    if (NameFault fault = check_label_value(value)) {
      errors.push_back(
          FieldError::invalid(path.child("values").index(i), json::value(value), *fault));
    }
  }
}

}  // namespace

std::vector<FieldError> validate_labels(const json::value* labels, const FieldPath& path) {
  Errors errors;
  const json::object* object = labels != nullptr ? labels->if_object() : nullptr;
  if (object == nullptr) return errors;
  for (const auto& entry : *object) {
    const std::string_view key = entry.key();
    if (NameFault fault = check_qualified_name(key)) {
      errors.push_back(FieldError::invalid(path, json::value(key), *fault));
    }
    const std::string_view value = text(&entry.value());
    if (NameFault fault = check_label_value(value)) {
      errors.push_back(FieldError::invalid(path.key(key), json::value(value), *fault));
    }
  }
  return errors;
}

std::vector<FieldError> validate_label_selector(const json::value* selector,
                                                const FieldPath& path) {
  Errors errors = validate_labels(member(selector, "matchLabels"), path.child("matchLabels"));
  const json::array& requirements = elements(member(selector, "matchExpressions"));
  for (size_t i = 0; i < requirements.size(); ++i) {
    check_requirement(requirements[i], path.child("matchExpressions").index(i), errors);
  }
  return errors;
}

std::vector<FieldError> validate_object_meta(const json::value& object, const json::value* old,
                                             NameRule rule, bool namespaced) {
  Errors errors;
  const FieldPath path("metadata");
  const json::value* found = member(&object, "metadata");
  static const json::value kEmpty = json::object();
  const json::value& meta = found != nullptr ? *found : kEmpty;
  check_names(meta, rule, namespaced, path, errors);
  append(errors, validate_labels(member(&meta, "labels"), path.child("labels")));
  check_annotations(member(&meta, "annotations"), path.child("annotations"), errors);
  check_owners(member(&meta, "ownerReferences"), path.child("ownerReferences"), errors);
  check_finalizers(member(&meta, "finalizers"), path.child("finalizers"), errors);
  const json::value* old_meta = old != nullptr ? member(old, "metadata") : nullptr;
  if (old_meta != nullptr) check_update(meta, *old_meta, path, errors);
  return errors;
}

}  // namespace caracal::apimachinery
