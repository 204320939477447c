// The route driver against the real kernel, each case in a network namespace of its own.
#include "dataplane/fib/route_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "base/fd.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::fib {
namespace {

using netlink::NetworkNamespace;
using testing::HasSubstr;

RouteKey key(std::string_view cidr) { return {.destination = *net::Cidr::parse(cidr)}; }
net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }

class RouteDriverRootTest : public testing::Test {
 protected:
  void SetUp() override {
    auto ns = NetworkNamespace::create_anonymous();
    ASSERT_TRUE(ns) << ns.error().message;
    ns_ = std::make_unique<NetworkNamespace>(std::move(*ns));
    run("ip link add d0 type veth peer name d1");
    run("ip addr add 10.9.0.1/24 dev d0");
    run("ip -6 addr add fd09::1/64 dev d0 nodad");
    run("ip link set d0 up");
    run("ip link set d1 up");
    auto driver = RouteDriver::open_in(*ns_);
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<RouteDriver>(std::move(*driver));
  }

  std::string run(const std::string& command) {
    Command c{.argv = {}, .netns = ns_->fd_path()};
    for (const auto word : split(command, ' ')) c.argv.emplace_back(word);
    auto out = run_checked(c);
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or("");
  }

  RouteReport sync(const RouteTable& wanted) {
    auto report = driver_->sync(wanted);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(RouteReport{});
  }

  static RouteTable sample() {
    RouteTable t;
    t[key("10.1.0.2/32")] = {.scope = RouteScope::kLink, .device = "d0"};
    t[key("fd01::2/128")] = {.scope = RouteScope::kLink, .device = "d0"};
    t[key("10.2.0.0/24")] = {.via = ip("10.9.0.7"), .device = "d0"};
    t[key("fd02::/64")] = {.via = ip("fd09::7"), .device = "d0"};
    t[key("10.3.0.0/26")] = {.type = RouteType::kBlackhole};
    t[key("fd03::/122")] = {.type = RouteType::kBlackhole};
    t[key("10.4.0.0/24")] = {.via = ip("172.30.0.1"), .device = "d0", .onlink = true, .mtu = 1400};
    t[{.destination = *net::Cidr::parse("10.5.0.0/24"), .metric = 77}] = {.via = ip("10.9.0.7"),
                                                                          .source = ip("10.9.0.1")};
    return t;
  }

  std::unique_ptr<NetworkNamespace> ns_;
  std::unique_ptr<RouteDriver> driver_;
};

TEST_F(RouteDriverRootTest, SyncPutsRoutesInAndASecondOneTouchesNothing) {
  const RouteTable wanted = sample();
  RouteReport report = sync(wanted);
  for (const RouteProblem& p : report.problems) ADD_FAILURE() << p.error.message;
  EXPECT_EQ(report.added, wanted.size());
  EXPECT_THAT(run("ip route show proto 202"), HasSubstr("10.1.0.2 dev d0 scope link"));
  EXPECT_THAT(run("ip route show proto 202"),
              HasSubstr("10.4.0.0/24 via 172.30.0.1 dev d0 onlink mtu 1400"));
  EXPECT_THAT(run("ip -6 route show proto 202"), HasSubstr("blackhole fd03::/122"));

  report = sync(wanted);
  EXPECT_EQ(report.right, wanted.size());
  EXPECT_EQ(report.added + report.changed + report.removed + report.problems.size(), 0u);

  auto restarted = RouteDriver::open_in(*ns_);
  auto again = restarted->sync(wanted);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->right, wanted.size());
}

TEST_F(RouteDriverRootTest, WrongIsReplacedAndOrphansGo) {
  sync(sample());
  RouteTable next = sample();
  next[key("10.2.0.0/24")].via = ip("10.9.0.8");
  next.erase(key("fd02::/64"));
  next[key("10.6.0.0/24")] = {.type = RouteType::kUnreachable};
  const RouteReport report = sync(next);
  EXPECT_EQ(report.changed, 1u);
  EXPECT_EQ(report.removed, 1u);
  EXPECT_EQ(report.added, 1u);
  EXPECT_TRUE(report.problems.empty());
  auto there = driver_->read_back();
  ASSERT_TRUE(there);
  EXPECT_EQ(there->size(), next.size());
  EXPECT_EQ(there->at(key("10.2.0.0/24")).via, ip("10.9.0.8"));
}

