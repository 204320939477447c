#include "apiserver/request_path.h"

#include <gtest/gtest.h>

namespace caracal::apiserver {
namespace {

TEST(RequestPathTest, ReadsEveryForm) {
  const RequestPath pod{
      .group = "", .version = "v1", .ns = "dev", .resource = "pods", .name = "web"};
  EXPECT_EQ(parse_request_path("/api/v1/namespaces/dev/pods/web"), pod);
  RequestPath status = pod;
  status.subresource = "status";
  EXPECT_EQ(parse_request_path("/api/v1/namespaces/dev/pods/web/status"), status);
  EXPECT_EQ(parse_request_path("/api/v1/pods"), (RequestPath{.version = "v1", .resource = "pods"}));
  EXPECT_EQ(parse_request_path("/api/v1/nodes/n1"),
            (RequestPath{.version = "v1", .resource = "nodes", .name = "n1"}));
  EXPECT_EQ(parse_request_path("/apis/networking.k8s.io/v1/namespaces/dev/networkpolicies"),
            (RequestPath{.group = "networking.k8s.io",
                         .version = "v1",
                         .ns = "dev",
                         .resource = "networkpolicies"}));
  EXPECT_EQ(parse_request_path("/apis/projectcalico.org/v3/tiers/"),
            (RequestPath{.group = "projectcalico.org", .version = "v3", .resource = "tiers"}));
}

TEST(RequestPathTest, NamespacesAreObjectsToo) {
  EXPECT_EQ(parse_request_path("/api/v1/namespaces"),
            (RequestPath{.version = "v1", .resource = "namespaces"}));
  EXPECT_EQ(parse_request_path("/api/v1/namespaces/dev"),
            (RequestPath{.version = "v1", .resource = "namespaces", .name = "dev"}));
  EXPECT_EQ(
      parse_request_path("/api/v1/namespaces/dev/finalize"),
      (RequestPath{
          .version = "v1", .resource = "namespaces", .name = "dev", .subresource = "finalize"}));
  EXPECT_EQ(parse_request_path("/api/v1/namespaces/status/pods"),
            (RequestPath{.version = "v1", .ns = "status", .resource = "pods"}));
}

TEST(RequestPathTest, OtherPathsAreNone) {
  for (const char* path : {"", "/", "/api", "/api/v1", "/apis", "/apis/g", "/apis/g/v1", "/healthz",
                           "/x/v1/pods", "/api/v1/pods/a/b/c", "/apis//v1/pods"}) {
    EXPECT_FALSE(parse_request_path(path)) << path;
  }
}

}  // namespace
}  // namespace caracal::apiserver
