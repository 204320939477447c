#include "agent/policy_apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::agent {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::InterfaceKey;
using desired::PolicyDelta;
using desired::PolicyTables;
using ::testing::ElementsAre;

// A kernel that holds tables, and refuses while told to.
class FakeTarget final : public PolicyTarget {
 public:
  Result<dataplane::nft::SyncReport> sync(const PolicyTables& tables) override {
    if (refuse) return fail(Errc::kKernel, "No space left on device");
    dataplane::nft::SyncReport report;
    report.messages = kernel == tables ? 0 : 1;
    kernel = tables;
    return report;
  }
  Result<dataplane::nft::ApplyReport> apply(const PolicyDelta& delta) override {
    if (refuse || refuse_apply) return fail(Errc::kKernel, "No space left on device");
    desired::apply(kernel, delta);
    return dataplane::nft::ApplyReport{};
  }
  Status close_interface(const std::string& interface) override {
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
      kernel.interfaces[{direction, interface}] = {Disposition::kClosed, 0};
    }
    return {};
  }
  const PolicyTables& tables() const override { return kernel; }
  Result<PolicyTables> read_back() override { return kernel; }
  Result<uint32_t> generation() override { return 1u; }

  PolicyTables kernel;
  bool refuse = false;
  bool refuse_apply = false;
};

InterfaceKey in(const std::string& name) { return {Direction::kIngress, name}; }
InterfaceKey out(const std::string& name) { return {Direction::kEgress, name}; }

// a and b policed by groups 1 and 2, c open.
PolicyTables world() {
  PolicyTables tables;
  tables.interfaces = {{in("a"), {Disposition::kPoliced, 1}}, {out("a"), {Disposition::kOpen, 0}},
                       {in("b"), {Disposition::kPoliced, 2}}, {out("b"), {Disposition::kOpen, 0}},
                       {in("c"), {Disposition::kOpen, 0}},    {out("c"), {Disposition::kOpen, 0}}};
  tables.peers = {{{1, 5}, 10}, {{2, 5}, 20}};
  tables.rows = {{10, 1}, {20, 1}};
  return tables;
}

class PolicyApplyTest : public ::testing::Test {
 protected:
  PolicyApplyTest() {
    auto target = std::make_unique<FakeTarget>();
    kernel_ = target.get();
    apply_ = std::make_unique<PolicyApply>(std::move(target));
    EXPECT_TRUE(apply_->sync(world()));
  }
  bool closed(const std::string& name) const {
    return kernel_->kernel.interfaces.at(in(name)).disposition == Disposition::kClosed &&
           kernel_->kernel.interfaces.at(out(name)).disposition == Disposition::kClosed;
  }
  FakeTarget* kernel_;
  std::unique_ptr<PolicyApply> apply_;
};

TEST(AffectedInterfaces, AreThoseTheChangeDecidesAbout) {
  PolicyDelta row;
  row.rows.erase = {{10, 1}};
  EXPECT_THAT(affected_interfaces(world(), row), ElementsAre("a"));
  PolicyDelta peer;
  peer.peers.set = {{{2, 6}, 20}};
  EXPECT_THAT(affected_interfaces(world(), peer), ElementsAre("b"));
  PolicyDelta identity;
  identity.addresses.set = {{net::IpAddr::v4(1), 5}};
  EXPECT_THAT(affected_interfaces(world(), identity), ElementsAre("a", "b"))
      << "c is open whoever comes";
  PolicyDelta interface;
  interface.interfaces.set = {{in("new"), {Disposition::kOpen, 0}}};
  EXPECT_THAT(affected_interfaces(world(), interface), ElementsAre("new"));
}

TEST(AffectedInterfaces, ThroughRareTables) {
  PolicyTables tables = world();
  tables.otherwise = {{2, 30}};
  // Group 1 leads to group 3 for one own address, and that to group 4 by source port.
  tables.own_splits = {{{1, 9}, 3}};
  tables.port_splits = {{{3, desired::PortSpace::kTcp, 0}, 4}};
  tables.peers[{4, 5}] = 40;
  PolicyDelta behind_splits;
  behind_splits.rows.add = {{40, 1}};
  EXPECT_THAT(affected_interfaces(tables, behind_splits), ElementsAre("a"));
  PolicyDelta otherwise;
  otherwise.wide_rows.erase = {{30, desired::PortSpace::kTcp, 1, 2}};
  EXPECT_THAT(affected_interfaces(tables, otherwise), ElementsAre("b"));
  PolicyDelta logged;
  logged.logged.add = {{10, 1}};
  EXPECT_THAT(affected_interfaces(tables, logged), ElementsAre("a"));
  PolicyDelta settings;
  settings.settings.set = {{desired::Setting::kToHost, 0}};
  EXPECT_THAT(affected_interfaces(tables, settings), ElementsAre("a", "b"));
  PolicyDelta hosts;
  hosts.hosts.set = {{{desired::HostHook::kIngress, "eth0"}, {Disposition::kOpen, 0}}};
  EXPECT_TRUE(affected_interfaces(tables, hosts).empty()) << "no pod's business";
}

