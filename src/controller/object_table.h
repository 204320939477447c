// ObjectTable: the objects of one cluster-scoped kind of Calico, as they are, wherever they are
// served: an object of projectcalico.org/v3 goes before its twin of crd.projectcalico.org/v1. For
// kinds with few objects.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "jsonio/json.h"

namespace caracal::controller {

inline constexpr std::string_view kShownGroup = "projectcalico.org/v3";
inline constexpr std::string_view kStoredGroup = "crd.projectcalico.org/v1";

class ObjectTable {
 public:
  struct Entry {
    std::string_view api_version;  // kShownGroup or kStoredGroup
    const json::value* object;
  };

  // nullptr: gone.
  void put(std::string_view api_version, const std::string& name, const json::value* object) {
    Twins& twins = by_name_[name];
    json::value& place = api_version == kShownGroup ? twins.shown : twins.stored;
    if (object != nullptr) {
      place = *object;
    } else {
      place = nullptr;
    }
    if (twins.shown.is_null() && twins.stored.is_null()) by_name_.erase(name);
  }

  // By name; one entry an object.
  std::map<std::string, Entry> entries() const {
    std::map<std::string, Entry> out;
    for (const auto& [name, twins] : by_name_) out.emplace(name, entry_of(twins));
    return out;
  }
  // .object is null when there is none.
  Entry find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? Entry{kShownGroup, nullptr} : entry_of(it->second);
  }
  size_t size() const { return by_name_.size(); }

 private:
  struct Twins {
    json::value shown;  // null: none
    json::value stored;
  };
  static Entry entry_of(const Twins& twins) {
    return twins.shown.is_null() ? Entry{kStoredGroup, &twins.stored}
                                 : Entry{kShownGroup, &twins.shown};
  }
  std::map<std::string, Twins> by_name_;
};

}  // namespace caracal::controller
