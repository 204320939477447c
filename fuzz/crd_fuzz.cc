// A CustomResourceDefinition and an object of its kind, both from a client of the API server:
// {"crd": {...}, "object": {...}}. Whatever comes: a CRD that is accepted can be served, and an
// object of it is defaulted, pruned and judged, each to a state the same step leaves as it is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "apimachinery/crd.h"
#include "apimachinery/defaulting.h"
#include "apimachinery/resource_type.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_validate.h"
#include "base/check.h"
#include "jsonio/json.h"

namespace {

using namespace caracal;
using namespace caracal::apimachinery;

void take(const ResourceType& type, json::value object) {
  if (!object.is_object()) return;
  const Schema& schema = *type.schema;
  if (decode_error(schema, object)) return;
  (void)unknown_fields(schema, object);
  prune(schema, object);
  CARACAL_CHECK(type.preserve_unknown_fields || unknown_fields(schema, object).empty());
  json::value again = object;
  prune(schema, again);
  CARACAL_CHECK(again == object);
  apply_defaults(type, object);
  again = object;
  apply_defaults(type, again);
  CARACAL_CHECK(again == object);
  (void)validate(schema, object);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto parsed = jsonio::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const json::value* definition = jsonio::get(*parsed, {"crd"});
  const json::value* object = jsonio::get(*parsed, {"object"});
  if (definition == nullptr || !definition->is_object()) return 0;
  static const ResourceTypePtr kCrd = ResourceRegistry::with_builtins().value()->snapshot()->find(
      "apiextensions.k8s.io", "v1", "customresourcedefinitions");
  json::value crd = *definition;
  if (decode_error(*kCrd->schema, crd)) return 0;
  prune(*kCrd->schema, crd);
  apply_defaults(*kCrd, crd);
  default_crd(crd);
  if (!validate(*kCrd->schema, crd).empty()) return 0;
  (void)crd_warnings(crd);
  if (!validate_crd(crd).empty()) return 0;
  CARACAL_CHECK(validate_crd_update(crd, crd).empty());
  const auto types = crd_types(crd);
  CARACAL_CHECK(types.has_value());
  for (const ResourceType& type : *types) {
    CARACAL_CHECK(type.schema != nullptr);
    if (object != nullptr) take(type, *object);
  }
  return 0;
}