TEST_F(RouteDriverRootTest, ForeignRoutesStayAndAreReported) {
  run("ip route add 10.2.0.0/24 via 10.9.0.99");
  run("ip route add 10.8.0.0/24 via 10.9.0.99");
  run("ip -6 route add fd02::/64 via fd09::99");
  const std::string before = run("ip route show proto boot");
  const RouteTable wanted = sample();
  RouteReport report = sync(wanted);
  EXPECT_EQ(report.added, wanted.size() - 2);
  ASSERT_EQ(report.problems.size(), 2u);
  for (const RouteProblem& problem : report.problems)
    EXPECT_EQ(problem.error.code, Errc::kConflict);
  EXPECT_EQ(run("ip route show proto boot"), before);

  // When the foreign one goes, watching tells, and the next sync puts ours in.
  ASSERT_TRUE(driver_->changed());
  run("ip route del 10.2.0.0/24 via 10.9.0.99");
  pollfd poll_for{driver_->watch_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll_for, 1, 60'000), 1);
  EXPECT_TRUE(*driver_->changed());
  report = sync(RouteTable(driver_->wanted()));
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(report.problems.size(), 1u);

  ASSERT_TRUE(driver_->remove());
  EXPECT_EQ(run("ip route show proto 202"), "");
  EXPECT_THAT(run("ip route"), HasSubstr("10.8.0.0/24"));
}

TEST_F(RouteDriverRootTest, DeltasWithoutADump) {
  EXPECT_EQ(driver_->apply({}).error().code, Errc::kConflict);
  sync({});
  const RouteTable first = sample();
  auto report = driver_->apply(difference({}, first));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->added, first.size());
  RouteTable second = first;
  second.erase(key("10.3.0.0/26"));
  second[key("10.2.0.0/24")].via = ip("10.9.0.8");
  report = driver_->apply(difference(first, second));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->changed, 1u);
  EXPECT_EQ(report->removed, 1u);
  EXPECT_TRUE(report->problems.empty());
  EXPECT_EQ(sync(second).right, second.size());
  EXPECT_FALSE(*driver_->changed());  // our own doing is no drift

  // A route with our mark that is there already (of a pod link) is taken for ours.
  run("ip route add 10.1.0.9/32 dev d0 scope link proto 202");
  RouteDelta adopt;
  adopt.set[key("10.1.0.9/32")] = {.scope = RouteScope::kLink, .device = "d0"};
  report = driver_->apply(adopt);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->problems.empty());
  EXPECT_EQ(driver_->read_back()->count(key("10.1.0.9/32")), 1u);
}

TEST_F(RouteDriverRootTest, OneBadRouteDoesNotStopTheOthers) {
  RouteTable wanted = sample();
  wanted[key("10.20.0.0/24")] = {.device = "nosuch"};
  wanted[key("10.21.0.0/24")] = {.via = ip("192.0.2.1"), .device = "d0"};  // not reachable
  wanted[key("10.22.0.0/24")] = {.via = ip("fd09::1"), .device = "d0"};
  wanted[key("10.23.0.0/24")] = {};
  const RouteReport report = sync(wanted);
  EXPECT_EQ(report.added, sample().size());
  std::map<RouteKey, Errc> codes;
  for (const RouteProblem& p : report.problems) codes[p.key] = p.error.code;
  EXPECT_EQ(codes.size(), 4u);
  EXPECT_EQ(codes[key("10.20.0.0/24")], Errc::kNotFound);
  EXPECT_EQ(codes[key("10.22.0.0/24")], Errc::kInvalid);
  EXPECT_EQ(codes[key("10.23.0.0/24")], Errc::kInvalid);
}

