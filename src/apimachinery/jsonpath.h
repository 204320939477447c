// JsonPath: the part of JSONPath that additionalPrinterColumns and kubectl-like field access need.
//
// ".spec.a", "['a.b']", "\." escapes in names, "[0]", "[-1]", "[*]", ".*", "[1:3]", "..name",
// "[?(@.type==\"Ready\")]" with == != < <= > >= against texts, numbers, booleans. Pure, a plain
// value.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

class JsonPath {
 public:
  // With or without the surrounding braces and the leading "$"; an error names the position.
  static Result<JsonPath> parse(std::string_view text);

  // Every value the path leads to, in document order; nothing where a step is missing.
  std::vector<const json::value*> find(const json::value& root) const;

 private:
  struct Field {
    std::string name;
  };
  struct Wildcard {};
  struct Descend {};  // "..": the value and everything below it
  struct Slice {      // Python's rules; a single index is a slice with `single`
    std::optional<int64_t> begin;
    std::optional<int64_t> end;
    int64_t step = 1;
    bool single = false;
  };
  enum class Compare : uint8_t {
    kExists,
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual
  };
  struct Filter {
    std::shared_ptr<const JsonPath> left;  // relative to "@"
    Compare compare = Compare::kExists;
    json::value right;
  };
  using Step = std::variant<Field, Wildcard, Descend, Slice, Filter>;
  class Parser;

  static void apply(const Step& step, const json::value& value,
                    std::vector<const json::value*>& out);
  static void apply_slice(const Slice& slice, const json::array& array,
                          std::vector<const json::value*>& out);
  static bool passes(const Filter& filter, const json::value& element);

  std::vector<Step> steps_;
};

}  // namespace caracal::apimachinery
