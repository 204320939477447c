// PolicyPackets: three pods and a driver, to ask which packets pass; for the tests of this folder
// that send packets. cali1-3 have 10.0.0.1-3 and fd00::1-3.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/testing/packet_lab.h"
#include "dataplane/nft/testing/tables.h"

namespace caracal::dataplane::nft {

using desired::Direction;
using desired::Disposition;
using desired::PolicyDelta;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;
using nft_testing::ip;
using nft_testing::Packet;
using nft_testing::PacketLab;

inline constexpr net::Protocol kOspf{89};

class PolicyPackets : public testing::Test {
 protected:
  void SetUp() override;

  // cali1 is policed in both directions by groups 1 and 2, the others are open; nothing is allowed
  // yet.
  static PolicyTables isolated();
  void sync(const PolicyTables& tables);
  // Applies the difference to what the driver holds.
  void change_to(const PolicyTables& tables);
  void nft(const std::string& text);

  // A packet with a source port of its own.
  static Packet packet(std::string from, IpAddr source, IpAddr destination, net::Protocol protocol,
                       uint16_t port = 80);
  // The pod's that has the address, or "outside".
  static std::string interface_of(const IpAddr& address);
  // Sends one packet of a new connection; nobody may get a refusal.
  bool passes(const Packet& p);
  bool passes(const char* source, const char* destination, net::Protocol protocol,
              uint16_t port = 80);
  // Of a TCP packet to the node: did its stack see and refuse it?
  bool reaches_node(const Packet& p);

  std::unique_ptr<PacketLab> lab_;
  std::unique_ptr<NftDriver> driver_;
};

}  // namespace caracal::dataplane::nft
