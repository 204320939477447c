#include "lab/conflist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace caracal::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A folder of plugins that are shell scripts; each appends "COMMAND type" and its input to a log.
class ConfListRun : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/caracal-conflist-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void plugin(const std::string& type, const std::string& body) {
    const std::string path = folder_ + "/" + type;
    ASSERT_TRUE(write_file_atomic(path,
                                  "#!/bin/sh\ninput=$(cat)\necho \"$CNI_COMMAND " + type +
                                      "\" >> " + folder_ + "/calls\necho \"$input\" > " + folder_ +
                                      "/" + type + ".$CNI_COMMAND\n" + body + "\n",
                                  0755));
    ::chmod(path.c_str(), 0755);
  }
  CniRuntime runtime(const std::string& text) {
    auto list = parse_conflist(text, "10-test.conflist");
    EXPECT_TRUE(list) << list.error().message;
    return CniRuntime(*list, {"/nonexistent", folder_}, "");
  }
  std::vector<std::string> calls() {
    std::vector<std::string> out;
    const auto text = read_file(folder_ + "/calls");
    if (!text) return out;
    std::string line;
    for (const char c : *text) {
      if (c == '\n') {
        out.push_back(std::exchange(line, ""));
      } else {
        line.push_back(c);
      }
    }
    return out;
  }
  json::value input(const std::string& file) {
    const auto text = read_file(folder_ + "/" + file);
    return text ? *jsonio::parse(*text) : json::value();
  }

  std::string folder_;
  const Attachment attachment_{
      .container_id = "c1",
      .netns = "/run/netns/x",
      .args = {{"IgnoreUnknown", "1"}, {"K8S_POD_NAME", "pod1"}},
      .capabilities = {{"portMappings", json::array()}, {"bandwidth", json::object()}}};
};

constexpr const char* kTwo = R"({"cniVersion":"1.0.0","name":"net","plugins":[
  {"type":"first","own":7},{"type":"second","capabilities":{"portMappings":true,"bandwidth":false}}]})";

TEST_F(ConfListRun, AddPassesResultsAlongAndDelRunsBackwards) {
  plugin("first", R"(echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/32"}]}')");
  plugin("second", R"(echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/32"}]}')");
  const CniRuntime cni = runtime(kTwo);
  const auto result = cni.add(attachment_);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_THAT(jsonio::to_string(*result), HasSubstr("10.0.0.2/32"));

  const json::value first = input("first.ADD");
  EXPECT_EQ(jsonio::get_int(first, {"own"}), 7);
  EXPECT_EQ(jsonio::get_string(first, {"name"}), "net");
  EXPECT_EQ(jsonio::get(first, {"prevResult"}), nullptr);
  EXPECT_EQ(jsonio::get(first, {"runtimeConfig"}), nullptr);
  const json::value second = input("second.ADD");
  EXPECT_THAT(jsonio::to_string(jsonio::get_object(second, {"prevResult"})),
              HasSubstr("10.0.0.1/32"));
  EXPECT_NE(jsonio::get(second, {"runtimeConfig", "portMappings"}), nullptr);
  EXPECT_EQ(jsonio::get(second, {"runtimeConfig", "bandwidth"}), nullptr);
  EXPECT_EQ(jsonio::get(second, {"capabilities"}), nullptr);

  ASSERT_TRUE(cni.check(attachment_, *result));
  ASSERT_TRUE(cni.del(attachment_, *result));
  EXPECT_THAT(calls(), ElementsAre("ADD first", "ADD second", "CHECK first", "CHECK second",
                                   "DEL second", "DEL first"));
  EXPECT_THAT(jsonio::to_string(jsonio::get_object(input("first.DEL"), {"prevResult"})),
              HasSubstr("10.0.0.2/32"));
}

TEST_F(ConfListRun, GivesThePluginItsEnvironment) {
  plugin("first", "env > " + folder_ + "/env; echo '{}'");
  ASSERT_TRUE(runtime(R"({"cniVersion":"0.4.0","name":"n","plugins":[{"type":"first"}]})")
                  .add(attachment_));
  const std::string env = *read_file(folder_ + "/env");
  EXPECT_THAT(env, HasSubstr("CNI_CONTAINERID=c1\n"));
  EXPECT_THAT(env, HasSubstr("CNI_NETNS=/run/netns/x\n"));
  EXPECT_THAT(env, HasSubstr("CNI_IFNAME=eth0\n"));
  EXPECT_THAT(env, HasSubstr("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=pod1\n"));
  EXPECT_THAT(env, HasSubstr("CNI_PATH=/nonexistent:" + folder_ + "\n"));
}

TEST_F(ConfListRun, AFailedAddIsUndoneAndTold) {
  plugin("first", "echo '{}'");
  plugin(
      "second",
      R"([ $CNI_COMMAND = DEL ] || { echo '{"code":11,"msg":"try again","details":"no agent"}'; exit 1; })");
  const auto result = runtime(kTwo).add(attachment_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, 11U);
  EXPECT_EQ(result.error().message(), "plugin second: try again: no agent (code 11)");
  EXPECT_THAT(calls(), ElementsAre("ADD first", "ADD second", "DEL second", "DEL first"));
}

TEST_F(ConfListRun, DelGoesOnBehindAFailure) {
  plugin("first", "true");
  plugin("second", "echo broken >&2; exit 3");
  const auto result = runtime(kTwo).del(attachment_, nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "plugin second: exit status 3: broken");
  EXPECT_THAT(calls(), ElementsAre("DEL second", "DEL first"));
}

TEST_F(ConfListRun, NamesAMissingPluginAndAResultThatIsNone) {
  const auto missing = runtime(kTwo).add(attachment_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "plugin first: not found in /nonexistent, " + folder_);
  plugin("first", "echo hello");
  const auto odd = runtime(kTwo).add(attachment_);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().message(), "plugin first: printed no result but: hello");
}

TEST(ParseConfList, ErrorsNameTheField) {
  const auto error_of = [](std::string_view text) {
    const auto result = parse_conflist(text, "x.conflist");
    return result ? "no error" : result.error().message;
  };
  EXPECT_THAT(error_of("{"), HasSubstr("x.conflist: "));
  EXPECT_THAT(error_of("[]"), HasSubstr("is an object"));
  EXPECT_THAT(error_of(R"({"cniVersion":"2.0.0"})"), HasSubstr("cniVersion: \"2.0.0\" is none of"));
  EXPECT_THAT(error_of(R"({"cniVersion":"1.0.0"})"), HasSubstr("name: must be"));
  EXPECT_THAT(error_of(R"({"cniVersion":"1.0.0","name":"n"})"), HasSubstr("plugins: must be"));
  EXPECT_THAT(error_of(R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a/b"}]})"),
              HasSubstr("plugins[0].type: \"a/b\" must be"));
}

}  // namespace
}  // namespace caracal::lab
