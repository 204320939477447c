// Feeds JSON to the LabelSelector reader of the Kubernetes API.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "jsonio/json.h"
#include "selector/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using caracal::selector::Selector;
  const auto value = caracal::jsonio::parse({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const auto selector = Selector::from_label_selector(*value);
  if (!selector) {
    if (selector.error().message.empty()) std::abort();
    return 0;
  }
  // Conjunction with itself is itself.
  if (Selector::all_of({*selector, *selector}) != *selector) std::abort();
  return 0;
}
