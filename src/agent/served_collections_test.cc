// ServedCollections against a real API server in this process.
#include "agent/served_collections.h"

#include <gtest/gtest.h>

#include "apimachinery/crd.h"
#include "apiserver/api_server.h"
#include "kube/blocking_client.h"

namespace caracal::agent {
namespace {

constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr event::Duration kLimit{20'000};
// So long that a test that needs it fails.
constexpr event::Duration kNever{3'600'000};

TEST(ServedCollections, DefinitionsAreNoticedWhenTheyComeAndGo) {
  apiserver::ApiServerOptions options;
  options.listeners = {{"127.0.0.1", 0, false}};
  options.bundled_crds = false;
  auto server = apiserver::ApiServer::start(std::move(options));
  ASSERT_TRUE(server) << server.error().message;
  kube::ClusterAccess access;
  access.server = (*server)->local_url();
  access.token = (*server)->admin_token();
  kube::BlockingClient admin(access);
  const auto crds = apimachinery::bundled_crds();
  ASSERT_TRUE(crds);

  event::Loop loop;
  kube::Client client(loop, access);
  ServedCollections::Served now;
  size_t told = 0;
  ServedCollections served(client, kNever, [&](const ServedCollections::Served& all) {
    now = all;
    ++told;
  });
  served.start();
  ASSERT_TRUE(loop.run_until([&] { return told > 0; }, kLimit));
  // Those of Kubernetes itself that not every server has.
  const size_t before = now.size();
  const calico::Collection* pools = calico::find_collection("projectcalico.org/v3", "IPPool");
  EXPECT_FALSE(now.contains(pools));

  for (const json::value& crd : *crds) {
    const std::string_view name = jsonio::get_string(crd, {"metadata", "name"});
    if (name.ends_with(".projectcalico.org")) {
      ASSERT_TRUE(admin.create(kCrds, crd));
    }
  }
  ASSERT_TRUE(loop.run_until([&] { return now.contains(pools); }, kLimit));
  const size_t both_groups = 2 * 19;  // kinds of Calico that are read
  ASSERT_TRUE(loop.run_until([&] { return now.size() == before + both_groups; }, kLimit))
      << now.size();
  ASSERT_TRUE(admin.remove(std::string(kCrds) + "/ippools.projectcalico.org"));
  EXPECT_TRUE(loop.run_until([&] { return !now.contains(pools); }, kLimit));
}

}  // namespace
}  // namespace caracal::agent
