#include "calico/network_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/strings.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMost16 = std::numeric_limits<uint16_t>::max();

// Seconds of a text such as "1h2m3.5s", "100ms".
std::optional<double> parse_duration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  size_t at = 0;
  const auto digits = [&](double& value) {
    const size_t begin = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      value = value * 10 + (text[at] - '0');
    }
    return at - begin;
  };
  while (at < text.size()) {
    double value = 0;
    size_t read = digits(value);
    if (at < text.size() && text[at] == '.') {
      ++at;
      double part = 0;
      const size_t places = digits(part);
      value += part / std::pow(10.0, static_cast<double>(places));
      read += places;
    }
    if (read == 0) return std::nullopt;
    struct Unit {
      std::string_view name;
      double seconds;
    };
    constexpr Unit kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},
                               {"s", 1},     {"m", 60},    {"h", 3600}};
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits) {
      if (text.substr(at).starts_with(one.name) &&
          (unit == nullptr || one.name.size() > unit->name.size())) {
        unit = &one;
      }
    }
    if (unit == nullptr) return std::nullopt;
    total += value * unit->seconds;
    at += unit->name.size();
  }
  return total;
}

}  // namespace

const json::object& spec_of(const json::object& object, ObjectReader& reader) {
  static const json::object kEmpty;
  const json::object* spec = reader.object(object, "spec", FieldPath(""));
  return spec == nullptr ? kEmpty : *spec;
}

bool is_being_deleted(const json::object& object) {
  const json::value* metadata = kube::member(object, "metadata");
  return metadata != nullptr && metadata->is_object() &&
         kube::member(metadata->get_object(), "deletionTimestamp") != nullptr;
}

std::optional<net::Cidr> required_cidr(const json::object& parent, std::string_view name,
                                       const FieldPath& path, ObjectReader& reader) {
  const std::string_view text = reader.text(parent, name, path);
  if (text.empty()) {
    const json::value* there = kube::member(parent, name);
    if (there == nullptr || there->is_string()) {
      reader.required(path.member(name), "a CIDR such as 10.9.0.0/16 or 2001:db8::/64");
    }
    return std::nullopt;
  }
  return reader.cidr(text, path.member(name));
}

std::optional<net::Cidr> network(std::string_view text, const FieldPath& path,
                                 ObjectReader& reader) {
  const auto parsed = net::Cidr::parse_or_host(text);
  if (!parsed) return reader.cidr(text, path);  // says what is wrong
  const auto written = net::IpAddr::parse(text.substr(0, text.find('/')));
  if (written && *written != parsed->address()) {
    reader.warn(path, fmt::format("\"{}\" has bits set behind the prefix: taken as {}", text,
                                  parsed->to_string()));
  }
  return *parsed;
}

std::optional<net::IpAddr> address(const json::object& parent, std::string_view name,
                                   const FieldPath& path, ObjectReader& reader) {
  const std::string_view text = reader.text(parent, name, path);
  if (text.empty()) return std::nullopt;
  const auto parsed = net::IpAddr::parse(text);
  if (parsed) return *parsed;
  reader.invalid(path.member(name), json::string(text),
                 "must be an address such as 10.9.8.7 or 2001:db8::1");
  return std::nullopt;
}

std::optional<uint32_t> parse_as_number(std::string_view text) {
  uint64_t number = 0;
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    number = parse_decimal(text, kMost32).value_or(0);
  } else {
    const auto high = parse_decimal(text.substr(0, dot), kMost16);
    const auto low = parse_decimal(text.substr(dot + 1), kMost16);
    if (high && low) number = *high << 16 | *low;
  }
  if (number == 0) return std::nullopt;
  return static_cast<uint32_t>(number);
}

std::optional<uint32_t> as_number(const json::object& parent, std::string_view name,
                                  const FieldPath& path, ObjectReader& reader) {
  const json::value* value = kube::member(parent, name);
  if (value == nullptr) return std::nullopt;
  std::optional<uint32_t> number;
  if (const json::string* text = value->if_string()) {
    number = parse_as_number({text->data(), text->size()});
  } else if (value->is_int64() && value->get_int64() > 0 &&
             static_cast<uint64_t>(value->get_int64()) <= kMost32) {
    number = static_cast<uint32_t>(value->get_int64());
  }
  if (!number) {
    reader.invalid(path.member(name), *value,
                   "must be an AS number between 1 and 4294967295, or one in the form HIGH.LOW of "
                   "two numbers up to 65535");
  }
  return number;
}

std::vector<uint32_t> as_path(const json::object& parent, std::string_view name,
                              const FieldPath& path, ObjectReader& reader) {
  std::vector<uint32_t> numbers;
  const json::array* list = reader.array(parent, name, path);
  if (list == nullptr) return numbers;
  const FieldPath list_path = path.member(name);
  for (size_t i = 0; i < list->size(); ++i) {
    const json::value& value = (*list)[i];
    if (value.is_int64() && value.get_int64() > 0 &&
        static_cast<uint64_t>(value.get_int64()) <= kMost32) {
      numbers.push_back(static_cast<uint32_t>(value.get_int64()));
    } else {
      reader.invalid(list_path.element(i), value, "must be an AS number between 1 and 4294967295");
    }
  }
  return numbers;
}

std::optional<model::BgpCommunity> parse_community(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
  model::BgpCommunity community;
  for (const std::string_view part : parts) {
    const auto number = parse_decimal(part, parts.size() == 2 ? kMost16 : kMost32);
    if (!number) return std::nullopt;
    community.parts.push_back(static_cast<uint32_t>(*number));
  }
  return community;
}

std::optional<uint32_t> duration_seconds(const json::object& parent, std::string_view name,
                                         const FieldPath& path, ObjectReader& reader) {
  const std::string_view text = reader.text(parent, name, path);
  if (text.empty()) return std::nullopt;
  const auto seconds = parse_duration(text);
  if (seconds && *seconds <= static_cast<double>(kMost32)) {
    return static_cast<uint32_t>(std::ceil(*seconds));
  }
  reader.invalid(path.member(name), json::string(text), "must be a time such as 90s, 2m or 1h30m");
  return std::nullopt;
}

std::optional<model::SecretKey> secret_key(const json::object& parent, std::string_view name,
                                           const FieldPath& path, ObjectReader& reader) {
  const json::object* source = reader.object(parent, name, path);
  if (source == nullptr) return std::nullopt;
  const FieldPath source_path = path.member(name);
  const json::object* reference = reader.object(*source, "secretKeyRef", source_path);
  const FieldPath reference_path = source_path.member("secretKeyRef");
  if (reference == nullptr) {
    if (kube::member(*source, "secretKeyRef") == nullptr) reader.required(reference_path);
    return std::nullopt;
  }
  model::SecretKey key{std::string(reader.text(*reference, "name", reference_path)),
                       std::string(reader.text(*reference, "key", reference_path))};
  if (key.name.empty()) reader.required(reference_path.member("name"), "the name of a Secret");
  if (key.key.empty()) reader.required(reference_path.member("key"), "a key of the Secret");
  if (key.name.empty() || key.key.empty()) return std::nullopt;
  return key;
}

}  // namespace caracal::calico
