// For the tests of this folder: the builtin catalog, the bundled CRDs, and values from YAML texts.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <vector>

#include "apimachinery/crd.h"
#include "apimachinery/resource_type.h"
#include "jsonio/yaml.h"

namespace caracal::apimachinery {

inline json::value from_yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  if (!documents || documents->size() != 1) {
    ADD_FAILURE() << "bad YAML in a test: "
                  << (documents ? "not one document" : documents.error().message);
    return nullptr;
  }
  return std::move(documents->front());
}

inline std::unique_ptr<ResourceRegistry> builtin_registry() {
  auto registry = ResourceRegistry::with_builtins();
  if (!registry) {
    ADD_FAILURE() << registry.error().message;
    std::abort();
  }
  return std::move(*registry);
}

// With the bundled CRDs.
inline std::unique_ptr<ResourceRegistry> full_registry() {
  auto registry = builtin_registry();
  const auto crds = bundled_crds();
  if (!crds) {
    ADD_FAILURE() << crds.error().message;
    std::abort();
  }
  for (const json::value& crd : *crds) {
    auto types = crd_types(crd);
    if (!types) {
      ADD_FAILURE() << types.error().message;
      continue;
    }
    registry->put_crd(std::string(jsonio::get_string(crd, {"metadata", "name"})),
                      std::move(*types));
  }
  return registry;
}

inline ResourceTypePtr builtin_type(std::string_view group, std::string_view kind) {
  static const auto registry = builtin_registry();
  auto type = registry->snapshot()->find_kind(group, "v1", kind);
  if (type == nullptr) {
    ADD_FAILURE() << "no builtin kind " << kind;
    std::abort();
  }
  return type;
}

}  // namespace caracal::apimachinery
