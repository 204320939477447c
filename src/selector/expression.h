// Calico's selector language, read into Selectors (calico.md section 3).
//
//   selector = ""  |  or
//   or       = and *( "||" and )
//   and      = unary *( "&&" unary )
//   unary    = *"!" primary
//   primary  = "(" or ")" | "has(" label ")" | "all()" | "global()"
//            | label ( "==" | "!=" ) text | label ( "in" | "not in" ) set
//            | label ( "contains" | "starts with" | "ends with" ) text
//   set      = "{" [ text *( "," text ) [ "," ] ] "}"
//   text     = "..." | '...'              ; without escapes
//   label    = 1*512( ALPHA | DIGIT | "_" | "." | "/" | "-" )
//
// Space and tab may stand between tokens, but not between a function's name and its parenthesis.
// Words are operators only behind a label, so that labels may be called "in", "has" or "all". The
// space inside "not in", "starts with" and "ends with" may be left out. What a label compares with
// when it is absent is in selector.h (Op). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "selector/selector.h"

namespace caracal::selector {

// What this reader takes. The API's schemas allow 1024 characters where a user writes a selector,
// but only since Calico 3.32, and not everywhere: longer ones are stored in clusters and mean what
// they say.
inline constexpr size_t kMaxExpressionBytes = size_t{64} * 1024;
inline constexpr size_t kMaxExpressionDepth = 512;  // parentheses within each other
inline constexpr size_t kMaxLabelBytes = 512;

// How a text is read in one of the places where Calico's API has selectors (calico.md 3.4).
struct ExpressionReading {
  std::string_view key_prefix;           // put in front of every label: "pcns.", "pcsa."
  std::optional<Selector> all_means;     // instead of everything
  std::optional<Selector> global_means;  // instead of everything
  enum class Global { kNowhere, kAlone, kAnywhere } global = Global::kNowhere;
};

// Selector::parse_expression with a reading.
Result<Selector> parse_expression(std::string_view text, const ExpressionReading& reading);

}  // namespace caracal::selector
