// Tables against kernel: random tables with everything in them go into nftables by deltas, and
// packets show whether the rules say what desired::decide() says.
#include <iostream>
#include <random>

#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {
namespace {

using desired::HostHook;

class RandomTables {
 public:
  explicit RandomTables(uint32_t seed) : random_(seed) {}

  // Keeps the invariants of policy_tables.h: splits end, a group with an otherwise has no row for
  // anyone, total maps are total, wide intervals do not touch.
  PolicyTables make(PolicyTables t) {
    for (const char* pod : {"cali1", "cali2", "cali3"})
      for (const Direction d : {Direction::kIngress, Direction::kEgress})
        t.interfaces[{d, pod}] =
            chance(8)   ? desired::InterfacePolicy{Disposition::kClosed, 0}
            : chance(4) ? desired::InterfacePolicy{Disposition::kOpen, 0}
                        : desired::InterfacePolicy{Disposition::kPoliced, number(kGroups)};
    for (const char* address : {"10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2", "10.0.0.3"})
      if (chance(2)) t.addresses[ip(address)] = number(kIdentities);
    for (const char* start : {"172.16.0.0", "172.17.0.0", "2001:db8::", "2001:db9::"})
      if (chance(2)) t.ranges[ip(start)] = number(kIdentities);
    for (const PortSpace space : desired::kPortSpaces)
      for (const uint16_t first :
           std::array<uint16_t, 9>{1, 80, 81, 89, 90, 200, 1000, 2048, 0x8000})
        if (chance(2) && (space != PortSpace::kOther || first < 256))
          t.ports[{space, first}] = number(kClasses);
    // 1-6: of interfaces; 7-9: what own addresses split to; 10-12: what source ports split to.
    for (uint32_t group = 1; group <= kLastGroup; ++group) {
      for (uint32_t identity = 1; identity <= kIdentities; ++identity)
        if (chance(3)) t.peers[{group, identity}] = chance(5) ? 0 : number(kRows);
      if (chance(2))
        t.otherwise[group] = number(kRows);
      else if (chance(3))
        t.peers[{group, desired::kAnyone}] = number(kRows);
      if (group <= kGroups && chance(3))
        for (uint32_t own = 1; own <= kIdentities; ++own)
          if (chance(2)) t.own_splits[{group, own}] = kGroups + number(3);
      if (group <= kGroups + 3 && chance(3)) {
        for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
          t.port_splits[{group, space, 0}] = kGroups + 3 + number(3);
          if (chance(2)) t.port_splits[{group, space, 20'000}] = kGroups + 3 + number(3);
        }
      }
    }
    for (uint32_t row = 1; row <= kRows; ++row) {
      for (uint32_t port_class = 1; port_class <= kClasses; ++port_class) {
        if (chance(3)) t.rows.insert({row, port_class});
        if (chance(8)) t.logged.insert({row, port_class});
      }
      for (const PortSpace space : desired::kPortSpaces) {
        const bool other = space == PortSpace::kOther;
        if (chance(3)) t.wide_rows.insert({row, space, 0, static_cast<uint16_t>(other ? 79 : 80)});
        if (chance(3)) t.wide_rows.insert({row, space, 90, 100});
        if (chance(3))
          t.wide_rows.insert({row, space, 150, static_cast<uint16_t>(other ? 255 : 65535)});
      }
    }
    if (chance(2)) t.settings[desired::Setting::kToHost] = static_cast<uint32_t>(random_() % 3);
    if (chance(2))
      t.failsafes = {{Direction::kIngress, PortSpace::kTcp, 22, *net::Cidr::parse("0.0.0.0/0")},
                     {Direction::kIngress, PortSpace::kUdp, 68, *net::Cidr::parse("10.0.0.0/8")},
                     {Direction::kEgress, PortSpace::kUdp, 53, *net::Cidr::parse("fd00::/8")}};
    if (chance(2)) {
      for (const HostHook hook : {HostHook::kIngress, HostHook::kForwardIngress,
                                  HostHook::kForwardEgress, HostHook::kEgress})
        for (const char* interface : {"*", "eth0", "up0", "zeta15characters"})
          if (chance(3))
            t.hosts[{hook, std::string(interface).substr(0, 15)}] =
                chance(4) ? desired::InterfacePolicy{Disposition::kOpen, 0}
                          : desired::InterfacePolicy{Disposition::kPoliced, number(kGroups)};
    }
    return t;
  }

  Packet packet() {
    static const std::vector<const char*> v4 = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "172.16.3.4",
                                                "203.0.113.7"};
    static const std::vector<const char*> v6 = {"fd00::1", "fd00::2", "fd00::3", "2001:db8::7",
                                                "2001:db7::1"};
    const auto& addresses = chance(2) ? v4 : v6;
    Packet p;
    const size_t from = random_() % addresses.size();
    size_t to = random_() % 3;
    if (to == from) to = (to + 1) % 3;
    p.source = ip(addresses[from]);
    p.destination = ip(addresses[to]);
    p.from = from < 3 ? "cali" + std::to_string(from + 1) : "outside";
    if (from < 3 && chance(3)) p.destination = ip(addresses[3 + random_() % 2]);
    const bool four = p.source.is_v4();
    p.protocol = std::array{net::kTcp, net::kUdp, net::kSctp, four ? net::kIcmp : net::kIcmpV6,
                            kOspf}[random_() % 5];
    p.source_port = std::array<uint16_t, 4>{1024, 19'999, 20'000, 60'000}[random_() % 4];
    p.destination_port =
        std::array<uint16_t, 10>{0, 1, 79, 80, 81, 100, 101, 150, 2048, 65535}[random_() % 10];
    if (p.protocol == net::kIcmp || p.protocol == net::kIcmpV6) {
      // Echo, timestamp; anything that is no error and no neighbour discovery.
      p.icmp_type = four ? std::array<uint8_t, 2>{8, 13}[random_() % 2]
                         : std::array<uint8_t, 2>{128, 139}[random_() % 2];
      p.icmp_code = chance(2) ? 0 : 7;
    }
    return p;
  }

 private:
  static constexpr uint32_t kGroups = 6, kLastGroup = 12, kIdentities = 4, kClasses = 5, kRows = 6;
  bool chance(uint32_t of) { return random_() % of == 0; }
  uint32_t number(uint32_t last) { return static_cast<uint32_t>(1 + random_() % last); }
  std::mt19937 random_;
};

desired::PacketKey key_of(const Packet& p, bool ingress) {
  desired::PacketKey key;
  key.peer = ingress ? p.source : p.destination;
  key.own = ingress ? p.destination : p.source;
  key.port = p.destination_port;
  if (p.protocol == net::kTcp) {
    key.space = PortSpace::kTcp;
  } else if (p.protocol == net::kUdp) {
    key.space = PortSpace::kUdp;
  } else if (p.protocol == net::kSctp) {
    key.space = PortSpace::kSctp;
  } else if (p.icmp_type) {
    key.space = p.protocol == net::kIcmp ? PortSpace::kIcmp : PortSpace::kIcmpV6;
    key.port = static_cast<uint16_t>(*p.icmp_type * 256 + p.icmp_code);
  } else {
    key.space = PortSpace::kOther;
    key.port = p.protocol.number;
  }
  if (p.protocol.has_ports()) key.source_port = p.source_port;
  return key;
}

using RandomTablesRootTest = PolicyPackets;

TEST_F(RandomTablesRootTest, KernelSaysWhatDecideSays) {
  constexpr size_t kPackets = 300;
  size_t allowed = 0, denied = 0;
  PolicyTables base = isolated();
  base.interfaces.clear();
  sync(base);
  const char* more = std::getenv("CARACAL_RANDOM_TABLES");
  const uint32_t rounds = more != nullptr ? static_cast<uint32_t>(std::atoi(more)) : 12;
  for (uint32_t seed = 1; seed <= rounds; ++seed) {
    SCOPED_TRACE(seed);
    RandomTables random(seed);
    const PolicyTables tables = random.make(base);
    const auto passes_pod = [&](Direction direction, const IpAddr& self, const Packet& p) {
      const std::string interface = interface_of(self);
      const bool ingress = direction == Direction::kIngress;
      if (interface == "outside")  // the host's interface, seen from the host
        return desired::decide(tables,
                               ingress ? HostHook::kForwardEgress : HostHook::kForwardIngress,
                               "up0", key_of(p, !ingress))
                   .verdict != desired::TableVerdict::kDenied;
      return desired::decide(tables, direction, interface, key_of(p, ingress)).verdict ==
             desired::TableVerdict::kAllowed;
    };
    change_to(tables);
    if (HasFatalFailure()) return;
    // Flows must differ, or the second would belong to the first one's connection.
    std::vector<Packet> packets;
    std::set<std::string> flows;
    while (packets.size() < kPackets) {
      Packet p = random.packet();
      if (!flows.insert(p.to_string()).second) {
        if (!p.protocol.has_ports()) continue;
        p.source_port = static_cast<uint16_t>(30'000 + packets.size());
        flows.insert(p.to_string());
      }
      packets.push_back(std::move(p));
    }
    // Connections without ports are known by their addresses; one packet each.
    std::vector<bool> arrived;
    for (const Packet& p : packets) {
      if (p.protocol.has_ports()) continue;
      auto seen = lab_->send({&p, 1});
      ASSERT_TRUE(seen) << seen.error().message;
      arrived.push_back(seen->arrived[0]);
    }
    std::vector<Packet> with_ports;
    for (const Packet& p : packets)
      if (p.protocol.has_ports()) with_ports.push_back(p);
    auto seen = lab_->send(with_ports);
    ASSERT_TRUE(seen) << seen.error().message;
    size_t next_bare = 0, next_port = 0;
    for (const Packet& p : packets) {
      const bool got = p.protocol.has_ports() ? seen->arrived[next_port++] : arrived[next_bare++];
      const bool expected = passes_pod(Direction::kEgress, p.source, p) &&
                            passes_pod(Direction::kIngress, p.destination, p);
      ++(expected ? allowed : denied);
      EXPECT_EQ(got, expected) << p.to_string();
    }
    if (HasFailure()) return;
  }
  std::cout << allowed << " allowed, " << denied << " denied\n";
  EXPECT_GT(allowed, kPackets / 2);
  EXPECT_GT(denied, kPackets / 2);
}

}  // namespace
}  // namespace caracal::dataplane::nft
