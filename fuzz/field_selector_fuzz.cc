// Field selectors and JSONPath: what parses must write itself back the same, and never fail on an
// object.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "apimachinery/field_selector.h"
#include "apimachinery/jsonpath.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  using namespace caracal::apimachinery;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const json::value object = {
      {"metadata", {{"name", "web"}, {"namespace", "dev"}}},
      {"spec", {{"ports", {{{"port", 80}, {"name", "http"}}, {{"port", 53}}}}, {"on", true}}}};
  static const std::vector<SelectableField> fields = {{"metadata.name", {"metadata", "name"}, ""},
                                                      {"spec.on", {"spec", "on"}, "false"}};
  if (const auto selector = FieldSelector::parse(text)) {
    const auto again = FieldSelector::parse(selector->to_string());
    CARACAL_CHECK(again.has_value());
    CARACAL_CHECK(*again == *selector);
    if (selector->check(fields)) {
      CARACAL_CHECK(selector->matches(object, fields) == again->matches(object, fields));
    }
  }
  if (const auto path = JsonPath::parse(text)) {
    for (const json::value* value : path->find(object)) CARACAL_CHECK(value != nullptr);
  }
  return 0;
}
