// JsonPatch: RFC 6902 (application/json-patch+json) with RFC 6901 pointers.
//
// Fed by the API server's PATCH handler. Pure. Two kinds of failure are kept apart because they are
// two HTTP answers: a text that is no JSON patch fails in parse() (400), a patch that does not fit
// the document it is applied to fails in apply() (422).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// The unescaped steps of an RFC 6901 pointer: "/a~1b/0" is {"a/b", "0"}; "" is the whole document.
using PointerSteps = std::vector<std::string>;
Result<PointerSteps> parse_json_pointer(std::string_view text);

class JsonPatch {
 public:
  static constexpr size_t kMaxOperations = 10'000;  // as a Kubernetes API server allows

  static Result<JsonPatch> parse(const json::value& operations);

  // All operations in order, on a copy: the document changes as a whole or not at all.
  Result<json::value> apply(json::value document) const;

  size_t size() const { return operations_.size(); }

 private:
  enum class Op : uint8_t { kAdd, kRemove, kReplace, kMove, kCopy, kTest };
  struct Operation {
    Op op = Op::kTest;
    std::string path_text;
    PointerSteps path;
    std::string from_text;
    PointerSteps from;
    json::value value;
  };
  static Result<Operation> parse_operation(const json::value& value);
  static Status apply_one(const Operation& operation, json::value& document);

  std::vector<Operation> operations_;
};

// Deep equality as RFC 6902 section 4.6 defines it: numbers by value (1 == 1.0), members in any
// order.
bool json_equal(const json::value& a, const json::value& b);

}  // namespace caracal::apimachinery
