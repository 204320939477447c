#include "apiserver/kubernetes_protobuf.h"

#include <gtest/gtest.h>

#include <string>

namespace caracal::apiserver {
namespace {

// Just enough of an encoder to write what a Go client sends.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string text(unsigned number, std::string_view value) {
  return varint(number << 3 | 2) + varint(value.size()) + std::string(value);
}
std::string integer(unsigned number, uint64_t value) { return varint(number << 3) + varint(value); }

std::string body(std::string_view api_version, std::string_view kind, std::string_view object) {
  return std::string("k8s\0", 4) + text(1, text(1, api_version) + text(2, kind)) + text(2, object) +
         text(3, "") + text(4, "");
}

TEST(KubernetesProtobufTest, DecodesANamespaceAsGoWritesIt) {
  // Go's encoder writes empty texts and empty times, too.
  const std::string metadata = text(1, "dev") + text(2, "") + text(3, "") + text(5, "") +
                               text(6, "") + integer(7, 0) + text(8, "") +
                               text(11, text(1, "team") + text(2, "net"));
  const auto value = decode_kubernetes_protobuf(
      body("v1", "Namespace", text(1, metadata) + text(2, "") + text(3, text(1, ""))));
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(
      jsonio::to_string(*value),
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"dev","labels":{"team":"net"}}})");
}

TEST(KubernetesProtobufTest, DecodesScalarsListsAndSpecialTypes) {
  const std::string port = text(1, "http") + text(2, "TCP") + integer(3, 80) +
                           text(4, integer(1, 1) + integer(2, 0) + text(3, "web")) + integer(5, 0);
  const std::string spec =
      text(1, port) + text(2, text(1, "app") + text(2, "web")) + text(18, "10.96.0.9");
  const std::string when = integer(1, 1700000000) + integer(2, 0);
  const auto value = decode_kubernetes_protobuf(
      body("v1", "Service", text(1, text(1, "web") + text(8, when)) + text(2, spec)));
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(jsonio::get_string(*value, {"metadata", "creationTimestamp"}), "2023-11-14T22:13:20Z");
  const json::array& ports = jsonio::get_array(*value, {"spec", "ports"});
  ASSERT_EQ(ports.size(), 1U);
  EXPECT_EQ(jsonio::to_string(ports[0]),
            R"({"name":"http","protocol":"TCP","port":80,"targetPort":"web"})");
  EXPECT_EQ(jsonio::get_string(*value, {"spec", "selector", "app"}), "web");
  EXPECT_EQ(jsonio::get_array(*value, {"spec", "clusterIPs"}).size(), 1U);
}

TEST(KubernetesProtobufTest, BytesBecomeBase64AndPointersKeepZero) {
  const std::string secret = text(1, text(1, "s")) +
                             text(2, text(1, "k") + text(2, std::string("\xff\x00", 2))) +
                             integer(5, 0) + text(3, "Opaque");
  const auto value = decode_kubernetes_protobuf(body("v1", "Secret", secret));
  ASSERT_TRUE(value);
  EXPECT_EQ(jsonio::get_string(*value, {"data", "k"}), "/wA=");
  const json::value* immutable = jsonio::get(*value, {"immutable"});
  ASSERT_NE(immutable, nullptr);
  EXPECT_EQ(*immutable, json::value(false));
}

TEST(KubernetesProtobufTest, RefusesWhatIsNotOne) {
  EXPECT_EQ(decode_kubernetes_protobuf("{}").error().code, Errc::kInvalid);
  EXPECT_EQ(decode_kubernetes_protobuf(body("apps/v1", "Deployment", "")).error().code,
            Errc::kUnsupported);
  std::string good = body("v1", "Namespace", text(1, text(1, "dev")));
  for (size_t size = 0; size + 1 < good.size(); ++size) {
    static_cast<void>(
        decode_kubernetes_protobuf(std::string_view(good).substr(0, size)));  // never crashes
  }
  EXPECT_FALSE(decode_kubernetes_protobuf(body("v1", "Namespace", integer(1, 7))));
}

}  // namespace
}  // namespace caracal::apiserver
