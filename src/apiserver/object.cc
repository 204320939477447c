#include "apiserver/object.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <chrono>

#include "apimachinery/age.h"
#include "apimachinery/field_selector.h"
#include "base/check.h"

namespace caracal::apiserver {
namespace {

// The text of a scalar, as field selectors compare it.
std::string scalar_text(const json::value& value) {
  if (const json::string* text = value.if_string()) return std::string(*text);
  if (value.is_null() || value.is_object() || value.is_array()) return {};
  return jsonio::to_string(value);
}

}  // namespace

std::string_view object_name(const json::value& object) {
  return jsonio::get_string(object, {"metadata", "name"});
}
std::string_view object_namespace(const json::value& object) {
  return jsonio::get_string(object, {"metadata", "namespace"});
}
std::string_view object_uid(const json::value& object) {
  return jsonio::get_string(object, {"metadata", "uid"});
}
std::string_view object_resource_version(const json::value& object) {
  return jsonio::get_string(object, {"metadata", "resourceVersion"});
}

std::vector<std::string> object_finalizers(const json::value& object) {
  std::vector<std::string> finalizers;
  for (const json::value& entry : jsonio::get_array(object, {"metadata", "finalizers"})) {
    if (const json::string* text = entry.if_string()) finalizers.emplace_back(*text);
  }
  return finalizers;
}

bool has_finalizer(const json::value& object, std::string_view finalizer) {
  for (const std::string& entry : object_finalizers(object)) {
    if (entry == finalizer) return true;
  }
  return false;
}

void add_finalizer(json::value& object, std::string_view finalizer) {
  if (has_finalizer(object, finalizer)) return;
  json::value& list = metadata_of(object)["finalizers"];
  if (!list.is_array()) list.emplace_array();
  list.get_array().emplace_back(finalizer);
}

void remove_finalizer(json::value& object, std::string_view finalizer) {
  json::object& metadata = metadata_of(object);
  json::array rest;
  for (const std::string& entry : object_finalizers(object)) {
    if (entry != finalizer) rest.emplace_back(entry);
  }
  if (rest.empty()) {
    metadata.erase("finalizers");
  } else {
    metadata["finalizers"] = std::move(rest);
  }
}

bool is_deleting(const json::value& object) {
  return !jsonio::get_string(object, {"metadata", "deletionTimestamp"}).empty();
}

json::object& metadata_of(json::value& object) {
  json::value& metadata = jsonio::ensure(object, {"metadata"});
  if (!metadata.is_object()) metadata.emplace_object();
  return metadata.get_object();
}

json::value with_leading_members(json::value object, const apimachinery::ResourceType& type) {
  json::object ordered{{"apiVersion", type.api_version()}, {"kind", type.kind}};
  ordered["metadata"] = std::move(metadata_of(object));
  for (auto& member : object.as_object()) {
    ordered.emplace(member.key(), std::move(member.value()));  // keeps the three that are there
  }
  return ordered;
}

Attributes attributes_of(const apimachinery::ResourceType& type, const json::value& object) {
  Attributes attributes;
  attributes.uid = object_uid(object);
  attributes.deleting = is_deleting(object);
  for (const auto& label : jsonio::get_object(object, {"metadata", "labels"})) {
    if (const json::string* text = label.value().if_string()) {
      attributes.labels.emplace_back(label.key(), std::string(*text));
    }
  }
  for (const json::value& owner : jsonio::get_array(object, {"metadata", "ownerReferences"})) {
    const std::string_view uid = jsonio::get_string(owner, {"uid"});
    if (!uid.empty()) attributes.owner_uids.emplace_back(uid);
  }
  for (const auto& field : apimachinery::selectable_fields(type)) {
    if (field.label == "metadata.name" || field.label == "metadata.namespace") continue;
    const json::value* at = &object;
    for (const std::string& step : field.path) {
      const json::object* parent = at->if_object();
      at = parent != nullptr ? parent->if_contains(step) : nullptr;
      if (at == nullptr) break;
    }
    std::string text = at != nullptr ? scalar_text(*at) : std::string();
    attributes.fields.emplace_back(field.label, text.empty() ? field.absent : std::move(text));
  }
  return attributes;
}

std::string_view field_value(const StoredObject& object, std::string_view field) {
  if (field == "metadata.name") return object.key.name;
  if (field == "metadata.namespace") return object.key.ns;
  for (const auto& [name, value] : object.attributes.fields) {
    if (name == field) return value;
  }
  return {};
}

ObjectKey key_of(const apimachinery::ResourceType& type, std::string_view ns,
                 std::string_view name) {
  return {type.group_resource(), type.namespaced ? std::string(ns) : std::string(),
          std::string(name)};
}

json::value parse_stored(const StoredObject& object) {
  auto value = jsonio::parse(object.bytes);
  CARACAL_CHECK(value.has_value() && value->is_object());
  return std::move(*value);
}

std::string bytes_in_version(const StoredObject& object, const apimachinery::ResourceType& type) {
  if (type.storage_version) return object.bytes;
  json::value value = parse_stored(object);
  value.get_object()["apiVersion"] = type.api_version();
  return jsonio::to_string(value);
}

std::string random_uuid() {
  std::array<unsigned char, 16> b{};
  CARACAL_CHECK(getrandom(b.data(), b.size(), 0) == static_cast<ssize_t>(b.size()));
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string text;
  for (size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", b[i]);
  }
  return text;
}

std::string rfc3339_now() {
  return apimachinery::to_rfc3339(
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()));
}

}  // namespace caracal::apiserver
