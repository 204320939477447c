#include "agent/policy_target.h"

#include <fmt/format.h>

namespace caracal::agent {
namespace {

class NftTarget final : public PolicyTarget {
 public:
  explicit NftTarget(dataplane::nft::NftDriver driver) : driver_(std::move(driver)) {}

  Result<dataplane::nft::SyncReport> sync(const desired::PolicyTables& tables) override {
    return named(driver_.sync(tables));
  }
  Result<dataplane::nft::ApplyReport> apply(const desired::PolicyDelta& delta) override {
    return named(driver_.apply(delta));
  }
  Status close_interface(const std::string& interface) override {
    return driver_.close_interface(interface);
  }
  const desired::PolicyTables& tables() const override { return driver_.tables(); }
  Result<desired::PolicyTables> read_back() override { return driver_.read_back(); }
  Result<uint32_t> generation() override { return driver_.generation(); }

 private:
  // Adds which element it was that the kernel refused.
  template <typename T>
  Result<T> named(Result<T> result) {
    if (!result && driver_.refused() && !driver_.refused()->set.empty()) {
      return fail(result.error().within(
          fmt::format("set {}, element {}", driver_.refused()->set, driver_.refused()->element)));
    }
    return result;
  }

  dataplane::nft::NftDriver driver_;
};

}  // namespace

std::unique_ptr<PolicyTarget> make_nft_target(dataplane::nft::NftDriver driver) {
  return std::make_unique<NftTarget>(std::move(driver));
}

}  // namespace caracal::agent
