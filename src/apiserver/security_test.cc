// Tokens, certificates, service addresses, content negotiation: the small pieces around requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "apiserver/auth.h"
#include "apiserver/cluster_ip_allocator.h"
#include "apiserver/media.h"
#include "apiserver/pki.h"
#include "base/file.h"

namespace caracal::apiserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

HttpRequest with_header(const std::string& name, const std::string& value) {
  HttpRequest request;
  request.headers[name] = value;
  return request;
}

TEST(AuthTest, ReadsTokenFiles) {
  Authenticator authenticator;
  ASSERT_TRUE(
      authenticator.add_token_file("t1,alice,1,\"dev,caracal:readers\"\n\n# note\nt2,bob,2\n"));
  const auto alice = authenticator.authenticate(with_header("authorization", "Bearer t1"));
  ASSERT_TRUE(alice);
  EXPECT_EQ(alice->name, "alice");
  EXPECT_THAT(alice->groups, ElementsAre("dev", "caracal:readers"));
  EXPECT_TRUE(may(*alice, "list"));
  EXPECT_FALSE(may(*alice, "delete"));
  const auto bob = authenticator.authenticate(with_header("authorization", "Bearer t2"));
  ASSERT_TRUE(bob);
  EXPECT_TRUE(may(*bob, "delete"));
}

TEST(AuthTest, RefusesEverythingElse) {
  Authenticator authenticator;
  authenticator.add_token("secret", {"admin", "", {}});
  EXPECT_FALSE(authenticator.authenticate({}));
  for (const char* header :
       {"Bearer", "Bearer ", "Bearer secre", "Bearer secretx", "Basic secret", "secret"}) {
    EXPECT_FALSE(authenticator.authenticate(with_header("authorization", header))) << header;
  }
  authenticator.set_anonymous({"somebody", "", {}});
  EXPECT_TRUE(authenticator.authenticate({}));
  EXPECT_FALSE(authenticator.authenticate(with_header("authorization", "Bearer wrong")));
}

TEST(AuthTest, NamesTheBadLine) {
  Authenticator authenticator;
  const Status status = authenticator.add_token_file("a,b,c\nonly-token\n");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("line 2"));
  EXPECT_FALSE(authenticator.add_token_file("a,\"b,c\n"));
}

TEST(PkiTest, KeepsTheCaAndRenewsForNewNames) {
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("caracal-pki-" + std::to_string(getpid())))
          .string();
  std::filesystem::remove_all(folder);
  const auto first = load_or_make_pki(folder, {"localhost", "127.0.0.1"});
  ASSERT_TRUE(first) << first.error().message;
  const auto same = load_or_make_pki(folder, {"localhost"});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->certificate, first->certificate);
  const auto wider =
      load_or_make_pki(folder, {"localhost", "127.0.0.1", "10.1.2.3", "lab.example", "::1"});
  ASSERT_TRUE(wider);
  EXPECT_EQ(wider->ca_certificate, first->ca_certificate);
  EXPECT_NE(wider->certificate, first->certificate);
  EXPECT_EQ(std::filesystem::status(folder + "/ca.key").permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(make_pki({"not a name"}));
  std::filesystem::remove_all(folder);
}

TEST(ClusterIpAllocatorTest, GivesEachAddressOnce) {
  auto allocator = ClusterIpAllocator::for_range("10.96.0.0/29");
  ASSERT_TRUE(allocator);
  EXPECT_EQ(allocator->first(), "10.96.0.1");
  const ObjectKey api{"services", "default", "kubernetes"};
  const ObjectKey web{"services", "dev", "web"};
  EXPECT_FALSE(allocator->reserve("10.96.0.1", api));
  EXPECT_FALSE(allocator->reserve("10.96.0.1", api));  // again by the same owner
  EXPECT_EQ(allocator->reserve("10.96.0.1", web), "provided IP is already allocated");
  EXPECT_THAT(*allocator->reserve("10.97.0.1", web), HasSubstr("10.96.0.0/29"));
  EXPECT_FALSE(allocator->reserve("None", web));
  std::set<std::string> given;
  for (int i = 0; i < 5; ++i) given.insert(*allocator->allocate(web));
  EXPECT_EQ(given.size(), 5U);
  EXPECT_FALSE(given.contains("10.96.0.1"));
  EXPECT_FALSE(allocator->allocate(web));
  allocator->release("10.96.0.3", web);
  EXPECT_EQ(allocator->allocate(web), "10.96.0.3");
}

TEST(ClusterIpAllocatorTest, RefusesOtherRanges) {
  for (const char* range :
       {"10.96.0.0", "10.96.0.0/30", "10.0.0.0/4", "fd00::/64", "x/16", "10.96.0.0/a"}) {
    EXPECT_FALSE(ClusterIpAllocator::for_range(range)) << range;
  }
}

TEST(MediaTest, NegotiatesAsKubectlAsks) {
  EXPECT_EQ(*negotiate(""), Representation::kObject);
  EXPECT_EQ(*negotiate("application/json, */*"), Representation::kObject);
  EXPECT_EQ(*negotiate("application/json;as=Table;v=v1;g=meta.k8s.io,application/"
                       "json;as=Table;v=v1beta1;g=meta.k8s.io,"
                       "application/json"),
            Representation::kTable);
  EXPECT_EQ(*negotiate("application/vnd.kubernetes.protobuf,application/json"),
            Representation::kObject);
  EXPECT_EQ(*negotiate("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
            Representation::kPartialMetadata);
  EXPECT_EQ(*negotiate("application/json;as=Other;g=x;v=v1,application/json"),
            Representation::kObject);
  ASSERT_FALSE(negotiate("application/vnd.kubernetes.protobuf"));
  EXPECT_EQ(negotiate("text/html").error().code, 406);
}

TEST(MediaTest, DecodesJsonAndYaml) {
  HttpRequest request = with_header("content-type", "application/yaml; charset=utf-8");
  request.body = "kind: Pod\nport: 80\n";
  const auto value = decode_body(request);
  ASSERT_TRUE(value);
  EXPECT_EQ(jsonio::get_int(*value, {"port"}), 80);
  request.headers["content-type"] = "application/json";
  EXPECT_EQ(decode_body(request).error().code, 400);
  request.headers["content-type"] = "text/plain";
  EXPECT_EQ(decode_body(request).error().code, 415);
}

}  // namespace
}  // namespace caracal::apiserver
