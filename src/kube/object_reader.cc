#include "kube/object_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kube/decode_fields.h"

namespace caracal::kube {

std::string FieldProblem::to_string() const {
  if (field.empty()) return text;
  switch (type) {
    case Type::kRequired:
      return text.empty() ? field + ": required" : field + ": required: " + text;
    case Type::kForbidden:
      return field + ": " + text;
    case Type::kDuplicate:
      return field + ": " + quoted(value) + ": stands there twice";
    case Type::kInvalid:
      return field + ": " + quoted(value) + ": " + text;
  }
  return field;
}

void ObjectReader::required(const FieldPath& path, std::string text) {
  problems_.push_back({FieldProblem::Type::kRequired, path.to_string(), nullptr, std::move(text)});
}
void ObjectReader::invalid(const FieldPath& path, const json::value& value, std::string text) {
  problems_.push_back({FieldProblem::Type::kInvalid, path.to_string(), value, std::move(text)});
}
void ObjectReader::forbidden(const FieldPath& path, std::string text) {
  problems_.push_back({FieldProblem::Type::kForbidden, path.to_string(), nullptr, std::move(text)});
}
void ObjectReader::duplicate(const FieldPath& path, const json::value& value) {
  problems_.push_back({FieldProblem::Type::kDuplicate, path.to_string(), value, {}});
}
void ObjectReader::reject(std::string text) {
  problems_.push_back({FieldProblem::Type::kInvalid, {}, nullptr, std::move(text)});
}
void ObjectReader::warn(const FieldPath& path, std::string_view text) {
  const std::string where = path.to_string();
  warnings_.push_back(where.empty() ? std::string(text) : fmt::format("{}: {}", where, text));
}

const json::object* ObjectReader::as_object(const json::value& value, const FieldPath& path) {
  if (!value.is_object()) invalid(path, value, "must be an object");
  return value.if_object();
}

const json::object* ObjectReader::object(const json::object& parent, std::string_view name,
                                         const FieldPath& path) {
  const json::value* value = member(parent, name);
  return value == nullptr ? nullptr : as_object(*value, path.member(name));
}

const json::array* ObjectReader::array(const json::object& parent, std::string_view name,
                                       const FieldPath& path) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) invalid(path.member(name), *value, "must be a list");
  return value->if_array();
}

std::string_view ObjectReader::text(const json::object& parent, std::string_view name,
                                    const FieldPath& path) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return {};
  if (const json::string* text = value->if_string()) return {text->data(), text->size()};
  invalid(path.member(name), *value, "must be a string");
  return {};
}

bool ObjectReader::flag(const json::object& parent, std::string_view name, const FieldPath& path) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return false;
  if (!value->is_bool()) invalid(path.member(name), *value, "must be true or false");
  return value->is_bool() && value->get_bool();
}

std::optional<double> ObjectReader::number(const json::object& parent, std::string_view name,
                                           const FieldPath& path) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  if (value->is_double() && std::isfinite(value->get_double())) return value->get_double();
  invalid(path.member(name), *value, "must be a number");
  return std::nullopt;
}

std::optional<int64_t> ObjectReader::integer(const json::object& parent, std::string_view name,
                                             const FieldPath& path, int64_t min, int64_t max) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64() && value->get_int64() >= min && value->get_int64() <= max) {
    return value->get_int64();
  }
  invalid(path.member(name), *value,
          fmt::format("must be a whole number between {} and {}", min, max));
  return std::nullopt;
}

std::string_view ObjectReader::word(const json::object& parent, std::string_view name,
                                    const FieldPath& path,
                                    std::initializer_list<std::string_view> words) {
  const std::string_view found = text(parent, name, path);
  if (found.empty() || std::find(words.begin(), words.end(), found) != words.end()) return found;
  invalid(path.member(name), json::string(found),
          fmt::format("must be one of \"{}\"", fmt::join(words, "\", \"")));
  return {};
}

std::vector<ObjectReader::Element> ObjectReader::texts(const json::object& parent,
                                                       std::string_view name,
                                                       const FieldPath& path) {
  std::vector<Element> result;
  const json::array* list = array(parent, name, path);
  if (list == nullptr) return result;
  const FieldPath list_path = path.member(name);
  result.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    if (const json::string* text = (*list)[i].if_string()) {
      result.push_back({{text->data(), text->size()}, i});
    } else {
      invalid(list_path.element(i), (*list)[i], "must be a string");
    }
  }
  return result;
}

std::optional<net::Protocol> ObjectReader::protocol(const json::object& parent,
                                                    std::string_view name, const FieldPath& path) {
  const json::value* value = member(parent, name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64() && value->get_int64() >= 1 && value->get_int64() <= 255) {
    return net::Protocol{static_cast<uint8_t>(value->get_int64())};
  }
  if (const json::string* text = value->if_string()) {
    if (text->empty()) return std::nullopt;
    if (auto parsed = net::Protocol::parse({text->data(), text->size()})) return *parsed;
  }
  invalid(path.member(name), *value,
          "must be one of \"TCP\", \"UDP\", \"ICMP\", \"ICMPv6\", \"SCTP\", \"UDPLite\", or a "
          "number between 1 and 255");
  return std::nullopt;
}

std::optional<net::Cidr> ObjectReader::cidr(std::string_view text, const FieldPath& path) {
  const auto parsed = net::Cidr::parse_or_host(text);
  if (!parsed) {
    invalid(path, json::string(text),
            "must be an address or a CIDR such as 10.9.8.0/24 or 2001:db8::/64");
    return std::nullopt;
  }
  const auto address = net::IpAddr::parse(text.substr(0, text.find('/')));
  if (address && *address != parsed->address()) {
    invalid(path, json::string(text),
            fmt::format("has bits set behind the prefix; did you mean {}?", parsed->to_string()));
  }
  return *parsed;
}

model::Labels ObjectReader::labels(const json::object& parent, std::string_view name,
                                   const FieldPath& path) {
  model::Labels labels;
  const json::object* map = object(parent, name, path);
  if (map == nullptr) return labels;
  const FieldPath map_path = path.member(name);
  for (const auto& [key, value] : *map) {
    const std::string_view label(key.data(), key.size());
    if (member(*map, label) == nullptr) continue;
    labels.emplace(label, text(*map, label, map_path));
  }
  return labels;
}

bool ObjectReader::has_unknown(const json::object& object, const FieldPath& path,
                               std::span<const std::string_view> known) {
  bool found = false;
  for (const auto& [key, value] : object) {
    const std::string_view name(key.data(), key.size());
    if (value.is_null() || std::find(known.begin(), known.end(), name) != known.end()) continue;
    warn(path.member(name), "unknown field, without effect");
    found = true;
  }
  return found;
}

void ObjectReader::limit(const json::array* list, size_t most, std::string_view what,
                         const FieldPath& path) {
  if (list == nullptr || list->size() <= most) return;
  forbidden(path, fmt::format("{} {}: at most {} are allowed", list->size(), what, most));
}

std::string ObjectReader::problems_text() const {
  std::string text;
  for (const FieldProblem& problem : problems_) {
    if (!text.empty()) text += "; ";
    text += problem.to_string();
  }
  return text;
}

}  // namespace caracal::kube
