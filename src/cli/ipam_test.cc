// The commands about addresses: what they show of a world, the reports they write and read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/ipam_change.h"
#include "cli/ipam_check.h"
#include "cli/ipam_draw.h"
#include "cli/ipam_report.h"
#include "cli/ipam_show.h"
#include "cli/ipam_svg.h"

namespace caracal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }

// Two nodes with a block each; node2 borrows an address of node1's; one address is left over.
class IpamText : public ::testing::Test {
 protected:
  IpamText() {
    model::IpPool pool;
    pool.name = "pool";
    pool.cidr = cidr("10.9.0.0/16");
    pool.nat_outgoing = true;
    world_.pools.emplace("pool", pool);
    world_.reservations["kept"] = {"kept", {cidr("10.9.0.62/31"), cidr("10.9.128.0/17")}};
    world_.nodes = {"node1", "node2"};
    ipam::Block one(cidr("10.9.0.0/26"), ipam::Owner::host("node1"), 100);
    take(one, "10.9.0.0", "vxlan-node1", {{"node", "node1"}, {"type", "vxlanTunnelAddress"}});
    take(one, "10.9.0.1", "k8s.a", pod("node1", "a"));
    take(one, "10.9.0.2", "k8s.b", pod("node2", "b"));
    take(one, "10.9.0.3", "k8s.gone", pod("node1", "gone"));
    put(one);
    put(ipam::Block(cidr("10.9.0.64/26"), ipam::Owner::host("node2"), 100));
    world_.pods[{"dev", "a"}] = {"node1", {ip("10.9.0.1")}};
    world_.pods[{"dev", "b"}] = {"node2", {ip("10.9.0.2")}};
  }
  static ipam::Attributes pod(const std::string& node, const std::string& name) {
    return {{"node", node}, {"namespace", "dev"}, {"pod", name}};
  }
  static void take(ipam::Block& block, std::string_view address, std::string_view handle,
                   const ipam::Attributes& owner) {
    ASSERT_TRUE(block.assign_address(ip(address), handle, owner));
  }
  void put(const ipam::Block& block) {
    world_.records.blocks[block.cidr()] = {block, json::object()};
    const std::string name = block.affinity()->name + "-" + block.cidr().to_string();
    world_.records.affinities[name] = {
        {*block.affinity(), block.cidr(), ipam::ClaimState::kConfirmed}, json::object()};
  }
  ipam::AddressWorld world_;
};

