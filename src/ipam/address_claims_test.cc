#include "ipam/address_claims.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "ipam/testing/claims_fixture.h"

namespace caracal::ipam {
namespace {

using net::Family;
using net::IpAddr;
using ::testing::AllOf;
using testing::cidr;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ip;
using ::testing::IsEmpty;
using testing::pod_request;
using testing::pool;
using ::testing::SizeIs;

using AddressClaimsTest = testing::ClaimsTest;

TEST_F(AddressClaimsTest, ClaimsABlockInTwoPhases) {
  pools = {pool("p", "10.0.0.0/29", 30)};
  const auto n1 = agent("n1");
  const auto got = assign(*n1, "h1");
  ASSERT_TRUE(got) << got.error().message;
  calm();
  const std::string block = n1->own_blocks().at(0).to_string();
  EXPECT_THAT(picture(), ElementsAre(block + " host:n1 [h1 - - -]",
                                     affinity_name(Owner::host("n1"), cidr(block)) + " confirmed"));
  // affinity, block with the address in it, confirmation.
  EXPECT_EQ(store.counters().writes, 3U);
  EXPECT_EQ(n1->counters().block_writes, 1U);
  const auto held = n1->held();
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_EQ(held[0].attributes.at("node"), "n1");
  EXPECT_EQ(held[0].attributes.at("pod"), "h1");
  EXPECT_EQ(held[0].attributes.at("timestamp"), "2023-11-14 22:13:20 +0000 UTC");
}

TEST_F(AddressClaimsTest, OneWriteAndNoReadForTheNext) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "h1"));
  calm();
  store.reset_counters();
  ASSERT_TRUE(assign(*n1, "h2"));
  EXPECT_EQ(store.counters().writes, 1U);
  EXPECT_EQ(store.counters().reads, 0U);
  ASSERT_TRUE(release(*n1, "h2"));
  EXPECT_EQ(store.counters().writes, 2U);
  EXPECT_EQ(store.counters().reads, 0U);
}

TEST_F(AddressClaimsTest, ABurstCommitsTogether) {
  pools = {pool("p", "10.0.0.0/16", 26)};
  const auto n1 = agent("n1");
  std::vector<testing::Answer<std::vector<IpAddr>>> answers;
  for (int i = 0; i < 1000; ++i) answers.push_back(ask(*n1, pod_request(fmt::format("h{}", i))));
  calm();
  std::set<IpAddr> seen;
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer->has_value() && answer->value()) << answer->value().error().message;
    EXPECT_TRUE(seen.insert(answer->value()->front()).second);
  }
  EXPECT_LE(store.counters().writes, 100U);
  EXPECT_THAT(n1->own_blocks(), SizeIs(16));
}

TEST_F(AddressClaimsTest, RequestsThatTrickleInGather) {
  pools = {pool("p", "10.0.0.0/16", 26)};
  const auto n1 = agent("n1");
  int done = 0;
  for (int i = 0; i < 110; ++i) {
    schedule.after(event::Duration(i / 4), [&, i] {
      n1->assign(pod_request(fmt::format("h{}", i)), [&](const auto& got) { done += got ? 1 : 0; });
    });
  }
  calm();
  EXPECT_EQ(done, 110);
  EXPECT_LE(store.counters().writes, 17U);
}

TEST_F(AddressClaimsTest, DualStackIsAllOrNothing) {
  pools = {pool("p4", "10.0.0.0/30", 30), pool("p6", "fd00::/127", 127)};
  const auto n1 = agent("n1");
  for (int i = 0; i < 2; ++i) {
    const auto got =
        assign(*n1, pod_request(fmt::format("h{}", i), {Family::kIPv6, Family::kIPv4}));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE((*got)[0].is_v6() && (*got)[1].is_v4());
  }
  const auto third = assign(*n1, pod_request("h2", {Family::kIPv4, Family::kIPv6}));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::kExhausted);
  EXPECT_THAT(third.error().message,
              HasSubstr("no free IPv6 address for Workload use in IPPool p6"));
  calm();
  EXPECT_THAT(n1->held(), SizeIs(4));
  EXPECT_EQ(picture()[0], "10.0.0.0/30 host:n1 [h0 h1 - -]");
}

