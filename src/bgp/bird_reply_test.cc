#include "bgp/bird_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "bgp/bird_status.h"

namespace caracal::bgp {
namespace {

using ::testing::HasSubstr;

// What BIRD 2.0.12 has sent: its greeting, `show status` during a recovery, `show protocols all`
// with a session that is up and one that is not, `show route count`, and a command it does not
// know.
std::vector<Reply> captured(size_t step = SIZE_MAX) {
  const auto bytes =
      read_file(std::string(CARACAL_SOURCE_DIR) + "/src/bgp/testdata/bird_2.0.12_replies.txt");
  EXPECT_TRUE(bytes);
  ReplyReader reader;
  std::vector<Reply> out;
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, step);
    rest.remove_prefix(part.size());
    EXPECT_TRUE(reader.feed(part));
    while (auto reply = reader.next()) out.push_back(std::move(*reply));
  }
  return out;
}

TEST(BirdReply, SplitsWhatCameFromTheSocket) {
  const auto replies = captured();
  ASSERT_EQ(replies.size(), 5U);
  EXPECT_EQ(replies[0].lines, (std::vector<ReplyLine>{{1, "BIRD 2.0.12 ready."}}));
  EXPECT_EQ(replies[1].code(), 13);
  EXPECT_FALSE(replies[1].failed());
  EXPECT_EQ(replies[4].code(), 9001);
  EXPECT_TRUE(replies[4].failed());
  EXPECT_THAT(replies[4].text(), HasSubstr("syntax error"));
}

TEST(BirdReply, PartsOfAnySizeGiveTheSame) {
  const auto whole = captured();
  for (const size_t step : {1, 2, 7, 100}) {
    const auto parts = captured(step);
    ASSERT_EQ(parts.size(), whole.size()) << step;
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(parts[i].lines, whole[i].lines);
  }
}

TEST(BirdReply, WhatIsNotBirdIsAnError) {
  for (const char* text : {"HTTP/1.1 400 Bad Request\n", "\n", " before any line\n", "12\n",
                           "00 1 x\n", "0001x\n", "\xff\xfe\xfd\xfc\xfb\n"}) {
    ReplyReader reader;
    const Status status = reader.feed(text);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().code, Errc::kInvalid);
  }
  ReplyReader endless;
  EXPECT_FALSE(endless.feed("0001-" + std::string(100'000, 'x')));
}

TEST(BirdReply, LinesInBetweenAreNoPartOfAReply) {
  ReplyReader reader;
  ASSERT_TRUE(reader.feed("1000-one\n+log line\n two\n0000 \n"));
  const auto reply = reader.next();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->lines, (std::vector<ReplyLine>{{1000, "one"}, {1000, "two"}, {0, ""}}));
  EXPECT_FALSE(reader.next());
}

TEST(BirdStatus, OfTheDaemon) {
  const auto status = parse_daemon_status(captured()[1]);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->version, "2.0.12");
  EXPECT_EQ(status->router_id, "10.0.0.1");
  EXPECT_EQ(status->booted, "2026-11-23 06:01:14.295");
  EXPECT_EQ(status->reconfigured, "2026-11-23 06:01:14.295");
  EXPECT_TRUE(status->recovering);
  EXPECT_FALSE(status->reconfiguring);
  EXPECT_FALSE(parse_daemon_status(captured()[4]));
  EXPECT_FALSE(parse_daemon_status(Reply()));
  EXPECT_FALSE(parse_daemon_status(Reply{{{1234, "something else"}}}));
}

TEST(BirdStatus, OfProtocols) {
  const auto protocols = parse_protocols(captured()[2]);
  ASSERT_TRUE(protocols);
  ASSERT_EQ(protocols->size(), 10U);
  EXPECT_EQ((*protocols)[1].name, "direct1");
  EXPECT_EQ((*protocols)[1].channels.size(), 2U);
  const ProtocolStatus& up = (*protocols)[8];
  EXPECT_EQ(up.name, "Mesh_10_0_0_2");
  EXPECT_EQ(up.type, "BGP");
  EXPECT_EQ(up.state, "up");
  EXPECT_EQ(up.since, "2026-11-23 06:01:16.004");
  EXPECT_EQ(up.info, "Established");
  EXPECT_EQ(up.bgp_state, "Established");
  EXPECT_EQ(up.neighbor, "10.0.0.2");
  EXPECT_EQ(up.last_error, "");
  EXPECT_EQ(up.imported(), 1U);
  const ProtocolStatus& down = (*protocols)[9];
  EXPECT_EQ(down.state, "start");
  EXPECT_EQ(down.bgp_state, "Connect");
  EXPECT_EQ(down.last_error, "Socket: No route to host");
  EXPECT_EQ(down.imported(), 0U);
}

// Other time formats and further columns, of other versions and configurations.
TEST(BirdStatus, OfProtocolsWithOtherTimes) {
  const Reply reply{{{2002, "Name Proto Table State Since Info"},
                     {1002, "a BGP --- up 05:17:40.219 Established"},
                     {1002, "b BGP --- up 2026-11-22 Established"},
                     {1002, "c BGP --- start"},
                     {1002, ""},
                     {1006, "  Channel ipv4"},
                     {1006, "    Routes:  7 imported, 2 filtered, 3 exported, 7 preferred"},
                     {0, ""}}};
  const auto protocols = parse_protocols(reply);
  ASSERT_TRUE(protocols);
  ASSERT_GE(protocols->size(), 3U);
  EXPECT_EQ((*protocols)[0].since, "05:17:40.219");
  EXPECT_EQ((*protocols)[0].info, "Established");
  EXPECT_EQ((*protocols)[1].since, "2026-11-22");
  EXPECT_EQ((*protocols)[2].state, "start");
  EXPECT_EQ(protocols->back().imported(), 7U);
  EXPECT_EQ(protocols->back().exported(), 3U);
}

TEST(BirdStatus, OfRoutes) {
  EXPECT_EQ(*parse_route_count(captured()[3]), 3U);
  EXPECT_EQ(
      *parse_route_count(Reply{{{1007, "4 of 5 routes for 3 networks in table master4"}, {0, ""}}}),
      4U);
  EXPECT_FALSE(parse_route_count(captured()[1]));
}

}  // namespace
}  // namespace caracal::bgp