TEST_F(IpamText, ShowsPoolsWithBars) {
  const std::string text = show_text(world_, {});
  EXPECT_THAT(text, HasSubstr("pool   10.9.0.0/16   blocks of /26\n"));
  EXPECT_THAT(text, HasSubstr("4 of 65536 addresses used (<0.01 %)"));
  EXPECT_THAT(text, HasSubstr("1 borrowed, 1 of tunnels"));
  EXPECT_THAT(text, HasSubstr("2 of 1024 blocks claimed"));
  EXPECT_THAT(text, HasSubstr("node1 3 in 1   node2 1 in 1"));
  // The first cell has blocks; the second half of the pool is reserved.
  EXPECT_THAT(text, HasSubstr("|\u2581\u00b7"));
  EXPECT_THAT(text, HasSubstr("----|"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << "no colours unless asked for";
  EXPECT_THAT(show_text(world_, {.colour = true}), HasSubstr("\x1b[38;5;67m"));
}

TEST_F(IpamText, ShowsBlocksAddressByAddress) {
  const std::string text = show_text(world_, {.blocks = true});
  EXPECT_THAT(text, HasSubstr("10.9.0.0/26    node1   \u25c6\u2588\u2593\u2588\u00b7"));
  EXPECT_THAT(text, HasSubstr("--   4/64\n")) << "the last two are reserved";
  EXPECT_THAT(text, HasSubstr("10.9.0.64/26   node2   \u00b7"));
  EXPECT_THAT(text, HasSubstr("\u25c6 tunnel"));
  const std::string blocks = blocks_text(world_, {.node = "node2"});
  EXPECT_THAT(blocks, HasSubstr("10.9.0.64/26"));
  EXPECT_THAT(blocks, Not(HasSubstr("10.9.0.0/26")));
  EXPECT_THAT(blocks_text(world_, {.node = "node9"}), HasSubstr("no such blocks"));
}

TEST_F(IpamText, SaysWhoHasAnAddress) {
  const std::string text = address_text(world_, ip("10.9.0.2"));
  EXPECT_THAT(text, HasSubstr("10.9.0.2 is borrowed"));
  EXPECT_THAT(text, HasSubstr("10.9.0.0/26 of node1"));
  EXPECT_THAT(text, HasSubstr("k8s.b"));
  EXPECT_THAT(text, Not(HasSubstr("left over")));
  EXPECT_THAT(address_text(world_, ip("10.9.0.3")), HasSubstr("seems left over"));
  EXPECT_THAT(address_text(world_, ip("10.9.1.1")), HasSubstr("nobody has claimed its block in "
                                                              "pool pool"));
  EXPECT_THAT(address_text(world_, ip("11.0.0.1")), HasSubstr("in no pool"));
  EXPECT_THAT(borrowed_text(world_), HasSubstr("10.9.0.2   node2            10.9.0.0/26   node1"));
}

TEST_F(IpamText, ListsPoolsAndSettings) {
  EXPECT_THAT(pools_text(world_), HasSubstr("pool   10.9.0.0/16   /26     none            yes"));
  EXPECT_THAT(settings_text(world_), HasSubstr("20 (default)"));
}

TEST_F(IpamText, CheckTellsWhatIsWrong) {
  const auto problems = ipam::find_inconsistencies(world_);
  const std::string text = check_text(world_, problems, {.every_address = true});
  EXPECT_THAT(text,
              HasSubstr("4 addresses taken (1 of tunnels, 0 cooling, 1 seem to be left over)"));
  EXPECT_THAT(text, HasSubstr("10.9.0.1  pod dev/a\n"));
  EXPECT_THAT(text, HasSubstr("AddressLeaked 10.9.0.3"));
}

TEST_F(IpamText, AReportCanBeReadBack) {
  const json::object report = make_report(
      world_, {.cluster_guid = "g1", .cluster_revision = "7", .locked = false, .time = "t"},
      ipam::find_inconsistencies(world_), true);
  const std::string text = jsonio::to_string(report);
  const auto leaks = leaks_of_reports({"r"}, {text}, "g1");
  ASSERT_TRUE(leaks) << leaks.error().message;
  EXPECT_EQ(*leaks, find_leaks(world_));
  ASSERT_THAT(*leaks, SizeIs(1));
  EXPECT_EQ(leaks->front().allocation.address, ip("10.9.0.3"));
  EXPECT_EQ(leaks->front().pod, (model::ObjectName{"dev", "gone"}));
  EXPECT_TRUE(jsonio::get_bool(report, {"allocations", "10.9.0.1", "inUse"}));

  // Only what is in all of them; the same file twice is two reports.
  json::object other = report;
  other["leaks"] = json::array();
  EXPECT_THAT(*leaks_of_reports({"r", "s"}, {text, jsonio::to_string(other)}, "g1"), IsEmpty());
  EXPECT_THAT(*leaks_of_reports({"r", "s"}, {text, text}, "g1"), SizeIs(1));
}

TEST_F(IpamText, AReportThatIsNoneIsRefused) {
  const auto message = [](const std::string& text) {
    const auto leaks = leaks_of_reports({"file"}, {text}, "g1");
    return leaks ? std::string("taken") : leaks.error().message;
  };
  EXPECT_THAT(message("{"), HasSubstr("file: "));
  EXPECT_THAT(message("{}"), HasSubstr("file: must be a report of"));
  const std::string head = R"({"kind":"CaracalIPAMReport","version":1,"clusterGUID":")";
  EXPECT_THAT(message(head + R"(g2"})"), HasSubstr("clusterGUID: \"g2\": is not of this cluster"));
  EXPECT_THAT(message(head + R"(g1","leaks":[{}]})"),
              HasSubstr("file: leaks[0].ip: must be an IP address"));
  EXPECT_THAT(message(head + R"(g1","leaks":[{"ip":"1.2.3.4","block":"10.0.0.0/8"}]})"),
              HasSubstr("leaks[0].block: must be the range of its block"));
}