TEST_F(AddressClaimsTest, ReusesLate) {
  pools = {pool("p", "10.0.0.0/30", 30)};
  const auto n1 = agent("n1");
  ASSERT_THAT(*assign(*n1, "h1"), ElementsAre(ip("10.0.0.0")));
  ASSERT_TRUE(release(*n1, "h1"));
  EXPECT_THAT(*assign(*n1, "h2"), ElementsAre(ip("10.0.0.1")));
  EXPECT_THAT(*assign(*n1, "h3"), ElementsAre(ip("10.0.0.2")));
  EXPECT_THAT(*assign(*n1, "h4"), ElementsAre(ip("10.0.0.3")));
  EXPECT_THAT(*assign(*n1, "h5"), ElementsAre(ip("10.0.0.0")));
}

TEST_F(AddressClaimsTest, CoolsDownBeforeReuse) {
  pools = {pool("p", "10.0.0.0/32", 32)};
  settings.cooldown_seconds = 60;
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "h1"));
  ASSERT_TRUE(release(*n1, "h1"));
  EXPECT_EQ(picture()[0], "10.0.0.0/32 host:n1 [~]");
  EXPECT_THAT(assign(*n1, "h2").error().message, HasSubstr("cool down for 60 s"));
  schedule.run_for(event::Duration(61'000));
  EXPECT_TRUE(assign(*n1, "h2"));
}

TEST_F(AddressClaimsTest, TakesRequestedAddresses) {
  pools = {pool("p", "10.0.0.0/28", 30)};
  const auto n1 = agent("n1");
  const auto n2 = agent("n2");
  AssignRequest request = pod_request("h1");
  request.addresses = {ip("10.0.0.6")};
  EXPECT_THAT(*assign(*n1, request), ElementsAre(ip("10.0.0.6")));
  calm();
  // Of another node's block, and of one that exists by now.
  request.handle_id = "h2";
  const auto taken = assign(*n2, request);
  EXPECT_EQ(taken.error().code, Errc::kExists);
  EXPECT_THAT(taken.error().message, HasSubstr("10.0.0.6 is taken by pod dev/h1"));
  request.addresses = {ip("10.0.0.5")};
  EXPECT_THAT(*assign(*n2, request), ElementsAre(ip("10.0.0.5")));
  EXPECT_EQ(picture()[0], "10.0.0.4/30 host:n1 [- h2 h1 -]");
  request.handle_id = "h3";
  request.addresses = {ip("10.0.1.1")};
  EXPECT_THAT(assign(*n2, request).error().message,
              HasSubstr("10.0.1.1 is in no IPPool: must be in one of p (10.0.0.0/28)"));
  settings.strict_affinity = true;
  tell(*n2);
  request.addresses = {ip("10.0.0.7")};
  EXPECT_THAT(assign(*n2, request).error().message,
              HasSubstr("in block 10.0.0.4/30 of host:n1, and strictAffinity"));
  // n2 gives its borrowed one back.
  ASSERT_TRUE(release(*n2, "h2"));
  EXPECT_EQ(picture()[0], "10.0.0.4/30 host:n1 [- - h1 -]");
}

TEST_F(AddressClaimsTest, ChoosesPools) {
  pools = {pool("a-off", "10.1.0.0/24", 26),     pool("b-elsewhere", "10.2.0.0/24", 26),
           pool("c-tunnels", "10.3.0.0/24", 26), pool("d-manual", "10.4.0.0/24", 26),
           pool("e-ns", "10.5.0.0/24", 26),      pool("f-any", "10.6.0.0/24", 26)};
  pools[0].disabled = true;
  pools[1].nodes = selector::Selector::requirement(selector::Op::kIn, "zone", {"b"});
  pools[2].for_workloads = false;
  pools[3].manual = true;
  pools[4].namespaces = selector::Selector::requirement(selector::Op::kIn, "team", {"x"});
  pools[5].for_tunnels = pools[4].for_tunnels = false;
  const auto n1 = agent("n1");
  const auto in = [&](AssignRequest request, std::string_view range) {
    const auto got = assign(*n1, std::move(request));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE(cidr(range).contains(got->front())) << got->front().to_string();
  };
  AssignRequest team = pod_request("h2");
  team.namespace_labels = {{"team", "x"}};
  in(team, "10.5.0.0/24");
  in(pod_request("h1"), "10.6.0.0/24");
  AssignRequest tunnel = pod_request("t");
  tunnel.use = AddressUse::kTunnel;
  in(tunnel, "10.3.0.0/24");
  AssignRequest asked = pod_request("h3");
  asked.pools_v4 = {"d-manual"};
  in(asked, "10.4.0.0/24");
  asked.pools_v4 = {"10.2.0.0/24"};  // selectors do not count then
  in(asked, "10.2.0.0/24");
  const auto refused = [&](const std::string& name) {
    asked.pools_v4 = {name};
    return assign(*n1, asked).error().message;
  };
  EXPECT_EQ(refused("a-off"), "IPPool a-off was asked for, but it is disabled");
  EXPECT_EQ(refused("c-tunnels"),
            "IPPool c-tunnels was asked for, but its allowedUses lack Workload");
  EXPECT_THAT(refused("nope"),
              HasSubstr("IPPool \"nope\" does not exist: must be the name or CIDR of"));
  EXPECT_THAT(assign(*n1, pod_request("h4", {Family::kIPv6})).error().message,
              HasSubstr("no IPPool gives IPv6 addresses for Workload use here (there is none"));
}

TEST_F(AddressClaimsTest, NeverGivesOutReservedAddresses) {
  pools = {pool("p", "10.0.0.0/29", 30)};
  reservations = {{"r", {cidr("10.0.0.0/31"), cidr("10.0.0.4/30")}}};
  const auto n1 = agent("n1");
  std::set<IpAddr> got;
  got.insert(assign(*n1, "h1")->front());
  got.insert(assign(*n1, "h2")->front());
  EXPECT_THAT(got, ElementsAre(ip("10.0.0.2"), ip("10.0.0.3")));
  EXPECT_THAT(assign(*n1, "h3").error().message, HasSubstr("reserved addresses are not given out"));
  AssignRequest asked = pod_request("h4");
  asked.addresses = {ip("10.0.0.1")};
  EXPECT_TRUE(assign(*n1, asked));  // asked for by address they are
}

TEST_F(AddressClaimsTest, BorrowsWhenAllBlocksAreClaimed) {
  pools = {pool("p", "10.0.0.0/29", 30)};
  const auto n1 = agent("n1");
  const auto n2 = agent("n2");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(assign(*n1, fmt::format("a{}", i)));
  const auto borrowed = assign(*n2, "b");
  ASSERT_TRUE(borrowed) << borrowed.error().message;
  EXPECT_EQ(n2->counters().borrowed, 1U);
  EXPECT_THAT(n2->own_blocks(), IsEmpty());
  ASSERT_THAT(n2->held(), SizeIs(1));
  EXPECT_TRUE(n2->held()[0].borrowed);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(assign(*n2, fmt::format("c{}", i)));
  const auto none = assign(*n2, "d");
  EXPECT_EQ(none.error().code, Errc::kExhausted);
  EXPECT_THAT(none.error().message,
              AllOf(HasSubstr("no free IPv4 address for Workload use in IPPool p (10.0.0.0/29)"),
                    HasSubstr("all 2 blocks are claimed"), HasSubstr("add an IPPool")));
  // What n1 gives back, n2 gets.
  ASSERT_TRUE(release(*n1, "a0"));
  EXPECT_TRUE(assign(*n2, "d"));
}

TEST_F(AddressClaimsTest, StrictAffinityNeverBorrows) {
  pools = {pool("p", "10.0.0.0/29", 30)};
  settings.strict_affinity = true;
  settings.max_blocks_per_host = 1;
  const auto n1 = agent("n1");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(assign(*n1, fmt::format("a{}", i)));
  EXPECT_THAT(assign(*n1, "b").error().message,
              AllOf(HasSubstr("this node has 1 blocks and may have 1"),
                    HasSubstr("raise maxBlocksPerHost"), HasSubstr("set strictAffinity to false")));
}

TEST_F(AddressClaimsTest, TakesOverAnEmptyBlockOfAnotherNode) {
  pools = {pool("p", "10.0.0.0/30", 30)};
  settings.strict_affinity = true;
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "a"));
  ASSERT_TRUE(release(*n1, "a"));
  const auto n2 = agent("n2");
  EXPECT_FALSE(assign(*n2, "b"));  // claimed a moment ago
  schedule.run_for(event::Duration(61'000));
  ASSERT_TRUE(assign(*n2, "b"));
  calm();
  EXPECT_THAT(picture(), ElementsAre("10.0.0.0/30 host:n2 [b - - -]", "n2-10-0-0-0-30 confirmed"));
  EXPECT_EQ(assign(*n1, "c").error().code, Errc::kExhausted);
}

TEST_F(AddressClaimsTest, GivesEmptyBlocksOfUnusedPoolsBack) {
  pools = {pool("p", "10.0.0.0/30", 30)};
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "a"));
  pools[0].disabled = true;
  tell(*n1);
  calm();
  EXPECT_THAT(picture(), SizeIs(2));
  ASSERT_TRUE(release(*n1, "a"));
  calm();
  EXPECT_THAT(picture(), IsEmpty());
  EXPECT_THAT(n1->own_blocks(), IsEmpty());
}

