#include "apiserver/object_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "apimachinery/age.h"
#include "apimachinery/merge_patch.h"
#include "apimachinery/names.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/strategic_merge_patch.h"
#include "apiserver/kind_rules.h"
#include "apiserver/object.h"
#include "apiserver/pool_rules.h"
#include "apiserver/tier_rules.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

using apimachinery::FieldPath;
using apimachinery::ResourceTypePtr;

uint32_t random_number() {
  static thread_local std::mt19937 generator{std::random_device{}()};
  return static_cast<uint32_t>(generator());
}

// What clients cannot set: on a create it goes, on an update it stays as stored.
constexpr std::string_view kServerMetadata[] = {"uid", "creationTimestamp", "deletionTimestamp",
                                                "deletionGracePeriodSeconds", "generation"};

void take_metadata(json::object& metadata, const json::object& old, std::string_view field) {
  if (const json::value* value = old.if_contains(field)) {
    metadata[field] = *value;
  } else {
    metadata.erase(field);
  }
}

// Whether two objects differ in what `generation` counts.
bool desired_state_differs(const ResourceType& type, const json::object& a, const json::object& b) {
  const auto counted = [&type](std::string_view member) {
    return member != "metadata" && !(member == "status" && type.has_status());
  };
  size_t members = 0;
  for (const auto& member : a) {
    if (!counted(member.key())) continue;
    ++members;
    const json::value* other = b.if_contains(member.key());
    if (other == nullptr || !apimachinery::json_equal(member.value(), *other)) return true;
  }
  const auto others =
      std::count_if(b.begin(), b.end(), [&](const auto& member) { return counted(member.key()); });
  return members != static_cast<size_t>(others);
}

ApiStatus check_place(const WriteTarget& target, const json::value& object, bool creating) {
  const std::string_view name = object_name(object);
  if (!target.name.empty() && name != target.name && !(creating && name.empty())) {
    return refuse(ApiError::bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, target.name)));
  }
  const std::string_view ns = object_namespace(object);
  if (!ns.empty() && ns != target.ns && target.type->namespaced) {
    return refuse(
        ApiError::bad_request(creating ? std::string("the namespace of the provided object does "
                                                     "not match the namespace sent on the request")
                                       : fmt::format("the namespace of the object ({}) does not "
                                                     "match the namespace on the request ({})",
                                                     ns, target.ns)));
  }
  return {};
}

WriteTarget of_type(const ResourceTypePtr& type, std::string ns, std::string name) {
  return {.type = type, .ns = std::move(ns), .name = std::move(name)};
}

}  // namespace

ApiStatus ObjectWriter::check_namespace(Transaction& transaction, const WriteTarget& target,
                                        const std::string& name) {
  if (!target.type->namespaced) return {};
  const auto catalog = registry_.snapshot();
  const ResourceTypePtr namespaces = catalog->find("", "v1", "namespaces");
  const StoredPtr ns = transaction.get(key_of(*namespaces, "", target.ns));
  if (!ns) return refuse(ApiError::not_found(*namespaces, target.ns));
  if (!ns->attributes.deleting) return {};
  const std::string why = fmt::format(
      "unable to create new content in namespace {} because it is being terminated", target.ns);
  ApiError error = ApiError::forbidden(*target.type, name, why);
  error.details["causes"] = json::array{
      json::object{{"reason", "NamespaceTerminating"},
                   {"message", fmt::format("namespace {} is being terminated", target.ns)},
                   {"field", "metadata.namespace"}}};
  return refuse(std::move(error));
}

ApiResult<json::value> ObjectWriter::load(Transaction& transaction, const WriteTarget& target) {
  const StoredPtr stored = transaction.get(key_of(*target.type, target.ns, target.name));
  if (!stored) return refuse(ApiError::not_found(*target.type, target.name));
  json::value object = parse_stored(*stored);
  object.get_object()["apiVersion"] = target.type->api_version();
  return object;
}

