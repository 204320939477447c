// AgentRootTest: a test with a node of its own, an API server and an agent on it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "agent/testing/test_node.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "cni/result.h"
#include "net/ip_addr.h"

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
  int reach(const std::string& netns, const std::string& address, int port) {
    // bash's /dev/tcp: nothing else is sure to be there.
    Command command;
    command.argv = {"timeout", "1", "bash", "-c",
                    "exec 3<>/dev/tcp/" + address + "/" + std::to_string(port)};
    command.netns = netns;
    const auto output = run(command);
    return output ? output->exit_code : -1;
  }

  std::unique_ptr<TestNode> node_;
};

}  // namespace caracal::agent::testing
