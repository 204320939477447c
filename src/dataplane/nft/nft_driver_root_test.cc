// The driver against the real kernel, each case in a network namespace of its own.
#include "dataplane/nft/nft_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "base/file.h"
#include "base/subprocess.h"
#include "dataplane/nft/sets.h"
#include "dataplane/nft/testing/tables.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PolicyDelta;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;
using netlink::NetworkNamespace;
using testing::HasSubstr;

using nft_testing::empty_tables;
using nft_testing::ip;

PolicyTables sample_tables() {
  PolicyTables t = empty_tables();
  t.interfaces[{Direction::kIngress, "cali0"}] = {Disposition::kPoliced, 7};
  t.interfaces[{Direction::kEgress, "cali0"}] = {Disposition::kOpen, 0};
  t.interfaces[{Direction::kIngress, "cali1"}] = {Disposition::kClosed, 0};
  t.interfaces[{Direction::kEgress, "cali1"}] = {Disposition::kPoliced, 8};
  t.sources = {{"cali0", ip("10.0.0.2")}, {"cali0", ip("fd00::2")}, {"cali1", ip("10.0.0.3")}};
  t.addresses = {{ip("10.0.0.2"), 5}, {ip("fd00::2"), 5}, {ip("10.0.0.3"), 6}};
  t.ranges[ip("172.16.0.0")] = 2;
  t.ranges[ip("172.16.5.0")] = 3;
  t.ranges[ip("172.16.6.0")] = 2;
  t.ranges[ip("172.32.0.0")] = 1;
  t.ranges[ip("fd00:1::")] = 4;
  t.ranges[ip("fd00:2::")] = 1;
  t.ports[{PortSpace::kTcp, 80}] = 2;
  t.ports[{PortSpace::kTcp, 81}] = 1;
  t.ports[{PortSpace::kOther, 1}] = 3;
  t.ports[{PortSpace::kOther, 2}] = 1;
  t.peers = {{{7, 5}, 1}, {{7, 2}, 1}, {{8, desired::kAnyone}, 2}};
  t.rows = {{1, 2}, {2, 1}, {2, 2}};
  return t;
}

class NftDriverRootTest : public testing::Test {
 protected:
  void SetUp() override {
    auto ns = NetworkNamespace::create_anonymous();
    ASSERT_TRUE(ns) << ns.error().message;
    ns_ = std::make_unique<NetworkNamespace>(std::move(*ns));
    auto driver = NftDriver::open_in(*ns_);
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<NftDriver>(std::move(*driver));
  }

  std::string nft(std::vector<std::string> args, std::string input = {}) {
    args.insert(args.begin(), "nft");
    auto out =
        run_checked({.argv = std::move(args), .input = std::move(input), .netns = ns_->fd_path()});
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or("");
  }

  SyncReport sync(const PolicyTables& tables) {
    auto report = driver_->sync(tables);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(SyncReport{});
  }

  void expect_kernel_holds(const PolicyTables& tables) {
    auto read = driver_->read_back();
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, tables);
  }

  std::unique_ptr<NetworkNamespace> ns_;
  std::unique_ptr<NftDriver> driver_;
};

