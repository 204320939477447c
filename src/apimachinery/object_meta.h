// Validation of metadata, the same for every kind: names, labels, annotations, owners, finalizers,
// and what an update may not change.
//
// The API server calls it for creates and updates of every resource, after generateName is
// resolved. Pure. Objects have passed their schema: a field of a wrong type is treated as absent.
#pragma once

#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/names.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// All keys and values of metadata.annotations together.
inline constexpr size_t kMaxAnnotationsBytes = 256 * 1024;

// `old` is the stored object on an update, nullptr on a create. `rule` comes from name_rule().
std::vector<FieldError> validate_object_meta(const json::value& object, const json::value* old,
                                             NameRule rule, bool namespaced);

// A map of labels at `path` (metadata.labels, matchLabels, ...); nullptr is an empty one.
std::vector<FieldError> validate_labels(const json::value* labels, const FieldPath& path);

// A LabelSelector at `path`: keys, values, operators In, NotIn, Exists, DoesNotExist.
std::vector<FieldError> validate_label_selector(const json::value* selector, const FieldPath& path);

}  // namespace caracal::apimachinery
