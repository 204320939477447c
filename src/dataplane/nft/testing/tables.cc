#include "dataplane/nft/testing/tables.h"

#include <algorithm>

namespace caracal::dataplane::nft_testing {

using desired::Direction;
using desired::Disposition;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;

IpAddr ip(std::string_view text) { return *IpAddr::parse(text); }

PolicyTables empty_tables() {
  PolicyTables t;
  for (const net::Family family : net::kFamilies) t.ranges[IpAddr::first(family)] = 1;
  for (const PortSpace space : desired::kPortSpaces) t.ports[{space, 0}] = 1;
  return t;
}

PolicyTables big_tables(uint32_t policies, uint32_t addresses) {
  PolicyTables t = empty_tables();
  t.ports[{PortSpace::kUdp, 53}] = 2;
  t.ports[{PortSpace::kUdp, 54}] = 1;
  t.ranges[ip("172.16.0.0")] = 2;
  t.ranges[ip("172.17.0.0")] = 1;
  for (uint32_t i = 0; i < addresses; ++i)
    t.addresses[IpAddr::v4(0x0b000000 + i)] = 3 + i % std::max(policies, 1U);
  for (uint32_t g = 1; g <= policies; ++g) {
    t.peers[{g, 2 + g}] = 2 * g;
    t.peers[{g, 2}] = 2 * g + 1;
    t.rows.insert({2 * g, 1});
    t.rows.insert({2 * g + 1, 2});
  }
  t.interfaces[{Direction::kIngress, "cali1"}] = {Disposition::kPoliced, policies};
  t.interfaces[{Direction::kEgress, "cali1"}] = {Disposition::kOpen, 0};
  t.sources = {{"cali1", ip("10.0.0.1")}};
  return t;
}

}  // namespace caracal::dataplane::nft_testing
