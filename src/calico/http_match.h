// HTTPMatch: the part of a rule about HTTP requests. It is checked, never enforced (decode_rule.h).
#pragma once

#include "kube/object_reader.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

void check_http_match(const json::object& http, const FieldPath& path, ObjectReader& reader);

}  // namespace caracal::calico
