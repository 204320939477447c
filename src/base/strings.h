// Small text functions used everywhere. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caracal {

// Pieces between separators; an empty text gives one empty piece.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_hex(std::string_view bytes);
// A decimal number and nothing else: no sign, no space, no leading '+'; nullopt otherwise.
std::optional<uint64_t> parse_decimal(std::string_view text, uint64_t max = UINT64_MAX);

}  // namespace caracal
