#include "kube/decode_fields.h"

#include <algorithm>

namespace caracal::kube {

std::string quoted(const json::value& value) {
  constexpr size_t kLongest = 80;
  std::string text = jsonio::to_string(value);
  if (text.size() > kLongest) {
    text.resize(kLongest);
    text += "...";
  }
  return text;
}

Error wrong_field(const FieldPath& path, const json::value& value, std::string_view text) {
  return {Errc::kInvalid, path.to_string() + ": " + quoted(value) + ": " + std::string(text)};
}

const json::value* member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::string_view> text_member(const json::object& object, std::string_view name,
                                     const FieldPath& parent) {
  const json::value* value = member(object, name);
  if (value == nullptr) return std::string_view();
  const json::string* text = value->if_string();
  if (text == nullptr) return fail(wrong_field(parent.member(name), *value, "must be a string"));
  return std::string_view(text->data(), text->size());
}

Result<const json::array*> array_member(const json::object& object, std::string_view name,
                                        const FieldPath& parent) {
  const json::value* value = member(object, name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) return fail(wrong_field(parent.member(name), *value, "must be a list"));
  return value->if_array();
}

Result<const json::object*> object_member(const json::object& object, std::string_view name,
                                          const FieldPath& parent) {
  const json::value* value = member(object, name);
  if (value == nullptr) return nullptr;
  return as_object(*value, parent.member(name));
}

Result<bool> bool_member(const json::object& object, std::string_view name,
                         const FieldPath& parent) {
  const json::value* value = member(object, name);
  if (value == nullptr) return false;
  if (!value->is_bool()) {
    return fail(wrong_field(parent.member(name), *value, "must be true or false"));
  }
  return *value->if_bool();
}

Result<const json::object*> as_object(const json::value& value, const FieldPath& path) {
  if (!value.is_object()) return fail(wrong_field(path, value, "must be an object"));
  return value.if_object();
}

Result<model::Labels> labels_member(const json::object& object, std::string_view name,
                                    const FieldPath& parent) {
  CARACAL_ASSIGN(const json::object* map, object_member(object, name, parent));
  model::Labels labels;
  if (map == nullptr) return labels;
  const FieldPath path = parent.member(name);
  for (const auto& [key, value] : *map) {
    const std::string_view label(key.data(), key.size());
    CARACAL_ASSIGN(const std::string_view text, text_member(*map, label, path));
    labels.emplace(label, text);
  }
  return labels;
}

Result<uint16_t> decode_port(const json::value& value, const FieldPath& path) {
  if (!value.is_int64() && !value.is_uint64()) {
    return fail(wrong_field(path, value, "must be a number between 1 and 65535"));
  }
  const int64_t number = value.is_int64() ? value.get_int64() : -1;
  if (number < 1 || number > 65535) {
    return fail(wrong_field(path, value, "must be between 1 and 65535"));
  }
  return static_cast<uint16_t>(number);
}

Result<net::Protocol> protocol_member(const json::object& object, const FieldPath& parent) {
  const json::value* value = member(object, "protocol");
  if (value == nullptr) return net::kTcp;
  CARACAL_ASSIGN(const std::string_view name, text_member(object, "protocol", parent));
  // Exactly these: the API knows no other spelling and no numbers.
  if (name == "TCP") return net::kTcp;
  if (name == "UDP") return net::kUdp;
  if (name == "SCTP") return net::kSctp;
  return fail(wrong_field(parent.member("protocol"), *value,
                          "unsupported, must be one of \"SCTP\", \"TCP\", \"UDP\""));
}

std::optional<std::string_view> check_port_name(std::string_view name) {
  if (name.empty() || name.size() > 15) return "a port name has 1 to 15 characters";
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (const char c : name) {
    if (!is_letter(c) && !is_digit(c) && c != '-') {
      return "a port name holds only lower-case letters, digits and '-'";
    }
  }
  if (std::none_of(name.begin(), name.end(), is_letter)) {
    return "a port name holds at least one letter; a port number is written without quotes";
  }
  if (name.front() == '-' || name.back() == '-' || name.find("--") != std::string_view::npos) {
    return "in a port name '-' stands alone between letters or digits";
  }
  return std::nullopt;
}

}  // namespace caracal::kube
