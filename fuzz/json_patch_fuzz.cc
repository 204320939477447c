// JSON Patch and JSON Merge Patch. Input: a JSON array of a document and a patch.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "apimachinery/json_patch.h"
#include "apimachinery/merge_patch.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  using namespace caracal::apimachinery;
  const auto input = jsonio::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!input || !input->is_array() || input->get_array().size() < 2) return 0;
  const json::value& document = input->get_array()[0];
  const json::value& patch = input->get_array()[1];

  if (const auto parsed = JsonPatch::parse(patch)) {
    // What a patch leaves must be readable by the store.
    if (const auto result = parsed->apply(document)) {
      CARACAL_CHECK(jsonio::parse(jsonio::to_string(*result)).has_value());
    }
  }
  const json::value merged = apply_merge_patch(document, patch);
  CARACAL_CHECK(json_equal(apply_merge_patch(merged, patch), merged));
  CARACAL_CHECK(
      json_equal(apply_merge_patch(document, make_merge_patch(document, merged)), merged));
  return 0;
}
