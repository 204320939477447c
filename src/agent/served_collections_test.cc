// ServedCollections against a real API server in this process.
#include "agent/served_collections.h"

#include <gtest/gtest.h>

#include "apimachinery/crd.h"
#include "apiserver/testing/api_fixture.h"

namespace caracal::agent {
namespace {

constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
// So long that a test that needs it fails.
constexpr event::Duration kNever{3'600'000};

class ServedCollectionsTest : public apiserver::testing::ApiFixture {
 protected:
  ServedCollectionsTest() : ApiFixture(false) {}
};

TEST_F(ServedCollectionsTest, DefinitionsAreNoticedWhenTheyComeAndGo) {
  const auto crds = apimachinery::bundled_crds();
  ASSERT_TRUE(crds);
  ServedCollections::Served now;
  size_t told = 0;
  ServedCollections served(client_, kNever, [&](const ServedCollections::Served& all) {
    now = all;
    ++told;
  });
  served.start();
  ASSERT_TRUE(until([&] { return told > 0; }));
  // Those of Kubernetes itself that not every server has.
  const size_t before = now.size();
  const calico::Collection* pools = calico::find_collection("projectcalico.org/v3", "IPPool");
  EXPECT_FALSE(now.contains(pools));

  for (const json::value& crd : *crds) {
    const std::string_view name = jsonio::get_string(crd, {"metadata", "name"});
    if (name.ends_with(".projectcalico.org")) {
      create(kCrds, crd);
    }
  }
  ASSERT_TRUE(until([&] { return now.contains(pools); }));
  const size_t both_groups = 2 * 19;  // kinds of Calico that are read
  ASSERT_TRUE(until([&] { return now.size() == before + both_groups; })) << now.size();
  remove(std::string(kCrds) + "/ippools.projectcalico.org");
  EXPECT_TRUE(until([&] { return !now.contains(pools); }));
}

}  // namespace
}  // namespace caracal::agent