// The text an operator sees. CARACAL_UPDATE_GOLDEN=1 writes it anew.
TEST_F(NftDriverRootTest, ListingIsAsWritten) {
  sync(sample_tables());
  const std::string path = CARACAL_SOURCE_DIR "/src/dataplane/nft/testdata/ruleset.nft";
  // Protocols by number: their names come from a file that small systems lack.
  const std::string listing = nft({"-p", "list", "ruleset"});
  if (std::getenv("CARACAL_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, listing));
  }
  auto golden = read_file(path);
  ASSERT_TRUE(golden) << golden.error().message;
  EXPECT_EQ(listing, *golden);
  nft({"list", "ruleset"});
  nft({"-j", "list", "ruleset"});  // the JSON printer takes another way through the rules
}

PolicyTables tables_with_everything() {
  PolicyTables t = sample_tables();
  t.otherwise[7] = 3;
  t.wide_rows = {{3, PortSpace::kTcp, 100, 200}, {3, PortSpace::kOther, 80, 255}};
  t.logged = {{3, 1}};
  t.refused = {{4, 2}};
  t.own_splits = {{{8, 1}, 9}, {{8, 300}, 10}};
  t.port_splits = {{{9, PortSpace::kTcp, 0}, 11}, {{9, PortSpace::kTcp, 1024}, 12}};
  t.settings[desired::Setting::kToHost] = 0;
  t.failsafes = {{Direction::kIngress, PortSpace::kTcp, 22, *net::Cidr::parse("0.0.0.0/0")},
                 {Direction::kIngress, PortSpace::kTcp, 22, *net::Cidr::parse("::/0")},
                 {Direction::kEgress, PortSpace::kUdp, 53, *net::Cidr::parse("10.0.0.0/8")}};
  for (uint8_t hook = 0; hook < kHostHooks; ++hook) {
    t.hosts[{static_cast<desired::HostHook>(hook), "*"}] = {Disposition::kPoliced, 20U + hook};
    t.hosts[{static_cast<desired::HostHook>(hook), "eth0"}] = {Disposition::kOpen, 0};
  }
  return t;
}

TEST_F(NftDriverRootTest, EverythingAtOnceIsListedReadBackAndTakenAway) {
  const PolicyTables everything = tables_with_everything();
  sync(sample_tables());
  // The parts come one by one, with their first entry; nothing else is touched.
  auto applied = driver_->apply(desired::difference(sample_tables(), everything));
  ASSERT_TRUE(applied) << applied.error().message;
  expect_kernel_holds(everything);
  EXPECT_EQ(sync(everything).messages, 0u);
  for (const char* format : {"-p", "-j", "-a"}) {
    const std::string text = nft({format, "list", "ruleset"});
    EXPECT_THAT(text, HasSubstr("host_untracked_ingress"));
    EXPECT_THAT(text, testing::Not(HasSubstr("invalid type")));
  }
  // A restarted agent finds it right; one that needs less writes the rules anew, not the elements.
  auto restarted = NftDriver::open_in(*ns_);
  ASSERT_TRUE(restarted);
  EXPECT_EQ(restarted->sync(everything)->messages, 0u);
  auto less = restarted->sync(sample_tables());
  ASSERT_TRUE(less) << less.error().message;
  EXPECT_TRUE(less->rebuilt);
  EXPECT_GT(less->right, 20u);
  expect_kernel_holds(sample_tables());
}

TEST_F(NftDriverRootTest, DamagedDerivedElementsAreRepairedInPlace) {
  const PolicyTables tables = tables_with_everything();
  sync(tables);
  for (const char* damage :
       {"flush map inet caracal own_split", "flush map inet caracal port_split",
        "flush set inet caracal wide", "flush map inet caracal host_policy_ingress",
        "flush map inet caracal host_group_egress", "flush set inet caracal failsafe_ingress",
        "flush map inet caracal failsafe_net4", "flush map inet caracal to_host",
        "flush set inet caracal full_ingress", "flush map inet caracal otherwise",
        "add element inet caracal logged { 0x9 . 0x9 }",
        "add element inet caracal refused { 0x9 . 0x9 }"}) {
    SCOPED_TRACE(damage);
    nft({damage});
    const SyncReport report = sync(tables);
    EXPECT_FALSE(report.rebuilt) << report.reason;
    EXPECT_GT(report.messages, 0u);
    EXPECT_GT(report.orphan + report.missing + report.wrong, 0u);
    expect_kernel_holds(tables);
    EXPECT_EQ(sync(tables).messages, 0u);
  }
}

TEST_F(NftDriverRootTest, RefusedAmongManyNamesTheElementAndTheInterfaceCanBeClosed) {
  const PolicyTables tables = sample_tables();
  sync(tables);
  // Somebody else has put in what a big delta, that also needs new rules, wants to insert.
  nft({"add element inet caracal allowed { 0x7 . 0x3 }"});
  PolicyDelta delta;
  for (uint32_t row = 3; row < 3000; ++row) delta.rows.add.insert({row, 3});
  delta.otherwise.set[7] = 4;
  delta.hosts.set[{desired::HostHook::kIngress, "*"}] = {Disposition::kPoliced, 9};
  auto applied = driver_->apply(delta);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Errc::kConflict);
  ASSERT_TRUE(driver_->refused());
  EXPECT_EQ(driver_->refused()->set, "allowed");
  EXPECT_EQ(driver_->refused()->element, "0x00000007 . 0x00000003");
  EXPECT_EQ(driver_->refused()->error_number, EEXIST);
  EXPECT_EQ(driver_->tables(), tables);
  // Nothing of it is there: no rule, no element.
  EXPECT_THAT(nft({"list", "ruleset"}), testing::Not(HasSubstr("chain host_input")));
  ASSERT_TRUE(driver_->close_interface("cali0"));
  EXPECT_THAT(nft({"list", "map", "inet", "caracal", "dispatch_ingress"}),
              HasSubstr("\"cali0\" : drop"));
  // Repaired, the same delta goes.
  sync(tables);
  applied = driver_->apply(delta);
  ASSERT_TRUE(applied) << applied.error().message;
  PolicyTables after = tables;
  desired::apply(after, delta);
  expect_kernel_holds(after);
}