WriteOutcome ObjectWriter::store(Transaction& transaction, const WriteTarget& target,
                                 json::value object) {
  WriteOutcome outcome;
  if (!target.dry_run) {
    const ResourceType& type = *target.type;
    metadata_of(object)["resourceVersion"] = std::to_string(transaction.next_revision());
    Attributes attributes = attributes_of(type, object);
    ObjectKey key = key_of(type, object_namespace(object), object_name(object));
    std::string bytes;
    if (!type.storage_version) {
      for (const ResourceTypePtr& other : registry_.snapshot()->types()) {
        if (other->group == type.group && other->plural == type.plural && other->storage_version) {
          json::value converted =
              object;  // conversion strategy None: only the version's name changes
          converted.get_object()["apiVersion"] = other->api_version();
          bytes = jsonio::to_string(converted);
        }
      }
    }
    // A storage version that is not served is no type here; readers set apiVersion anyway.
    if (bytes.empty()) bytes = jsonio::to_string(object);
    transaction.put(std::move(key), std::move(bytes), std::move(attributes));
  }
  outcome.object = std::move(object);
  return outcome;
}

WriteOutcome ObjectWriter::erase(Transaction& transaction, const WriteTarget& target,
                                 json::value object) {
  const ObjectKey key = key_of(*target.type, target.ns, target.name);
  if (!target.dry_run) {
    if (is_kind(*target.type, "", "Service")) {
      cluster_ips_.release(jsonio::get_string(object, {"spec", "clusterIP"}), key);
    }
    metadata_of(object)["resourceVersion"] = std::to_string(transaction.next_revision());
    transaction.erase(key, jsonio::to_string(object));
  }
  WriteOutcome outcome;
  outcome.object = std::move(object);
  outcome.deleted = true;
  return outcome;
}

