#include "jsonio/json.h"

#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>

namespace caracal::jsonio {

Result<json::value> parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = 128;
  json::parser parser({}, options);
  boost::system::error_code error;
  // Stops after the first value; what follows may only be white space.
  const size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    error = json::error::extra_data;
  }
  if (error) {
    return fail(Errc::kInvalid,
                "invalid JSON at byte " + std::to_string(used) + ": " + error.message());
  }
  return parser.release();
}

std::string to_string(const json::value& value) { return json::serialize(value); }

namespace {
void append_pretty(std::string& out, const json::value& value, size_t depth) {
  const auto indent = [&out](size_t level) { out.append(level * 2, ' '); };
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    out += "{\n";
    size_t left = object->size();
    for (const auto& member : *object) {
      indent(depth + 1);
      out += json::serialize(json::string_view(member.key()));
      out += ": ";
      append_pretty(out, member.value(), depth + 1);
      out += --left != 0 ? ",\n" : "\n";
    }
    indent(depth);
    out.push_back('}');
  } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    out += "[\n";
    size_t left = array->size();
    for (const json::value& element : *array) {
      indent(depth + 1);
      append_pretty(out, element, depth + 1);
      out += --left != 0 ? ",\n" : "\n";
    }
    indent(depth);
    out.push_back(']');
  } else {
    out += json::serialize(value);
  }
}
}  // namespace

std::string to_pretty_string(const json::value& value) {
  std::string out;
  append_pretty(out, value, 0);
  out.push_back('\n');
  return out;
}

const json::value* get(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = &value;
  for (const std::string_view step : path) {
    const json::object* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains(step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string_view get_string(const json::value& value, std::initializer_list<std::string_view> path,
                            std::string_view fallback) {
  const json::value* at = get(value, path);
  const json::string* text = at != nullptr ? at->if_string() : nullptr;
  return text != nullptr ? std::string_view(text->data(), text->size()) : fallback;
}

int64_t get_int(const json::value& value, std::initializer_list<std::string_view> path,
                int64_t fallback) {
  const json::value* at = get(value, path);
  if (at == nullptr) return fallback;
  boost::system::error_code error;
  const auto number = at->to_number<int64_t>(error);
  return error ? fallback : number;
}

bool get_bool(const json::value& value, std::initializer_list<std::string_view> path,
              bool fallback) {
  const json::value* at = get(value, path);
  const bool* flag = at != nullptr ? at->if_bool() : nullptr;
  return flag != nullptr ? *flag : fallback;
}

const json::array& get_array(const json::value& value,
                             std::initializer_list<std::string_view> path) {
  static const json::array kEmpty;
  const json::value* at = get(value, path);
  const json::array* array = at != nullptr ? at->if_array() : nullptr;
  return array != nullptr ? *array : kEmpty;
}

const json::object& get_object(const json::value& value,
                               std::initializer_list<std::string_view> path) {
  static const json::object kEmpty;
  const json::value* at = get(value, path);
  const json::object* object = at != nullptr ? at->if_object() : nullptr;
  return object != nullptr ? *object : kEmpty;
}

json::value& ensure(json::value& value, std::initializer_list<std::string_view> path) {
  json::value* at = &value;
  for (const std::string_view step : path) {
    if (!at->is_object()) at->emplace_object();
    at = &at->get_object()[step];
  }
  return *at;
}

}  // namespace caracal::jsonio
