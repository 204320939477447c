#include "ipam/collector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "ipam/check.h"
#include "ipam/releaser.h"
#include "ipam/split.h"
#include "ipam/testing/claims_fixture.h"
#include "ipam/usage.h"

namespace caracal::ipam {
namespace {

using net::IpAddr;
using testing::cidr;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ip;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::pool;
using ::testing::SizeIs;

bool any(const IpAddr&) { return true; }

class CollectorTest : public testing::ClaimsTest {
 protected:
  void SetUp() override {
    world.nodes = {"n1", "n2"};
    world.pools["p"] = pool("p", "10.0.0.0/24", 30);
    add_block("10.0.0.0/30", "n1");
  }
  Block& add_block(const char* range, const std::string& node) {
    StoredBlock stored;
    stored.value = Block(cidr(range), Owner::host(node), 100);
    if (node.empty()) stored.value.set_affinity(std::nullopt, std::nullopt);
    Block& block = world.records.blocks.emplace(cidr(range), stored).first->second.value;
    if (!node.empty()) {
      StoredAffinity affinity;
      affinity.value = {Owner::host(node), cidr(range), ClaimState::kConfirmed, false};
      world.records.affinities[affinity_name(affinity.value.owner, cidr(range))] = affinity;
    }
    return block;
  }
  Block& block(const char* range) { return world.records.blocks.at(cidr(range)).value; }
  IpAddr take(Block& of, const std::string& pod, const std::string& node,
              const std::string& type = {}) {
    Attributes owner{{"namespace", "dev"}, {"pod", pod}, {"node", node}};
    if (!type.empty()) owner = {{"node", node}, {"type", type}};
    const IpAddr address = of.assign(1, pod, owner, any).at(0);
    of.next_sequence();
    if (type.empty()) world.pods[{"dev", pod}] = {node, {address}, false, false};
    return address;
  }
  CollectionPlan look(int64_t minutes) {
    return collector.observe(world, Time(std::chrono::minutes(28'000'000 + minutes)));
  }
  // Puts the records into the store, and takes them out again as they are then.
  void store_records() {
    for (auto& [range, stored] : world.records.blocks)
      (void)store.put(Kind::kBlock, encode(stored));
    for (auto& [name, stored] : world.records.affinities)
      (void)store.put(Kind::kAffinity, encode(stored));
    for (auto& [name, stored] : world.records.handles)
      (void)store.put(Kind::kHandle, encode(stored));
    world.records = records();
  }
  ReleaseReport carry_out(CollectionPlan plan, Releaser::Recheck recheck = {}) {
    Releaser releaser(store, {.now = [] { return Time(std::chrono::minutes(28'000'000)); }});
    std::optional<ReleaseReport> report;
    releaser.carry_out(std::move(plan), std::move(recheck),
                       [&](ReleaseReport got) { report = std::move(got); });
    settle([&] { return report.has_value(); });
    return report.value();
  }

