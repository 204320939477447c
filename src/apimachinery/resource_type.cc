#include "apimachinery/resource_type.h"

#include <fmt/format.h>

#include <algorithm>

#include "apimachinery/builtin_types.h"

namespace caracal::apimachinery {
namespace {

std::string key_of(std::string_view group, std::string_view version, std::string_view name) {
  return fmt::format("{}/{}/{}", group, version, name);
}

// v1 before v2beta1 before v1alpha2: stable first, then the greater number, as discovery orders
// versions.
struct VersionRank {
  int stability = 0;  // 2 stable, 1 beta, 0 alpha; -1: no Kubernetes version at all
  long major = 0;
  long minor = 0;

  explicit VersionRank(std::string_view text) {
    stability = -1;
    if (text.size() < 2 || text[0] != 'v') return;
    size_t at = 1;
    const auto number = [&text, &at] {
      long value = 0;
      while (at < text.size() && text[at] >= '0' && text[at] <= '9' && value < 1000000)
        value = value * 10 + (text[at++] - '0');
      return value;
    };
    major = number();
    if (at == 1) return;
    if (at == text.size()) {
      stability = 2;
      return;
    }
    const std::string_view rest = text.substr(at);
    const int kind = rest.starts_with("beta") ? 1 : rest.starts_with("alpha") ? 0 : -1;
    if (kind < 0) return;
    at += kind == 1 ? 4 : 5;
    minor = number();
    if (at == text.size()) stability = kind;
  }
};

bool version_before(const std::string& a, const std::string& b) {
  const VersionRank left(a);
  const VersionRank right(b);
  if (left.stability != right.stability) return left.stability > right.stability;
  if (left.stability >= 0 && left.major != right.major) return left.major > right.major;
  if (left.stability >= 0 && left.minor != right.minor) return left.minor > right.minor;
  return a < b;
}

}  // namespace

std::string ResourceType::api_version() const {
  return group.empty() ? version : group + "/" + version;
}
std::string ResourceType::group_resource() const {
  return group.empty() ? plural : plural + "." + group;
}

const Subresource* ResourceType::subresource(std::string_view name) const {
  for (const Subresource& candidate : subresources) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

bool ResourceType::has_verb(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

ResourceCatalog::ResourceCatalog(std::vector<ResourceTypePtr> types, uint64_t revision)
    : types_(std::move(types)), revision_(revision) {
  for (const ResourceTypePtr& type : types_) {
    by_plural_.emplace(key_of(type->group, type->version, type->plural), type);
    by_kind_.emplace(key_of(type->group, type->version, type->kind), type);
    auto group = std::find_if(groups_.begin(), groups_.end(),
                              [&type](const ApiGroup& g) { return g.name == type->group; });
    if (group == groups_.end()) group = groups_.insert(groups_.end(), ApiGroup{type->group, {}});
    if (std::find(group->versions.begin(), group->versions.end(), type->version) ==
        group->versions.end()) {
      group->versions.push_back(type->version);
    }
  }
  for (ApiGroup& group : groups_)
    std::sort(group.versions.begin(), group.versions.end(), version_before);
}

ResourceTypePtr ResourceCatalog::find(std::string_view group, std::string_view version,
                                      std::string_view plural) const {
  const auto found = by_plural_.find(key_of(group, version, plural));
  return found == by_plural_.end() ? nullptr : found->second;
}

ResourceTypePtr ResourceCatalog::find_kind(std::string_view group, std::string_view version,
                                           std::string_view kind) const {
  const auto found = by_kind_.find(key_of(group, version, kind));
  return found == by_kind_.end() ? nullptr : found->second;
}

std::vector<ResourceTypePtr> ResourceCatalog::in_version(std::string_view group,
                                                         std::string_view version) const {
  std::vector<ResourceTypePtr> found;
  const std::string prefix = key_of(group, version, "");
  for (auto at = by_plural_.lower_bound(prefix);
       at != by_plural_.end() && at->first.starts_with(prefix); ++at) {
    found.push_back(at->second);
  }
  return found;
}

Result<std::unique_ptr<ResourceRegistry>> ResourceRegistry::with_builtins() {
  CARACAL_ASSIGN(auto builtins, builtin_types());
  std::unique_ptr<ResourceRegistry> registry(new ResourceRegistry());
  const std::lock_guard lock(registry->mutex_);
  registry->builtins_ = std::move(builtins);
  registry->rebuild();
  return registry;
}

std::shared_ptr<const ResourceCatalog> ResourceRegistry::snapshot() const {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

void ResourceRegistry::put_crd(const std::string& crd_name, std::vector<ResourceType> types) {
  std::vector<ResourceTypePtr> shared;
  for (ResourceType& type : types)
    shared.push_back(std::make_shared<const ResourceType>(std::move(type)));
  const std::lock_guard lock(mutex_);
  crds_[crd_name] = std::move(shared);
  rebuild();
}

void ResourceRegistry::remove_crd(const std::string& crd_name) {
  const std::lock_guard lock(mutex_);
  if (crds_.erase(crd_name) > 0) rebuild();
}

void ResourceRegistry::rebuild() {
  std::vector<ResourceTypePtr> types = builtins_;
  const auto first_crd = static_cast<std::ptrdiff_t>(types.size());
  for (const auto& [name, served] : crds_) types.insert(types.end(), served.begin(), served.end());
  // A short resource name means the first group that has it: projectcalico.org, which users write,
  // before crd.projectcalico.org, where it is stored.
  const auto depth = [](const ResourceTypePtr& type) {
    return std::count(type->group.begin(), type->group.end(), '.');
  };
  std::stable_sort(types.begin() + first_crd, types.end(),
                   [&depth](const ResourceTypePtr& a, const ResourceTypePtr& b) {
                     return depth(a) != depth(b) ? depth(a) < depth(b) : a->group < b->group;
                   });
  catalog_ = std::make_shared<const ResourceCatalog>(std::move(types), ++revision_);
}

}  // namespace caracal::apimachinery
