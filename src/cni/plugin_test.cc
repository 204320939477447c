#include "cni/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::cni {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kConfig =
    R"({"cniVersion":"1.0.0","name":"net","type":"caracal-cni","socket":"/nowhere/agent.sock"})";

RawRequest raw(std::string command) {
  return {std::move(command),
          "abc",
          "/run/netns/x",
          "eth0",
          "IgnoreUnknown=1;K8S_POD_NAMESPACE=dev;K8S_POD_NAME=pod1",
          nullptr};
}

json::value parsed(const PluginOutput& out) { return jsonio::parse(out.text).value(); }

TEST(Plugin, PrintsWhatTheAgentAnswers) {
  RawRequest seen;
  const auto ask = [&](const std::string& socket, const RawRequest& request) {
    EXPECT_EQ(socket, "/nowhere/agent.sock");
    seen = raw_from_json(to_json(request));
    return Result<rpc::Reply>(rpc::success(json::object{{"cniVersion", "1.0.0"}}));
  };
  const PluginOutput out = run_plugin(raw("ADD"), kConfig, ask);
  EXPECT_EQ(out.exit_code, 0);
  EXPECT_EQ(jsonio::get_string(parsed(out), {"cniVersion"}), "1.0.0");
  EXPECT_EQ(seen.command, "ADD");
  EXPECT_EQ(seen.container_id, "abc");
  EXPECT_EQ(jsonio::get_string(seen.config, {"name"}), "net");
  EXPECT_EQ(run_plugin(raw("DEL"), kConfig, ask).text, "");
}

TEST(Plugin, PrintsTheAgentsRefusal) {
  const auto ask = [](const std::string&, const RawRequest&) {
    return Result<rpc::Reply>(rpc::failure(11, "no free address", "all in use"));
  };
  const PluginOutput out = run_plugin(raw("ADD"), kConfig, ask);
  EXPECT_EQ(out.exit_code, 1);
  EXPECT_EQ(jsonio::get_int(parsed(out), {"code"}), 11);
  EXPECT_EQ(jsonio::get_string(parsed(out), {"msg"}), "no free address");
  EXPECT_EQ(jsonio::get_string(parsed(out), {"details"}), "all in use");
}

TEST(Plugin, SaysThatTheAgentIsDown) {
  for (const char* command : {"ADD", "DEL", "CHECK"}) {
    const std::string config = std::string(kConfig.substr(0, kConfig.size() - 1)) +
                               R"(,"prevResult":{"cniVersion":"1.0.0"}})";
    const PluginOutput out = run_plugin(raw(command), config);
    EXPECT_EQ(out.exit_code, 1);
    EXPECT_EQ(jsonio::get_int(parsed(out), {"code"}), 11) << out.text;
    EXPECT_THAT(out.text, HasSubstr("caracal-agent does not answer on /nowhere/agent.sock"));
  }
  const PluginOutput status = run_plugin(
      raw("STATUS"), R"({"cniVersion":"1.1.0","name":"n","type":"t","socket":"/nowhere/s"})");
  EXPECT_EQ(jsonio::get_int(parsed(status), {"code"}), 50);
}

TEST(Plugin, RefusesNonsenseWithoutAskingAnybody) {
  const auto ask = [](const std::string&, const RawRequest&) -> Result<rpc::Reply> {
    ADD_FAILURE() << "the agent was asked";
    return fail(Errc::kInternal, "");
  };
  const auto code = [&](RawRequest request, std::string_view config) {
    const PluginOutput out = run_plugin(std::move(request), config, ask);
    EXPECT_EQ(out.exit_code, 1);
    EXPECT_EQ(jsonio::get_string(parsed(out), {"cniVersion"}).empty(), false);
    return jsonio::get_int(parsed(out), {"code"});
  };
  EXPECT_EQ(code(raw(""), kConfig), 4);
  EXPECT_EQ(code(raw("FETCH"), kConfig), 4);
  EXPECT_EQ(code(raw("ADD"), "{"), 6);
  EXPECT_EQ(code(raw("ADD"), "[]"), 6);
  EXPECT_EQ(code(raw("ADD"), R"({"cniVersion":"9.9.9","name":"n","type":"t"})"), 1);
  EXPECT_EQ(code(raw("STATUS"), kConfig), 1) << "STATUS needs 1.1.0";
}

TEST(Plugin, TellsItsVersionsWithoutAnAgent) {
  const PluginOutput out = run_plugin(raw("VERSION"), R"({"cniVersion":"0.4.0"})");
  EXPECT_EQ(out.exit_code, 0);
  EXPECT_EQ(jsonio::get_string(parsed(out), {"cniVersion"}), "0.4.0");
  EXPECT_EQ(jsonio::to_string(*jsonio::get(parsed(out), {"supportedVersions"})),
            R"(["0.3.1","0.4.0","1.0.0","1.1.0"])");
  EXPECT_EQ(jsonio::get_string(parsed(run_plugin(raw("VERSION"), "")), {"cniVersion"}), "1.1.0");
}

}  // namespace
}  // namespace caracal::cni
