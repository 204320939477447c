// Connectivity: who may connect to whom, between named ends: pods, workloads or namespaces, and the
// address ranges outside that policies tell apart.
//
// Made from Reachability by whoever draws, lists or compares it (matrix_render, difference, the
// CLI). A value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/reachability.h"
#include "analysis/workload.h"
#include "base/result.h"

namespace caracal::analysis {

// Ports of a pod that traffic from outside is led to, by an Ingress or Route.
struct Exposure {
  model::ObjectName pod;
  policy::PortSet ports;
};

// What is known of a cluster besides its world of policy.
struct ClusterView {
  WorkloadOfPod workloads;
  // Pods whose network is not the cluster's. Pods of different networks never connect.
  std::map<model::ObjectName, std::string> networks;
  std::vector<Exposure> exposures;
  // The pod of the world that stands for the ingress controller: it belongs to no end.
  std::optional<model::ObjectName> ingress_controller;
};

enum class Level : uint8_t { kPod, kWorkload, kNamespace };

struct End {
  std::string label;  // "dev/web-1", "dev/web[Deployment]", "dev"
  std::string ns;
  std::string network;  // empty: the cluster's
  // Pods that no policy tells apart, by one of them.
  struct Alike {
    PodNumber sample = 0;
    size_t count = 0;
  };
  std::vector<Alike> pods;
};
inline constexpr std::string_view kIngressController = "{ingress-controller}";

// Only pods with a network of their own. `namespaces`: those asked for; empty: all.
std::vector<End> make_ends(const Reachability& reachability, const ClusterView& view, Level level,
                           const std::vector<std::string>& namespaces = {});

// Addresses outside that no policy tells apart. IPv6 is left out where neither pods nor policies
// know it.
struct ExternalPart {
  std::vector<AddressRange> ranges;  // sorted
  net::IpAddr sample;
};
// Of one world, or cut so finely that it is of both.
std::vector<ExternalPart> external_parts(const Reachability& a, const Reachability* b = nullptr);
// "0.0.0.0/0", "10.0.0.1", "10.0.0.5-10.0.0.9".
std::string range_text(const AddressRange& range);
// Sorts, and joins neighbours.
std::vector<AddressRange> join_ranges(std::vector<AddressRange> ranges);

// Between two ends: what some pair of their pods may use, and what all may.
struct PairPorts {
  policy::PortSet any;
  policy::PortSet all;
  bool operator==(const PairPorts&) const = default;
};

class Connectivity {
 public:
  // Errors: kExhausted, when there are more ends than a matrix can show.
  static Result<Connectivity> make(const Reachability& reachability, const ClusterView& view,
                                   std::vector<End> ends, std::vector<ExternalPart> externals);

  const std::vector<End>& ends() const { return ends_; }
  const std::vector<ExternalPart>& externals() const { return externals_; }
  const PairPorts& between(size_t from, size_t to) const;
  const PairPorts& from_external(size_t external, size_t to) const;
  const PairPorts& to_external(size_t from, size_t external) const;
  // What an Ingress or Route leads to the end, and policies let in.
  const policy::PortSet& from_ingress_controller(size_t to) const { return exposed_[to]; }

 private:
  std::vector<End> ends_;
  std::vector<ExternalPart> externals_;
  std::vector<PairPorts> pool_;
  std::vector<uint32_t> cells_;  // from * ends + to
  std::vector<uint32_t> from_external_;
  std::vector<uint32_t> to_external_;
  std::vector<policy::PortSet> exposed_;
};

}  // namespace caracal::analysis
