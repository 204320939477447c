// load(): directories of Kubernetes manifests as a world of policy, with no cluster at all.
//
// What the API server and the controllers would add is added: namespaces that are only named (and
// the label kubernetes.io/metadata.name of all), the namespace "default" where an object names
// none, a pod for each workload that has none (of its name; workloads of one name get the kind
// behind it), endpoints of services, and for pods without addresses one of 240.0.0.0/8: stable, a
// function of namespace and name. That range is reserved (RFC 1112 section 4), so that no CIDR of a
// policy means it except one that means every address.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/connectivity.h"
#include "manifests/document.h"
#include "manifests/exposure.h"
#include "model/world.h"

namespace caracal::manifests {

// An object as people name it; `kind` is the API's.
struct ObjectKey {
  std::string kind;
  model::ObjectName name;
  std::string to_string() const { return kind + " " + name.to_string(); }
  auto operator<=>(const ObjectKey&) const = default;
};

struct Manifests {
  model::World world;
  analysis::ClusterView view;
  std::vector<Service> services;
  std::vector<Backend> backends;          // what Ingress and Route objects lead to
  std::map<ObjectKey, Document> objects;  // everything read, also what policy does not depend on
  // The container ports of pods that declare any, named or not.
  std::map<model::ObjectName, std::vector<std::pair<net::Protocol, uint16_t>>> declared_ports;
  std::vector<Problem> problems;

  bool has_errors() const;
};

struct LoadOptions {
  std::string default_namespace = "default";
  // Treat pods of the host network, and finished ones, as pods with a network of their own,
  // although policy does not hold for them: to see what would hold if they had one. Their addresses
  // are unknown then: no CIDR holds them.
  bool every_pod = false;
};

Manifests load(const std::vector<std::string>& paths, const LoadOptions& options = {});
// From documents already read; those later in the list replace earlier ones of the same object
// without a word when `replace`, else with a problem.
Manifests load(Documents documents, const LoadOptions& options = {}, bool replace = false);

// The pod that stands for the ingress controller: in no namespace that can exist.
model::ObjectName ingress_controller_pod();

}  // namespace caracal::manifests
