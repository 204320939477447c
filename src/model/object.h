// Names of API objects, and labels, as plain values.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <string>

namespace caracal::model {

// Sorted by key. Labels as the API has them, nothing added.
using Labels = std::map<std::string, std::string, std::less<>>;

// The name of an object in a namespace; the namespace is empty for cluster-scoped kinds.
struct ObjectName {
  std::string ns;
  std::string name;
  std::string to_string() const { return ns.empty() ? name : ns + "/" + name; }
  auto operator<=>(const ObjectName&) const = default;
};

}  // namespace caracal::model

template <>
struct std::hash<caracal::model::ObjectName> {
  size_t operator()(const caracal::model::ObjectName& n) const noexcept {
    return std::hash<std::string>{}(n.ns) * 31 + std::hash<std::string>{}(n.name);
  }
};