TEST_F(PolicyApplyTest, ARefusedChangeClosesWhatItIsAboutAndNothingElse) {
  kernel_->refuse = true;
  PolicyDelta delta;
  delta.rows.erase = {{10, 1}};
  EXPECT_FALSE(apply_->apply(delta));
  EXPECT_TRUE(closed("a"));
  EXPECT_FALSE(closed("b"));
  EXPECT_THAT(apply_->closed(),
              ::testing::ElementsAre(::testing::Pair("a", "No space left on device")));
  EXPECT_TRUE(apply_->pending());

  kernel_->refuse = false;
  EXPECT_TRUE(apply_->retry());
  PolicyTables expected = world();
  desired::apply(expected, delta);
  EXPECT_EQ(kernel_->kernel, expected) << "opened again, with the change";
  EXPECT_TRUE(apply_->closed().empty());
  EXPECT_FALSE(apply_->pending());
  EXPECT_EQ(apply_->error(), "");
}

TEST_F(PolicyApplyTest, LaterChangesFoldIntoTheRefusedOne) {
  kernel_->refuse = true;
  PolicyDelta first;
  first.rows.erase = {{10, 1}};
  EXPECT_FALSE(apply_->apply(first));
  PolicyDelta second;
  second.interfaces.set = {{in("a"), {Disposition::kOpen, 0}}};
  second.rows.erase = {{20, 1}};
  EXPECT_FALSE(apply_->apply(second));
  EXPECT_TRUE(closed("a"));
  EXPECT_TRUE(closed("b"));
  kernel_->refuse = false;
  EXPECT_TRUE(apply_->apply({}));
  PolicyTables expected = world();
  desired::apply(expected, first);
  desired::apply(expected, second);
  EXPECT_EQ(kernel_->kernel, expected);
}

TEST_F(PolicyApplyTest, ADeltaThatDoesNotFitIsTriedAsAWhole) {
  kernel_->refuse_apply = true;  // such as: somebody emptied the table
  PolicyDelta delta;
  delta.rows.add = {{10, 7}};
  EXPECT_TRUE(apply_->apply(delta));
  EXPECT_TRUE(kernel_->kernel.rows.contains({10, 7}));
  EXPECT_TRUE(apply_->closed().empty());
}

TEST_F(PolicyApplyTest, AnEndpointThatVanishesWhileRefusedIsForgotten) {
  kernel_->refuse = true;
  PolicyDelta refused;
  refused.rows.erase = {{10, 1}};
  EXPECT_FALSE(apply_->apply(refused));
  PolicyDelta gone;
  gone.interfaces.erase = {in("a"), out("a")};
  EXPECT_FALSE(apply_->apply(gone));
  kernel_->refuse = false;
  EXPECT_TRUE(apply_->retry());
  EXPECT_FALSE(kernel_->kernel.interfaces.contains(in("a")));
}

TEST(PolicyApply, AFirstSynchronisationThatIsRefusedIsKept) {
  auto target = std::make_unique<FakeTarget>();
  FakeTarget* kernel = target.get();
  PolicyApply apply(std::move(target));
  kernel->refuse = true;
  EXPECT_FALSE(apply.sync(world()));
  EXPECT_FALSE(apply.synced());
  PolicyDelta delta;
  delta.rows.add = {{10, 3}};
  EXPECT_FALSE(apply.apply(delta));
  EXPECT_EQ(kernel->kernel, PolicyTables{}) << "the kernel keeps what it had";
  kernel->refuse = false;
  EXPECT_TRUE(apply.retry());
  EXPECT_TRUE(apply.synced());
  EXPECT_TRUE(kernel->kernel.rows.contains({10, 3}));
}

TEST_F(PolicyApplyTest, DriftIsPutRight) {
  kernel_->kernel.rows.clear();
  // What the driver believes is what it reads back in a real kernel; here they are one.
  PolicyDelta delta;
  delta.rows.add = {{10, 1}, {20, 1}};
  EXPECT_TRUE(apply_->apply(delta));
  EXPECT_TRUE(apply_->resync());
  EXPECT_EQ(kernel_->kernel, world());
}

}  // namespace
}  // namespace caracal::agent
