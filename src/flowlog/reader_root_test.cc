// The log groups as the kernel tells them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>

#include "base/fd.h"
#include "base/subprocess.h"
#include "dataplane/nft/log_groups.h"
#include "flowlog/nflog_reader.h"
#include "flowlog/packet.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::flowlog {
namespace {

namespace nft = dataplane::nft;
using netlink::NetworkNamespace;

constexpr const char* kV4 = "127.0.0.1";
constexpr const char* kV6 = "::1";

class ReaderRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ns_ = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
    entered_ = std::make_unique<netlink::ScopedEnter>(*ns_->enter());
  }
  void TearDown() override { entered_.reset(); }

  static void send(const char* loopback, uint16_t port) {
    const net::SocketAddress to(*net::IpAddr::parse(loopback), port);
    const UniqueFd fd(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::string body(1000, 'x');
    (void)::sendto(fd.get(), body.data(), body.size(), 0, to.get(), to.size());
  }

  std::unique_ptr<NetworkNamespace> ns_;
  std::unique_ptr<netlink::ScopedEnter> entered_;
};

TEST_F(ReaderRootTest, TellsWhatARuleLogs) {
  const nft::LogMark mark{nft::LogEvent::kDenied, nft::LogPlace::kPodIngress,
                          nft::LogReason::kPolicy};
  Command rules;
  rules.argv = {"nft", "-f", "-"};
  rules.input =
      "table inet t { chain out { type filter hook output priority 0;\n"
      "udp dport 4000-4099 log prefix \"" +
      nft::to_prefix(mark) + "\" group " + std::to_string(nft::kDeniedGroup) + " drop\n}\n}\n";
  const auto loaded = run_checked(rules);
  ASSERT_TRUE(loaded) << loaded.error().message;
  auto reader = NflogReader::open(nft::kDeniedGroup);
  ASSERT_TRUE(reader) << reader.error().message;
  const auto second = NflogReader::open(nft::kDeniedGroup);
  ASSERT_FALSE(second) << "two readers of one group";
  EXPECT_EQ(second.error().code, Errc::kConflict) << second.error().message;

  send(kV4, 3999);  // not logged
  for (uint16_t i = 0; i < 100; ++i) send(i % 2 == 0 ? kV4 : kV6, 4000 + i);
  std::vector<Packet> packets;
  while (packets.size() < 100) {
    pollfd wait{reader->fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 60'000), 1) << "got " << packets.size();
    const Status drained = reader->drain([&](const Capture& capture) {
      EXPECT_EQ(nft::parse_prefix(capture.prefix), mark);
      EXPECT_EQ(capture.in_index, 0u);
      EXPECT_NE(capture.out_index, 0u);
      EXPECT_LE(capture.payload.size(), nft::kLogSnapLength);
      const auto packet = parse_packet(capture.payload);
      ASSERT_TRUE(packet);
      packets.push_back(*packet);
    });
    ASSERT_TRUE(drained) << drained.error().message;
  }
  ASSERT_EQ(packets.size(), 100u);
  for (uint16_t i = 0; i < 100; ++i) {
    EXPECT_EQ(packets[i].destination_port, 4000 + i);
    EXPECT_EQ(packets[i].destination.to_string(), i % 2 == 0 ? "127.0.0.1" : "::1");
    EXPECT_EQ(packets[i].protocol, net::kUdp);
  }
  EXPECT_EQ(reader->lost(), 0u);
}

// A reader that is too slow loses packets, knows how many, and goes on.
TEST_F(ReaderRootTest, CountsWhatIsLost) {
  Command rules;
  rules.argv = {"nft", "-f", "-"};
  rules.input =
      "table inet t { chain out { type filter hook output priority 0;\n"
      "udp dport 4000 log prefix \"p\" group 1202 drop\n}\n}\n";
  ASSERT_TRUE(run_checked(rules));
  auto reader = NflogReader::open(nft::kLoggedGroup);
  ASSERT_TRUE(reader) << reader.error().message;
  constexpr uint64_t kSent = 20'000;
  for (uint64_t i = 0; i < kSent; ++i) send(kV4, 4000);
  uint64_t got = 0;
  const auto count = [&](const Capture&) { ++got; };
  ASSERT_TRUE(reader->drain(count));
  // The numbers of later packets tell what is missing before them.
  for (int i = 0; i < 200 && got + reader->lost() < kSent; ++i) {
    send(kV4, 4000);
    pollfd wait{reader->fd(), POLLIN, 0};
    ::poll(&wait, 1, 1'000);
    ASSERT_TRUE(reader->drain(count));
  }
  EXPECT_GE(got + reader->lost(), kSent);
  EXPECT_GT(reader->lost(), 0u) << "all " << got << " fitted: the test has tested nothing";
}

}  // namespace
}  // namespace caracal::flowlog