TEST_F(NftDriverRootTest, FirstSyncMakesTheTableAndSecondTouchesNothing) {
  const PolicyTables tables = sample_tables();
  const SyncReport first = sync(tables);
  EXPECT_TRUE(first.rebuilt);
  EXPECT_EQ(first.reason, "there was no table");
  expect_kernel_holds(tables);

  const uint32_t generation = *driver_->generation();
  const SyncReport second = sync(tables);
  EXPECT_FALSE(second.rebuilt) << second.reason;
  EXPECT_EQ(second.messages, 0u);
  EXPECT_EQ(second.wrong + second.orphan + second.missing, 0u);
  EXPECT_GT(second.right, 20u);

  // A new process finds all right, too.
  auto restarted = NftDriver::open_in(*ns_);
  ASSERT_TRUE(restarted);
  auto third = restarted->sync(tables);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->messages, 0u);
  EXPECT_EQ(*driver_->generation(), generation);
}

TEST_F(NftDriverRootTest, SyncTouchesOnlyWhatIsWrongOrLeftOver) {
  sync(sample_tables());
  PolicyTables next = sample_tables();
  next.addresses[ip("10.0.0.3")] = 5;   // wrong
  next.peers.erase({7, 2});             // orphan
  next.rows.insert({2, 3});             // missing
  next.ranges.erase(ip("172.16.5.0"));  // joins two intervals
  next.ranges.erase(ip("172.16.6.0"));
  const SyncReport report = sync(next);
  EXPECT_FALSE(report.rebuilt);
  EXPECT_EQ(report.wrong, 2u);   // the address, and [172.16.0.0, 172.16.5.0)
  EXPECT_EQ(report.orphan, 3u);  // the peer, and two intervals
  EXPECT_EQ(report.missing, 1u);
  expect_kernel_holds(next);
}

TEST_F(NftDriverRootTest, DeltaIsOneTransactionAndEndsWhereTheTablesEnd) {
  const PolicyTables from = sample_tables();
  sync(from);
  PolicyTables to = from;
  to.interfaces.erase({Direction::kIngress, "cali1"});
  to.interfaces[{Direction::kEgress, "cali0"}] = {Disposition::kPoliced, 9};
  to.interfaces[{Direction::kIngress, "cali0"}] = {Disposition::kPoliced, 10};
  to.addresses[ip("10.0.0.2")] = 9;
  to.addresses.erase(ip("fd00::2"));
  to.ranges[ip("172.16.5.128")] = 9;
  to.ranges.erase(ip("172.16.6.0"));
  to.ranges[ip("0.0.0.0")] = 4;
  to.ranges[ip("ffff::")] = 4;
  to.ports[{PortSpace::kUdp, 53}] = 4;
  to.ports[{PortSpace::kUdp, 54}] = 1;
  to.ports.erase({PortSpace::kTcp, 81});
  to.peers[{7, 5}] = 4;
  to.peers.erase({8, desired::kAnyone});
  to.rows.erase({1, 2});
  to.rows.insert({9, 9});

  const uint32_t generation = *driver_->generation();
  auto there = driver_->apply(desired::difference(from, to));
  ASSERT_TRUE(there) << there.error().message;
  EXPECT_EQ(*driver_->generation(), generation + 1);
  EXPECT_EQ(driver_->tables(), to);
  expect_kernel_holds(to);

  auto back = driver_->apply(desired::difference(to, from));
  ASSERT_TRUE(back) << back.error().message;
  expect_kernel_holds(from);

  // Nothing to change, nothing sent.
  PolicyDelta same;
  same.addresses.set[ip("10.0.0.2")] = 5;
  same.addresses.erase.insert(ip("9.9.9.9"));
  same.rows.add.insert({1, 2});
  auto nothing = driver_->apply(same);
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->messages, 0u);
  EXPECT_EQ(*driver_->generation(), generation + 2);
}

