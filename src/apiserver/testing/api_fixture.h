// ApiFixture: for tests of the API server's clients: a server in this process with everything in
// memory, an admin who asks it and waits, and a loop with a client on it.
//
// All of that is there once the constructor is done, so that what a test looks at can be members of
// its own fixture, which end before these.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "apiserver/api_server.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/blocking_client.h"
#include "kube/client.h"

namespace caracal::apiserver::testing {

// On 127.0.0.1, plain HTTP, at a port the kernel gives. One that does not start ends the program.
std::unique_ptr<ApiServer> start_server(ApiServerOptions options = {});
kube::ClusterAccess admin_access(const ApiServer& server);

class ApiFixture : public ::testing::Test {
 protected:
  // Without `bundled_crds` it starts with the kinds of Kubernetes alone, and sooner.
  explicit ApiFixture(bool bundled_crds);
  ~ApiFixture() override;

  static json::value yaml(std::string_view text);  // of the one document in it

  // By the admin. What the server refuses fails the test.
  json::value get(const std::string& path);  // null: it does not exist
  void create(const std::string& collection, const json::value& object);
  void merge(const std::string& path, const json::value& patch);  // a merge patch
  void remove(const std::string& path);
  // The CRD of this name ("tiers.projectcalico.org") as it is bundled, after `change`.
  void serve(std::string_view name, const std::function<void(json::value& crd)>& change = {});

  // Runs the loop, for two minutes at the most.
  bool until(const std::function<bool()>& holds);
  // For what asks the server: not after every round of the loop, but every 20 ms at the most.
  bool until_server(const std::function<bool()>& holds);

  std::unique_ptr<ApiServer> server_;
  kube::ClusterAccess access_;
  kube::BlockingClient admin_;
  event::Loop loop_;
  kube::Client client_;
};

}  // namespace caracal::apiserver::testing
