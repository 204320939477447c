// What the server itself reads and writes in an object: identity, metadata, selectable fields.
// Pure functions over JSON objects; absent or ill-typed members count as empty.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apiserver/store.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

std::string_view object_name(const json::value& object);
std::string_view object_namespace(const json::value& object);
std::string_view object_uid(const json::value& object);
std::string_view object_resource_version(const json::value& object);
std::vector<std::string> object_finalizers(const json::value& object);
bool has_finalizer(const json::value& object, std::string_view finalizer);
void add_finalizer(json::value& object, std::string_view finalizer);
void remove_finalizer(json::value& object, std::string_view finalizer);
bool is_deleting(const json::value& object);
// metadata, made when absent.
json::object& metadata_of(json::value& object);
// The object with apiVersion, kind and metadata in front, in this order.
json::value with_leading_members(json::value object, const apimachinery::ResourceType& type);

Attributes attributes_of(const apimachinery::ResourceType& type, const json::value& object);
// The value of a selectable field, "metadata.name" included; nothing when it is not one.
std::string_view field_value(const StoredObject& object, std::string_view field);

ObjectKey key_of(const apimachinery::ResourceType& type, std::string_view ns,
                 std::string_view name);
// A stored object as JSON. REQUIRES: bytes that this server wrote.
json::value parse_stored(const StoredObject& object);
// Its bytes in the version of `type` (apiVersion differs for all but the storage version).
std::string bytes_in_version(const StoredObject& object, const apimachinery::ResourceType& type);

std::string random_uuid();  // version 4
std::string rfc3339_now();  // whole seconds, as metav1.Time

}  // namespace caracal::apiserver
