// Kubernetes' protobuf encoding of request bodies (application/vnd.kubernetes.protobuf), which
// newer kubectl uses to create builtin kinds.
//
// A body is "k8s\0", then runtime.Unknown: the type's name and the object as its own message.
// Messages are decoded by a table of field names, numbers and types (protobuf_messages.h). Answers
// are always JSON, which every such client accepts. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

// The object with apiVersion and kind. Members that a Go client writes although they were never set
// (empty texts, zeros where zero means absent) are left out, as its JSON encoder would. Errors:
// kInvalid for bytes that are no such body, kUnsupported for a kind without a table.
Result<json::value> decode_kubernetes_protobuf(std::string_view body);

}  // namespace caracal::apiserver
