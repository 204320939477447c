// AgentRootTest: a test with a node of its own, an API server and an agent on it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/testing/test_node.h"
#include "base/fd.h"
#include "base/file.h"
#include "cni/result.h"
#include "net/ip_addr.h"
#include "netlink/network_namespace.h"

namespace caracal::agent::testing {

class AgentRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    node_ = TestNode::make(why, {"10.65.1.0/24", "fd00:65:1::/64"});
    // Without root there can be no node; with it, one that cannot be made is a failure.
    if (!node_ && ::geteuid() != 0) GTEST_SKIP() << "no test node: " << why;
    ASSERT_TRUE(node_) << "no test node: " << why;
    const Status started = node_->start_agent();
    if (!started) {
      FAIL() << started.error().message << "\n"
             << read_file(node_->folder() + "/agent.log").value_or("");
    }
  }
  void TearDown() override {
    if (HasFailure() && node_) std::cerr << read_file(node_->folder() + "/agent.log").value_or("");
  }

  // ADD of a new pod; its addresses.
  std::vector<net::IpAddr> add(const std::string& container, const std::string& netns,
                               const std::string& pod) {
    const CniAnswer answer = node_->cni("ADD", container, netns, pod);
    EXPECT_EQ(answer.exit_code, 0) << answer.text();
    return addresses(answer);
  }
  static std::vector<net::IpAddr> addresses(const CniAnswer& answer) {
    std::vector<net::IpAddr> out;
    if (const auto result = cni::parse_add_result(answer.output, "result")) {
      for (const cni::Address& a : result->addresses) out.push_back(a.address);
    }
    return out;
  }
  std::string new_pod(const std::string& name) {
    const Status made = node_->add_pod("dev", name);
    EXPECT_TRUE(made) << made.error().message;
    return node_->add_sandbox();
  }
  // Asks again and again, for two minutes at the most: a bound for a machine that is busy.
  template <typename F>
  static bool eventually(F condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  void expect_nothing_left() {
    EXPECT_THAT(node_->links(), ::testing::IsEmpty());
    const json::value status = node_->status();
    EXPECT_EQ(jsonio::get_array(status, {"endpoints"}).size(), 0u);
    for (const json::value& range : jsonio::get_array(status, {"network", "ipam", "podCIDRs"})) {
      EXPECT_EQ(jsonio::get_int(range, {"used"}), 0) << jsonio::to_string(range);
    }
    EXPECT_THAT(node_->in_node({"ip", "route"}), ::testing::Not(::testing::HasSubstr("cali")));
    EXPECT_THAT(node_->in_node({"nft", "list", "ruleset"}),
                ::testing::Not(::testing::HasSubstr("cali0")));
  }
  // A TCP connection attempt from a network namespace: 0 open, 1 refused (packets pass), 124 no
  // answer within a second (dropped), -1 anything else. In this process: what starts a program for
  // it counts the start as silence on a busy machine.
  static int reach(const std::string& netns, const std::string& address, uint16_t port) {
    const auto to = net::IpAddr::parse(address);
    const auto ns = netlink::NetworkNamespace::open(netns);
    if (!to || !to->is_v4() || !ns) return -1;
    UniqueFd fd;
    int error = 0;
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    std::memcpy(&peer.sin_addr, to->data(), 4);
    const Status begun = ns->run([&]() -> Status {
      fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0)
        error = errno;
      return {};
    });
    if (!begun) return -1;
    if (error == EINPROGRESS) {
      pollfd wait{fd.get(), POLLOUT, 0};
      if (::poll(&wait, 1, 1000) == 0) return 124;
      socklen_t length = sizeof error;
      if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -1;
    }
    return error == 0 ? 0 : error == ECONNREFUSED ? 1 : -1;
  }

  std::unique_ptr<TestNode> node_;
};

}  // namespace caracal::agent::testing
