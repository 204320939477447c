// Real connections between pods with real links, under the real policy table: what a program in a
// pod notices.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/fd.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/nft/nft_driver.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::link {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;
using netlink::NetworkNamespace;

constexpr uint16_t kPort = 8080;
// Long enough for an answer that comes, short enough for one that must not.
constexpr int kPatience = 400;  // ms
constexpr int kLong = 60'000;

bool ready(int fd, short events, int timeout) {
  pollfd wait{fd, events, 0};
  return ::poll(&wait, 1, timeout) == 1;
}

struct Pod {
  std::unique_ptr<NetworkNamespace> ns;
  std::string interface;
  std::vector<IpAddr> addresses;

  UniqueFd open(int family, int type) const {
    UniqueFd fd;
    (void)ns->run([&]() -> Status {
      fd.reset(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      return {};
    });
    return fd;
  }
};

class PodConnectRootTest : public testing::TestWithParam<net::Family> {
 protected:
  void SetUp() override {
    host_ = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
    entered_ = std::make_unique<netlink::ScopedEnter>(*host_->enter());
    ASSERT_TRUE(enable_forwarding());
    for (int i = 1; i <= 2; ++i) {
      Pod pod;
      pod.ns = std::make_unique<NetworkNamespace>(*NetworkNamespace::create_anonymous());
      pod.interface = "cali" + std::to_string(i);
      pod.addresses = {*IpAddr::parse("10.1.0." + std::to_string(i)),
                       *IpAddr::parse("fd01::" + std::to_string(i))};
      auto made = create_pod_link({.host_interface = pod.interface,
                                   .netns_path = pod.ns->fd_path(),
                                   .addresses = pod.addresses});
      ASSERT_TRUE(made) << made.error().message;
      pods_.push_back(std::move(pod));
    }
    auto driver = nft::NftDriver::open();
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<nft::NftDriver>(std::move(*driver));
  }

  IpAddr address(const Pod& pod) const {
    return pod.addresses[GetParam() == net::Family::kIPv4 ? 0 : 1];
  }

  // Pod 2 is policed for ingress; `allowed` says whether pod 1 may reach its TCP and UDP port.
  void set_policy(bool allowed) {
    PolicyTables t;
    for (const net::Family family : net::kFamilies) t.ranges[IpAddr::first(family)] = 1;
    for (const PortSpace space :
         {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp, PortSpace::kOther})
      t.ports[{space, 0}] = 1;
    for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp}) {
      t.ports[{space, kPort}] = 2;
      t.ports[{space, kPort + 1}] = 1;
    }
    for (const Pod& pod : pods_) {
      t.interfaces[{Direction::kIngress, pod.interface}] = {Disposition::kOpen, 0};
      t.interfaces[{Direction::kEgress, pod.interface}] = {Disposition::kOpen, 0};
      for (const IpAddr& a : pod.addresses) t.sources.insert({pod.interface, a});
    }
    t.interfaces[{Direction::kIngress, pods_[1].interface}] = {Disposition::kPoliced, 1};
    if (allowed) {
      for (const IpAddr& a : pods_[0].addresses) t.addresses[a] = 5;
      t.peers[{1, 5}] = 1;
      t.rows.insert({1, 2});
    }
    auto report = driver_->sync(t);
    ASSERT_TRUE(report) << report.error().message;
  }

  UniqueFd listen(const Pod& pod, uint16_t port) {
    const net::SocketAddress at(address(pod), port);
    UniqueFd fd = pod.open(at.family(), SOCK_STREAM);
    EXPECT_EQ(::bind(fd.get(), at.get(), at.size()), 0) << std::strerror(errno);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    return fd;
  }

  struct Attempt {
    UniqueFd fd;
    int error = 0;  // ETIMEDOUT: nothing came back at all
  };
  Attempt connect(const Pod& from, const Pod& to, uint16_t port, int timeout) {
    Attempt out;
    const net::SocketAddress at(address(to), port);
    out.fd = from.open(at.family(), SOCK_STREAM);
    if (::connect(out.fd.get(), at.get(), at.size()) == 0) return out;
    if (errno != EINPROGRESS) {
      out.error = errno;
      return out;
    }
    if (!ready(out.fd.get(), POLLOUT, timeout)) {
      out.error = ETIMEDOUT;
      return out;
    }
    socklen_t size = sizeof out.error;
    ::getsockopt(out.fd.get(), SOL_SOCKET, SO_ERROR, &out.error, &size);
    return out;
  }

  // "ping" one way, true when it arrives.
  static bool passes(int from, int to) {
    std::array<char, 4> bytes{};
    if (::send(from, "ping", 4, MSG_NOSIGNAL) != 4) return false;
    return ready(to, POLLIN, kLong) && ::recv(to, bytes.data(), bytes.size(), 0) == 4;
  }

  std::unique_ptr<NetworkNamespace> host_;
  std::unique_ptr<netlink::ScopedEnter> entered_;
  std::vector<Pod> pods_;
  std::unique_ptr<nft::NftDriver> driver_;
};

