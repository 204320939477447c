// PolicyBlob: the rules of a policy as one block of bytes, for the many policies of a cluster that
// apply to nothing here. Equal rules have equal bytes; they are unfolded when the policy is
// compiled.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/policy.h"

namespace caracal::policy {

class PolicyBlob {
 public:
  PolicyBlob() = default;
  // Of `policy` the rules of both directions; names of rules and warnings are left out.
  explicit PolicyBlob(const model::Policy& policy);

  struct Rules {
    std::vector<model::Rule> ingress;
    std::vector<model::Rule> egress;
  };
  Rules rules() const;

  bool operator==(const PolicyBlob& other) const { return view() == other.view(); }

 private:
  std::string_view view() const { return {bytes_.get(), size_}; }
  std::unique_ptr<char[]> bytes_;
  uint32_t size_ = 0;
};

}  // namespace caracal::policy
