// Real connections between pods with real links, and the kernel's entries for them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>

#include "base/fd.h"
#include "base/subprocess.h"
#include "dataplane/conntrack/conntrack_driver.h"
#include "dataplane/conntrack/judge.h"
#include "dataplane/link/pod_link.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::conntrack {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PortSpace;
using net::IpAddr;
using netlink::NetworkNamespace;

constexpr int kLong = 60'000;
constexpr int kPatience = 300;

bool readable(int fd, int timeout) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, timeout) == 1;
}

struct Pod {
  std::unique_ptr<NetworkNamespace> ns;
  std::string interface;
  std::vector<IpAddr> addresses;
  UniqueFd open(int family, int type) const {
    UniqueFd fd;
    (void)ns->run([&]() -> Status {
      fd.reset(::socket(family, type | SOCK_CLOEXEC, 0));
      return {};
    });
    return fd;
  }
};

// Both ends of a connection, opened from pod 1 to a port of pod 2.
struct Pair {
  UniqueFd client;
  UniqueFd server;
  uint16_t port = 0;
  bool passes(int patience) const {
    char byte = 'x';
    if (::send(client.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) return false;
    return readable(server.get(), patience) && ::recv(server.get(), &byte, 1, MSG_DONTWAIT) == 1;
  }
};

class ConntrackRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host_ = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
    entered_ = std::make_unique<netlink::ScopedEnter>(*host_->enter());
    ASSERT_TRUE(link::enable_forwarding());
    for (int i = 1; i <= 2; ++i) {
      Pod pod;
      pod.ns = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
      pod.interface = "cali" + std::to_string(i);
      pod.addresses = {*IpAddr::parse("10.1.0." + std::to_string(i)),
                       *IpAddr::parse("fd01::" + std::to_string(i))};
      const auto made = link::create_pod_link({.host_interface = pod.interface,
                                               .netns_path = pod.ns->fd_path(),
                                               .addresses = pod.addresses});
      ASSERT_TRUE(made) << made.error().message;
      pods_.push_back(std::move(pod));
    }
    auto driver = ConntrackDriver::open();
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<ConntrackDriver>(std::move(*driver));
  }
  void TearDown() override {
    pairs_.clear();
    entered_.reset();
  }

  // Follows connections; only a connection's first packet makes an entry.
  void track(const std::string& more = {}) {
    Command nft;
    nft.argv = {"nft", "-f", "-"};
    nft.input = more + R"(
      table inet t { chain forward { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        meta l4proto tcp tcp flags & (syn|ack) != syn drop
        accept
      }
      })";
    const auto done = run_checked(nft);
    ASSERT_TRUE(done) << done.error().message;
  }

  void connect(int family, int type, uint16_t port, int count) {
    const IpAddr& to = pods_[1].addresses[family == AF_INET ? 0 : 1];
    UniqueFd listener = pods_[1].open(family, type);
    const int one = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const net::SocketAddress at(to, port);
    ASSERT_EQ(::bind(listener.get(), at.get(), at.size()), 0) << std::strerror(errno);
    if (type == SOCK_STREAM) {
      ASSERT_EQ(::listen(listener.get(), count), 0);
    }
    for (int i = 0; i < count; ++i) {
      Pair pair;
      pair.port = port;
      pair.client = pods_[0].open(family, type);
      ASSERT_EQ(::connect(pair.client.get(), at.get(), at.size()), 0) << std::strerror(errno);
      if (type == SOCK_STREAM) {
        pair.server.reset(::accept(listener.get(), nullptr, nullptr));
      } else {
        pair.server.reset(::dup(listener.get()));
      }
      ASSERT_TRUE(pair.passes(kLong));
      pairs_.push_back(std::move(pair));
    }
  }

  // Ingress of pod 2 is policed: TCP and UDP to 8080 from pod 1 is allowed, and to 9090 as asked.
  desired::PolicyTables policy(bool also_9090) const {
    desired::PolicyTables t;
    for (const net::Family family : net::kFamilies) t.ranges[IpAddr::first(family)] = 1;
    for (const PortSpace space : desired::kPortSpaces) t.ports[{space, 0}] = 1;
    for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp}) {
      t.ports[{space, 8080}] = 2;
      t.ports[{space, 8081}] = 1;
      t.ports[{space, 9090}] = 3;
      t.ports[{space, 9091}] = 1;
    }
    for (const Pod& pod : pods_) {
      for (const auto direction : {Direction::kIngress, Direction::kEgress})
        t.interfaces[{direction, pod.interface}] = {Disposition::kOpen, 0};
      for (const IpAddr& a : pod.addresses) t.sources.insert({pod.interface, a});
    }
    t.interfaces[{Direction::kIngress, pods_[1].interface}] = {Disposition::kPoliced, 1};
    for (const IpAddr& a : pods_[0].addresses) t.addresses[a] = 5;
    t.peers[{1, 5}] = 1;
    t.rows.insert({1, 2});
    if (also_9090) t.rows.insert({1, 3});
    return t;
  }

  std::map<Tuple, Connection> listing() {
    std::map<Tuple, Connection> out;
    const Status dumped =
        driver_->dump([&](const Connection& one) { out.insert_or_assign(one.original, one); });
    EXPECT_TRUE(dumped) << dumped.error().message;
    return out;
  }

  // What the agent does after a change: look at every connection, end what is not allowed.
  std::vector<Connection> end_forbidden(const desired::PolicyTables& tables) {
    std::vector<Connection> forbidden;
    const Ends ends = ends_of(tables);
    EXPECT_TRUE(driver_->dump([&](const Connection& one) {
      if (judge(tables, ends, one) != Judgement::kStays) forbidden.push_back(one);
    }));
    const auto removed = driver_->remove(forbidden);
    EXPECT_TRUE(removed) << removed.error().message;
    EXPECT_EQ(removed->ended, forbidden.size());
    return forbidden;
  }

  std::unique_ptr<NetworkNamespace> host_;
  std::unique_ptr<netlink::ScopedEnter> entered_;
  std::unique_ptr<ConntrackDriver> driver_;
  std::vector<Pod> pods_;
  std::vector<Pair> pairs_;
};

