#include "bgp/render_bird.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/subprocess.h"
#include "bgp/bird_text.h"
#include "bgp/render_filter.h"
#include "bgp/testing/objects.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::HasSubstr;
using ::testing::Not;

constexpr RenderOptions kOptions{.log_file = ""};

// Compares with testdata/NAME; with CARACAL_UPDATE_GOLDEN set it writes the file instead.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(CARACAL_SOURCE_DIR) + "/src/bgp/testdata/" + name;
  if (std::getenv("CARACAL_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, text));
    return;
  }
  const auto kept = read_file(path);
  ASSERT_TRUE(kept) << path;
  EXPECT_EQ(*kept, text) << "differs from " << path;
}

// Real BIRD is the judge; without one these tests still compare texts.
void expect_taken(const std::string& text) {
  static const bool installed = run({.argv = {"bird", "--version"}}).has_value();
  if (installed) {
    EXPECT_EQ(bird_check(text), "") << text;
  }
}

BgpEngine two_nodes() {
  BgpEngine engine({.node = "a", .router_id = {}});
  engine.apply(update(node("a", {"10.0.0.1/24"})));
  engine.apply(update(node("b", {"10.0.0.2/24"})));
  engine.apply(update(pool("192.168.0.0/16")));
  engine.apply(block("192.168.1.0/26", "a"));
  return engine;
}

TEST(RenderBird, TwoNodes) {
  BgpEngine engine = two_nodes();
  const std::string text = render_bird(engine.config(), kOptions);
  expect_golden("two_nodes.conf", text);
  expect_taken(text);
}

TEST(RenderBird, Empty) { expect_taken(render_bird(Config(), {.log_file = "/run/x.log"})); }

TEST(RenderBird, Withdrawal) {
  RenderOptions options;
  options.withdraw = true;
  BgpEngine engine = two_nodes();
  const std::string text = render_bird(engine.config(), options);
  EXPECT_THAT(text, Not(HasSubstr("protocol bgp")));
  EXPECT_THAT(text, Not(HasSubstr("persist")));
  expect_taken(text);
}

// Every field of every object at once.
TEST(RenderBird, Everything) {
  BgpEngine engine({.node = "a", .router_id = address("1.1.1.1")});
  model::NodeNetwork a = node("a", {"10.0.0.1/24", "fd00::1/64"});
  a.route_reflector_cluster = address("244.0.0.1");
  engine.apply(update(a));
  engine.apply(update(node("b", {"10.0.0.2/24", "fd00::2/64"})));
  engine.apply(update(pool("192.168.0.0/17")));
  engine.apply(update(pool("192.168.128.0/17", model::Encapsulation::kIpip)));
  engine.apply(update(pool("fd00:10::/64")));
  model::IpPool hidden = pool("172.16.0.0/16");
  hidden.export_by_bgp = false;
  engine.apply(update(hidden));
  engine.apply(block("192.168.1.0/26", "a"));
  engine.apply(block("192.168.2.0/26", "a"));
  engine.apply(block("192.168.3.3/32", "a"));
  engine.apply(block("fd00:10::/122", "a"));

  model::BgpConfiguration common;
  common.name = "default";
  common.log_severity = "Debug";
  common.service_cluster_ips = {cidr("10.96.0.0/12"), cidr("fd00:96::/108")};
  common.communities = {};
  common.prefix_advertisements = {{cidr("192.168.0.0/16"), {{{64512, 100}}, {{64512, 1, 2}}}}};
  common.listen_port = 1790;
  common.bind_node_ip = true;
  common.ignored_interfaces = {"docker*", "odd\"name"};
  common.ipv4_priority = 512;
  engine.apply(update(common));

  model::BgpFilter filter;
  filter.name = "edge.v1";
  model::BgpFilterRule every = rule("10.9.0.0/16", true);
  every.prefix->min_length = 20;
  every.prefix->max_length = 24;
  every.from_remote_peers = true;
  every.interface = "eth*";
  every.external = true;
  every.community = model::BgpCommunity{{64512, 7}};
  every.as_path_prefix = {65001, 65002};
  every.priority = 100;
  every.operations = {{.add_community = model::BgpCommunity{{64512, 5, 6}},
                       .prepend_as_path = {},
                       .set_priority = {}},
                      {.add_community = {}, .prepend_as_path = {65001, 65002}, .set_priority = {}},
                      {.add_community = {}, .prepend_as_path = {}, .set_priority = 50}};
  model::BgpFilterRule outside = rule("10.0.0.0/8", false);
  outside.prefix->op = model::BgpFilterRule::Operator::kNotIn;
  model::BgpFilterRule equal = rule("10.1.0.0/16", true);
  equal.prefix->op = model::BgpFilterRule::Operator::kEqual;
  equal.external = false;
  model::BgpFilterRule rest;
  filter.import_v4 = {every, outside};
  filter.export_v4 = {equal, rest};
  filter.export_v6 = {rule("fd00:10::/64", true)};
  engine.apply(update(filter));

  model::BgpPeer tor = peer("tor");
  tor.peer_ip = address("192.0.2.1");
  tor.as_number = 4200000001;
  tor.local_as_number = 65011;
  tor.next_hop = model::BgpPeer::NextHop::kSelf;
  tor.password = model::SecretKey{"bgp", "tor"};
  tor.max_restart_seconds = 30;
  tor.keepalive_seconds = 5;
  tor.allowed_local_as = 2;
  tor.ttl_security = 3;
  tor.reachable_by = address("10.0.0.254");
  tor.filters = {"edge.v1"};
  tor.bfd = true;
  engine.apply(update(tor));
  engine.set_password({"bgp", "tor"}, "a'b\\c#d;e}");
  model::BgpPeer link_local = peer("link-local");
  link_local.peer_ip = address("fe80::1");
  link_local.peer_interface = "eth0.100";
  link_local.as_number = 65001;
  link_local.filters = {"edge.v1"};
  engine.apply(update(link_local));
  model::BgpPeer clients = peer("clients");
  clients.peers = labels("all()");
  clients.keep_next_hop = true;
  engine.apply(update(clients));
  model::BgpPeer nested = peer("nested");
  nested.local_workloads = labels("all()");
  nested.as_number = 65100;
  nested.use_node_ip = false;
  engine.apply(update(nested));
  engine.set_local_workload({"ns", "pod"}, LocalWorkload{{}, {address("192.168.1.5")}});

  const std::string text = render_bird(engine.config(), {.log_file = "/run/caracal/bird/bird.log"});
  EXPECT_THAT(engine.problems(), ::testing::IsEmpty());
  expect_golden("everything.conf", text);
  expect_taken(text);
}

