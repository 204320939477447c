// Encodes the OpenAPI v2 document as the protobuf message openapi.v2.Document of gnostic. Field
// numbers: https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto; wire
// format: https://protobuf.dev/programming-guides/encoding/.
#include <bit>
#include <cstdint>
#include <utility>

#include "apimachinery/openapi_v2.h"

namespace caracal::apimachinery {
namespace {

// Appends fields to one message. Fields with the type's zero value are left out, as proto3 does.
class Message {
 public:
  const std::string& bytes() const { return bytes_; }

  void text(uint32_t field, std::string_view value) {
    if (value.empty()) return;
    raw(field, value);
  }
  // Also when it is empty: its presence is what counts.
  void message(uint32_t field, const Message& value) { raw(field, value.bytes_); }
  void boolean(uint32_t field, bool value) {
    if (value) integer(field, 1);
  }
  void integer(uint32_t field, uint64_t value) {
    if (value == 0) return;
    varint(uint64_t{field} << 3U);
    varint(value);
  }
  void real(uint32_t field, double value) {
    auto bits = std::bit_cast<uint64_t>(value);
    if (bits == 0) return;
    varint((uint64_t{field} << 3U) | 1U);
    for (int i = 0; i < 8; ++i, bits >>= 8U) bytes_ += static_cast<char>(bits & 0xffU);
  }

 private:
  void raw(uint32_t field, std::string_view value) {
    varint((uint64_t{field} << 3U) | 2U);
    varint(value.size());
    bytes_ += value;
  }
  void varint(uint64_t value) {
    while (value >= 0x80) {
      bytes_ += static_cast<char>((value & 0x7fU) | 0x80U);
      value >>= 7U;
    }
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}
bool flag_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}
double number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}
const json::array* array_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_array();
}
const json::object* object_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

// Any.yaml: a JSON text is YAML.
Message any(const json::value& value) {
  Message out;
  out.text(2, jsonio::to_string(value));
  return out;
}

// A map entry: name = 1, value = 2.
Message named(std::string_view name, const Message& value) {
  Message out;
  out.text(1, name);
  out.message(2, value);
  return out;
}

void put_texts(Message& out, uint32_t field, const json::object& object, std::string_view name) {
  const json::array* array = array_of(object, name);
  if (array == nullptr) return;
  for (const json::value& value : *array) {
    if (value.is_string()) out.text(field, value.get_string());
  }
}

void put_extensions(Message& out, uint32_t field, const json::object& object) {
  for (const auto& [name, value] : object) {
    if (std::string_view(name).starts_with("x-")) out.message(field, named(name, any(value)));
  }
}

Message schema(const json::object& object) {
  Message out;
  out.text(1, text_of(object, "$ref"));
  out.text(2, text_of(object, "format"));
  out.text(4, text_of(object, "description"));
  if (const json::value* value = object.if_contains("default")) out.message(5, any(*value));
  out.real(6, number_of(object, "multipleOf"));
  out.real(7, number_of(object, "maximum"));
  out.boolean(8, flag_of(object, "exclusiveMaximum"));
  out.real(9, number_of(object, "minimum"));
  out.boolean(10, flag_of(object, "exclusiveMinimum"));
  out.integer(11, static_cast<uint64_t>(number_of(object, "maxLength")));
  out.integer(12, static_cast<uint64_t>(number_of(object, "minLength")));
  out.text(13, text_of(object, "pattern"));
  out.integer(14, static_cast<uint64_t>(number_of(object, "maxItems")));
  out.integer(15, static_cast<uint64_t>(number_of(object, "minItems")));
  out.boolean(16, flag_of(object, "uniqueItems"));
  out.integer(17, static_cast<uint64_t>(number_of(object, "maxProperties")));
  out.integer(18, static_cast<uint64_t>(number_of(object, "minProperties")));
  put_texts(out, 19, object, "required");
  if (const json::array* values = array_of(object, "enum")) {
    for (const json::value& value : *values) out.message(20, any(value));
  }
  if (const json::object* values = object_of(object, "additionalProperties")) {
    Message item;
    item.message(1, schema(*values));
    out.message(21, item);
  }
  if (const std::string_view type = text_of(object, "type"); !type.empty()) {
    Message item;
    item.text(1, type);
    out.message(22, item);
  }
  if (const json::object* items = object_of(object, "items")) {
    Message item;
    item.message(1, schema(*items));
    out.message(23, item);
  }
  if (const json::object* properties = object_of(object, "properties")) {
    Message item;
    for (const auto& [name, property] : *properties) {
      if (const json::object* content = property.if_object())
        item.message(1, named(name, schema(*content)));
    }
    out.message(25, item);
  }
  put_extensions(out, 31, object);
  return out;
}

