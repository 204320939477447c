// Strategic merge patches of Pods. Input: a JSON array of an object and a patch.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "apimachinery/resource_type.h"
#include "apimachinery/strategic_merge_patch.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  using namespace caracal::apimachinery;
  static const auto registry = ResourceRegistry::with_builtins();
  CARACAL_CHECK(registry.has_value());
  static const auto pod = (*registry)->snapshot()->find_kind("", "v1", "Pod");
  const auto input = jsonio::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!input || !input->is_array() || input->get_array().size() < 2) return 0;
  const auto result =
      apply_strategic_merge_patch(input->get_array()[0], input->get_array()[1], *pod->schema);
  if (result) CARACAL_CHECK(jsonio::parse(jsonio::to_string(*result)).has_value());
  return 0;
}
