// FelixConfiguration: the part about tunnels, routes and address translation (calico.md 2.16) into
// model::NetworkSettings.
#pragma once

#include <functional>
#include <vector>

#include "kube/object_reader.h"
#include "model/network_settings.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// What one object sets; the rest it leaves to others.
class NetworkSettingsPart {
 public:
  template <typename Value>
  void set(Value model::NetworkSettings::*member, Value value) {
    changes_.emplace_back([member, value](model::NetworkSettings& to) { to.*member = value; });
  }
  void apply_to(model::NetworkSettings& settings) const {
    for (const auto& change : changes_) change(settings);
  }

 private:
  std::vector<std::function<void(model::NetworkSettings&)>> changes_;
};

// A setting with a wrong value is a problem and is left to others. `spec` is the object's.
NetworkSettingsPart decode_network_settings(const json::object& spec, ObjectReader& reader);

}  // namespace caracal::calico
