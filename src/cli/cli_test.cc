#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "cli/agent_status.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/output.h"
#include "cli/policy_explain.h"

namespace caracal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(PortArgument, TakesPortsWithAndWithoutProtocol) {
  const auto plain = parse_port_argument("80");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->protocol, net::kTcp);
  EXPECT_EQ(plain->port, 80);
  const auto udp = parse_port_argument("udp/53");
  ASSERT_TRUE(udp);
  EXPECT_EQ(udp->protocol, net::kUdp);
  EXPECT_EQ(udp->port, 53);
  const auto icmp = parse_port_argument("ICMP");
  ASSERT_TRUE(icmp);
  EXPECT_FALSE(icmp->port);
  for (const char* bad :
       {"", "0", "65536", "TCP", "TCP/", "TCP/0", "ICMP/8", "HTTP/80", "80/TCP", "-1"}) {
    const auto port = parse_port_argument(bad);
    ASSERT_FALSE(port) << bad;
    EXPECT_THAT(port.error().message, HasSubstr("must be PORT or PROTOCOL/PORT")) << bad;
  }
}

TEST(ResolveEnd, FindsPodsAndAddresses) {
  model::World world;
  world.apply(model::PodUpdate{
      {"dev", "pod1"},
      model::Pod{.name = {"dev", "pod1"},
                 .addresses = {*net::IpAddr::parse("10.0.0.1"), *net::IpAddr::parse("fd00::1")}}});
  world.apply(model::PodUpdate{{"dev", "new"}, model::Pod{.name = {"dev", "new"}}});
  EXPECT_EQ(resolve_end(world, "pod1", "dev")->addresses.size(), 2U);
  EXPECT_EQ(resolve_end(world, "dev/pod1", "prod")->pod, (model::ObjectName{"dev", "pod1"}));
  EXPECT_FALSE(resolve_end(world, "10.9.9.9", "dev")->pod);
  EXPECT_EQ(resolve_end(world, "dev/new", "").error().code, Errc::kUnavailable);
  const auto missing = resolve_end(world, "pod1", "prod");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "there is no pod prod/pod1; there are dev/pod1");

  const auto flows = make_flows(*resolve_end(world, "dev/pod1", ""),
                                *resolve_end(world, "10.9.9.9", ""), {net::kTcp, 80});
  ASSERT_TRUE(flows);
  ASSERT_EQ(flows->size(), 1U);
  EXPECT_EQ((*flows)[0].source.to_string(), "10.0.0.1");
  FlowEnd six{{*net::IpAddr::parse("fd00::9")}, std::nullopt};
  FlowEnd four{{*net::IpAddr::parse("10.0.0.9")}, std::nullopt};
  EXPECT_FALSE(make_flows(six, four, {net::kTcp, 80}));
}

TEST(Table, AlignsByWhatTheTerminalShows) {
  Table table{{"A", "LONGER", "Z"}, {{"1", "✓", "x"}, {"22", "\x1b[32mno\x1b[0m", ""}}};
  EXPECT_EQ(table.to_string(),
            "A    LONGER   Z\n"
            "1    ✓        x\n"
            "22   \x1b[32mno\x1b[0m\n");
}

TEST(FindTrouble, TellsWhatTheAgentSaysOfOnePod) {
  const json::value status = *jsonio::parse(
      R"({"endpoints":[
      {"namespace":"dev","pod":"a","ingress":{"disposition":"policed"},"egress":{"disposition":"open"},"errors":[]},
      {"namespace":"dev","pod":"b","ingress":{"disposition":"closed"},"egress":{"disposition":"open"},"errors":["table full"]},
      {"namespace":"dev","pod":"d","errors":["its link has vanished"]}]})");
  EXPECT_FALSE(find_trouble(status, "node1", {"dev", "a"}));
  EXPECT_FALSE(find_trouble(status, "node1", {"dev", "c"}));
  const auto trouble = find_trouble(status, "node1", {"dev", "b"});
  ASSERT_TRUE(trouble);
  EXPECT_TRUE(trouble->fails_closed);
  EXPECT_EQ(trouble->message, "fails closed (ingress) on node1: table full");
  const auto open = find_trouble(status, "node1", {"dev", "d"});
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->fails_closed);
  EXPECT_EQ(open->message, "its link has vanished");
}

// A small command tree, as main() builds the real one.
class CommandLine : public ::testing::Test {
 protected:
  CommandLine() : app_("test") {
    prepare_root(app_, "/usr/bin/kubectl-caracal");
    CLI::App* group = add_group(app_, "group", "things");
    CLI::App* one = add_command(*group, chosen_, "one", "the first", "  example",
                                [this]() -> Result<int> { return value_; });
    one->add_option("--value", value_, "a number");
    add_command(*group, chosen_, "bad", "fails", "",
                []() -> Result<int> { return fail(Errc::kNotFound, "nothing there"); });
    add_command(*group, chosen_, "secret", "not shown", "", []() -> Result<int> {
      return 0;
    })->group("");
  }
  int run(std::vector<const char*> argv) {
    argv.insert(argv.begin(), "caracal");
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const int status = run_command_line(app_, chosen_, static_cast<int>(argv.size()),
                                        const_cast<char**>(argv.data()));
    err_ = ::testing::internal::GetCapturedStderr();
    out_ = ::testing::internal::GetCapturedStdout();
    return status;
  }
  CLI::App app_;
  Action chosen_;
  int value_ = 0;
  std::string out_, err_;
};

TEST_F(CommandLine, RunsTheChosenCommandWithItsOptions) {
  EXPECT_EQ(run({"group", "one", "--value", "7"}), 7);
}

TEST_F(CommandLine, AWrongCommandLineIsUsageAndTwo) {
  EXPECT_EQ(run({"group", "one", "--valu", "7"}), 2);
  EXPECT_THAT(err_, HasSubstr("--valu"));
  EXPECT_THAT(err_, HasSubstr("Usage: kubectl caracal group one"));
  EXPECT_EQ(run({"group"}), 2);
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"group", "one", "--value", "many"}), 2);
}

TEST_F(CommandLine, AFailureIsOneLineAndOne) {
  EXPECT_EQ(run({"group", "bad"}), 1);
  EXPECT_EQ(err_, "kubectl caracal: nothing there\n");
}

TEST_F(CommandLine, HelpIsNoError) {
  EXPECT_EQ(run({"group", "one", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Examples:\n  example"));
}

TEST_F(CommandLine, CompletionKnowsCommandsAndFlagsButNoHiddenOnes) {
  const std::string script = bash_completion(app_, "caracal");
  EXPECT_THAT(script, HasSubstr("'group') words='one bad"));
  EXPECT_THAT(script, HasSubstr("'group one') words='--help -h --value'"));
  EXPECT_THAT(script, Not(HasSubstr("secret")));
  EXPECT_THAT(script, HasSubstr("complete -F _caracal caracal"));
}

}  // namespace
}  // namespace caracal::cli
