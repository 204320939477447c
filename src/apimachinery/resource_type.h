// ResourceType: one served resource, described by data. ResourceCatalog: an immutable set of them.
// ResourceRegistry: the present catalog, changed when CRDs come and go.
//
// Builtin types come from types/*.yaml, others from CustomResourceDefinition objects (crd.h). Read
// by the API server (routing, discovery, validation, tables) and by the OpenAPI documents.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/schema.h"
#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

struct Subresource {
  std::string name;   // status, binding, eviction, ...
  std::string group;  // of its body; of the resource itself when equal
  std::string version;
  std::string kind;
  std::vector<std::string> verbs;
};

struct ResourceType {
  std::string group;  // "" is core
  std::string version;
  std::string kind;
  std::string list_kind;
  std::string plural;
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  std::vector<std::string> verbs;  // create delete deletecollection get list patch update watch
  std::vector<Subresource> subresources;
  bool namespaced = true;
  bool stored = true;           // false: only answers a create (Binding, SelfSubjectAccessReview)
  bool builtin = true;          // false: from a CRD
  bool storage_version = true;  // objects are stored in this version (a CRD has exactly one such)
  bool deprecated = false;
  std::string deprecation_warning;
  bool graceful_deletion = false;  // deletion waits for metadata.deletionGracePeriodSeconds (Pod)
  bool has_generation = false;     // changes outside metadata and status bump metadata.generation
  bool preserve_unknown_fields = false;  // a CRD whose root is not pruned

  SchemaPtr schema;             // never null
  json::array printer_columns;  // CRD: additionalPrinterColumns (table_columns.h); builtin: none
  std::vector<std::string>
      field_selectors;  // "spec.nodeName", besides metadata.name, metadata.namespace

  std::string api_version() const;     // "v1", "networking.k8s.io/v1"
  std::string group_resource() const;  // "pods", "networkpolicies.networking.k8s.io"
  const Subresource* subresource(std::string_view name) const;
  bool has_status() const { return subresource("status") != nullptr; }
  bool has_verb(std::string_view verb) const;
};
using ResourceTypePtr = std::shared_ptr<const ResourceType>;

// A group as discovery shows it; versions in order of preference, the first one preferred.
struct ApiGroup {
  std::string name;
  std::vector<std::string> versions;
};

// A snapshot: never changes, may be read by any thread.
class ResourceCatalog {
 public:
  ResourceCatalog(std::vector<ResourceTypePtr> types, uint64_t revision);

  // Each returns nullptr when there is none.
  ResourceTypePtr find(std::string_view group, std::string_view version,
                       std::string_view plural) const;
  ResourceTypePtr find_kind(std::string_view group, std::string_view version,
                            std::string_view kind) const;
  // All types of a group and version, by plural name.
  std::vector<ResourceTypePtr> in_version(std::string_view group, std::string_view version) const;
  // In discovery order: builtins first. By value, so that `for (... :
  // registry.snapshot()->types())` is safe although the snapshot ends before the loop.
  std::vector<ResourceTypePtr> types() const { return types_; }
  // Core first, then builtin groups, then CRD groups: those with shorter domains first, then by
  // name.
  std::vector<ApiGroup> groups() const { return groups_; }
  // Grows with every change of the registry: a key for cached documents.
  uint64_t revision() const { return revision_; }

 private:
  std::vector<ResourceTypePtr> types_;
  std::map<std::string, ResourceTypePtr, std::less<>> by_plural_;  // group/version/plural
  std::map<std::string, ResourceTypePtr, std::less<>> by_kind_;    // group/version/kind
  std::vector<ApiGroup> groups_;
  uint64_t revision_ = 0;
};

// Thread-safe. A reader takes a snapshot and keeps it for one request.
class ResourceRegistry {
 public:
  // Holds the builtin types; fails only when the embedded data are broken.
  static Result<std::unique_ptr<ResourceRegistry>> with_builtins();

  std::shared_ptr<const ResourceCatalog> snapshot() const;
  // Adds or replaces what the CRD of that name serves (crd.h makes the types).
  void put_crd(const std::string& crd_name, std::vector<ResourceType> types);
  void remove_crd(const std::string& crd_name);

 private:
  ResourceRegistry() = default;
  void rebuild();  // REQUIRES: mutex_ held

  mutable std::mutex mutex_;
  std::vector<ResourceTypePtr> builtins_;
  std::map<std::string, std::vector<ResourceTypePtr>> crds_;
  std::shared_ptr<const ResourceCatalog> catalog_;
  uint64_t revision_ = 0;
};

}  // namespace caracal::apimachinery
