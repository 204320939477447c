// Changes under traffic: packets of many connections, old and new, go through two pods while the
// tables are changed again and again beside them, and made anew. Not one that is forbidden may
// pass, and not one may be lost; except when all its own numbers change in one transaction: then
// the next try arrives (docs/design/nftables.md, "Changes under traffic").
#include <sched.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {
namespace {

void run_on_every_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (size_t i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &set);
  (void)::sched_setaffinity(0, sizeof set, &set);
}

class HammerRootTest : public PolicyPackets {
 protected:
  static constexpr int kTries = 5;

  struct Counts {
    size_t sent = 0;
    size_t late = 0;  // did not arrive at first, but when sent again, as senders do
    size_t lost = 0;  // did not arrive in kTries
    size_t leaked = 0, rounds = 0;
    std::string first;
  };

  // cali2 (identity 5) and 203.0.113.0/24 may TCP 80 and UDP 53 into cali1, which may do the same
  // towards cali2; cali3 may not.
  static PolicyTables tables() {
    PolicyTables t = isolated();
    t.addresses = {{ip("10.0.0.1"), 4}, {ip("fd00::1"), 4},  {ip("10.0.0.2"), 5},
                   {ip("fd00::2"), 5},  {ip("10.0.0.3"), 6}, {ip("fd00::3"), 6}};
    t.ranges[ip("203.0.113.0")] = 2;
    t.ranges[ip("203.0.114.0")] = 1;
    t.ports[{PortSpace::kTcp, 80}] = 2;
    t.ports[{PortSpace::kTcp, 81}] = 1;
    t.ports[{PortSpace::kUdp, 53}] = 2;
    t.ports[{PortSpace::kUdp, 54}] = 1;
    t.peers = {{{1, 5}, 1}, {{1, 2}, 1}, {{2, 5}, 1}};
    t.rows = {{1, 2}};
    return t;
  }

  bool arrives_again(const Packet& packet) {
    for (int i = 1; i < kTries; ++i)
      if (auto seen = lab_->send_more({&packet, 1}); seen && seen->arrived[0]) return true;
    return false;
  }

  // Sends until told to stop. Of each round, the first half begins connections and the second
  // half belongs to them.
  void traffic(std::atomic<bool>& stop, Counts& out) {
    uint16_t port = 1024;
    while (!stop) {
      std::vector<Packet> good, bad;
      for (int i = 0; i < 60; ++i) {
        if (++port < 1024) port = 1024;
        const char* peer = i % 2 == 0 ? "10.0.0.2" : "fd00::2";
        const char* pod = i % 2 == 0 ? "10.0.0.1" : "fd00::1";
        const char* other = i % 2 == 0 ? "10.0.0.3" : "fd00::3";
        const bool tcp = i % 3 != 0;
        const net::Protocol protocol = tcp ? net::kTcp : net::kUdp;
        const auto to = static_cast<uint16_t>(tcp ? 80 : 53);
        good.push_back({"cali2", ip(peer), ip(pod), protocol, port, to});
        good.push_back({"cali1", ip(pod), ip(peer), protocol, port, to});
        if (i % 2 == 0) good.push_back({"outside", ip("203.0.113.9"), ip(pod), protocol, port, to});
        bad.push_back({"cali3", ip(other), ip(pod), protocol, port, to});
        bad.push_back({"cali2", ip(peer), ip(pod), protocol, port, 99});
      }
      const auto count = [&](const std::vector<Packet>& packets, bool expected, auto&& seen,
                             const char* phase) {
        out.sent += packets.size();
        for (size_t i = 0; i < packets.size(); ++i) {
          if (seen->arrived[i] == expected) continue;
          if (!expected)
            ++out.leaked;
          else
            ++(arrives_again(packets[i]) ? out.late : out.lost);
          if (out.late + out.lost + out.leaked <= 20) out.first += packets[i].to_string() + phase;
        }
      };
      for (const bool fresh : {true, false}) {
        auto seen = fresh ? lab_->send(good) : lab_->send_more(good);
        if (!seen) return;
        count(good, true, seen, fresh ? ", first\n" : ", known\n");
      }
      auto seen = lab_->send_more(bad);
      if (!seen) return;
      count(bad, false, seen, "\n");
      ++out.rounds;
    }
  }

  // tables() with every number the traffic's verdict depends on shifted by `n`.
  static PolicyTables renumbered(uint32_t n) {
    PolicyTables t = tables();
    t.interfaces[{Direction::kIngress, "cali1"}].group = n;
    t.interfaces[{Direction::kEgress, "cali1"}].group = n + 1;
    for (const char* a : {"10.0.0.2", "fd00::2"}) t.addresses[ip(a)] = n + 2;
    t.ranges[ip("203.0.113.0")] = n + 3;
    t.ports[{PortSpace::kTcp, 80}] = n + 4;
    t.ports[{PortSpace::kUdp, 53}] = n + 5;
    t.peers = {{{n, n + 2}, n + 6}, {{n, n + 3}, n + 6}, {{n + 1, n + 2}, n + 7}};
    t.rows = {{n + 6, n + 4}, {n + 6, n + 5}, {n + 7, n + 4}, {n + 7, n + 5}};
    return t;
  }
  // What a packet needs to pass that takes each of its numbers from `a` or from `b`.
  static void add_mixtures(PolicyTables& t, uint32_t a, uint32_t b) {
    for (const uint32_t group : {a, b})
      for (const uint32_t other : {a, b}) {
        t.peers[{group, other + 2}] = b + 6;
        t.peers[{group, other + 3}] = b + 6;
        t.peers[{group + 1, other + 2}] = b + 7;
        for (const uint32_t row : {group + 6, group + 7})
          t.rows.insert({{row, other + 4}, {row, other + 5}});
      }
  }