TEST_F(NftDriverRootTest, ForeignOldOrDamagedTableIsReplaced) {
  const PolicyTables tables = sample_tables();
  nft({"-f", "-"},
      "table inet caracal { chain mine { type filter hook forward priority 5; drop; }; }");
  SyncReport report = sync(tables);
  EXPECT_TRUE(report.rebuilt);
  EXPECT_THAT(report.reason, HasSubstr("table"));
  expect_kernel_holds(tables);

  struct Damage {
    const char* command;
    const char* reason;
  };
  for (const Damage& damage : {
           Damage{"flush chain inet caracal egress_denied", "egress_denied"},
           Damage{"insert rule inet caracal forward accept", "forward"},
           Damage{"add chain inet caracal extra", "extra"},
           Damage{"add rule inet caracal ingress_policy drop", "ingress_policy"},
           Damage{"add table inet caracal { flags dormant; }", "flags 1"},
           Damage{"delete table inet caracal", "no table"},
           Damage{"chain inet caracal forward { policy drop; }", "policy 0"},
       }) {
    SCOPED_TRACE(damage.command);
    nft({damage.command});
    report = sync(tables);
    EXPECT_TRUE(report.rebuilt);
    EXPECT_THAT(report.reason, HasSubstr(damage.reason));
    expect_kernel_holds(tables);
  }
  EXPECT_EQ(sync(tables).messages, 0u);
}

TEST_F(NftDriverRootTest, DamagedElementsAreRepairedInPlace) {
  const PolicyTables tables = sample_tables();
  sync(tables);
  for (const char* damage : {
           "flush map inet caracal range4",
           "delete element inet caracal range4 { 172.16.5.0-172.16.5.255 : 0x3 }",
           "add element inet caracal identity4 { 10.0.0.9 : 0x7 }",
           "delete element inet caracal dispatch_ingress { \"cali0\" }",
           "add element inet caracal dispatch_egress { \"cali9\" : accept }",
           "add element inet caracal allowed { 0x5 . 0x6 }",
           "add element inet caracal neighbour_discovery { 1 }",
           "flush map inet caracal protocol_ingress",
       }) {
    SCOPED_TRACE(damage);
    nft({damage});
    const SyncReport report = sync(tables);
    EXPECT_FALSE(report.rebuilt) << report.reason;
    EXPECT_GT(report.messages, 0u);
    expect_kernel_holds(tables);
    EXPECT_EQ(sync(tables).messages, 0u);
  }
}

TEST_F(NftDriverRootTest, ForeignTablesAreLeftAlone) {
  const std::string text = "table inet caracal2 {\n\tchain a {\n\t}\n}\n";
  nft({"-f", "-"}, text);
  sync(sample_tables());
  EXPECT_EQ(nft({"list", "table", "inet", "caracal2"}), text);
  ASSERT_TRUE(driver_->remove());
  EXPECT_EQ(nft({"list", "ruleset"}), text);
  EXPECT_TRUE(driver_->remove());
  EXPECT_EQ(driver_->read_back().error().code, Errc::kNotFound);
}