TEST_F(AddressClaimsTest, ResolvesLostAnswersByReadingBack) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "h0"));
  calm();
  store.set_faults({.lose_answer = 1});
  const auto lost = ask(*n1, pod_request("h1"));
  schedule.run_for(event::Duration(10));
  EXPECT_FALSE(lost->has_value());
  store.set_faults({});
  calm();
  ASSERT_TRUE(lost->has_value() && lost->value());
  EXPECT_EQ(n1->counters().lost_answers, 1U);
  EXPECT_THAT(n1->held(), SizeIs(2));
  // And of a write that comes true late.
  store.set_faults({.late = 1});
  const auto late = ask(*n1, pod_request("h2"));
  schedule.run_for(event::Duration(4));
  store.set_faults({});
  calm();
  ASSERT_TRUE(late->has_value() && late->value());
  EXPECT_THAT(n1->held(), SizeIs(3));
}

TEST_F(AddressClaimsTest, GivesUpWhenTheDatastoreIsSilent) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  ASSERT_TRUE(assign(*n1, "h0"));
  calm();
  store.set_faults({.lose_answer = 1});
  const auto answer = ask(*n1, pod_request("h1"));
  schedule.run_for(event::Duration(2));
  store.set_available(false);
  schedule.run_for(event::Duration(31'000));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(answer->value().error().code, Errc::kUnavailable);
  EXPECT_THAT(n1->problem(), HasSubstr("does not answer"));
  // The address was taken in the datastore; nobody has it, so it goes back.
  EXPECT_THAT(picture()[0], HasSubstr("h1"));
  store.set_available(true);
  store.set_faults({});
  calm();
  EXPECT_THAT(picture()[0], ::testing::Not(HasSubstr("h1")));
}

TEST_F(AddressClaimsTest, LockedClustersGiveNothingOut) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  n1->update(model::DatastoreReadyUpdate{false});
  EXPECT_THAT(assign(*n1, "h").error().message, HasSubstr("spec.datastoreReady is false"));
  n1->update(model::DatastoreReadyUpdate{true});
  EXPECT_TRUE(assign(*n1, "h"));
}

