// A BIRD that hangs, is busy, dies again and again, or is exchanged while pods talk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "bgp/testing/bgp_fixture.h"
#include "bgp/testing/pings.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::HasSubstr;

class BirdTrouble : public BgpRoot {
 protected:
  // Two nodes with a pod each that reach each other.
  void two_talking_nodes() {
    add_nodes(2);
    net->add_pod("a", "pa", "192.168.1.5");
    net->add_pod("b", "pb", "192.168.2.5");
    ASSERT_TRUE(net->eventually(
        [&] { return net->ping("pa", "192.168.2.5") && net->ping("pb", "192.168.1.5"); }));
    ASSERT_TRUE(up("b", "10.0.0.1"));
  }
  // A new BIRD of `node` has learned everything again.
  bool recovered(const std::string& node, pid_t former, const std::string& peer) {
    return net->eventually([&] {
      if (net->keeper(node).state() != BirdState::kRunning || net->keeper(node).pid() == former)
        return false;
      const BirdKeeper::View view = net->view(node);
      return view.daemon && !view.daemon->recovering && net->established(node, peer);
    });
  }
};

TEST_F(BirdTrouble, StoppedBirdIsKilledAndTrafficFlows) {
  two_talking_nodes();
  Pings there(net->namespace_of("pa"), "192.168.2.5");
  Pings back(net->namespace_of("pb"), "192.168.1.5");
  const pid_t pid = net->keeper("a").pid();
  ::kill(pid, SIGSTOP);
  // First it is said,
  ASSERT_TRUE(net->eventually(
      [&] { return net->keeper("a").last_error().find("has not answered") != std::string::npos; }));
  EXPECT_EQ(net->keeper("a").pid(), pid);
  EXPECT_THAT(net->peer("a", "10.0.0.2").why_not_up, HasSubstr("has not answered"));
  // then it is killed, which is said, too, and another takes its place.
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").state() == BirdState::kFailed; }));
  EXPECT_THAT(net->keeper("a").last_error(), HasSubstr("it was killed, and is started again"));
  EXPECT_TRUE(recovered("a", pid, "10.0.0.2"));
  EXPECT_EQ(net->keeper("a").last_error(), "");
  const Pings::Count one = there.stop();
  const Pings::Count other = back.stop();
  EXPECT_GT(one.answered, 20);
  EXPECT_LE(one.lost(), 1);  // one may be on its way when they end
  EXPECT_LE(other.lost(), 1);
}

// It answers again before its time is over.
TEST_F(BirdTrouble, ShortPauseIsForgiven) {
  add_nodes(2);
  ASSERT_TRUE(up("a", "10.0.0.2"));
  const pid_t pid = net->keeper("a").pid();
  ::kill(pid, SIGSTOP);
  ASSERT_TRUE(net->eventually(
      [&] { return net->keeper("a").last_error().find("has not answered") != std::string::npos; }));
  ::kill(pid, SIGCONT);
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").last_error().empty(); }));
  EXPECT_EQ(net->keeper("a").pid(), pid);
  EXPECT_TRUE(net->established("a", "10.0.0.2"));
}

// The control socket is gone: BIRD works, but nobody can tell it anything. The next agent finds it
// by its command line, and there are never two.
TEST_F(BirdTrouble, BirdWithoutItsSocketIsReplacedByTheNextAgent) {
  add_nodes(2);
  ASSERT_TRUE(routed("a", "192.168.2.0/26"));
  const pid_t pid = net->keeper("a").pid();
  net->end_agent("a");
  ASSERT_EQ(::unlink((net->folder() + "/a/bird.ctl").c_str()), 0);
  net->begin_agent("a");
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").pid() == pid; }));
  EXPECT_TRUE(recovered("a", pid, "10.0.0.2"));
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_TRUE(net->has_route("a", "192.168.2.0/26"));
}