TEST_F(NftDriverRootTest, RefusedTransactionChangesNothingAndNamesTheElement) {
  const PolicyTables tables = sample_tables();
  EXPECT_EQ(driver_->apply({}).error().code, Errc::kConflict);  // before sync
  sync(tables);
  // Behind our back an element goes away which a later delta wants to replace, among others.
  nft({"delete element inet caracal identity4 { 10.0.0.3 }"});
  PolicyDelta delta;
  delta.addresses.set[ip("10.0.0.1")] = 5;
  delta.addresses.set[ip("10.0.0.2")] = 6;
  delta.addresses.set[ip("10.0.0.3")] = 7;
  auto applied = driver_->apply(delta);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Errc::kConflict);
  EXPECT_THAT(applied.error().message, HasSubstr("identity4"));
  ASSERT_TRUE(driver_->refused());
  EXPECT_EQ(driver_->refused()->set, "identity4");
  EXPECT_EQ(driver_->refused()->element, "10.0.0.3 : 0x00000006");
  EXPECT_EQ(driver_->refused()->error_number, ENOENT);
  EXPECT_EQ(driver_->tables(), tables);

  // The caller may close the endpoint at once, and repair by sync().
  ASSERT_TRUE(driver_->close_interface("cali0"));
  EXPECT_THAT(nft({"list", "map", "inet", "caracal", "dispatch_egress"}),
              HasSubstr("\"cali0\" : drop"));
  sync(tables);
  expect_kernel_holds(tables);

  PolicyDelta bad;
  bad.sources.add.insert({"a-name-that-is-too-long", ip("10.0.0.1")});
  EXPECT_EQ(driver_->apply(bad).error().code, Errc::kInvalid);
}

TEST_F(NftDriverRootTest, DescribeShowsTheChangeAndMakesNone) {
  const PolicyTables tables = sample_tables();
  sync(tables);
  PolicyDelta delta;
  delta.addresses.set[ip("10.0.0.2")] = 9;
  delta.ranges.erase.insert(ip("172.16.6.0"));
  delta.interfaces.set[{Direction::kIngress, "cali2"}] = {Disposition::kPoliced, 7};
  EXPECT_EQ(
      driver_->describe(delta),
      "delete element inet caracal identity4 { 10.0.0.2 : 0x00000005 }\n"
      "delete element inet caracal range4 { 172.16.5.0 : 0x00000003 until 172.16.6.0 (end) }\n"
      "delete element inet caracal range4 { 172.16.6.0 : 0x00000002 until 172.32.0.0 (end) }\n"
      "add element inet caracal identity4 { 10.0.0.2 : 0x00000009 }\n"
      "add element inet caracal dispatch_ingress { \"cali2\" : continue }\n"
      "add element inet caracal group_ingress { \"cali2\" : 0x00000000 . 0x00000007 }\n"
      "add element inet caracal range4 { 172.16.5.0 : 0x00000003 until 172.32.0.0 (end) }\n");
  EXPECT_EQ(driver_->tables(), tables);
  expect_kernel_holds(tables);
  PolicyDelta part;
  part.wide_rows.add = {{3, PortSpace::kTcp, 100, 200}};
  EXPECT_THAT(driver_->describe(part),
              testing::StartsWith("# rules of table inet caracal change, with wide rows\n"));
  ASSERT_TRUE(driver_->apply(part));
  PolicyDelta away;
  away.wide_rows.erase = part.wide_rows.add;
  EXPECT_THAT(driver_->describe(away),
              testing::StartsWith("# rules of table inet caracal change, without wide rows\n"));
}