TEST_P(PodConnectRootTest, TcpIsAllowedDeniedInSilenceAndKeptAlive) {
  const UniqueFd server = listen(pods_[1], kPort);
  set_policy(true);
  Attempt client = connect(pods_[0], pods_[1], kPort, kLong);
  ASSERT_EQ(client.error, 0) << std::strerror(client.error);
  ASSERT_TRUE(ready(server.get(), POLLIN, kLong));
  const UniqueFd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_TRUE(passes(client.fd.get(), accepted.get()));
  EXPECT_TRUE(passes(accepted.get(), client.fd.get()));

  // A port that policy does not name is silent, not refused; one that nobody listens on and policy
  // allows would be refused by the pod itself.
  EXPECT_EQ(connect(pods_[0], pods_[1], kPort + 1, kPatience).error, ETIMEDOUT);
  EXPECT_EQ(connect(pods_[1], pods_[0], kPort, kLong).error, ECONNREFUSED);

  // Policy changes: no new connection, the old one goes on.
  set_policy(false);
  EXPECT_EQ(connect(pods_[0], pods_[1], kPort, kPatience).error, ETIMEDOUT);
  EXPECT_TRUE(passes(client.fd.get(), accepted.get()));
  EXPECT_TRUE(passes(accepted.get(), client.fd.get()));

  set_policy(true);
  EXPECT_EQ(connect(pods_[0], pods_[1], kPort, kLong).error, 0);
}

TEST_P(PodConnectRootTest, UdpIsAllowedAndDeniedInSilence) {
  const int family = net::socket_family(GetParam());
  const UniqueFd server = pods_[1].open(family, SOCK_DGRAM);
  const net::SocketAddress at(address(pods_[1]), kPort);
  ASSERT_EQ(::bind(server.get(), at.get(), at.size()), 0);
  set_policy(true);
  const UniqueFd client = pods_[0].open(family, SOCK_DGRAM);
  ASSERT_EQ(::connect(client.get(), at.get(), at.size()), 0);
  EXPECT_TRUE(passes(client.get(), server.get()));

  set_policy(false);
  const UniqueFd other = pods_[0].open(family, SOCK_DGRAM);
  ASSERT_EQ(::connect(other.get(), at.get(), at.size()), 0);
  ASSERT_EQ(::send(other.get(), "ping", 4, 0), 4);
  EXPECT_FALSE(ready(server.get(), POLLIN, kPatience));
  EXPECT_FALSE(ready(other.get(), POLLIN, 0));  // an ICMP error would show as an error here
}

INSTANTIATE_TEST_SUITE_P(Families, PodConnectRootTest, testing::ValuesIn(net::kFamilies),
                         [](const auto& test) { return std::string(net::to_string(test.param)); });

}  // namespace
}  // namespace caracal::dataplane::link
