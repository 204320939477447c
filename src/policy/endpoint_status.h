// EndpointStatus, HostEndpointStatus: what the calculation made of one workload interface, or of
// one host endpoint, for status and explain.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "desired/policy_tables.h"
#include "model/policy.h"

namespace caracal::policy {

struct EndpointStatus {
  model::ObjectName pod;
  desired::Disposition ingress = desired::Disposition::kClosed;
  desired::Disposition egress = desired::Disposition::kClosed;
  // Which policies apply, in the order of evaluation.
  std::vector<model::PolicyId> ingress_policies;
  std::vector<model::PolicyId> egress_policies;
  // Why the endpoint is closed, or gets less than its policies say.
  std::vector<std::string> errors;
  bool operator==(const EndpointStatus&) const = default;
};

struct HostEndpointStatus {
  // The interfaces of this node that it speaks for; "*": all that no other one speaks for.
  std::vector<std::string> interfaces;
  struct Hook {
    desired::Disposition disposition = desired::Disposition::kClosed;
    std::vector<model::PolicyId> policies;  // in the order of evaluation
    bool operator==(const Hook&) const = default;
  };
  // The hooks in which it judges packets: always the two of the host's own traffic, the others with
  // a policy for them.
  std::map<desired::HostHook, Hook> hooks;
  // Why it is in force nowhere, is closed, or lets through less than its policies say.
  std::vector<std::string> errors;
  bool operator==(const HostEndpointStatus&) const = default;
};

}  // namespace caracal::policy