// The parts of the ruleset follow what the tables need, in the transaction that changes it.
TEST_F(NftDriverRootTest, PartsThatNothingNeedsGoWithTheLastEntryOfTheirs) {
  const PolicyTables plain = sample_tables();
  const PolicyTables everything = tables_with_everything();
  sync(plain);
  const std::string before = nft({"-p", "list", "ruleset"});
  ASSERT_TRUE(driver_->apply(desired::difference(plain, everything)));

  // Only chains that the part has a say in are written.
  PolicyTables without_hosts = everything;
  without_hosts.hosts.clear();
  const auto handles = [&](const char* chain) {
    return nft({"-a", "list", "chain", "inet", "caracal", chain});
  };
  const std::string lean = handles("ingress_ipv4_tcp"), full = handles("egress_full_ipv6_udp_else");
  ASSERT_TRUE(driver_->apply(desired::difference(everything, without_hosts)));
  ASSERT_TRUE(driver_->apply(desired::difference(without_hosts, everything)));
  EXPECT_EQ(handles("ingress_ipv4_tcp"), lean);
  EXPECT_EQ(handles("egress_full_ipv6_udp_else"), full);
  PolicyTables without_log = everything;
  without_log.logged.clear();
  ASSERT_TRUE(driver_->apply(desired::difference(everything, without_log)));
  EXPECT_EQ(handles("ingress_ipv4_tcp"), lean);
  EXPECT_NE(handles("egress_full_ipv6_udp_else"), full);
  ASSERT_TRUE(driver_->apply(desired::difference(without_log, everything)));
  expect_kernel_holds(everything);

  const uint32_t generation = *driver_->generation();
  auto applied = driver_->apply(desired::difference(everything, plain));
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(*driver_->generation(), generation + 1);
  expect_kernel_holds(plain);
  EXPECT_EQ(nft({"-p", "list", "ruleset"}), before);
  EXPECT_EQ(sync(plain).messages, 0u);

  // One part after the other goes, the others stay; each state is as a restarted agent would make
  // it.
  ASSERT_TRUE(driver_->apply(desired::difference(plain, everything)));
  PolicyTables less = everything;
  for (int part = 0; part < 5; ++part) {
    SCOPED_TRACE(part);
    if (part == 0) less.hosts.clear();
    if (part == 1) less.logged.clear();
    if (part == 2) less.own_splits.clear(), less.port_splits.clear();
    if (part == 3) less.wide_rows.clear();
    if (part == 4) less.otherwise.clear();
    ASSERT_TRUE(driver_->apply(desired::difference(driver_->tables(), less)));
    expect_kernel_holds(less);
    auto restarted = NftDriver::open_in(*ns_);
    ASSERT_TRUE(restarted);
    auto found = restarted->sync(less);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->messages, 0u) << found->reason;
  }

  // A refused transaction leaves the parts as they were.
  ASSERT_TRUE(driver_->apply(desired::difference(driver_->tables(), everything)));
  nft({"delete element inet caracal identity4 { 10.0.0.2 }"});
  PolicyDelta refused = desired::difference(everything, plain);
  refused.addresses.erase.insert(ip("10.0.0.2"));
  EXPECT_FALSE(driver_->apply(refused));
  EXPECT_THAT(nft({"-p", "list", "ruleset"}), HasSubstr("host_untracked_ingress"));
  EXPECT_EQ(driver_->tables(), everything);
  EXPECT_GT(sync(everything).messages, 0u);
  expect_kernel_holds(everything);
}

TEST_F(NftDriverRootTest, HundredThousandAddressesInOneTransaction) {
  sync(empty_tables());
  PolicyDelta delta;
  for (uint32_t i = 0; i < 100'000; ++i)
    delta.addresses.set[IpAddr::v4(0x0a000000 + i)] = 2 + i % 500;
  for (uint32_t i = 0; i < 20'000; ++i) delta.rows.add.insert({1 + i / 4, 1 + i % 4});
  const uint32_t generation = *driver_->generation();
  auto report = driver_->apply(delta);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->elements, 120'000u);
  EXPECT_EQ(*driver_->generation(), generation + 1);
  std::cout << "120,000 elements: " << report->elapsed.count() / 1'000'000 << " ms, "
            << report->bytes << " bytes, " << report->messages << " messages\n";
  EXPECT_EQ(sync(driver_->tables()).messages, 0u);

  PolicyDelta away;
  for (const auto& [address, identity] : delta.addresses.set) away.addresses.erase.insert(address);
  away.rows.erase = delta.rows.add;
  ASSERT_TRUE(driver_->apply(away));
  expect_kernel_holds(empty_tables());
}

}  // namespace
}  // namespace caracal::dataplane::nft