TEST_F(AddressClaimsTest, FindsItsBlocksAgainAfterARestart) {
  pools = {pool("p", "10.0.0.0/24", 30)};
  auto n1 = agent("n1");
  std::vector<IpAddr> had;
  for (int i = 0; i < 6; ++i) had.push_back(assign(*n1, fmt::format("h{}", i))->front());
  // Killed while it claims another block: the affinity is pending.
  (void)ask(*n1, pod_request("late"));
  for (int i = 0; i < 3; ++i) (void)assign(*n1, fmt::format("more{}", i));
  calm();
  n1 = agent("n1");
  calm();
  EXPECT_TRUE(n1->ready());
  EXPECT_THAT(n1->own_blocks(), SizeIs(3));
  EXPECT_THAT(n1->held(), SizeIs(10));
  store.reset_counters();
  ASSERT_TRUE(assign(*n1, "new"));
  EXPECT_EQ(store.counters().writes, 1U);
  // Its own of before, for what asks for the same again.
  AssignRequest again = pod_request("h0");
  again.reuse = true;
  EXPECT_THAT(*assign(*n1, again), ElementsAre(had[0]));
  ASSERT_TRUE(release(*n1, "h0"));
  EXPECT_THAT(n1->held(), SizeIs(10));
}

TEST_F(AddressClaimsTest, EndsWhatACrashLeftOfAClaim) {
  pools = {pool("p", "10.0.0.0/24", 30)};
  // Affinity pending, block there: confirmed. Affinity pending, no block: removed. Block of
  // another: removed.
  StoredAffinity affinity;
  for (const char* range : {"10.0.0.0/30", "10.0.0.4/30", "10.0.0.8/30"}) {
    affinity.value = {Owner::host("n1"), cidr(range), ClaimState::kPending, false};
    ASSERT_TRUE(store.put(Kind::kAffinity, encode(affinity)));
  }
  StoredBlock block;
  block.value = Block(cidr("10.0.0.0/30"), Owner::host("n1"), 5);
  ASSERT_TRUE(store.put(Kind::kBlock, encode(block)));
  block.value = Block(cidr("10.0.0.8/30"), Owner::host("n2"), 5);
  ASSERT_TRUE(store.put(Kind::kBlock, encode(block)));
  const auto n1 = agent("n1");
  calm();
  EXPECT_THAT(picture(), ElementsAre("10.0.0.0/30 host:n1 [- - - -]",
                                     "10.0.0.8/30 host:n2 [- - - -]", "n1-10-0-0-0-30 confirmed"));
  EXPECT_THAT(n1->own_blocks(), ElementsAre(cidr("10.0.0.0/30")));
}