ApiResult<WriteOutcome> ObjectWriter::create(Transaction& transaction, const WriteTarget& target,
                                             json::value object) {
  const ResourceType& type = *target.type;
  CARACAL_API_TRY(check_place(target, object, true));
  json::object& metadata = metadata_of(object);
  if (!object_resource_version(object).empty()) {
    return refuse(
        ApiError::bad_request("resourceVersion should not be set on objects to be created"));
  }
  for (const std::string_view field : kServerMetadata) metadata.erase(field);
  for (const char* field : {"resourceVersion", "selfLink", "managedFields"}) metadata.erase(field);
  const std::string prefix(jsonio::get_string(object, {"metadata", "generateName"}));
  if (object_name(object).empty() && !target.name.empty()) metadata["name"] = target.name;
  if (object_name(object).empty() && !prefix.empty()) {
    metadata["name"] = apimachinery::generate_name(prefix, random_number);
  }
  const std::string name(object_name(object));
  if (type.namespaced) {
    metadata["namespace"] = target.ns;
  } else {
    metadata.erase("namespace");
  }
  CARACAL_API_TRY(check_namespace(transaction, target, name));
  const auto catalog = registry_.snapshot();
  if (!type.builtin) {
    // A definition that is going away takes its objects with it; new ones would hold it back.
    const ResourceTypePtr crds =
        catalog->find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    const StoredPtr crd = transaction.get(key_of(*crds, "", type.group_resource()));
    if (crd && crd->attributes.deleting) {
      return refuse(ApiError{405,
                             "MethodNotAllowed",
                             "create not allowed while custom resource definition is terminating",
                             {}});
    }
  }
  prepare_create(type, *catalog, object);
  metadata_of(object)["uid"] = random_uuid();
  metadata_of(object)["creationTimestamp"] = rfc3339_now();
  if (type.has_generation) metadata_of(object)["generation"] = 1;

  if (const auto errors = validate_object(type, object, nullptr); !errors.empty()) {
    return refuse(ApiError::invalid(type, name, errors));
  }
  if (const auto missing = missing_tier(transaction, *catalog, type, object)) {
    return refuse(ApiError::invalid(type, name, {*missing}));
  }
  if (const auto overlapping = overlapping_pool(transaction, *catalog, type, object)) {
    return refuse(ApiError::invalid(type, name, {*overlapping}));
  }
  const ObjectKey key = key_of(type, target.ns, name);
  if (transaction.get(key)) return refuse(ApiError::already_exists(type, name));

  if (is_kind(type, "", "Service") &&
      jsonio::get_string(object, {"spec", "type"}) != "ExternalName") {
    std::string address(jsonio::get_string(object, {"spec", "clusterIP"}));
    if (address.empty()) {
      const auto allocated = cluster_ips_.allocate(key);
      if (!allocated) return refuse(ApiError::internal("no free service address is left"));
      address = *allocated;
      jsonio::ensure(object, {"spec", "clusterIP"}) = address;
    } else if (const auto why = cluster_ips_.reserve(address, key)) {
      return refuse(ApiError::invalid(
          type, name,
          {FieldError::invalid(FieldPath("spec").child("clusterIPs"),
                               json::array{json::value(address)},
                               fmt::format("failed to allocate IP {}: {}", address, *why))}));
    }
    if (target.dry_run) cluster_ips_.release(address, key);
    jsonio::ensure(object, {"spec", "clusterIPs"}) = json::array{json::value(address)};
    const char* family = address.find(':') == std::string::npos ? "IPv4" : "IPv6";
    if (address != "None")
      jsonio::ensure(object, {"spec", "ipFamilies"}) = json::array{json::value(family)};
    if (jsonio::get(object, {"spec", "ipFamilyPolicy"}) == nullptr) {
      jsonio::ensure(object, {"spec", "ipFamilyPolicy"}) = "SingleStack";
    }
  }
  WriteOutcome outcome = store(transaction, target, std::move(object));
  outcome.code = 201;

  if (is_kind(type, "", "Namespace") && !target.dry_run) {
    const ResourceTypePtr accounts = catalog->find("", "v1", "serviceaccounts");
    if (accounts && !transaction.get(key_of(*accounts, name, "default"))) {
      json::value account = normalize_object(
          *accounts, json::object{{"metadata", json::object{{"name", "default"}}}});
      CARACAL_API_TRY(create(transaction, of_type(accounts, name, "default"), std::move(account)));
    }
  }
  return outcome;
}

ApiResult<WriteOutcome> ObjectWriter::update(Transaction& transaction, const WriteTarget& target,
                                             json::value object) {
  CARACAL_API_TRY(check_place(target, object, false));
  CARACAL_API_ASSIGN(const json::value old, load(transaction, target));
  if (!target.type->builtin && object_resource_version(object).empty()) {
    return refuse(ApiError::invalid(
        *target.type, target.name,
        {FieldError::invalid(FieldPath("metadata").child("resourceVersion"), json::value(0),
                             "must be specified for an update")}));
  }
  return replace(transaction, target, std::move(object), old);
}

