// JSON values of the whole project: Boost.JSON under a short name, and the few accessors that API
// objects need. Paths are field names: get(object, {"spec", "podSelector"}).
//
// Numbers keep their kind (int64, uint64, double); objects keep the order of their members.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal {
namespace json = boost::json;

namespace jsonio {

// Parses one JSON text (RFC 8259); an error names the byte where it went wrong.
Result<json::value> parse(std::string_view text);
std::string to_string(const json::value& value);         // compact
std::string to_pretty_string(const json::value& value);  // two spaces, trailing newline

// The member at the end of a path, or nullptr when any step is missing or not an object.
const json::value* get(const json::value& value, std::initializer_list<std::string_view> path);
// Text, integer, boolean at the end of a path; the fallback when it is absent or of another type.
std::string_view get_string(const json::value& value, std::initializer_list<std::string_view> path,
                            std::string_view fallback = {});
int64_t get_int(const json::value& value, std::initializer_list<std::string_view> path,
                int64_t fallback = 0);
bool get_bool(const json::value& value, std::initializer_list<std::string_view> path,
              bool fallback = false);
// Array or object at the end of a path; an empty one when it is absent or of another type.
const json::array& get_array(const json::value& value,
                             std::initializer_list<std::string_view> path);
const json::object& get_object(const json::value& value,
                               std::initializer_list<std::string_view> path);
// The member at the end of a path; objects on the way are made. REQUIRES: steps on the way are
// objects or absent.
json::value& ensure(json::value& value, std::initializer_list<std::string_view> path);

}  // namespace jsonio
}  // namespace caracal
