// EndpointStatus: what the calculation made of one workload interface, for status and explain.
#pragma once

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

}  // namespace caracal::policy