ApiResult<WriteOutcome> ObjectWriter::replace(Transaction& transaction, const WriteTarget& target,
                                              json::value object, const json::value& old) {
  const ResourceType& type = *target.type;
  const std::string_view version = object_resource_version(object);
  if (!version.empty() && version != object_resource_version(old)) {
    return refuse(ApiError::modified(type, target.name));
  }
  const std::string_view uid = object_uid(object);
  if (!uid.empty() && uid != object_uid(old)) {
    return refuse(ApiError::conflict(
        type, target.name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                    object_uid(old))));
  }
  const bool partial = !target.subresource.empty();
  if (partial) {
    // A subresource owns one part; all else stays as it is.
    json::value merged = old;
    json::object& members = merged.get_object();
    if (target.subresource == "status") {
      if (const json::value* status = jsonio::get(object, {"status"})) {
        members["status"] = *status;
      } else {
        members.erase("status");
      }
    } else if (const json::value* finalizers = jsonio::get(object, {"spec", "finalizers"})) {
      jsonio::ensure(merged, {"spec", "finalizers"}) = *finalizers;
    } else if (json::object* spec = jsonio::ensure(merged, {"spec"}).if_object()) {
      spec->erase("finalizers");
    }
    object = std::move(merged);
  } else {
    json::object& metadata = metadata_of(object);
    const json::object& old_metadata = jsonio::get_object(old, {"metadata"});
    for (const std::string_view field : kServerMetadata)
      take_metadata(metadata, old_metadata, field);
    take_metadata(metadata, old_metadata, "namespace");
    for (const char* field : {"selfLink", "managedFields"}) metadata.erase(field);
    if (type.has_status()) {
      if (const json::value* status = jsonio::get(old, {"status"})) {
        object.get_object()["status"] = *status;
      } else {
        object.get_object().erase("status");
      }
    }
    prepare_update(type, *registry_.snapshot(), object, old);
  }
  metadata_of(object)["resourceVersion"] = object_resource_version(old);

  std::vector<FieldError> errors = validate_object(type, object, &old, partial);
  if (is_deleting(old)) {
    for (const std::string& finalizer : object_finalizers(object)) {
      if (has_finalizer(old, finalizer)) continue;
      errors.push_back(FieldError::forbidden(
          FieldPath("metadata").child("finalizers"),
          fmt::format(
              "no new finalizers can be added if the object is being deleted, found new finalizers "
              "[]string{{\"{}\"}}",
              finalizer)));
    }
  }
  if (!partial &&
      jsonio::get_string(object, {"spec", "tier"}) != jsonio::get_string(old, {"spec", "tier"})) {
    if (auto missing = missing_tier(transaction, *registry_.snapshot(), type, object))
      errors.push_back(std::move(*missing));
  }
  if (!errors.empty()) return refuse(ApiError::invalid(type, target.name, errors));

  if (is_deleting(object) && may_vanish(type, object))
    return erase(transaction, target, std::move(object));
  if (apimachinery::json_equal(object, old)) {
    WriteOutcome unchanged;
    unchanged.object = std::move(object);
    return unchanged;
  }
  if (type.has_generation && desired_state_differs(type, object.get_object(), old.get_object())) {
    metadata_of(object)["generation"] = jsonio::get_int(old, {"metadata", "generation"}) + 1;
  }
  return store(transaction, target, std::move(object));
}

ApiResult<WriteOutcome> ObjectWriter::patch(Transaction& transaction, const WriteTarget& target,
                                            const Patch& patch) {
  const ResourceType& type = *target.type;
  CARACAL_API_ASSIGN(const json::value old, load(transaction, target));
  json::value patched;
  if (patch.kind == Patch::Kind::kMerge) {
    patched = apimachinery::apply_merge_patch(old, patch.body);
  } else {
    auto applied = patch.kind == Patch::Kind::kJson
                       ? patch.operations->apply(old)
                       : apimachinery::apply_strategic_merge_patch(old, patch.body, *type.schema);
    if (!applied) {
      return refuse(ApiError{422,
                             "Invalid",
                             "the server rejected our request due to an error in our request: " +
                                 applied.error().message,
                             {}});
    }
    patched = std::move(*applied);
  }
  std::vector<std::string> warnings;
  if (target.field_validation != FieldValidation::kIgnore && patched.is_object()) {
    const std::vector<std::string> unknown = apimachinery::unknown_fields(*type.schema, patched);
    if (!unknown.empty() && target.field_validation == FieldValidation::kStrict) {
      ApiError error{422, "Invalid", "", {}};
      const FieldError field = FieldError::invalid(FieldPath("patch"), json::value(patch.text),
                                                   apimachinery::strict_decoding_error(unknown));
      error.message = " \"\" is invalid: " + field.to_string();
      error.details["causes"] = json::array{json::object{
          {"reason", field.cause_reason()}, {"message", field.body()}, {"field", field.field}}};
      return refuse(std::move(error));
    }
    for (const std::string& path : unknown)
      warnings.push_back(apimachinery::unknown_field_warning(path));
  }
  std::vector<std::string> ignored;
  CARACAL_API_ASSIGN(json::value object,
                     decode_object(type, std::move(patched), FieldValidation::kIgnore, ignored));
  CARACAL_API_TRY(check_place(target, object, false));
  CARACAL_API_ASSIGN(WriteOutcome outcome, replace(transaction, target, std::move(object), old));
  outcome.warnings = std::move(warnings);
  return outcome;
}