// Thousands of routes at once, and questions all the time.
TEST_F(BirdTrouble, BusyBirdIsLeftAlone) {
  add_nodes(2);
  ASSERT_TRUE(up("a", "10.0.0.2"));
  ASSERT_TRUE(up("b", "10.0.0.1"));
  const pid_t a = net->keeper("a").pid();
  const pid_t b = net->keeper("b").pid();
  net->tell({update(pool("10.128.0.0/9"))});
  std::vector<model::NetworkUpdate> blocks;
  for (unsigned i = 0; i < 5000; ++i) {
    const net::Cidr range(net::IpAddr::v4(0x0a800000U + i * 64), 26);
    blocks.push_back(model::AddressBlockUpdate{range, model::AddressBlock{range, "b", {}}});
  }
  net->tell(blocks);
  EXPECT_TRUE(net->eventually([&] {
    const std::string routes = net->routes("a");
    return std::count(routes.begin(), routes.end(), '\n') >= 5000;
  }));
  EXPECT_EQ(net->keeper("a").pid(), a);
  EXPECT_EQ(net->keeper("b").pid(), b);
  EXPECT_TRUE(net->established("a", "10.0.0.2"));
}

TEST_F(BirdTrouble, KilledBirdLosesNoPacket) {
  two_talking_nodes();
  Pings there(net->namespace_of("pa"), "192.168.2.5");
  Pings back(net->namespace_of("pb"), "192.168.1.5");
  const pid_t a = net->keeper("a").pid();
  ::kill(a, SIGKILL);
  EXPECT_TRUE(recovered("a", a, "10.0.0.2"));
  // The agent and BIRD of the other node at once, as when its pod is replaced.
  const pid_t b = net->keeper("b").pid();
  net->end_agent("b");
  ::kill(b, SIGKILL);
  net->begin_agent("b");
  EXPECT_TRUE(recovered("b", b, "10.0.0.1"));
  // And an upgrade: BIRD goes on purpose, with its routes left.
  const pid_t old = net->keeper("a").pid();
  std::optional<Status> stopped;
  net->keeper("a").stop(BirdKeeper::Leave::kRoutes, [&](Status s) { stopped = std::move(s); });
  ASSERT_TRUE(net->eventually([&] { return stopped.has_value(); }));
  net->end_agent("a");
  net->begin_agent("a");
  EXPECT_TRUE(recovered("a", old, "10.0.0.2"));
  const Pings::Count one = there.stop();
  const Pings::Count other = back.stop();
  EXPECT_GT(one.answered, 100);
  EXPECT_LE(one.lost(), 1);
  EXPECT_LE(other.lost(), 1);
}

// A program that ends at once, and takes every configuration.
TEST_F(BirdTrouble, CrashesAreAnsweredMoreAndMoreSlowly) {
  const std::string program = net->folder() + "/dying-bird";
  const std::string starts = net->folder() + "/starts";
  ASSERT_TRUE(write_file_atomic(program,
                                "#!/bin/sh\n"
                                "[ \"$1\" = -p ] && exit 0\n"
                                "date +%s%3N >> " +
                                    starts + "\necho cannot go on\nexit 3\n",
                                0755));
  BirdKeeper::Options options;
  options.command = {program};
  options.folder = net->folder() + "/dying";
  options.backoff = {.first = event::Duration(200), .longest = event::Duration(1600), .jitter = 0};
  BirdKeeper keeper(net->loop(), options);
  keeper.want(Config());
  std::vector<uint64_t> times;
  ASSERT_TRUE(net->eventually([&] {
    times.clear();
    const std::string text = read_file(starts).value_or("");
    for (const std::string_view line : split(text, '\n')) {
      if (const auto at = parse_decimal(line)) times.push_back(*at);
    }
    return times.size() >= 6;
  }));
  EXPECT_THAT(keeper.last_error(), HasSubstr("BIRD has ended (exit code 3): cannot go on"));
  const uint64_t gaps[] = {200, 400, 800, 1600, 1600};
  for (size_t i = 0; i < std::size(gaps); ++i) EXPECT_GE(times[i + 1] - times[i] + 5, gaps[i]) << i;
}

}  // namespace
}  // namespace caracal::bgp
