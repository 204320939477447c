#include "flowlog/flow_gate.h"

#include <gtest/gtest.h>

namespace caracal::flowlog {
namespace {

using std::chrono::milliseconds;

const FlowGate::Time kStart{std::chrono::hours(1)};

Flow flow(uint32_t source, uint16_t source_port = 1000, uint16_t port = 80) {
  Flow out;
  out.packet.source = net::IpAddr::v4(source);
  out.packet.destination = net::IpAddr::v4(1);
  out.packet.protocol = net::kTcp;
  out.packet.source_port = source_port;
  out.packet.destination_port = port;
  return out;
}

TEST(FlowGate, TellsTheFirstAtOnceAndCountsTheRest) {
  FlowGate gate({});
  const auto first = gate.add(flow(5, 1000), kStart);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->count, 1u);
  EXPECT_EQ(first->packet.source_port, 1000);
  for (uint16_t i = 1; i <= 7; ++i)
    EXPECT_FALSE(gate.add(flow(5, static_cast<uint16_t>(1000 + i)), kStart + milliseconds(i)));
  EXPECT_TRUE(gate.add(flow(5, 1000, 81), kStart)) << "another port is another flow";
  EXPECT_TRUE(gate.expire(kStart + milliseconds(999)).empty());
  const auto told = gate.expire(kStart + milliseconds(1000));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].count, 7u);
  EXPECT_EQ(gate.followed(), 1u) << "the one without repeats is over";
  EXPECT_FALSE(gate.add(flow(5), kStart + milliseconds(1500)));
  EXPECT_EQ(gate.expire(kStart + milliseconds(2000)).at(0).count, 1u);
  EXPECT_TRUE(gate.expire(kStart + milliseconds(3000)).empty());
  EXPECT_EQ(gate.followed(), 0u);
  EXPECT_TRUE(gate.add(flow(5), kStart + milliseconds(3001))) << "after a pause it is new";
  EXPECT_EQ(gate.dropped(), 0u);
}

TEST(FlowGate, AFloodCostsARecordASecond) {
  FlowGate gate({});
  uint64_t told = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto now = kStart + std::chrono::microseconds(i * 10);
    told += gate.add(flow(5), now) ? 1 : 0;
    if (i % 25'000 == 0) told += gate.expire(now).size();
  }
  EXPECT_LE(told, 12u);
}

TEST(FlowGate, LimitsNewFlowsAndCountsWhatItDrops) {
  FlowGate gate({.per_second = 10, .burst = 20, .flows = 25, .window = milliseconds(1000)});
  uint64_t told = 0;
  for (uint32_t i = 0; i < 1000; ++i) told += gate.add(flow(i), kStart) ? 1 : 0;
  EXPECT_EQ(told, 20u);
  EXPECT_EQ(gate.dropped(), 980u);
  for (uint32_t i = 0; i < 1000; ++i)
    told += gate.add(flow(5000 + i), kStart + milliseconds(900)) ? 1 : 0;
  EXPECT_EQ(told, 25u) << "nine more tokens, but only five more flows are followed";
  EXPECT_EQ(gate.followed(), 25u);
  gate.expire(kStart + std::chrono::seconds(5));
  EXPECT_EQ(gate.followed(), 0u);
}

}  // namespace
}  // namespace caracal::flowlog
