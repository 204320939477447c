#include "cni/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::cni {
namespace {

using ::testing::HasSubstr;

RawRequest add(
    std::string_view config = R"({"cniVersion":"1.1.0","name":"net","type":"caracal-cni"})") {
  return {"ADD",
          "abc-1.2_3",
          "/run/netns/x",
          "eth0",
          "K8S_POD_NAMESPACE=dev;K8S_POD_NAME=pod1;K8S_POD_INFRA_CONTAINER_ID=abc",
          jsonio::parse(config).value()};
}

void expect_refused(const RawRequest& raw, Code code, const std::string& text) {
  const auto request = parse_request(raw);
  ASSERT_FALSE(request) << text;
  EXPECT_EQ(request.error().code, code) << request.error().msg;
  EXPECT_THAT(request.error().msg, HasSubstr(text));
}

TEST(Request, ReadsAnAdd) {
  RawRequest raw = add(R"({"cniVersion":"1.0.0","name":"net","type":"caracal-cni","mtu":1450,
    "socket":"/tmp/a.sock","ipam":{"type":"caracal"},"capabilities":{"ips":true},
    "runtimeConfig":{"ips":["10.1.0.9/24"],"portMappings":[]},"example.org/x":1,
    "prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"lo"}]}})");
  raw.args += ";IP=fd00::9";
  const auto request = parse_request(raw);
  ASSERT_TRUE(request) << request.error().msg;
  EXPECT_EQ(request->pod_namespace, "dev");
  EXPECT_EQ(request->pod_name, "pod1");
  EXPECT_EQ(request->config.version, Version::k1_0_0);
  EXPECT_EQ(request->config.mtu, 1450u);
  EXPECT_EQ(request->config.socket, "/tmp/a.sock");
  ASSERT_EQ(request->config.requested_ips.size(), 2u);
  EXPECT_EQ(request->config.requested_ips[0].to_string(), "10.1.0.9");
  EXPECT_EQ(request->config.prev_result->interfaces.front().name, "lo");
}

TEST(Request, NamesABadVariable) {
  RawRequest raw = add();
  raw.container_id = "-x";
  expect_refused(raw, Code::kInvalidEnvironment, "CNI_CONTAINERID \"-x\"");
  for (const char* name : {"", "a b", "a/b", "way-too-long-name", ".."}) {
    raw = add();
    raw.ifname = name;
    expect_refused(raw, Code::kInvalidEnvironment, "CNI_IFNAME \"" + std::string(name) + "\"");
  }
  raw = add();
  raw.netns = "";
  expect_refused(raw, Code::kInvalidEnvironment, "CNI_NETNS");
  raw = add();
  raw.args = "K8S_POD_NAME=pod1";
  expect_refused(raw, Code::kInvalidEnvironment, "must have K8S_POD_NAMESPACE");
  raw.args = "nonsense";
  expect_refused(raw, Code::kInvalidEnvironment, "KEY=VALUE");
  raw.args = "FOO=1;K8S_POD_NAME=pod1;K8S_POD_NAMESPACE=dev";
  expect_refused(raw, Code::kInvalidEnvironment, "unknown keys FOO");
  raw.args += ";IgnoreUnknown=true";
  EXPECT_TRUE(parse_request(raw));
  raw.args += ";IP=10.1.2";
  expect_refused(raw, Code::kInvalidEnvironment, "CNI_ARGS IP");
}

TEST(Request, NamesABadKey) {
  const auto with = [](const std::string& more) {
    return add(R"({"cniVersion":"1.1.0","name":"n","type":"t",)" + more + "}");
  };
  expect_refused(with(R"("mtuu":1)"), Code::kUnsupportedField, "unknown key \"mtuu\" with value 1");
  expect_refused(with(R"("mtu":20)"), Code::kInvalidConfig, "mtu: 20: must be 0");
  expect_refused(with(R"("mtu":"1500")"), Code::kInvalidConfig, "mtu: \"1500\"");
  expect_refused(with(R"("socket":7)"), Code::kInvalidConfig, "socket: 7");
  expect_refused(with(R"("ipMasq":true)"), Code::kUnsupportedField, "ipMasq");
  expect_refused(with(R"("ipam":{"type":"host-local"})"), Code::kUnsupportedField, "host-local");
  expect_refused(with(R"("runtimeConfig":{"ips":["x"]})"), Code::kInvalidConfig, "ips: \"x\"");
  expect_refused(with(R"("prevResult":{"ips":[{"address":"10.0.0.1"}]})"), Code::kInvalidConfig,
                 "prevResult.ips[0].address \"10.0.0.1\"");
  expect_refused(add(R"({"cniVersion":"1.1.0","type":"t"})"), Code::kInvalidConfig, "name");
  expect_refused(add(R"({"cniVersion":"0.2.0","name":"n","type":"t"})"), Code::kIncompatibleVersion,
                 "must be one of 0.3.1, 0.4.0, 1.0.0, 1.1.0");
}

TEST(Request, DelNeedsNeitherNamespaceNorPod) {
  RawRequest raw = add();
  raw.command = "DEL";
  raw.netns = "";
  raw.args = "";
  EXPECT_TRUE(parse_request(raw));
}

TEST(Request, GcNeedsTheList) {
  RawRequest raw = add();
  raw.command = "GC";
  expect_refused(raw, Code::kInvalidConfig, "cni.dev/valid-attachments: must be there");
  raw.config = jsonio::parse(R"({"cniVersion":"1.1.0","name":"n","type":"t",
    "cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]})")
                   .value();
  const auto request = parse_request(raw);
  ASSERT_TRUE(request) << request.error().msg;
  EXPECT_EQ(request->valid_attachments, (std::vector<ValidAttachment>{{"a", "eth0"}}));
  raw.config = jsonio::parse(R"({"cniVersion":"1.1.0","name":"n","type":"t",
    "cni.dev/valid-attachments":[{"containerID":"a"}]})")
                   .value();
  expect_refused(raw, Code::kInvalidConfig, "valid-attachments[0]");
}

TEST(Request, CommandsNeedTheirVersion) {
  RawRequest raw = add(R"({"cniVersion":"0.3.1","name":"n","type":"t"})");
  EXPECT_TRUE(parse_request(raw));
  raw.command = "CHECK";
  expect_refused(raw, Code::kIncompatibleVersion, "CHECK needs cniVersion 0.4.0");
  raw = add();
  raw.command = "CHECK";
  expect_refused(raw, Code::kInvalidConfig, "prevResult: must be there for CHECK");
}

}  // namespace
}  // namespace caracal::cni
