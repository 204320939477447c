#include "controller/pool_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::controller {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }

class PoolPlanTest : public ::testing::Test {
 protected:
  // `more`: members of metadata.
  void put(const std::string& name, const std::string& range, const std::string& more = "",
           const std::string& spec = "") {
    const std::string text = "{metadata: {name: " + name + ", resourceVersion: '5'" + more +
                             "}, spec: {cidr: " + range + spec + "}}";
    const json::value object = jsonio::parse_yaml(text)->front();
    pools_.put(kShownGroup, name, &object);
    model::IpPool pool;
    pool.name = name;
    pool.cidr = cidr(range);
    world_.pools[name] = pool;
  }
  void put_block(const ipam::Block& block) {
    world_.records.blocks[block.cidr()] = {
        block, json::object{{"metadata", json::object{{"name", "b"}, {"uid", "u"}}}}};
  }
  void put_claim(const std::string& name, const std::string& range) {
    world_.records.affinities[name] = {
        {ipam::Owner::host("n1"), cidr(range), ipam::ClaimState::kConfirmed}, json::object()};
  }
  PoolPlan plan(bool known = true) const { return plan_pools(pools_, world_, known, "me", "now"); }
  static json::value condition(const ApiWrite& write) {
    EXPECT_TRUE(write.request.path.ends_with("/status")) << write.request.path;
    const json::value body = *jsonio::parse(write.request.body);
    return jsonio::get_array(body, {"status", "conditions"}).front();
  }
  static constexpr const char* kDeleting =
      ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [caracal.io/ip-pool]";
  static constexpr const char* kHeld = ", finalizers: [caracal.io/ip-pool]";

  ObjectTable pools_;
  ipam::AddressWorld world_;
};

TEST_F(PoolPlanTest, ANewPoolIsHeldBesideOtherFinalizers) {
  put("p", "10.0.0.0/16", ", finalizers: [other/one]");
  const PoolPlan now = plan();
  ASSERT_THAT(now.writes, SizeIs(1));
  EXPECT_EQ(now.held, 1U);
  EXPECT_EQ(now.writes[0].request.path, "/apis/projectcalico.org/v3/ippools/p");
  EXPECT_EQ(
      now.writes[0].request.body,
      R"({"metadata":{"finalizers":["other/one","caracal.io/ip-pool"],"resourceVersion":"5"}})");
}

TEST_F(PoolPlanTest, TheConditionTellsWhetherAddressesAreGivenOut) {
  put("p", "10.0.0.0/16", kHeld);
  EXPECT_EQ(jsonio::get_string(condition(plan().writes.at(0)), {"status"}), "True");
  put("p", "10.0.0.0/16", kHeld, ", disabled: true");
  const json::value disabled = condition(plan().writes.at(0));
  EXPECT_EQ(jsonio::get_string(disabled, {"status"}), "False");
  EXPECT_EQ(jsonio::get_string(disabled, {"reason"}), "Disabled");
  world_.pools.clear();
  EXPECT_EQ(jsonio::get_string(condition(plan().writes.at(0)), {"reason"}), "Invalid");
}

TEST_F(PoolPlanTest, ATrueConditionIsNotWrittenAgain) {
  const json::value object = jsonio::parse_yaml(R"(
metadata: {name: p, finalizers: [caracal.io/ip-pool]}
spec: {cidr: 10.0.0.0/16}
status: {conditions: [{type: Allocatable, status: 'True', reason: Enabled, message: addresses are given out}]}
)")
                                 ->front();
  put("p", "10.0.0.0/16");
  pools_.put(kShownGroup, "p", &object);
  EXPECT_THAT(plan().writes, IsEmpty());
}

TEST_F(PoolPlanTest, APoolInUseWaitsAndSaysForWhat) {
  put("p", "10.0.0.0/16", kDeleting);
  ipam::Block used(cidr("10.0.0.0/26"), ipam::Owner::host("n1"), 1);
  ASSERT_TRUE(used.assign_address(*net::IpAddr::parse("10.0.0.5"), "h",
                                  {{"pod", "web"}, {"namespace", "dev"}, {"node", "n1"}}));
  ASSERT_TRUE(used.assign_address(*net::IpAddr::parse("10.0.0.6"), "t",
                                  {{"type", "vxlanTunnelAddress"}, {"node", "n1"}}));
  put_block(used);
  put_block(ipam::Block(cidr("10.0.0.64/26"), ipam::Owner::host("n2"), 7));
  put_block(ipam::Block(cidr("10.9.0.0/26"), ipam::Owner::host("n2"), 7));
  const PoolPlan now = plan();
  EXPECT_EQ(now.waiting, 1U);
  ASSERT_THAT(now.returns, SizeIs(1)) << "the empty block of this pool, no other";
  EXPECT_EQ(now.returns[0].block, cidr("10.0.0.64/26"));
  EXPECT_EQ(now.returns[0].sequence, 7U);
  ASSERT_THAT(now.writes, SizeIs(2));
  const json::value told = condition(now.writes[0]);
  EXPECT_EQ(jsonio::get_string(told, {"reason"}), "Terminating");
  EXPECT_THAT(std::string(jsonio::get_string(told, {"message"})),
              HasSubstr("until 2 addresses are given back: 1 of pods, 1 of tunnels; one of them is "
                        "10.0.0.5 (pod dev/web)"));
  EXPECT_EQ(now.writes[1].request.path, "/api/v1/namespaces/default/events");
  EXPECT_THAT(now.writes[1].request.body, HasSubstr("\"reason\":\"PoolInUse\""));
}

TEST_F(PoolPlanTest, AnEmptyPoolGoesWhenBlocksAndClaimsHaveGone) {
  put("p", "10.0.0.0/16", kDeleting);
  put_claim("n1-10-0-0-0-26", "10.0.0.0/26");
  EXPECT_EQ(plan().waiting, 1U) << "a block may follow the claim";
  world_.records.affinities.clear();
  EXPECT_EQ(plan(false).released, 0U) << "nothing is known of blocks";
  const PoolPlan now = plan();
  EXPECT_EQ(now.released, 1U);
  ASSERT_THAT(now.writes, SizeIs(1));
  EXPECT_EQ(now.writes[0].request.body, R"({"metadata":{"finalizers":[],"resourceVersion":"5"}})");
}

TEST_F(PoolPlanTest, ABlockOfNobodyIsReturnedAndOneOfAnotherPoolIsNot) {
  put("p", "10.0.0.0/16", kDeleting);
  put("again", "10.0.0.0/20", kHeld);
  put_block(ipam::Block(cidr("10.0.0.0/26"), std::nullopt, 1));    // of the new pool, too
  put_block(ipam::Block(cidr("10.0.128.0/26"), std::nullopt, 1));  // of the old one alone
  const PoolPlan now = plan();
  ASSERT_THAT(now.returns, SizeIs(1));
  EXPECT_EQ(now.returns[0].block, cidr("10.0.128.0/26"));
  EXPECT_EQ(now.returns[0].owner.name, "");
}

}  // namespace
}  // namespace caracal::controller