// Whatever stands in a name or a text: it stays text.
TEST(RenderBird, TextsFromObjectsCannotLeaveTheirQuotes) {
  const std::string evil =
      "x\"; } protocol static evil { ipv4; route 6.6.6.0/24 blackhole; }\n# \\";
  BgpEngine engine({.node = evil, .router_id = {}});
  engine.apply(update(node(evil, {"10.0.0.1/24"})));
  engine.apply(update(node(evil + "2", {"10.0.0.2/24"})));
  model::BgpConfiguration common;
  common.name = "default";
  common.log_severity = evil;
  common.ignored_interfaces = {evil, "eth\"1", "ok*"};
  engine.apply(update(common));
  model::BgpFilter filter;
  filter.name = evil;
  model::BgpFilterRule r;
  r.interface = evil;
  r.accept = true;
  filter.export_v4 = {r};
  engine.apply(update(filter));
  model::BgpPeer p = peer(evil);
  p.peer_ip = address("192.0.2.1");
  p.as_number = 65000;
  p.filters = {evil};
  engine.apply(update(p));
  p.name = "link-local";
  p.peer_ip = address("fe80::1");
  p.peer_interface = "e\" x";
  engine.apply(update(p));
  const std::string text = render_bird(engine.config(), {.log_file = "/x\" y"});
  EXPECT_EQ(engine.config().sessions.size(), 2U);
  EXPECT_THAT(engine.problems(), ::testing::ElementsAre(HasSubstr("BGPPeer link-local")));
  expect_taken(text);
  for (size_t at = 0; (at = text.find("protocol static evil", at)) != std::string::npos; ++at) {
    const size_t line = text.rfind('\n', at) + 1;
    const std::string before = text.substr(line, at - line);
    EXPECT_TRUE(before.starts_with("# ") || before.starts_with("  description \"")) << before;
  }
}

TEST(BirdText, Strings) {
  EXPECT_EQ(bird_string("a b'c\\"), "\"a b'c\\\"");
  EXPECT_FALSE(bird_string("a\"b"));
  EXPECT_FALSE(bird_string("a\nb"));
  EXPECT_FALSE(bird_string(std::string(256, 'a')));
  EXPECT_EQ(bird_description("a\"b\n"), "\"a?b?\"");
  EXPECT_EQ(bird_comment("a\nb"), "# a?b");
  EXPECT_NE(bird_symbol("f", "a-b"), bird_symbol("f", "a.b"));
  EXPECT_THAT(bird_symbol("f", "1.ä\""), ::testing::MatchesRegex("f_[a-zA-Z0-9_]+"));
  EXPECT_LT(bird_symbol("export", std::string(200, 'x')).size(), 60U);
}

TEST(RenderFilter, LimitsThatExcludeEachOtherMatchNothing) {
  model::BgpFilter filter;
  filter.name = "f";
  model::BgpFilterRule r = rule("10.0.0.0/8", true);
  r.prefix->min_length = 24;
  r.prefix->max_length = 16;
  filter.export_v4 = {r};
  EXPECT_THAT(render_filter(filter, Direction::kExport, net::Family::kIPv4),
              HasSubstr("if false then { accept; }"));
  EXPECT_EQ(render_filter(filter, Direction::kImport, net::Family::kIPv4), "");
}

TEST(RenderBird, TheSameConfigGivesTheSameText) {
  BgpEngine one = two_nodes();
  BgpEngine other = two_nodes();
  other.apply(update(node("c", {"10.0.0.3/24"})));
  other.apply(model::NodeNetworkUpdate{"c", std::nullopt});
  EXPECT_EQ(render_bird(one.config(), kOptions), render_bird(other.config(), kOptions));
}

}  // namespace
}  // namespace caracal::bgp