TEST_F(AddressClaimsTest, HandlesOfCalicoAreHonoured) {
  pools = {pool("p", "10.0.0.0/30", 30)};
  StoredBlock block;
  block.value = Block(cidr("10.0.0.0/30"), Owner::host("n1"), 5);
  (void)block.value.assign(2, "calico.H", {{"node", "n1"}}, [](const IpAddr&) { return true; });
  ASSERT_TRUE(store.put(Kind::kBlock, encode(block)));
  StoredHandle handle;
  handle.value = {"calico.H", {{cidr("10.0.0.0/30"), 2}}, false};
  ASSERT_TRUE(store.put(Kind::kHandle, encode(handle)));
  StoredAffinity affinity;
  affinity.value = {Owner::host("n1"), cidr("10.0.0.0/30"), ClaimState::kConfirmed, false};
  ASSERT_TRUE(store.put(Kind::kAffinity, encode(affinity)));
  const auto n1 = agent("n1");
  auto status = std::make_shared<std::optional<Status>>();
  n1->release("calico.H", {ip("10.0.0.1")}, [status](const Status& got) { *status = got; });
  calm();
  ASSERT_TRUE(status->has_value() && status->value());
  EXPECT_EQ(records().handles.at("calico.h").value.blocks.at(cidr("10.0.0.0/30")), 1U);
  ASSERT_TRUE(release(*n1, "calico.H"));
  calm();
  EXPECT_THAT(records().handles, IsEmpty());
  EXPECT_EQ(picture()[0], "10.0.0.0/30 host:n1 [- - - -]");
}

TEST_F(AddressClaimsTest, WritesHandlesWhenAsked) {
  pools = {pool("p4", "10.0.0.0/30", 30), pool("p6", "fd00::/126", 126)};
  const auto n1 = agent("n1", true);
  ASSERT_TRUE(assign(*n1, pod_request("H1", {Family::kIPv4, Family::kIPv6})));
  calm();
  EXPECT_THAT(records().handles.at("h1").value.blocks, SizeIs(2));
  ASSERT_TRUE(release(*n1, "H1"));
  calm();
  EXPECT_THAT(records().handles, IsEmpty());
  // Nothing of a failed request stays counted.
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(assign(*n1, fmt::format("x{}", i)));
  EXPECT_FALSE(assign(*n1, pod_request("y", {Family::kIPv4, Family::kIPv6})));
  calm();
  EXPECT_FALSE(records().handles.contains("y"));
}

TEST_F(AddressClaimsTest, ReleasingAHandleEndsItsRequest) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  const auto answer = ask(*n1, pod_request("h1"));
  schedule.run_for(event::Duration(2));
  ASSERT_TRUE(release(*n1, "h1"));
  calm();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(answer->value().error().code, Errc::kConflict);
  EXPECT_THAT(n1->held(), IsEmpty());
}

TEST_F(AddressClaimsTest, RefusesWhatMakesNoSense) {
  pools = {pool("p", "10.0.0.0/24", 26)};
  const auto n1 = agent("n1");
  AssignRequest request = pod_request("h1");
  request.addresses = {ip("10.0.0.1"), ip("10.0.0.2")};
  EXPECT_THAT(assign(*n1, request).error().message, HasSubstr("must be at most one of a family"));
  EXPECT_EQ(assign(*n1, pod_request("")).error().message, "the handle must not be empty");
  EXPECT_EQ(assign(*n1, pod_request("h", {})).error().message, "no address family is asked for");
}

}  // namespace
}  // namespace caracal::ipam
