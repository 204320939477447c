// Rule: one rule of Calico's policies (calico.md 2.1, 4.5) into model::Rule.
#pragma once

#include <string>

#include "kube/object_reader.h"
#include "model/policy.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// What a direction of a stored policy may hold. The API's schema takes 1024 of a writer, but only
// since Calico 3.33: what was stored before it goes on.
inline constexpr size_t kMaxRules = 10'000;

// Problems and warnings go to `reader`. A rule with an http part never matches: nobody looks into
// the requests. Nor does an Allow or Pass rule with a field nobody knows: it may be a condition.
// `ns`: of the policy; empty: a global one.
model::Rule decode_rule(const json::object& rule, const FieldPath& path, const std::string& ns,
                        model::Direction direction, ObjectReader& reader);

// All rules of a direction; each keeps its place.
std::vector<model::Rule> decode_rules(const json::object& spec, std::string_view name,
                                      const FieldPath& path, const std::string& ns,
                                      model::Direction direction, ObjectReader& reader);

}  // namespace caracal::calico