TEST_F(IpamText, LiveAddressesAreNamed) {
  std::vector<ipam::Leak> asked;
  for (const char* address : {"10.9.0.0", "10.9.0.1", "10.9.0.3"}) {
    const ipam::Block& block = world_.records.blocks.at(cidr("10.9.0.0/26")).value;
    asked.push_back({block.cidr(), *block.allocation_of(ip(address)), "", {}, ""});
  }
  EXPECT_THAT(live_addresses(world_, asked), ElementsAre("10.9.0.0 (vxlanTunnelAddress on node1)",
                                                         "10.9.0.1 (pod dev/a on node1)"));
  // Released and taken anew meanwhile: it is not the allocation that was asked about.
  asked[1].allocation.sequence += 5;
  EXPECT_THAT(live_addresses(world_, asked), SizeIs(1));
}

TEST_F(IpamText, PicturesHoldPoolsBlocksAndNodes) {
  const std::string svg = ipam_svg(world_, {});
  EXPECT_THAT(svg, HasSubstr("<svg xmlns="));
  EXPECT_THAT(svg, HasSubstr("10.9.255.255"));
  EXPECT_THAT(svg, HasSubstr("<title>10.9.0.2 borrowed by pod dev/b on node2</title>"));
  EXPECT_THAT(svg, HasSubstr(">node2</text>"));
  EXPECT_THAT(ipam_svg(world_, {.blocks = false}), Not(HasSubstr("borrowed by pod")));
}

TEST(IpamDraw, FindsThePlaceOfABlockInItsPool) {
  const Stretch half = stretch_of(cidr("10.0.0.0/8"), cidr("10.128.0.0/9"));
  EXPECT_DOUBLE_EQ(half.begin, 0.5);
  EXPECT_DOUBLE_EQ(half.width, 0.5);
  const Stretch six = stretch_of(cidr("fd00::/48"), cidr("fd00:0:0:c000::/122"));
  EXPECT_DOUBLE_EQ(six.begin, 0.75);
  EXPECT_GT(six.width, 0);
}

TEST(IpamConfigure, RefusesWhatDoesNotFit) {
  const auto message = [](const json::object& before, const ConfigureRequest& request) {
    const auto after = changed_settings(before, request);
    return after ? jsonio::to_string(*after) : after.error().message;
  };
  EXPECT_EQ(message({}, {.strict_affinity = true, .max_blocks = 4}),
            R"({"strictAffinity":true,"maxBlocksPerHost":4,"autoAllocateBlocks":true})");
  EXPECT_THAT(message({}, {.max_blocks = 4}),
              HasSubstr("maxBlocksPerHost: 4: only with strictAffinity true"));
  EXPECT_THAT(
      message({{"strictAffinity", true}, {"maxBlocksPerHost", 4}}, {.strict_affinity = false}),
      HasSubstr("only with strictAffinity true"));
  EXPECT_THAT(message({}, {.auto_allocate = false}), HasSubstr("autoAllocateBlocks: false: only"));
  EXPECT_THAT(message({}, {.cooldown = 1201}),
              HasSubstr("ipCooldownSeconds: 1201: must be 0 to 1200"));
  // Complete, as Calico's CRD demands it.
  EXPECT_EQ(
      message({{"kept", 1}}, {.cooldown = 30}),
      R"({"kept":1,"ipCooldownSeconds":30,"strictAffinity":false,"autoAllocateBlocks":true})");
}

}  // namespace
}  // namespace caracal::cli
