// The collections of the API that the decoders read, and what is found wrong with their objects.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/object.h"

namespace caracal::calico {

// A collection of the API: /apis/GROUP/VERSION/PLURAL, or /api/v1/PLURAL for the core group.
struct Collection {
  std::string_view group;
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced = false;
  bool always = false;  // every Kubernetes API server serves it

  std::string api_version() const;  // "v1", "projectcalico.org/v3"
  std::string path() const;         // "/api/v1/pods"
};

// What policy depends on.
std::span<const Collection> collections();
// What only the pod network depends on. It also needs some of those above: nodes, EndpointSlices,
// FelixConfigurations.
std::span<const Collection> network_collections();
// Both: those of policy first.
std::span<const Collection> all_collections();
// Among all; nullptr: not one of them.
const Collection* find_collection(std::string_view api_version, std::string_view kind);
// Of projectcalico.org or crd.projectcalico.org.
bool is_calico(const Collection& collection);
// Of projectcalico.org, where users write.
bool is_shown(const Collection& collection);

// What an object says that cannot be taken as it stands.
struct Finding {
  const Collection* collection = nullptr;
  model::ObjectName name;
  bool invalid = false;       // the whole object is; else only the part that `text` names
  std::string text;           // "spec.ingress[0].action: \"Drop\": must be one of ..."
  std::string title() const;  // "GlobalNetworkPolicy deny-all"
  bool operator==(const Finding&) const = default;
};

}  // namespace caracal::calico