  AddressWorld world;
  Collector collector;
};

TEST_F(CollectorTest, LeaksAreProvenByTheGracePeriod) {
  const IpAddr address = take(block("10.0.0.0/30"), "web", "n1");
  EXPECT_TRUE(look(0).empty());
  world.pods.clear();
  CollectionPlan plan = look(1);
  EXPECT_THAT(plan.leaks, IsEmpty());
  ASSERT_THAT(plan.candidates, SizeIs(1));
  EXPECT_EQ(plan.candidates[0].first.reason, "pod dev/web does not exist");
  EXPECT_THAT(look(15).leaks, IsEmpty());
  plan = look(16);
  ASSERT_THAT(plan.leaks, SizeIs(1));
  EXPECT_EQ(plan.leaks[0].allocation, (Allocation{address, "web", 100}));
  // The pod was there once more: the time begins anew.
  world.pods[{"dev", "web"}] = {"n1", {address}, false, false};
  EXPECT_TRUE(look(17).empty());
  world.pods.clear();
  EXPECT_THAT(look(18).leaks, IsEmpty());
}

TEST_F(CollectorTest, WhatIsLiveAndWhatNot) {
  Block& own = block("10.0.0.0/30");
  const IpAddr address = take(own, "web", "n1");
  const auto reason = [&]() -> std::string {
    const auto judgement = judge_allocation(world, own, *own.ordinal_of(address));
    return judgement ? judgement->reason : "live";
  };
  auto& pod = world.pods.at({"dev", "web"});
  EXPECT_EQ(reason(), "live");
  pod.addresses.clear();  // not up yet
  EXPECT_EQ(reason(), "live");
  pod.addresses = {ip("10.9.9.9")};
  EXPECT_EQ(reason(), "pod dev/web has other addresses (10.9.9.9)");
  pod = {"n2", {address}, false, false};
  EXPECT_EQ(reason(), "pod dev/web is on node n2, not on n1");
  pod = {"n1", {address}, true, false};
  EXPECT_EQ(reason(), "pod dev/web has finished");
  pod = {"n1", {ip("192.0.2.1")}, false, true};
  EXPECT_EQ(reason(), "pod dev/web uses the node's address");
  // Who is not known to be a pod is never taken for a leak.
  (void)own.assign_address(ip("10.0.0.3"), "x", {{"node", "n9"}});
  EXPECT_FALSE(judge_allocation(world, own, 3));
}

TEST_F(CollectorTest, ANodeThatIsGoneLosesAllAtOnce) {
  Block& gone = add_block("10.0.0.4/30", "n3");
  take(gone, "web", "n3");
  take(gone, "tunnel", "n3", "vxlanTunnelAddress");
  const IpAddr borrowed = take(gone, "guest", "n1");
  take(block("10.0.0.0/30"), "tunnel1", "n1", "vxlanTunnelAddress");
  EXPECT_THAT(look(0).leaks, SizeIs(1)) << "the pod is still there, its tunnel is not";
  world.pods.erase({"dev", "web"});
  store_records();
  CollectionPlan plan = look(0);
  EXPECT_THAT(plan.leaks, SizeIs(2));
  EXPECT_THAT(carry_out(plan).released, SizeIs(2));
  world.records = records();
  plan = look(1);
  ASSERT_THAT(plan.blocks, SizeIs(1));
  EXPECT_EQ(carry_out(plan).blocks_returned, 1U);
  // What another node has borrowed stays, in a block of nobody.
  EXPECT_THAT(picture(),
              ElementsAre("10.0.0.0/30 host:n1 [tunnel1 - - -]", "10.0.0.4/30 nobody [- - guest -]",
                          "n1-10-0-0-0-30 confirmed"));
  world.records = records();
  world.pods.clear();
  (void)look(2);
  EXPECT_THAT(carry_out(look(20)).released, SizeIs(1));
  EXPECT_THAT(picture(), SizeIs(2)) << "empty, and nobody's: deleted";
  EXPECT_EQ(borrowed, ip("10.0.0.6"));
}

TEST_F(CollectorTest, AWorldWithoutNodesIsNotBelieved) {
  take(block("10.0.0.0/30"), "web", "n1");
  world.nodes.clear();
  world.pods.clear();
  EXPECT_TRUE(look(0).empty());
  EXPECT_TRUE(look(100).empty());
}

TEST_F(CollectorTest, AHandleGoesAsAWhole) {
  Block& own = block("10.0.0.0/30");
  const IpAddr first = take(own, "web", "n1");
  take(own, "web", "n1");
  world.pods.at({"dev", "web"}).addresses = {first};
  (void)look(0);
  EXPECT_THAT(look(60).leaks, IsEmpty());
  EXPECT_THAT(look(60).candidates, SizeIs(1));
  world.pods.clear();
  (void)look(61);
  EXPECT_THAT(look(80).leaks, SizeIs(2));
}

TEST_F(CollectorTest, AnAddressGivenOutAgainIsSpared) {
  take(block("10.0.0.0/30"), "web", "n1");
  world.pods.clear();
  store_records();
  (void)look(0);
  const CollectionPlan plan = look(20);
  ASSERT_THAT(plan.leaks, SizeIs(1));
  // Meanwhile it was released, and given to another, and the same handle came again.
  StoredBlock now = records().blocks.at(cidr("10.0.0.0/30"));
  ASSERT_TRUE(now.value.release(ip("10.0.0.0"), "web", {}, Time(), 0));
  now.value.next_sequence();
  ASSERT_TRUE(now.value.assign_address(ip("10.0.0.0"), "web", {{"node", "n1"}}));
  ASSERT_TRUE(store.put(Kind::kBlock, encode(now)));
  const ReleaseReport report = carry_out(plan);
  EXPECT_THAT(report.released, IsEmpty());
  EXPECT_THAT(report.spared, SizeIs(1));
  EXPECT_EQ(picture()[0], "10.0.0.0/30 host:n1 [web - - -]");
}

TEST_F(CollectorTest, TheRecheckHasTheLastWord) {
  take(block("10.0.0.0/30"), "web", "n1");
  world.pods.clear();
  store_records();
  (void)look(0);
  const CollectionPlan plan = look(20);
  EXPECT_THAT(carry_out(plan, [](const Leak&) { return false; }).spared, SizeIs(1));
  EXPECT_THAT(carry_out(plan, [this](const Leak& l) { return still_leaked(world, l); }).released,
              SizeIs(1));
}

TEST_F(CollectorTest, EmptyBlocksGoBackButOne) {
  add_block("10.0.0.4/30", "n1");
  add_block("10.0.0.8/30", "n1");
  add_block("10.0.0.16/30", "n2");
  store_records();
  EXPECT_THAT(look(0).blocks, IsEmpty());
  const CollectionPlan plan = look(2);
  EXPECT_THAT(plan.blocks, SizeIs(2));
  EXPECT_EQ(carry_out(plan).blocks_returned, 2U);
  EXPECT_THAT(picture(), SizeIs(4));
}

TEST_F(CollectorTest, RepairsWhatACrashLeft) {
  auto& affinities = world.records.affinities;
  affinities.at("n1-10-0-0-0-30").value.state = ClaimState::kPending;
  StoredAffinity alone;
  alone.value = {Owner::host("n1"), cidr("10.0.0.32/30"), ClaimState::kPending, false};
  affinities["n1-10-0-0-32-30"] = alone;
  add_block("10.0.0.8/30", "n2");
  affinities.erase("n2-10-0-0-8-30");
  StoredHandle handle;
  handle.value = {"old", {{cidr("10.0.0.0/30"), 1}}, false};
  world.records.handles["old"] = handle;
  store_records();
  EXPECT_THAT(find_inconsistencies(world), SizeIs(4));
  EXPECT_TRUE(look(0).empty());
  const CollectionPlan plan = look(6);
  EXPECT_THAT(plan.affinities, SizeIs(3));
  EXPECT_THAT(plan.handles, SizeIs(1));
  const ReleaseReport report = carry_out(plan);
  EXPECT_EQ(report.affinities_repaired, 3U);
  EXPECT_THAT(report.errors, IsEmpty());
  EXPECT_THAT(picture(),
              ElementsAre("10.0.0.0/30 host:n1 [- - - -]", "10.0.0.8/30 host:n2 [- - - -]",
                          "n1-10-0-0-0-30 confirmed", "n2-10-0-0-8-30 confirmed"));
  world.records = records();
  EXPECT_THAT(find_inconsistencies(world), IsEmpty());
}

TEST_F(CollectorTest, CoolsIdleBlocks) {
  Block& own = block("10.0.0.0/30");
  const IpAddr address = take(own, "web", "n1");
  world.pods.clear();
  world.settings.cooldown_seconds = 60;
  ASSERT_TRUE(own.release(address, "web", {}, Time(std::chrono::minutes(28'000'000)), 60));
  store_records();
  EXPECT_THAT(look(0).cooled, IsEmpty());
  const CollectionPlan plan = look(1);
  EXPECT_THAT(plan.cooled, ElementsAre(cidr("10.0.0.0/30")));
  (void)carry_out(plan);
  EXPECT_EQ(picture()[0], "10.0.0.0/30 host:n1 [- - - -]");
}

TEST_F(CollectorTest, CheckFindsContradictions) {
  Block& own = block("10.0.0.0/30");
  const IpAddr web = take(own, "web", "n1");
  world.pods[{"dev", "twin"}] = {"n1", {web}, false, false};
  world.pods[{"dev", "wild"}] = {"n2", {ip("10.0.0.99")}, false, false};
  add_block("10.1.0.0/30", "n1");
  take(own, "left", "n1");
  world.pods.erase({"dev", "left"});
  std::vector<std::string> found;
  for (const Inconsistency& each : find_inconsistencies(world))
    found.push_back(fmt::format("{}: {}", to_string(each.kind), each.text));
  EXPECT_THAT(
      found,
      ElementsAre("BlockOutsidePools: block 10.1.0.0/30 is in no IPPool",
                  "AddressTwice: address 10.0.0.0 belongs to pods dev/twin and dev/web",
                  "AddressLeaked: address 10.0.0.1 is taken, but pod dev/left does not exist",
                  "PodAddressNotTaken: pod dev/wild has address 10.0.0.99 of IPPool p, which no "
                  "block says is taken",
                  "PodAddressOfOther: pod dev/twin has address 10.0.0.0, which block 10.0.0.0/30 "
                  "gives to pod dev/web"));
}

TEST_F(CollectorTest, Usage) {
  Block& own = block("10.0.0.0/30");
  take(own, "web", "n1");
  take(own, "guest", "n2");
  take(own, "t", "n1", "ipipTunnelAddress");
  world.reservations["r"] = {"r",
                             {cidr("10.0.0.3/32"), cidr("10.0.0.128/25"), cidr("10.0.0.130/32")}};
  const BlockUsage usage = block_usage(world, own);
  EXPECT_THAT(usage.states, ElementsAre(AddressState::kUsed, AddressState::kBorrowed,
                                        AddressState::kTunnel, AddressState::kReserved));
  EXPECT_THAT(usage.used_by_node, ElementsAre(Pair("n1", 2U), Pair("n2", 1U)));
  const PoolUsage whole = pool_usages(world).at(0);
  EXPECT_EQ(whole.capacity, 256U);
  EXPECT_EQ(whole.used, 3U);
  EXPECT_EQ(whole.reserved, 129U);
  EXPECT_EQ(whole.free, 124U);
  EXPECT_EQ(whole.blocks, 1U);
  EXPECT_EQ(whole.block_capacity, 64U);
  world.pools["six"] = pool("six", "fd00::/48", 122);
  EXPECT_EQ(pool_usages(world).at(1).capacity, UINT64_MAX);
  EXPECT_EQ(address_owner(world, ip("10.0.0.1")).attributes.at("pod"), "guest");
  EXPECT_EQ(address_owner(world, ip("10.0.0.200")).state, AddressState::kReserved);
}

TEST_F(CollectorTest, PlansWhatAnOperatorAsksFor) {
  take(block("10.0.0.0/30"), "web", "n1");
  store_records();
  EXPECT_EQ(plan_release(world, {ip("10.0.0.1")}).error().message, "address 10.0.0.1 is not taken");
  EXPECT_EQ(plan_release(world, {ip("10.0.9.1")}).error().message,
            "address 10.0.9.1 is in no block");
  EXPECT_THAT(carry_out(plan_release(world, {ip("10.0.0.0")}).value()).released, SizeIs(1));
}

class SplitTest : public testing::ClaimsTest {
 protected:
  Result<SplitReport> split(const std::string& name, uint32_t parts) {
    std::optional<Result<SplitReport>> report;
    split_pool(store, {name, parts}, [&](Result<SplitReport> got) { report = std::move(got); });
    settle([&] { return report.has_value(); });
    return *report;
  }
  void lock(bool ready) {
    std::optional<Status> done;
    set_datastore_ready(store, ready, [&](const Status& status) { done = status; });
    settle([&] { return done.has_value(); });
    ASSERT_TRUE(*done);
  }
};

TEST_F(SplitTest, SplitsALockedPool) {
  const json::value object = {
      {"metadata", {{"name", "p"}, {"labels", {{"a", "b"}}}}},
      {"spec", {{"cidr", "10.0.0.0/16"}, {"blockSize", 26}, {"natOutgoing", true}}}};
  ASSERT_TRUE(store.put(Kind::kPool, object));
  EXPECT_THAT(split("p", 4).error().message, HasSubstr("the cluster is not locked"));
  lock(false);
  EXPECT_THAT(split("p", 3).error().message, HasSubstr("must be a power of two from 2 to 65536"));
  EXPECT_THAT(split("p", 2048).error().message, HasSubstr("must be at most 1024"));
  EXPECT_THAT(split("q", 2).error().message,
              HasSubstr("\"q\" does not exist: must be the name or CIDR of"));
  // Cut off, then done again.
  store.set_faults({.lose_answer = 0.5});
  Result<SplitReport> report = fail(Errc::kInternal, "");
  for (int i = 0; i < 50 && !report; ++i) report = split("10.0.0.0/16", 4);
  ASSERT_TRUE(report || !store.objects(Kind::kPool).contains("p")) << report.error().message;
  const auto& pools_now = store.objects(Kind::kPool);
  ASSERT_THAT(pools_now, SizeIs(4));
  const json::value& last = pools_now.at("split-p-3");
  EXPECT_EQ(jsonio::get_string(last, {"spec", "cidr"}), "10.0.192.0/18");
  EXPECT_TRUE(jsonio::get_bool(last, {"spec", "natOutgoing"}));
  EXPECT_FALSE(jsonio::get_bool(last, {"spec", "disabled"}, true));
  EXPECT_EQ(jsonio::get_string(last, {"metadata", "labels", "a"}), "b");
}

}  // namespace
}  // namespace caracal::ipam
