// Calico's selector language: whatever parses must have a canonical text that parses to the same
// selector, and must never agree with its negation.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "selector/expression.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal::selector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto selector = Selector::parse_expression(text);
  if (!selector) {
    if (selector.error().message.empty()) std::abort();
    return 0;
  }
  // The canonical text has spaces and brackets that the text may do without.
  if (selector->canonical().size() <= kMaxExpressionBytes) {
    const auto again = Selector::parse_expression(selector->canonical());
    if (!again || *again != *selector) std::abort();
  }
  const Selector negation = Selector::negation(*selector);
  for (const std::optional<std::string_view> value :
       {std::optional<std::string_view>(), std::optional<std::string_view>(""),
        std::optional<std::string_view>("x")}) {
    const auto lookup = [&](std::string_view) { return value; };
    if (selector->matches(lookup) == negation.matches(lookup)) std::abort();
  }

  ExpressionReading reading;
  reading.key_prefix = "pcns.";
  reading.all_means = Selector::requirement(Op::kExists, "projectcalico.org/namespace");
  reading.global_means = Selector::requirement(Op::kNotExists, "projectcalico.org/namespace");
  reading.global = ExpressionReading::Global::kAlone;
  if (const auto read = parse_expression(text, reading); !read && read.error().message.empty()) {
    std::abort();
  }
  return 0;
}
