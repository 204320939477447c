#include "apiserver/tier_rules.h"

#include <fmt/format.h>

#include "apiserver/kind_rules.h"
#include "apiserver/object.h"
#include "calico/object_rules.h"

namespace caracal::apiserver {
namespace {

using apimachinery::FieldError;
using apimachinery::FieldPath;
using apimachinery::ResourceCatalog;
using apimachinery::ResourceType;

bool in_tier(const ResourceType& type) {
  const calico::ObjectRules* rules =
      type.builtin ? nullptr : calico::find_rules(type.group, type.kind);
  return rules != nullptr && rules->in_tier;
}

}  // namespace

std::optional<FieldError> missing_tier(const Transaction& transaction,
                                       const ResourceCatalog& catalog, const ResourceType& type,
                                       const json::value& object) {
  if (!in_tier(type)) return std::nullopt;
  const std::string_view tier = jsonio::get_string(object, {"spec", "tier"});
  if (tier.empty() || calico::is_builtin_tier(tier)) return std::nullopt;
  for (const auto& other : catalog.types()) {
    if (is_tier(*other) && transaction.get(key_of(*other, "", tier))) return std::nullopt;
  }
  return FieldError::not_found(FieldPath("spec").child("tier"), json::string(tier));
}

std::optional<std::string> tier_in_use(const Transaction& transaction,
                                       const ResourceCatalog& catalog, std::string_view tier) {
  constexpr size_t kNamed = 3;
  std::string names;
  size_t count = 0;
  for (const auto& type : catalog.types()) {
    if (!in_tier(*type) || !type->storage_version) continue;
    for (const StoredPtr& stored : transaction.list(type->group_resource())) {
      if (jsonio::get_string(parse_stored(*stored), {"spec", "tier"}) != tier) continue;
      if (++count > kNamed) continue;
      names += fmt::format("{}{} {}{}{}", names.empty() ? "" : ", ", type->kind, stored->key.ns,
                           stored->key.ns.empty() ? "" : "/", stored->key.name);
    }
  }
  if (count == 0) return std::nullopt;
  return fmt::format("{} policies are in this tier: {}{}", count, names,
                     count > kNamed ? ", ..." : "");
}

}  // namespace caracal::apiserver