ApiResult<WriteOutcome> ObjectWriter::remove(Transaction& transaction, const WriteTarget& target,
                                             const DeleteOptions& options) {
  if (!target.type) return refuse(ApiError::no_such_path());
  const ResourceType& type = *target.type;
  CARACAL_API_ASSIGN(json::value object, load(transaction, target));
  const auto mismatch = [&](std::string_view what, std::string_view wanted, std::string_view has) {
    return refuse(ApiError::conflict(
        type, target.name,
        fmt::format("Precondition failed: {0} in precondition: {1}, {0} in object meta: {2}", what,
                    wanted, has)));
  };
  if (!options.uid.empty() && options.uid != object_uid(object)) {
    return mismatch("UID", options.uid, object_uid(object));
  }
  if (!options.resource_version.empty() &&
      options.resource_version != object_resource_version(object)) {
    return mismatch("ResourceVersion", options.resource_version, object_resource_version(object));
  }
  if (const auto why = deletion_forbidden(type, target.name)) {
    return refuse(ApiError::forbidden(type, target.name, *why));
  }
  if (is_tier(type)) {
    if (const auto why = tier_in_use(transaction, *registry_.snapshot(), target.name))
      return refuse(ApiError::conflict(type, target.name, *why));
  }
  const int64_t grace = grace_period(type, object, options.grace_period_seconds);
  json::object& metadata = metadata_of(object);
  bool changed = false;
  if (!is_deleting(object)) {
    const auto due = std::chrono::system_clock::now() + std::chrono::seconds(grace);
    metadata["deletionTimestamp"] =
        apimachinery::to_rfc3339(std::chrono::time_point_cast<std::chrono::microseconds>(due));
    metadata["deletionGracePeriodSeconds"] = grace;
    if (type.has_generation)
      metadata["generation"] = jsonio::get_int(object, {"metadata", "generation"}) + 1;
    if (options.propagation == Propagation::kForeground)
      add_finalizer(object, kForegroundFinalizer);
    if (options.propagation == Propagation::kOrphan) add_finalizer(object, kOrphanFinalizer);
    prepare_delete(type, object);
    changed = true;
  } else if (grace < jsonio::get_int(object, {"metadata", "deletionGracePeriodSeconds"})) {
    metadata["deletionGracePeriodSeconds"] = grace;  // a later deletion may only shorten the wait
    changed = true;
  }
  if (may_vanish(type, object)) return erase(transaction, target, std::move(object));
  if (!changed) {
    WriteOutcome unchanged;
    unchanged.object = std::move(object);
    return unchanged;
  }
  return store(transaction, target, std::move(object));
}

