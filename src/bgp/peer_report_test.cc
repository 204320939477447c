#include "bgp/peer_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/testing/objects.h"

namespace caracal::bgp {
namespace {

using ::testing::HasSubstr;

Session session() {
  Session out;
  out.name = "Global_10_0_0_2";
  out.kind = SessionKind::kGlobal;
  out.source = "tor";
  out.address = testing::address("10.0.0.2");
  out.as_number = 65001;
  out.local_address = testing::address("10.0.0.1");
  return out;
}

ProtocolStatus status(const std::string& bgp_state, const std::string& last_error) {
  ProtocolStatus out;
  out.name = "Global_10_0_0_2";
  out.state = bgp_state == "Established" ? "up" : "start";
  out.bgp_state = bgp_state;
  out.last_error = last_error;
  out.since = "2026-11-23 06:01:16.004";
  return out;
}

TEST(WhyNotUp, Sentences) {
  EXPECT_EQ(why_not_up(session(), status("Established", "")), "");
  const auto says = [](const char* state, const char* error, const char* text) {
    EXPECT_THAT(why_not_up(session(), status(state, error)), HasSubstr(text)) << error;
  };
  says("Active", "Socket: Connection refused", "nothing listens on its TCP port 179");
  says("Connect", "Socket: No route to host", "cannot be reached");
  says("Active", "Received: Bad peer AS", "refuses this node's AS number 64512");
  says("Active", "BGP Error: Bad peer AS", "has another AS number than 65001");
  says("Idle", "BGP Error: Hold timer expired", "fell silent");
  says("Idle", "Received: Administrative shutdown", "on purpose");
  says("Active", "Socket: Connection closed", "no session configured with this node's address");
  says("Active", "Socket: Connection reset by peer", "closes it");
  says("OpenSent", "", "being negotiated");
  says("Down", "Error: No listening socket", "cannot listen on port 179");
  says("Connect", "", "does not answer on TCP port 179");
  says("Connect", "Socket: Connection timed out", "expects a password (TCP-MD5)");
  says("Idle", "Something: new", "Something: new");

  Session secret = session();
  secret.password = "x";
  EXPECT_THAT(why_not_up(secret, status("Connect", "")), HasSubstr("passwords (TCP-MD5)"));
  Session passive = session();
  passive.passive = true;
  passive.peer = "node-b";
  EXPECT_THAT(why_not_up(passive, status("Passive", "Received: Cease")),
              HasSubstr("waits for node-b to connect"));
}

TEST(PeerReports, JoinConfigurationAndStatus) {
  Config config;
  config.sessions = {session()};
  ProtocolStatus up = status("Established", "");
  up.channels = {{.name = "ipv4", .state = "UP", .imported = 3, .exported = 2}};
  auto reports = report_peers(config, {up}, "");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].up);
  EXPECT_EQ(reports[0].kind, "global");
  EXPECT_EQ(reports[0].source, "tor");
  EXPECT_EQ(reports[0].imported, 3U);
  EXPECT_EQ(jsonio::to_string(to_json(reports[0])),
            R"({"name":"Global_10_0_0_2","peer":"","address":"10.0.0.2","kind":"global",)"
            R"("source":"tor","asNumber":65001,"family":"IPv4","state":"Established","up":true,)"
            R"("since":"2026-11-23 06:01:16.004","imported":3,"exported":2,)"
            R"("gracefulRestart":false})");

  reports = report_peers(config, {}, "");
  EXPECT_THAT(reports[0].why_not_up, HasSubstr("does not know this session yet"));
  reports = report_peers(config, {}, "BIRD does not run");
  EXPECT_EQ(reports[0].state, "Down");
  EXPECT_EQ(reports[0].why_not_up, "BIRD does not run");
}

}  // namespace
}  // namespace caracal::bgp
