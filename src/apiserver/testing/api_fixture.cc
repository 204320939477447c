#include "apiserver/testing/api_fixture.h"

#include "apimachinery/crd.h"
#include "base/check.h"
#include "jsonio/yaml.h"

namespace caracal::apiserver::testing {
namespace {

// For a busy machine; what is waited for takes a moment.
constexpr event::Duration kLimit{120'000};
constexpr event::Duration kBetween{20};
constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

}  // namespace

std::unique_ptr<ApiServer> start_server(ApiServerOptions options) {
  options.listeners = {{"127.0.0.1", 0, false}};
  auto server = ApiServer::start(std::move(options));
  EXPECT_TRUE(server) << server.error().message;
  CARACAL_CHECK(server);
  return std::move(*server);
}

kube::ClusterAccess admin_access(const ApiServer& server) {
  kube::ClusterAccess access;
  access.server = server.local_url();
  access.token = server.admin_token();
  return access;
}

ApiFixture::ApiFixture(bool bundled_crds)
    : server_(start_server({.bundled_crds = bundled_crds})),
      access_(admin_access(*server_)),
      admin_(access_),
      client_(loop_, access_) {}

ApiFixture::~ApiFixture() = default;

json::value ApiFixture::yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents && !documents->empty() ? std::move(documents->front()) : json::value();
}

json::value ApiFixture::get(const std::string& path) {
  auto object = admin_.get(path);
  if (object) return std::move(*object);
  EXPECT_EQ(object.error().code, Errc::kNotFound) << object.error().message;
  return {};
}

void ApiFixture::create(const std::string& collection, const json::value& object) {
  const auto made = admin_.create(collection, object);
  ASSERT_TRUE(made) << made.error().message;
}

void ApiFixture::merge(const std::string& path, const json::value& patch) {
  const auto done = admin_.patch(path, kube::kMergePatch, patch);
  ASSERT_TRUE(done) << done.error().message;
}

void ApiFixture::remove(const std::string& path) {
  const auto done = admin_.remove(path);
  ASSERT_TRUE(done) << done.error().message;
}

void ApiFixture::serve(std::string_view name, const std::function<void(json::value&)>& change) {
  auto crds = apimachinery::bundled_crds();
  ASSERT_TRUE(crds);
  for (json::value& crd : *crds) {
    if (jsonio::get_string(crd, {"metadata", "name"}) != name) continue;
    if (change) change(crd);
    return create(kCrds, crd);
  }
  FAIL() << "no CRD " << name;
}

bool ApiFixture::until(const std::function<bool()>& holds) {
  return loop_.run_until(holds, kLimit);
}

bool ApiFixture::until_server(const std::function<bool()>& holds) {
  auto next = event::Clock::now();
  return until([&] {
    if (event::Clock::now() < next) return false;
    next = event::Clock::now() + kBetween;
    return holds();
  });
}

}  // namespace caracal::apiserver::testing
