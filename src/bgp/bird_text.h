// Pieces of BIRD 2's configuration language that hold text from outside. Pure.
//
// A string of that language stands between two double quotes and has no escapes: a text with a
// double quote or a line end in it cannot be written at all. Nothing that comes from an object gets
// into a configuration but through these functions, or as a number or an address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caracal::bgp {

// The text as a string, quotes included; nullopt when it cannot be one (double quote, control
// character, more than 255 bytes).
std::optional<std::string> bird_string(std::string_view text);

// For people only: what cannot be written becomes "?", and long texts end early.
std::string bird_description(std::string_view text);  // a string, quotes included
std::string bird_comment(std::string_view text);      // "# text" without the line end

// A symbol that is the same for the same text, and (but for a clash of digests) another for another
// text: "prefix_", the text's letters and digits, and a few digits of its digest.
std::string bird_symbol(std::string_view prefix, std::string_view text);

}  // namespace caracal::bgp
