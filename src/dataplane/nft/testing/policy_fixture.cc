#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {

void PolicyPackets::SetUp() {
  auto lab = PacketLab::create({{"cali1", {ip("10.0.0.1"), ip("fd00::1")}},
                                {"cali2", {ip("10.0.0.2"), ip("fd00::2")}},
                                {"cali3", {ip("10.0.0.3"), ip("fd00::3")}}});
  ASSERT_TRUE(lab) << lab.error().message;
  lab_ = std::move(*lab);
  auto driver = NftDriver::open_in(lab_->node());
  ASSERT_TRUE(driver) << driver.error().message;
  driver_ = std::make_unique<NftDriver>(std::move(*driver));
}

PolicyTables PolicyPackets::isolated() {
  PolicyTables t = nft_testing::empty_tables();
  t.interfaces[{Direction::kIngress, "cali1"}] = {Disposition::kPoliced, 1};
  t.interfaces[{Direction::kEgress, "cali1"}] = {Disposition::kPoliced, 2};
  for (const Direction d : {Direction::kIngress, Direction::kEgress})
    for (const char* open : {"cali2", "cali3"}) t.interfaces[{d, open}] = {Disposition::kOpen, 0};
  for (const int i : {1, 2, 3}) {
    t.sources.insert({"cali" + std::to_string(i), ip("10.0.0." + std::to_string(i))});
    t.sources.insert({"cali" + std::to_string(i), ip("fd00::" + std::to_string(i))});
  }
  return t;
}

void PolicyPackets::sync(const PolicyTables& tables) {
  auto report = driver_->sync(tables);
  ASSERT_TRUE(report) << report.error().message;
}

void PolicyPackets::change_to(const PolicyTables& tables) {
  auto report = driver_->apply(desired::difference(driver_->tables(), tables));
  ASSERT_TRUE(report) << report.error().message;
  auto kernel = driver_->read_back();
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(*kernel, tables);
}

void PolicyPackets::nft(const std::string& text) {
  auto done =
      run_checked({.argv = {"nft", "-f", "-"}, .input = text, .netns = lab_->node().fd_path()});
  ASSERT_TRUE(done) << done.error().message;
}

Packet PolicyPackets::packet(std::string from, IpAddr source, IpAddr destination,
                             net::Protocol protocol, uint16_t port) {
  static uint16_t source_port = 20000;
  Packet out;
  out.from = std::move(from);
  out.source = source;
  out.destination = destination;
  out.protocol = protocol;
  out.source_port = ++source_port;
  out.destination_port = port;
  return out;
}

std::string PolicyPackets::interface_of(const IpAddr& address) {
  const std::string text = address.to_string();
  for (const char* n : {"1", "2", "3"})
    if (text == std::string("10.0.0.") + n || text == std::string("fd00::") + n)
      return std::string("cali") + n;
  return "outside";
}

bool PolicyPackets::passes(const Packet& p) {
  auto seen = lab_->send({&p, 1});
  EXPECT_TRUE(seen) << seen.error().message;
  if (!seen) return false;
  EXPECT_EQ(seen->refusals, 0u) << p.to_string();
  return seen->arrived[0];
}

bool PolicyPackets::passes(const char* source, const char* destination, net::Protocol protocol,
                           uint16_t port) {
  return passes(packet(interface_of(ip(source)), ip(source), ip(destination), protocol, port));
}

bool PolicyPackets::reaches_node(const Packet& p) {
  auto seen = lab_->send({&p, 1});
  EXPECT_TRUE(seen) << seen.error().message;
  return seen && seen->refusals != 0;
}

}  // namespace caracal::dataplane::nft
