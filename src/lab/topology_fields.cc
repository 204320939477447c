#include "lab/topology_fields.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::lab::fields {
namespace {
std::string shown(const json::value& value) { return jsonio::to_string(value); }
}  // namespace

tl::unexpected<Error> invalid(const std::string& field, const std::string& what) {
  return fail(Errc::kInvalid, fmt::format("{}: {}", field, what));
}

Result<const json::object*> object(const json::value& value, const std::string& field,
                                   std::initializer_list<std::string_view> known) {
  const json::object* object = value.if_object();
  if (object == nullptr) {
    return invalid(field, fmt::format("must be an object with {}", fmt::join(known, ", ")));
  }
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return invalid(field.empty() ? std::string(key) : fmt::format("{}.{}", field, key),
                     fmt::format("unknown field; known are {}", fmt::join(known, ", ")));
    }
  }
  return object;
}

Result<const json::array*> list(const json::value& value, const std::string& field) {
  const json::array* array = value.if_array();
  if (array == nullptr) return invalid(field, shown(value) + " is not a list");
  return array;
}

Result<std::string> text(const json::value& value, const std::string& field) {
  const json::string* text = value.if_string();
  if (text == nullptr) return invalid(field, shown(value) + " is not a text");
  return std::string(*text);
}

Result<std::vector<std::string>> texts(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const json::array* array, list(value, field));
  std::vector<std::string> out;
  for (size_t i = 0; i < array->size(); ++i) {
    CARACAL_ASSIGN(std::string one, text((*array)[i], fmt::format("{}[{}]", field, i)));
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::string> choice(const json::value& value, const std::string& field,
                           std::initializer_list<std::string_view> valid) {
  CARACAL_ASSIGN(std::string one, text(value, field));
  if (std::find(valid.begin(), valid.end(), one) != valid.end()) return one;
  return invalid(field, fmt::format("\"{}\" is none of {}", one, fmt::join(valid, ", ")));
}

Result<int64_t> number(const json::value& value, const std::string& field, int64_t least,
                       int64_t most) {
  const int64_t* found = value.if_int64();
  const auto as_unsigned = value.if_uint64();
  const int64_t n = found != nullptr ? *found
                    : as_unsigned != nullptr && *as_unsigned <= INT64_MAX
                        ? static_cast<int64_t>(*as_unsigned)
                        : least - 1;
  if (n >= least && n <= most) return n;
  return invalid(field,
                 fmt::format("{}: must be a number from {} to {}", shown(value), least, most));
}

Result<std::vector<net::Cidr>> cidrs(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const std::vector<std::string> list, texts(value, field));
  std::vector<net::Cidr> out;
  for (size_t i = 0; i < list.size(); ++i) {
    auto cidr = net::Cidr::parse(list[i]);
    if (!cidr) {
      return invalid(fmt::format("{}[{}]", field, i),
                     fmt::format("\"{}\" is not an address prefix; valid are for example "
                                 "192.168.0.0/16 and fd00:1::/48",
                                 list[i]));
    }
    out.push_back(*cidr);
  }
  return out;
}

Status check_name(const std::string& name, const std::string& field) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool ok =
      !name.empty() && name.size() <= 40 && alnum(name.front()) && alnum(name.back()) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-'; });
  if (!ok) {
    return invalid(field, fmt::format("\"{}\": must be 1 to 40 lower-case letters, digits and '-', "
                                      "beginning and ending with a letter or digit",
                                      name));
  }
  if (name == "fabric" || name == "outside" || name == "host") {
    return invalid(field, fmt::format("\"{}\" is the name of another part of the lab", name));
  }
  return {};
}

Status check_one_a_family(const std::vector<net::Cidr>& list, const std::string& field) {
  for (const net::Family family : net::kFamilies) {
    const auto count = std::count_if(list.begin(), list.end(), [family](const net::Cidr& cidr) {
      return cidr.family() == family;
    });
    if (count > 1) {
      return invalid(field, fmt::format("{} of family {}; at most one", count, to_string(family)));
    }
  }
  return {};
}

bool overlap(const net::Cidr& a, const net::Cidr& b) {
  return a.family() == b.family() && (a.contains(b) || b.contains(a));
}

json::array text_array(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& value : values) out.emplace_back(json::string(value));
  return out;
}

}  // namespace caracal::lab::fields
