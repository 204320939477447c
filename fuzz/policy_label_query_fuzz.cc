// Feeds kubectl's -l text to the label query parser. What parses must have a canonical text that is
// the same for the same text, and must evaluate without fault on labels and on none.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "selector/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using caracal::selector::Selector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto selector = Selector::parse_label_query(text);
  if (!selector) {
    if (selector.error().message.empty()) std::abort();
    return 0;
  }
  if (*selector != *Selector::parse_label_query(text)) std::abort();
  const auto on = [&](std::optional<std::string_view> value) {
    return selector->matches([&](std::string_view) { return value; });
  };
  // A selector and its negation never agree.
  const Selector negation = Selector::negation(*selector);
  for (const std::optional<std::string_view> value :
       {std::optional<std::string_view>(), std::optional<std::string_view>("x")}) {
    if (on(value) == negation.matches([&](std::string_view) { return value; })) std::abort();
  }
  return 0;
}
