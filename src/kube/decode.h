// Kubernetes objects as the API has them (JSON) into model values. Pure.
//
// A field of the wrong type or with a value outside the API's rules is an error that names the
// object, the field, the value and what is valid: "NetworkPolicy dev/web:
// spec.ingress[0].ports[1].port: 70000: must be between 1 and 65535". Unknown fields are passed
// over.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/endpoint_slice.h"
#include "model/namespace.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/policy.h"
#include "model/service_account.h"
#include "model/update.h"

namespace caracal::kube {

// metadata.namespace and metadata.name. Errors: no name.
Result<model::ObjectName> decode_name(const json::value& object);

// core/v1. Ports come from the containers and from init containers that keep running beside them
// (restartPolicy Always). An address that does not parse is left out: the kubelet writes status,
// and a half-written one must not hide the pod. A pod being deleted (deletionTimestamp) still runs,
// so it is not `finished`.
Result<model::Pod> decode_pod(const json::value& object);
Result<model::Namespace> decode_namespace(const json::value& object);
Result<model::Node> decode_node(const json::value& object);
Result<model::ServiceAccount> decode_service_account(const json::value& object);

// discovery.k8s.io/v1. Addresses of endpoints that are ready or whose state is not told; FQDN
// slices have none. A slice that belongs to no service has an empty `service`.
Result<model::EndpointSlice> decode_endpoint_slice(const json::value& object);

// networking.k8s.io/v1 NetworkPolicy. With errors the update is `invalid`, and its value still
// holds what is known for sure: the endpoints it selects and the directions it isolates, with no
// rule at all, so that it allows nothing. When even podSelector cannot be read, it selects its
// whole namespace.
model::PolicyUpdate decode_network_policy(const json::value& object);

}  // namespace caracal::kube