TEST_F(RouteDriverRootTest, DeletedRouteIsNoticed) {
  sync(sample());
  EXPECT_FALSE(*driver_->changed());
  run("ip route add 10.77.0.0/24 via 10.9.0.7");
  EXPECT_FALSE(*driver_->changed());  // not our business
  run("ip route del 10.2.0.0/24");
  EXPECT_TRUE(*driver_->changed());
  EXPECT_EQ(sync(RouteTable(driver_->wanted())).added, 1u);
  run("ip link del d0");
  EXPECT_TRUE(*driver_->changed());
}

// Asks for the route to an address over and over while it lives, and counts the times there was
// none.
class Lookups {
 public:
  Lookups(const NetworkNamespace& ns, const net::IpAddr& to) : to_(to, 9) {
    auto entered = ns.enter();
    fd_ = UniqueFd(::socket(to_.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    thread_ = std::thread([this] {
      while (!stop_) {
        ++done_;
        if (::connect(fd_.get(), to_.get(), to_.size()) != 0) ++missed_;
      }
    });
  }
  ~Lookups() { finish(); }
  void wait_for_some() const {
    const int64_t from = done_;
    while (done_ < from + 50) std::this_thread::yield();
  }
  int64_t missed() {
    finish();
    return missed_;
  }

 private:
  void finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  UniqueFd fd_;
  net::SocketAddress to_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> done_ = 0;
  std::atomic<int64_t> missed_ = 0;
  std::thread thread_;
};

TEST_F(RouteDriverRootTest, AReplacedRouteIsNeverMissing) {
  for (const bool v4 : {true, false}) {
    const RouteKey k = key(v4 ? "10.50.0.0/26" : "fd50::/64");
    const net::IpAddr near = ip(v4 ? "10.9.0.7" : "fd09::7");
    const net::IpAddr far = ip(v4 ? "172.30.0.1" : "fd77::1");
    // As a pool changes its mode: direct, through a device, to the device itself, and back.
    std::vector<Route> ways = {
        {.via = near},
        {.via = far, .device = "d0", .onlink = true},
        {.scope = v4 ? RouteScope::kLink : RouteScope::kUniverse, .device = "d0"},
        {.via = near, .mtu = 1400},
        {.via = far, .device = "d1", .onlink = true}};
    run(v4 ? "ip addr add 10.19.0.1/24 dev d1" : "ip -6 addr add fd19::1/64 dev d1 nodad");
    sync({{k, ways.back()}});
    Lookups lookups(*ns_, ip(v4 ? "10.50.0.5" : "fd50::5"));
    for (int turn = 0; turn < 40; ++turn) {
      const Route& way = ways[static_cast<size_t>(turn) % ways.size()];
      lookups.wait_for_some();
      if (turn % 2 == 0) {
        const auto report = driver_->apply({.set = {{k, way}}, .erase = {}});
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_EQ(report->changed, 1u);
        EXPECT_TRUE(report->problems.empty());
      } else {
        EXPECT_EQ(sync({{k, way}}).changed, 1u);
      }
      const RouteTable there = *driver_->read_back();
      ASSERT_EQ(there.size(), 1u);
      EXPECT_EQ(there.at(k).via, way.via);
    }
    EXPECT_EQ(lookups.missed(), 0) << (v4 ? "IPv4" : "IPv6");
  }
}

TEST_F(RouteDriverRootTest, ABlackholeIsReplacedInPlace) {
  for (const bool v4 : {true, false}) {
    const RouteKey k = key(v4 ? "10.51.0.0/26" : "fd51::/64");
    const Route hole{.type = RouteType::kBlackhole};
    const Route way{.via = ip(v4 ? "10.9.0.7" : "fd09::7"), .device = "d0"};
    sync({{k, hole}});
    for (const Route& next : {way, hole, way}) {
      const auto report = driver_->apply({.set = {{k, next}}, .erase = {}});
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_EQ(report->changed, 1u);
      const RouteTable there = *driver_->read_back();
      ASSERT_EQ(there.size(), 1u);
      EXPECT_EQ(there.at(k), next);
    }
  }
}

TEST_F(RouteDriverRootTest, AReplacementDoesNotHitAForeignRouteInFront) {
  RouteTable wanted;
  wanted[key("10.2.0.0/24")] = {.via = ip("10.9.0.7"), .device = "d0"};
  sync(wanted);
  run("ip route prepend 10.2.0.0/24 via 10.9.0.99");
  const auto report =
      driver_->apply({.set = {{key("10.2.0.0/24"), {.via = ip("10.9.0.8")}}}, .erase = {}});
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(report->problems[0].error.code, Errc::kConflict);
  EXPECT_THAT(run("ip route show 10.2.0.0/24"), HasSubstr("via 10.9.0.99"));
}

TEST_F(RouteDriverRootTest, ARefusedReplacementLeavesNoFormerRoute) {
  const RouteKey k = key("10.2.0.0/24");
  sync({{k, {.via = ip("10.9.0.7")}}});
  const Route unreachable{.via = ip("192.0.2.1")};
  auto report = driver_->apply({.set = {{k, unreachable}}, .erase = {}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(run("ip route show proto 202"), "");
  // It is tried again when the next hop can be reached.
  EXPECT_FALSE(*driver_->changed());
  run("ip addr add 192.0.2.9/24 dev d0");
  EXPECT_TRUE(*driver_->changed());
  EXPECT_EQ(sync(RouteTable(driver_->wanted())).added, 1u);
  // And with a device that is not there.
  report = driver_->apply({.set = {{k, {.device = "nosuch"}}}, .erase = {}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(run("ip route show proto 202"), "");
}

TEST_F(RouteDriverRootTest, RoutesThatGoWithTheirLinkAreNoticedAndComeBack) {
  RouteTable wanted = sample();
  wanted[key("10.60.0.0/24")] = {.via = ip("10.9.0.7")};  // by whatever leads there
  for (const char* loss : {"ip link set d0 down", "ip addr flush dev d0"}) {
    sync(wanted);
    EXPECT_FALSE(*driver_->changed()) << loss;
    run(loss);
    EXPECT_TRUE(*driver_->changed()) << loss;
    sync(RouteTable(driver_->wanted()));
    (void)driver_->changed();
    run("ip addr replace 10.9.0.1/24 dev d0");
    run("ip -6 addr replace fd09::1/64 dev d0 nodad");
    run("ip link set d0 up");
    EXPECT_TRUE(*driver_->changed()) << loss;
    const RouteReport report = sync(RouteTable(driver_->wanted()));
    EXPECT_TRUE(report.problems.empty()) << loss << ": " << report.problems[0].error.message;
    EXPECT_EQ(sync(wanted).right, wanted.size()) << loss;
    (void)driver_->changed();
    EXPECT_FALSE(*driver_->changed()) << loss;
  }
  // A link that no route of ours needs is nobody's business.
  run("ip link add d2 type veth peer name d3");
  run("ip link set d2 up");
  run("ip link del d2");
  EXPECT_FALSE(*driver_->changed());
}

TEST_F(RouteDriverRootTest, ThousandsInOneGo) {
  RouteTable wanted;
  for (uint32_t i = 0; i < 5000; ++i)
    wanted[{.destination = net::Cidr(net::IpAddr::v4(0x0b000000 + i * 64), 26)}] = {
        .via = ip("172.30.0.1"), .device = "d0", .onlink = true};
  EXPECT_EQ(sync(wanted).added, 5000u);
  // All refused: every one is reported.
  RouteTable bad;
  for (const auto& [k, route] : wanted) bad[k] = {.via = ip("192.0.2.1")};
  const RouteReport report = sync(bad);
  EXPECT_EQ(report.problems.size(), 5000u);
  EXPECT_TRUE(driver_->read_back()->empty());
}

}  // namespace
}  // namespace caracal::dataplane::fib
