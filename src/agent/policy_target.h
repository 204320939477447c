// PolicyTarget: the kernel as the dataplane loop needs it for policy. A seam of a few calls: the
// real one is the nftables driver; tests put in one that refuses.
//
// Semantics are those of dataplane/nft/nft_driver.h. Used on the dataplane loop's thread only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "dataplane/nft/nft_driver.h"
#include "desired/policy_tables.h"

namespace caracal::agent {

class PolicyTarget {
 public:
  virtual ~PolicyTarget() = default;
  virtual Result<dataplane::nft::SyncReport> sync(const desired::PolicyTables& tables) = 0;
  virtual Result<dataplane::nft::ApplyReport> apply(const desired::PolicyDelta& delta) = 0;
  virtual Status close_interface(const std::string& interface) = 0;
  virtual const desired::PolicyTables& tables() const = 0;
  virtual Result<desired::PolicyTables> read_back() = 0;
  virtual Result<uint32_t> generation() = 0;
};

std::unique_ptr<PolicyTarget> make_nft_target(dataplane::nft::NftDriver driver);

}  // namespace caracal::agent