  template <typename Change>
  Counts hammer(size_t changes, Change&& change) {
    Counts out;
    std::atomic<bool> stop = false;
    // The lab's thread stays on its CPU; this one may have the other.
    std::thread sender([&] { traffic(stop, out); });
    run_on_every_cpu();
    const auto begun = std::chrono::steady_clock::now();
    for (size_t i = 0; i < changes && !HasFailure(); ++i) change(i);
    const auto took = std::chrono::steady_clock::now() - begun;
    stop = true;
    sender.join();
    std::cout << changes << " changes in "
              << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms, "
              << out.sent << " packets: " << out.late << " late, " << out.lost << " lost, "
              << out.leaked << " leaked\n";
    EXPECT_GT(out.rounds, 0u);
    return out;
  }

  void apply(const PolicyTables& to) {
    auto done = driver_->apply(desired::difference(driver_->tables(), to));
    ASSERT_TRUE(done) << done.error().message;
  }
};

TEST_F(HammerRootTest, ChangesBesideTheTrafficLoseNothing) {
  PolicyTables t = tables();
  sync(t);
  const Counts counts = hammer(3000, [&](size_t i) {
    const auto n = static_cast<uint32_t>(i);
    // Other pods, peers, rows, ports and nets come and go, around those the traffic uses.
    PolicyTables next = t;
    for (uint32_t k = 0; k < 20; ++k) {
      next.addresses[IpAddr::v4(0x0b000000 + (n * 7 + k) % 500)] = 10 + (n + k) % 50;
      next.peers[{1, 10 + (n + k) % 50}] = 2 + n % 7;
      next.rows.insert({2 + n % 7, 1 + k % 5});
    }
    next.ports[{PortSpace::kTcp, static_cast<uint16_t>(100 + n % 1000)}] = 3;
    next.ports[{PortSpace::kUdp, static_cast<uint16_t>(100 + n % 100)}] = 4;
    next.ranges[IpAddr::v4(0xcb007000 + (n % 2 == 0 ? 0x1000 : 0x2000))] = 3;
    next.interfaces[{Direction::kIngress, "cali" + std::to_string(100 + n % 50)}] = {
        Disposition::kPoliced, 1 + n % 2};
    if (n % 300 < 150) next.otherwise[9] = 3;  // other rules come and go with it
    if (n % 300 < 100) next.own_splits[{8, 77}] = 9;
    if (n % 300 == 50) next.hosts[{desired::HostHook::kIngress, "eth9"}] = {Disposition::kOpen, 0};
    if (n % 300 < 120) next.wide_rows.insert({5, PortSpace::kTcp, 1, 100});
    apply(next);
  });
  EXPECT_EQ(counts.late + counts.lost, 0u) << counts.first;
  EXPECT_EQ(counts.leaked, 0u) << counts.first;
}

TEST_F(HammerRootTest, ResynchronisingAndRebuildingLosesNothing) {
  const PolicyTables t = tables();
  sync(t);
  const Counts counts = hammer(150, [&](size_t i) {
    if (i % 2 == 0) nft("add chain inet caracal extra");  // damage: the table is made anew
    if (i % 2 == 1) nft("add element inet caracal allowed { 0x7 . 0x7 }");
    auto report = driver_->sync(t);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->rebuilt, i % 2 == 0);
    EXPECT_GT(report->messages, 0u);
  });
  EXPECT_EQ(counts.late + counts.lost, 0u) << counts.first;
  EXPECT_EQ(counts.leaked, 0u) << counts.first;
}

// Every number the traffic's verdict depends on becomes another one in one transaction. A packet
// between two look-ups at that instant takes some numbers from before and some from after, which
// together mean nothing: it is dropped, never let through, and the next one finds its way.
TEST_F(HammerRootTest, RenumberedAtOnceNothingLeaksAndEveryoneGetsThrough) {
  sync(tables());
  const Counts counts = hammer(
      3000, [&](size_t i) { apply(renumbered(static_cast<uint32_t>(100 + 10 * (i % 1000)))); });
  EXPECT_EQ(counts.lost, 0u) << counts.first;
  EXPECT_EQ(counts.leaked, 0u) << counts.first;
}

// The same, first adding what the new numbers mean, then handing them out, then taking the old
// away: whatever a packet mixes of the two, it means the same. So the mixture above is all there
// is.
TEST_F(HammerRootTest, RenumberedInStepsLosesNothing) {
  uint32_t old = 100;
  sync(renumbered(old));
  const Counts counts = hammer(1500, [&](size_t i) {
    const auto fresh = static_cast<uint32_t>(110 + 10 * (i % 1000));
    PolicyTables both = renumbered(old);
    add_mixtures(both, old, fresh);
    apply(both);
    PolicyTables switched = renumbered(fresh);
    add_mixtures(switched, old, fresh);
    apply(switched);
    apply(renumbered(fresh));
    old = fresh;
  });
  EXPECT_EQ(counts.late + counts.lost, 0u) << counts.first;
  EXPECT_EQ(counts.leaked, 0u) << counts.first;
}

}  // namespace
}  // namespace caracal::dataplane::nft
