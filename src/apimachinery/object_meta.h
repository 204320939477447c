// Validation of metadata, the same for every kind: names, labels, annotations, owners, finalizers, and what
// an update may not change.
//
// The API server calls it for creates and updates of every resource, after generateName is resolved. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/names.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// All keys and values of metadata.annotations together.
inline constexpr size_t kMaxAnnotationsBytes = 256 * 1024;

// `old` is the stored object on an update, nullptr on a create.
std::vector<FieldError> validate_object_meta(const json::value& object, const json::value* old, NameRule rule,
                                             bool namespaced);

// A map of labels at `path` (metadata.labels, a pod template's labels, ...).
std::vector<FieldError> validate_labels(const json::value* labels, const std::string& path);

// A metav1.LabelSelector at `path`: keys, values, operators In, NotIn, Exists, DoesNotExist.
std::vector<FieldError> validate_label_selector(const json::value* selector, const std::string& path);

}  // namespace caracal::apimachinery