TEST_F(ConntrackRootTest, AChangeEndsExactlyWhatItNoLongerAllows) {
  track();
  for (const int family : {AF_INET, AF_INET6}) {
    connect(family, SOCK_STREAM, 8080, 100);
    connect(family, SOCK_STREAM, 9090, 100);
    connect(family, SOCK_DGRAM, 8080, 50);
    connect(family, SOCK_DGRAM, 9090, 50);
  }
  const auto before = listing();
  ASSERT_EQ(before.size(), 600u);
  EXPECT_TRUE(end_forbidden(policy(true)).empty());
  EXPECT_EQ(listing(), before) << "nothing was to end, nothing was touched";

  ASSERT_TRUE(takes_away(policy(true), desired::difference(policy(true), policy(false))));
  const auto begin = std::chrono::steady_clock::now();
  const auto ended = end_forbidden(policy(false));
  const auto took = std::chrono::steady_clock::now() - begin;
  RecordProperty(
      "microseconds",
      static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  EXPECT_EQ(ended.size(), 300u);
  auto expected = before;
  for (const Connection& one : ended) {
    EXPECT_EQ(one.reply.source_port, 9090);
    expected.erase(one.original);
  }
  const auto after = listing();
  ASSERT_EQ(after.size(), expected.size());
  for (const auto& [tuple, connection] : expected) {
    const auto found = after.find(tuple);
    ASSERT_NE(found, after.end()) << to_string(connection);
    EXPECT_EQ(found->second.id, connection.id) << "not the same entry";
  }
  int cut = 0;
  for (const Pair& pair : pairs_) {
    int type = 0;
    socklen_t size = sizeof type;
    ::getsockopt(pair.client.get(), SOL_SOCKET, SO_TYPE, &type, &size);
    if (pair.port == 8080) {
      EXPECT_TRUE(pair.passes(kLong));
    } else if (type == SOCK_STREAM && cut < 4) {
      ++cut;  // each costs its patience
      EXPECT_FALSE(pair.passes(kPatience)) << "an ended connection still carries data";
    }
  }
  EXPECT_EQ(cut, 4);
}

TEST_F(ConntrackRootTest, AnEntryIsKnownByItsIdToo) {
  track();
  connect(AF_INET, SOCK_DGRAM, 8080, 1);
  const Connection held = listing().begin()->second;
  Connection other = held;
  other.id ^= 1;
  const auto missed = driver_->remove(std::vector{other, other});
  ASSERT_TRUE(missed) << missed.error().message;
  EXPECT_EQ(missed->ended, 0u);
  EXPECT_EQ(missed->gone, 2u) << "another connection with the same tuple was taken for it";
  EXPECT_EQ(listing().size(), 1u);
  const auto hit = driver_->remove(std::vector{held});
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->ended, 1u);
  EXPECT_TRUE(listing().empty());
  EXPECT_TRUE(pairs_[0].passes(kLong)) << "the next packet makes a new entry";
}

TEST_F(ConntrackRootTest, Zones) {
  for (const char* zone : {"ct zone set 7", "ct original zone set 7"}) {
    track(std::string(R"(table inet z { chain pre { type filter hook prerouting priority -300;
      meta iifname cali1 )") +
          zone + R"(
      meta iifname cali2 )" +
          (std::strncmp(zone, "ct zone", 7) == 0 ? zone : "accept") + R"(
      }
      }
      )");
    connect(AF_INET, SOCK_DGRAM, 8080, 2);
    auto held = listing();
    ASSERT_EQ(held.size(), 2u) << zone;
    EXPECT_EQ(held.begin()->second.zone, 7) << zone;
    const auto removed = driver_->remove(std::vector{held.begin()->second});
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_EQ(removed->ended, 1u) << zone;
    held.erase(held.begin());
    EXPECT_EQ(listing(), held) << zone;
    ASSERT_TRUE(driver_->remove(std::vector{held.begin()->second}));
    pairs_.clear();
    ASSERT_TRUE(run_checked({.argv = {"nft", "flush", "ruleset"}}));
  }
}

}  // namespace
}  // namespace caracal::dataplane::conntrack
