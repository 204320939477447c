#include "flowlog/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flowlog/record_feed.h"

namespace caracal::flowlog {
namespace {

Record sample() {
  Record r;
  r.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'767'225'600'123));
  r.node = "n1";
  r.interface = "cali1";
  r.source = *net::IpAddr::parse("10.0.0.1");
  r.destination = *net::IpAddr::parse("10.0.0.2");
  r.source_name = "shop/client";
  r.destination_name = "shop/web";
  r.protocol = net::kTcp;
  r.source_port = 40000;
  r.destination_port = 80;
  r.count = 3;
  r.tier = "default";
  r.policy = "NetworkPolicy shop/deny-all";
  r.reason = "no rule matches";
  return r;
}

TEST(Record, TextForPeople) {
  EXPECT_EQ(to_text(sample()),
            "2026-01-01T00:00:00.123Z n1 denied ingress TCP shop/client (10.0.0.1:40000) -> "
            "shop/web (10.0.0.2:80) x3 by NetworkPolicy shop/deny-all: no rule matches");
  Record logged = sample();
  logged.node.clear();
  logged.verdict = RecordVerdict::kLogged;
  logged.direction = model::Direction::kEgress;
  logged.protocol = net::kIcmpV6;
  logged.source = *net::IpAddr::parse("fd00::1");
  logged.source_port = logged.destination_port = std::nullopt;
  logged.icmp_type = 128;
  logged.icmp_code = 0;
  logged.count = 1;
  logged.tier = "security";
  logged.rule = 0;
  logged.rule_name = "watch";
  logged.reason.clear();
  logged.destination_name.clear();
  EXPECT_EQ(to_text(logged),
            "2026-01-01T00:00:00.123Z logged egress ICMPv6 type 128 code 0 shop/client (fd00::1) "
            "-> 10.0.0.2 by NetworkPolicy shop/deny-all rule 0 \"watch\" (tier security)");
}

TEST(Record, JsonAndBack) {
  Record r = sample();
  for (const bool full : {false, true}) {
    if (full) {
      r.rule = 4;
      r.rule_name = "x \"y\"";
      r.icmp_type = 3;
      r.icmp_code = 1;
      r.verdict = RecordVerdict::kLogged;
      r.direction = model::Direction::kEgress;
      r.destination = *net::IpAddr::parse("fd00::2");
      r.source_port.reset();
    }
    const std::string text = jsonio::to_string(to_json(r));
    const auto back = record_from_json(*jsonio::parse(text));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, r) << text;
  }
}

TEST(Record, BadJsonNamesTheField) {
  const auto broken = [](std::string_view field, json::value value) {
    json::value object = to_json(sample());
    jsonio::ensure(object, {field}) = std::move(value);
    const auto read = record_from_json(object);
    return read ? std::string() : read.error().message;
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(broken("time", "yesterday"), HasSubstr("time: \"yesterday\""));
  EXPECT_THAT(broken("verdict", "maybe"), HasSubstr("verdict"));
  EXPECT_THAT(broken("direction", 3), HasSubstr("direction"));
  EXPECT_THAT(broken("source", json::object{{"address", "10.0.0"}}), HasSubstr("source.address"));
  EXPECT_THAT(broken("protocol", "carrier pigeon"), HasSubstr("protocol"));
  EXPECT_FALSE(record_from_json(nullptr));
}

TEST(RecordFilter, ByEitherEndPortVerdictAndPolicy) {
  const Record r = sample();
  const auto matches = [&](const RecordFilter& filter) { return filter.matches(r); };
  EXPECT_TRUE(matches({}));
  EXPECT_TRUE(matches({.ns = "shop"}));
  EXPECT_FALSE(matches({.ns = "sho"}));
  EXPECT_TRUE(matches({.pod = "web"}));
  EXPECT_TRUE(matches({.pod = "shop/client"}));
  EXPECT_FALSE(matches({.pod = "other/web"}));
  EXPECT_FALSE(matches({.pod = "we"}));
  EXPECT_TRUE(matches({.port = 80}));
  EXPECT_FALSE(matches({.port = 40000}));
  EXPECT_TRUE(matches({.verdict = RecordVerdict::kDenied, .policy = "deny-all"}));
  EXPECT_FALSE(matches({.verdict = RecordVerdict::kLogged}));
  EXPECT_FALSE(matches({.policy = "allow"}));
}

TEST(RecordFeed, KeepsTheLastAndAnswersWhoWaits) {
  event::Loop loop;
  RecordFeed feed(loop, 3);
  const auto push = [&](uint64_t count) {
    Record r = sample();
    r.count = count;
    feed.push(std::move(r));
  };
  for (uint64_t i = 1; i <= 5; ++i) push(i);
  EXPECT_EQ(feed.last(2).records.at(0).count, 4u);
  EXPECT_EQ(feed.last(100).records.size(), 3u);
  const auto page = feed.after(1, 2);
  EXPECT_EQ(page.missed, 1u) << "record 2 was overwritten";
  EXPECT_EQ(page.records.at(0).count, 3u);
  EXPECT_EQ(page.next, 4u);
  EXPECT_EQ(feed.after(4, 10).records.size(), 1u);
  EXPECT_EQ(feed.after(99, 10).records.size(), 3u) << "a number of an agent that was before";

  std::vector<RecordFeed::Page> answers;
  const auto keep = [&](RecordFeed::Page answered) { answers.push_back(std::move(answered)); };
  feed.wait(4, 10, event::Duration(60'000), keep);
  EXPECT_EQ(answers.size(), 1u) << "there is something already";
  feed.wait(5, 10, event::Duration(60'000), keep);
  feed.wait(5, 10, event::Duration(60'000), keep);
  EXPECT_EQ(feed.waiting(), 2u);
  push(6);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[2].records.at(0).count, 6u);
  feed.wait(6, 10, event::Duration(1), keep);
  EXPECT_TRUE(loop.run_until([&] { return answers.size() == 4; }, event::Duration(60'000)));
  EXPECT_TRUE(answers[3].records.empty());
  EXPECT_EQ(answers[3].next, 6u);
  EXPECT_EQ(feed.waiting(), 0u);
}

}  // namespace
}  // namespace caracal::flowlog