// ParametersItem { Parameter { BodyParameter | NonBodyParameter { query | path } } }
Message parameter(const json::object& object) {
  const std::string_view in = text_of(object, "in");
  Message content;
  Message choice;
  if (in == "body") {
    content.text(2, text_of(object, "name"));
    content.text(3, in);
    content.boolean(4, flag_of(object, "required"));
    if (const json::object* body = object_of(object, "schema")) content.message(5, schema(*body));
    choice.message(1, content);
  } else {
    const bool is_query = in == "query";
    content.boolean(1, flag_of(object, "required"));
    content.text(2, in);
    content.text(3, text_of(object, "description"));
    content.text(4, text_of(object, "name"));
    // Query parameters have one field more (allow_empty_value), which shifts the rest.
    content.text(is_query ? 6 : 5, text_of(object, "type"));
    content.boolean(is_query ? 20 : 19, flag_of(object, "uniqueItems"));
    Message kind;
    kind.message(is_query ? 3 : 4, content);
    choice.message(2, kind);
  }
  Message out;
  out.message(1, choice);
  return out;
}

void put_parameters(Message& out, uint32_t field, const json::object& object) {
  const json::array* parameters = array_of(object, "parameters");
  if (parameters == nullptr) return;
  for (const json::value& value : *parameters) {
    if (const json::object* content = value.if_object()) out.message(field, parameter(*content));
  }
}

Message operation(const json::object& object) {
  Message out;
  out.text(3, text_of(object, "description"));
  out.text(5, text_of(object, "operationId"));
  put_texts(out, 6, object, "produces");
  put_texts(out, 7, object, "consumes");
  put_parameters(out, 8, object);
  if (const json::object* responses = object_of(object, "responses")) {
    Message all;
    for (const auto& [code, value] : *responses) {
      const json::object* content = value.if_object();
      if (content == nullptr) continue;
      Message response;
      response.text(1, text_of(*content, "description"));
      if (const json::object* result = object_of(*content, "schema")) {
        Message item;
        item.message(1, schema(*result));
        response.message(2, item);
      }
      Message choice;
      choice.message(1, response);
      all.message(1, named(code, choice));
    }
    out.message(9, all);
  }
  put_extensions(out, 13, object);
  return out;
}

Message path_item(const json::object& object) {
  static constexpr std::pair<std::string_view, uint32_t> kMethods[] = {
      {"get", 2},     {"put", 3},  {"post", 4}, {"delete", 5},
      {"options", 6}, {"head", 7}, {"patch", 8}};
  Message out;
  for (const auto& [method, field] : kMethods) {
    if (const json::object* content = object_of(object, method))
      out.message(field, operation(*content));
  }
  put_parameters(out, 9, object);
  return out;
}

}  // namespace

std::string openapi_v2_protobuf(const json::value& document) {
  static const json::object kEmpty;
  const json::object& root = document.is_object() ? document.get_object() : kEmpty;
  Message out;
  out.text(1, text_of(root, "swagger"));
  if (const json::object* info = object_of(root, "info")) {
    Message content;
    content.text(1, text_of(*info, "title"));
    content.text(2, text_of(*info, "version"));
    out.message(2, content);
  }
  Message paths;
  if (const json::object* entries = object_of(root, "paths")) {
    for (const auto& [url, item] : *entries) {
      if (const json::object* content = item.if_object())
        paths.message(2, named(url, path_item(*content)));
    }
  }
  out.message(8, paths);
  Message definitions;
  if (const json::object* entries = object_of(root, "definitions")) {
    for (const auto& [name, item] : *entries) {
      if (const json::object* content = item.if_object())
        definitions.message(1, named(name, schema(*content)));
    }
  }
  out.message(9, definitions);
  return out.bytes();
}

}  // namespace caracal::apimachinery
