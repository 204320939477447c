// KindRules: the few things a server does for single kinds when their objects are written, beyond
// what types/*.yaml can say: first status, service account of a pod, a namespace's own finalizer,
// CRD status.
//
// Called by ObjectWriter inside a transaction. Pure but for the time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apimachinery/resource_type.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

inline constexpr std::string_view kNamespaceFinalizer = "kubernetes";  // in spec.finalizers
inline constexpr std::string_view kCrdFinalizer = "customresourcecleanup.apiextensions.k8s.io";
inline constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
inline constexpr std::string_view kOrphanFinalizer = "orphan";

bool is_kind(const apimachinery::ResourceType& type, std::string_view group, std::string_view kind);

// A Tier of either of Calico's groups.
bool is_tier(const apimachinery::ResourceType& type);

// Before a new object is validated and stored.
void prepare_create(const apimachinery::ResourceType& type,
                    const apimachinery::ResourceCatalog& catalog, json::value& object);
// Before a changed main resource is validated and stored.
void prepare_update(const apimachinery::ResourceType& type,
                    const apimachinery::ResourceCatalog& catalog, json::value& object,
                    const json::value& old);
// When an object starts to be deleted (deletionTimestamp is set already).
void prepare_delete(const apimachinery::ResourceType& type, json::value& object);
// Why the object may not be deleted at all.
std::optional<std::string> deletion_forbidden(const apimachinery::ResourceType& type,
                                              std::string_view name);

// Seconds a deletion waits for somebody else to finish it (the kubelet for pods); 0: none.
int64_t grace_period(const apimachinery::ResourceType& type, const json::value& object,
                     std::optional<int64_t> requested);
// Nothing holds an object that is being deleted any more.
bool may_vanish(const apimachinery::ResourceType& type, const json::value& object);

}  // namespace caracal::apiserver
