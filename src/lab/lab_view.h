// LabView: where the pods of a lab are at one moment, and what the ends of a connection mean then.
// A value, made from the API's pod list; read by probes, matrix and the walk-through.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/end_ref.h"
#include "lab/plan.h"
#include "lab/probe.h"
#include "model/pod.h"
#include "model/world.h"

namespace caracal::lab {

// An end that can be probed from or to.
struct ResolvedEnd {
  EndRef ref;
  std::string label;  // "dev/pod1", "node1"
  std::string netns;  // path; empty for a bare address
  std::vector<net::IpAddr> addresses;
  bool bind_source = false;  // send from the address (there are several)
  std::optional<model::ObjectName> pod;
};

class LabView {
 public:
  LabView(Plan plan, const model::World& world);

  // Errors: kNotFound when there is no such pod, node or address; for kOtherNode when the lab has
  // one node only. A pod that has no address yet is kUnavailable.
  Result<ResolvedEnd> resolve(const EndRef& ref) const;
  // All pods with addresses on nodes of this lab, by name; those of one namespace when it is not
  // empty.
  std::vector<ResolvedEnd> pods(std::string_view ns) const;
  const Plan& plan() const { return plan_; }

 private:
  Result<ResolvedEnd> resolve_node(const std::string& name) const;
  Result<const model::Pod*> find_pod(const model::ObjectName& name) const;

  Plan plan_;
  std::map<model::ObjectName, model::Pod> pods_;
};

// A probe for each address family that both ends have.
std::vector<Probe> make_probes(const ResolvedEnd& from, const ResolvedEnd& to,
                               net::Protocol protocol, uint16_t port);

}  // namespace caracal::lab
