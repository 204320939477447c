#include "apiserver/pool_rules.h"

#include <fmt/format.h>

#include "apiserver/object.h"
#include "net/cidr.h"

namespace caracal::apiserver {
namespace {

using apimachinery::FieldError;
using apimachinery::FieldPath;
using apimachinery::ResourceCatalog;
using apimachinery::ResourceType;

bool is_pool(const ResourceType& type) {
  return !type.builtin && type.kind == "IPPool" &&
         (type.group == "projectcalico.org" || type.group == "crd.projectcalico.org");
}

}  // namespace

std::optional<FieldError> overlapping_pool(const Transaction& transaction,
                                           const ResourceCatalog& catalog, const ResourceType& type,
                                           const json::value& object) {
  if (!is_pool(type)) return std::nullopt;
  const std::string_view text = jsonio::get_string(object, {"spec", "cidr"});
  const auto cidr = net::Cidr::parse_or_host(text);
  if (!cidr) return std::nullopt;
  const std::string_view name = jsonio::get_string(object, {"metadata", "name"});
  for (const auto& other : catalog.types()) {
    if (!is_pool(*other) || !other->storage_version) continue;
    for (const StoredPtr& stored : transaction.list(other->group_resource())) {
      if (stored->key.name == name) continue;
      const json::value pool = parse_stored(*stored);
      const auto range = net::Cidr::parse_or_host(jsonio::get_string(pool, {"spec", "cidr"}));
      if (!range || (!range->contains(*cidr) && !cidr->contains(*range))) continue;
      return FieldError::invalid(
          FieldPath("spec").child("cidr"), json::string(text),
          fmt::format("must not overlap {} of IPPool {}", range->to_string(), stored->key.name));
    }
  }
  return std::nullopt;
}

}  // namespace caracal::apiserver
