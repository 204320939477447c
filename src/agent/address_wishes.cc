#include "agent/address_wishes.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::agent {
namespace {

constexpr std::string_view kPrefix = "cni.projectcalico.org/";
constexpr std::string_view kAsked[] = {"ipv4pools", "ipv6pools", "ipAddrs", "ipFamilies", "hwAddr"};

std::map<std::string, std::string, std::less<>> asked_in(const json::value& object) {
  std::map<std::string, std::string, std::less<>> out;
  for (const auto& member : jsonio::get_object(object, {"metadata", "annotations"})) {
    const std::string_view key = member.key();
    const json::string* text = member.value().if_string();
    if (text == nullptr || !key.starts_with(kPrefix)) continue;
    const std::string_view name = key.substr(kPrefix.size());
    if (std::find(std::begin(kAsked), std::end(kAsked), name) != std::end(kAsked))
      out.emplace(name, std::string_view(*text));
  }
  return out;
}

Result<std::vector<std::string>> text_list(const std::string& where, const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::kInvalid,
                fmt::format("{}: \"{}\": {}; valid is a JSON list of texts, like [\"a\", \"b\"]",
                            where, text, why));
  };
  const auto value = jsonio::parse(text);
  if (!value) return refuse("no JSON");
  const json::array* array = value->if_array();
  if (array == nullptr) return refuse("no list");
  std::vector<std::string> out;
  for (const json::value& one : *array) {
    if (!one.is_string()) return refuse("an element is no text");
    out.emplace_back(std::string_view(one.get_string()));
  }
  return out;
}

}  // namespace

void AddressWishes::pod(const model::ObjectName& name, const json::value* object) {
  Annotations asked;
  if (object != nullptr && jsonio::get_string(*object, {"spec", "nodeName"}) == node_)
    asked = asked_in(*object);
  if (asked.empty()) {
    pods_.erase(name);
  } else {
    pods_.insert_or_assign(name, std::move(asked));
  }
}

void AddressWishes::ns(const std::string& name, const json::value* object) {
  if (object == nullptr) {
    namespaces_.erase(name);
    return;
  }
  Namespace& one = namespaces_[name];
  one.annotations = asked_in(*object);
  one.labels.clear();
  for (const auto& member : jsonio::get_object(*object, {"metadata", "labels"})) {
    if (const json::string* text = member.value().if_string())
      one.labels.emplace(std::string_view(member.key()), std::string_view(*text));
  }
}

Result<AddressWish> AddressWishes::of(const model::ObjectName& pod) const {
  AddressWish wish;
  std::string where;
  const auto own = pods_.find(pod);
  const auto home = namespaces_.find(pod.ns);
  if (home != namespaces_.end()) wish.namespace_labels = home->second.labels;
  const auto find = [&](std::string_view name, bool namespace_too) -> const std::string* {
    if (own != pods_.end()) {
      if (const auto it = own->second.find(name); it != own->second.end()) {
        where = fmt::format("pod {}: annotation {}{}", pod.to_string(), kPrefix, name);
        return &it->second;
      }
    }
    if (!namespace_too || home == namespaces_.end()) return nullptr;
    const auto it = home->second.annotations.find(name);
    if (it == home->second.annotations.end()) return nullptr;
    where = fmt::format("namespace {}: annotation {}{}", pod.ns, kPrefix, name);
    return &it->second;
  };
  if (const auto* text = find("ipv4pools", true)) {
    CARACAL_ASSIGN(wish.pools_v4, text_list(where, *text));
  }
  if (const auto* text = find("ipv6pools", true)) {
    CARACAL_ASSIGN(wish.pools_v6, text_list(where, *text));
  }
  if (const auto* text = find("ipFamilies", true)) {
    CARACAL_ASSIGN(const auto families, text_list(where, *text));
    for (const std::string& family : families) {
      if (family != "IPv4" && family != "IPv6") {
        return fail(Errc::kInvalid, fmt::format("{}: \"{}\": must be IPv4 or IPv6", where, family));
      }
      wish.families.push_back(family == "IPv4" ? net::Family::kIPv4 : net::Family::kIPv6);
    }
  }
  if (const auto* text = find("ipAddrs", false)) {
    CARACAL_ASSIGN(const auto addresses, text_list(where, *text));
    for (const std::string& one : addresses) {
      const auto address = net::IpAddr::parse(one);
      if (!address)
        return fail(Errc::kInvalid, fmt::format("{}: {}", where, address.error().message));
      for (const net::IpAddr& other : wish.addresses) {
        if (other.family() == address->family()) {
          return fail(Errc::kInvalid,
                      fmt::format("{}: \"{}\": at most one address of each family", where, *text));
        }
      }
      wish.addresses.push_back(*address);
    }
  }
  if (const auto* text = find("hwAddr", false)) {
    const auto mac = net::MacAddr::parse(*text);
    if (!mac || (mac->bytes[0] & 1) != 0) {
      return fail(Errc::kInvalid, fmt::format("{}: \"{}\": must be a MAC address of one interface, "
                                              "like 02:00:00:12:34:56",
                                              where, *text));
    }
    wish.mac = *mac;
  }
  return wish;
}

}  // namespace caracal::agent
