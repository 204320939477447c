// Output forms of the command line: a table for people, JSON and YAML for programs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace caracal::cli {

enum class Format { kTable, kJson, kYaml };
std::optional<Format> parse_format(std::string_view text);
inline constexpr const char* kFormatNames = "table, json, yaml";

// Rows of cells under a header, columns as wide as their widest cell, three spaces between them.
struct Table {
  std::vector<std::string> header;  // empty: none
  std::vector<std::vector<std::string>> rows;
  std::string to_string() const;
};

// A value as JSON (indented) or YAML. REQUIRES: format is not kTable.
std::string render(const json::value& value, Format format);

// Escape sequences for emphasis on a terminal; empty texts when standard output is none (or
// NO_COLOR is set).
struct Style {
  std::string_view bold, red, green, yellow, dim, reset;
};
Style terminal_style();

// Columns that a UTF-8 text takes on a terminal; escape sequences take none.
size_t display_width(std::string_view text);

}  // namespace caracal::cli
