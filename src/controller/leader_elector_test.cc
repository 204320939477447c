// LeaderElector against a server that holds one lease and does what the test wants in between.
#include "controller/leader_elector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/http_server.h"
#include "kube/client.h"

namespace caracal::controller {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr event::Duration kLimit{60'000};

// Optimistic locking as the API server has it, of the one object there is.
class LeaseServer {
 public:
  LeaseServer() {
    auto server = apiserver::HttpServer::start(
        {.listeners = {{.address = "127.0.0.1", .port = 0, .tls = false}}},
        [this](const std::shared_ptr<const apiserver::HttpRequest>& request,
               const apiserver::Responder& respond) { respond(answer(*request)); });
    EXPECT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->listeners().front().port);
  }
  LeaseRecord lease() const {
    const std::lock_guard lock(mutex_);
    return decode_lease(object_);
  }
  // Behind each of so many GETs somebody writes the lease; as `holder`, where one is named.
  void write_behind_gets(int count, std::string holder = {}) {
    const std::lock_guard lock(mutex_);
    late_ = count;
    late_holder_ = std::move(holder);
    methods_.clear();
  }
  std::vector<std::string> methods() const {
    const std::lock_guard lock(mutex_);
    return methods_;
  }

 private:
  apiserver::HttpResponse answer(const apiserver::HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    methods_.push_back(request.method);
    apiserver::HttpResponse response;
    if (request.method == "GET") {
      response.status = object_.is_null() ? 404 : 200;
      response.body = jsonio::to_string(object_.is_null() ? json::value(json::object()) : object_);
      if (!object_.is_null() && late_ > 0) {
        --late_;
        if (!late_holder_.empty())
          jsonio::ensure(object_, {"spec", "holderIdentity"}) = late_holder_;
        stamp();
      }
      return response;
    }
    auto written = jsonio::parse(request.body);
    const bool newest = written && (request.method == "POST" ||
                                    jsonio::get_string(*written, {"metadata", "resourceVersion"}) ==
                                        std::to_string(version_));
    if (!newest) {
      response.status = 409;
      response.body = "{}";
      return response;
    }
    object_ = std::move(*written);
    stamp();
    response.status = request.method == "POST" ? 201 : 200;
    response.body = jsonio::to_string(object_);
    return response;
  }
  void stamp() {
    jsonio::ensure(object_, {"metadata", "resourceVersion"}) = std::to_string(++version_);
  }

  mutable std::mutex mutex_;
  json::value object_;
  int version_ = 0;
  int late_ = 0;
  std::string late_holder_;
  std::vector<std::string> methods_;
  std::unique_ptr<apiserver::HttpServer> server_;  // ends before what it works on
};

class LeaderElectorTest : public ::testing::Test {
 protected:
  void lead() {
    elector_.start();
    ASSERT_TRUE(loop_.run_until([&] { return elector_.leading(); }, kLimit)) << elector_.error();
  }
  void release() {
    bool done = false;
    elector_.release([&] { done = true; });
    EXPECT_FALSE(elector_.leading()) << "at once";
    EXPECT_FALSE(fence_.is_open());
    ASSERT_TRUE(loop_.run_until([&] { return done; }, kLimit));
  }

  LeaseServer server_;
  event::Loop loop_;
  kube::Client client_{loop_, {.server = server_.url()}};
  Fence fence_;
  LeaderElector elector_{client_,
                         {.identity = "a",
                          .timings = {.duration = milliseconds(600'000),
                                      .renew = milliseconds(400'000),
                                      .retry = milliseconds(300'000)}},
                         {},
                         fence_};
};

TEST_F(LeaderElectorTest, MakesTheLeaseAndGivesItBack) {
  lead();
  EXPECT_EQ(server_.lease().holder, "a");
  EXPECT_TRUE(fence_.is_open());
  server_.write_behind_gets(0);
  release();
  EXPECT_EQ(server_.lease().holder, "");
  EXPECT_THAT(server_.methods(), ElementsAre("GET", "PUT"));
}

// The server carries out a renewal whose call was cancelled: behind the reading, before the
// writing.
TEST_F(LeaderElectorTest, ALateRenewalDoesNotKeepTheLease) {
  lead();
  server_.write_behind_gets(2);
  release();
  EXPECT_EQ(server_.lease().holder, "");
  EXPECT_THAT(server_.methods(), ElementsAre("GET", "PUT", "GET", "PUT", "GET", "PUT"));
}

TEST_F(LeaderElectorTest, WhatAnotherHasTakenMeanwhileStaysItsOwn) {
  lead();
  server_.write_behind_gets(1, "b");
  release();
  EXPECT_EQ(server_.lease().holder, "b");
  EXPECT_THAT(server_.methods(), ElementsAre("GET", "PUT", "GET"));
}

}  // namespace
}  // namespace caracal::controller