ApiStatus ObjectWriter::bind(Transaction& transaction, const WriteTarget& pod,
                             const json::value& binding) {
  CARACAL_API_ASSIGN(json::value object, load(transaction, pod));
  const std::string_view node = jsonio::get_string(binding, {"target", "name"});
  if (node.empty()) {
    const auto catalog = registry_.snapshot();
    ResourceType shown = *pod.type;
    shown.kind = "Binding";
    return refuse(ApiError::invalid(shown, pod.name,
                                    {FieldError::required(FieldPath("target").child("name"))}));
  }
  const std::string current(jsonio::get_string(object, {"spec", "nodeName"}));
  if (!current.empty()) {
    return refuse(ApiError::conflict(
        *pod.type, pod.name,
        fmt::format("pod {} is already assigned to node \"{}\"", pod.name, current)));
  }
  if (is_deleting(object)) {
    return refuse(ApiError::conflict(
        *pod.type, pod.name,
        fmt::format("pod {} is being deleted, cannot be assigned to a host", pod.name)));
  }
  jsonio::ensure(object, {"spec", "nodeName"}) = node;
  json::value& conditions = jsonio::ensure(object, {"status", "conditions"});
  if (!conditions.is_array()) conditions.emplace_array();
  conditions.get_array().push_back(json::object{{"type", "PodScheduled"},
                                                {"status", "True"},
                                                {"lastProbeTime", nullptr},
                                                {"lastTransitionTime", rfc3339_now()}});
  static_cast<void>(store(transaction, pod, std::move(object)));
  return {};
}

ApiResult<WriteOutcome> ObjectWriter::mutate(Transaction& transaction, const WriteTarget& target,
                                             const std::function<void(json::value&)>& change) {
  if (!target.type) return refuse(ApiError::no_such_path());
  CARACAL_API_ASSIGN(json::value object, load(transaction, target));
  const json::value old = object;
  change(object);
  if (is_deleting(object) && may_vanish(*target.type, object)) {
    return erase(transaction, target, std::move(object));
  }
  if (apimachinery::json_equal(object, old)) {
    WriteOutcome unchanged;
    unchanged.object = std::move(object);
    return unchanged;
  }
  return store(transaction, target, std::move(object));
}

ApiResult<DeleteOptions> parse_delete_options(const json::value* body, const HttpRequest& request,
                                              bool& dry_run) {
  DeleteOptions options;
  const auto wrong = [](std::string_view field, std::string_view value, std::string_view valid) {
    return refuse(ApiError::bad_request(
        fmt::format("DeleteOptions: {}: Invalid value: \"{}\": {}", field, value, valid)));
  };
  std::string policy(request.parameter("propagationPolicy"));
  if (const std::string_view text = request.parameter("gracePeriodSeconds"); !text.empty()) {
    const auto seconds = parse_decimal(text, INT32_MAX);
    if (!seconds) return wrong("gracePeriodSeconds", text, "must be a number, not negative");
    options.grace_period_seconds = static_cast<int64_t>(*seconds);
  }
  if (request.parameter("orphanDependents") == "true") policy = "Orphan";
  if (request.parameter("dryRun") == "All") dry_run = true;
  if (body != nullptr && body->is_object()) {
    if (const json::value* seconds = jsonio::get(*body, {"gracePeriodSeconds"});
        seconds && !seconds->is_null()) {
      const int64_t value = jsonio::get_int(*body, {"gracePeriodSeconds"}, -1);
      if (value < 0)
        return wrong("gracePeriodSeconds", jsonio::to_string(*seconds),
                     "must be a number, not negative");
      options.grace_period_seconds = value;
    }
    policy = jsonio::get_string(*body, {"propagationPolicy"}, policy);
    if (jsonio::get_bool(*body, {"orphanDependents"})) policy = "Orphan";
    options.uid = jsonio::get_string(*body, {"preconditions", "uid"});
    options.resource_version = jsonio::get_string(*body, {"preconditions", "resourceVersion"});
    for (const json::value& entry : jsonio::get_array(*body, {"dryRun"})) {
      if (entry.is_string() && entry.get_string() == "All") dry_run = true;
    }
  }
  if (policy == "Background") {
    options.propagation = Propagation::kBackground;
  } else if (policy == "Foreground") {
    options.propagation = Propagation::kForeground;
  } else if (policy == "Orphan") {
    options.propagation = Propagation::kOrphan;
  } else if (!policy.empty()) {
    return wrong("propagationPolicy", policy, "must be one of Background, Foreground, Orphan");
  }
  return options;
}

}  // namespace caracal::apiserver
