#include "kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "base/file.h"
#include "kube/blocking_client.h"
#include "kube/testing/scripted_server.h"

namespace caracal::kube {
namespace {

using testing::Certificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_certificate;
using testing::ScriptedServer;
using namespace std::chrono_literals;
using Exchange = ScriptedServer::Exchange;

constexpr event::Duration kLimit = 60s;

// Sends one request and waits for its answer.
Result<Response> ask(event::Loop& loop, Client& client, Request request) {
  std::optional<Result<Response>> answer;
  const Call call =
      client.request(std::move(request), [&](Result<Response> r) { answer = std::move(r); });
  EXPECT_FALSE(answer.has_value()) << "a callback ran inside the call";
  EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, kLimit));
  return answer ? std::move(*answer) : fail(Errc::kInternal, "no answer");
}

TEST(ClientTest, SendsARequestAndGetsTheAnswer) {
  event::Loop loop;
  ScriptedServer server;
  server.then_respond(201, R"({"ok":true})");
  server.then_respond(200, "");
  Client client(loop, {.server = server.url() + "/base", .token = "secret"});
  const auto created = ask(loop, client,
                           {.method = "POST",
                            .path = "/api/v1/x",
                            .query = {{"dryRun", "All"}, {"q", "a b"}},
                            .body = "{}",
                            .content_type = "application/json"});
  ASSERT_TRUE(created.has_value()) << created.error().message;
  EXPECT_EQ(created->status, 201);
  EXPECT_EQ(created->body, R"({"ok":true})");
  EXPECT_TRUE(ask(loop, client, {.method = "DELETE", .path = "/api/v1/x/y"}).has_value());

  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].method, "POST");
  EXPECT_EQ(seen[0].path, "/base/api/v1/x");
  EXPECT_EQ(seen[0].query.at("q"), "a b");
  EXPECT_EQ(seen[0].body, "{}");
  EXPECT_EQ(seen[0].headers.at("content-type"), "application/json");
  EXPECT_EQ(seen[0].headers.at("accept"), "application/json");
  EXPECT_EQ(seen[0].headers.at("authorization"), "Bearer secret");
  EXPECT_EQ(seen[0].headers.count("expect"), 0u);
  EXPECT_EQ(seen[1].method, "DELETE");
  EXPECT_EQ(seen[1].headers.count("content-type"), 0u);
  EXPECT_EQ(server.connections(), 1);  // kept
}

TEST(ClientTest, BasicAuthentication) {
  event::Loop loop;
  ScriptedServer server;
  server.then_respond(200, "{}");
  Client client(loop, {.server = server.url(), .username = "a", .password = "b"});
  EXPECT_TRUE(ask(loop, client, {.path = "/"}).has_value());
  EXPECT_EQ(server.seen().at(0).headers.at("authorization"), "Basic YTpi");
}

TEST(ClientTest, AnswersThatAreNot2xxAreErrorsWithTheServersText) {
  event::Loop loop;
  ScriptedServer server;
  server.then_respond(404,
                      R"({"kind":"Status","message":"pods \"a\" not found","reason":"NotFound"})");
  server.then_respond(403, "no");
  Client client(loop, {.server = server.url()});
  const auto missing = ask(loop, client, {.path = "/api/v1/namespaces/d/pods/a"});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Errc::kNotFound);
  EXPECT_EQ(missing.error().message, "pods \"a\" not found (HTTP 404)");
  EXPECT_EQ(ask(loop, client, {.path = "/"}).error().code, Errc::kPermission);
}

TEST(ClientTest, AServerThatIsNotThereIsUnavailable) {
  event::Loop loop;
  ScriptedServer server;
  server.go_down();
  Client client(loop, {.server = server.url()});
  const auto answer = ask(loop, client, {.path = "/api", .query = {{"watch", "1"}}});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Errc::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("GET " + server.url() + "/api: "));
}

TEST(ClientTest, AConnectionBrokenInTheMiddleIsUnavailable) {
  event::Loop loop;
  ScriptedServer server;
  server.then([](Exchange& exchange) {
    exchange.begin();
    exchange.chunk("{\"half\":");
  });
  Client client(loop, {.server = server.url()});
  EXPECT_EQ(ask(loop, client, {.path = "/"}).error().code, Errc::kUnavailable);
}

TEST(ClientTest, TimesOut) {
  event::Loop loop;
  ScriptedServer server;
  server.then([](Exchange& exchange) { exchange.hold(); });
  Client client(loop, {.server = server.url()});
  EXPECT_EQ(ask(loop, client, {.path = "/", .timeout = 50ms}).error().code, Errc::kTimeout);
}

TEST(ClientTest, BadInputIsAnErrorThatComesLater) {
  event::Loop loop;
  Client client(loop, {.server = "https://127.0.0.1:1", .token_file = "/nonexistent/token"});
  const auto answer = ask(loop, client, {.path = "/"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message, HasSubstr("/nonexistent/token"));
  Client no_url(loop, {.server = "ftp://x"});
  EXPECT_EQ(ask(loop, no_url, {.path = "/"}).error().code, Errc::kInvalid);
}

TEST(ClientTest, StreamsChunksAsTheyCome) {
  event::Loop loop;
  ScriptedServer server;
  std::atomic<int> got{0};
  server.then([&](Exchange& exchange) {
    exchange.begin();
    for (int i = 1; i <= 3; ++i) {
      exchange.chunk("part" + std::to_string(i));
      while (got < i) std::this_thread::yield();  // the client has it before the next is sent
    }
    exchange.finish();
  });
  Client client(loop, {.server = server.url()});
  std::vector<std::string> events;
  bool ended = false;
  const Call call =
      client.stream({.path = "/watch"}, {.on_open = [&] { events.emplace_back("open"); },
                                         .on_chunk =
                                             [&](std::string_view chunk) {
                                               events.emplace_back(chunk);
                                               ++got;
                                             },
                                         .on_end =
                                             [&](const Status& status) {
                                               EXPECT_TRUE(status.has_value());
                                               ended = true;
                                             }});
  EXPECT_TRUE(call.active());
  EXPECT_TRUE(loop.run_until([&] { return ended; }, kLimit));
  EXPECT_THAT(events, ElementsAre("open", "part1", "part2", "part3"));
  EXPECT_FALSE(call.active());
}

TEST(ClientTest, AnErrorAnswerToAStreamComesAtItsEnd) {
  event::Loop loop;
  ScriptedServer server;
  server.then_respond(410, R"({"kind":"Status","message":"too old","reason":"Expired"})");
  Client client(loop, {.server = server.url()});
  std::optional<Status> end;
  const Call call =
      client.stream({.path = "/watch"}, {.on_open = [] { ADD_FAILURE(); },
                                         .on_chunk = [](std::string_view) { ADD_FAILURE(); },
                                         .on_end = [&](Status s) { end = std::move(s); }});
  EXPECT_TRUE(loop.run_until([&] { return end.has_value(); }, kLimit));
  ASSERT_FALSE(end->has_value());
  EXPECT_EQ(end->error().code, Errc::kExpired);
}

TEST(ClientTest, ACancelledRequestCallsNothingBack) {
  event::Loop loop;
  ScriptedServer server;
  std::atomic<bool> held{false};
  std::atomic<bool> gone{false};
  server.then([&](Exchange& exchange) {
    held = true;
    exchange.hold();
    gone = true;
  });
  server.then_respond(200, "{}");
  Client client(loop, {.server = server.url()});
  Call call = client.request({.path = "/"}, [](const Result<Response>&) { ADD_FAILURE(); });
  EXPECT_TRUE(loop.run_until([&] { return held.load(); }, kLimit));
  call.cancel();
  EXPECT_FALSE(call.active());
  EXPECT_TRUE(ask(loop, client, {.path = "/"}).has_value());
  EXPECT_TRUE(loop.run_until([&] { return gone.load(); }, kLimit));
}

TEST(ClientTest, ACallbackMayCancelStartAnotherAndEndTheClient) {
  event::Loop loop;
  ScriptedServer server;
  server.then([](Exchange& exchange) {
    exchange.begin();
    exchange.chunk("a");
    exchange.hold();
  });
  server.then_respond(200, "{}");
  auto client = std::make_unique<Client>(loop, ClusterAccess{.server = server.url()});
  Call stream;
  Call second;
  bool done = false;
  stream = client->stream({.path = "/1"}, {.on_chunk =
                                               [&](std::string_view) {
                                                 stream.cancel();
                                                 second = client->request(
                                                     {.path = "/2"}, [&](Result<Response> r) {
                                                       EXPECT_TRUE(r.has_value());
                                                       client.reset();
                                                       done = true;
                                                     });
                                               },
                                           .on_end = [](const Status&) { ADD_FAILURE(); }});
  EXPECT_TRUE(loop.run_until([&] { return done; }, kLimit));
  EXPECT_EQ(client, nullptr);
}

TEST(ClientTest, TheEndOfTheClientCancelsEverything) {
  event::Loop loop;
  ScriptedServer server;
  std::atomic<int> held{0};
  for (int i = 0; i < 3; ++i) {
    server.then([&](Exchange& exchange) {
      ++held;
      exchange.hold();
    });
  }
  std::vector<Call> calls;
  {
    Client client(loop, {.server = server.url()});
    for (int i = 0; i < 3; ++i) {
      calls.push_back(
          client.request({.path = "/"}, [](const Result<Response>&) { ADD_FAILURE(); }));
    }
    calls.back().detach();
    EXPECT_TRUE(loop.run_until([&] { return held == 3; }, kLimit));
  }
  EXPECT_FALSE(calls[0].active());
  EXPECT_FALSE(loop.run_until([] { return false; }, 5ms));
}

// ---- TLS ----

TEST(ClientTlsTest, TrustsTheServersAuthorityAndShowsItsOwnCertificate) {
  event::Loop loop;
  const Certificate own = make_certificate("kube.test");
  const Certificate mine = make_certificate("agent");
  ScriptedServer server({.own = own, .client_ca_pem = mine.certificate_pem});
  for (int i = 0; i < 3; ++i) server.then_respond(200, "{}");

  ClusterAccess access{.server = server.url(), .ca_pem = own.certificate_pem};
  access.client_certificate_pem = mine.certificate_pem;
  access.client_key_pem = mine.key_pem;
  Client client(loop, access);
  const auto answer = ask(loop, client, {.path = "/"});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;

  BlockingClient blocking(access);
  EXPECT_TRUE(blocking.call({.path = "/"}).has_value());

  // The name in the certificate, at another address.
  access.tls_server_name = "kube.test";
  Client named(loop, access);
  const auto by_name = ask(loop, named, {.path = "/"});
  ASSERT_TRUE(by_name.has_value()) << by_name.error().message;
  EXPECT_EQ("http://" + server.seen().back().headers.at("host"), "http" + server.url().substr(5));

  access.client_certificate_pem.clear();
  access.client_key_pem.clear();
  Client without(loop, access);
  EXPECT_FALSE(ask(loop, without, {.path = "/"}).has_value());
}

TEST(ClientTlsTest, RefusesAServerItDoesNotKnow) {
  event::Loop loop;
  ScriptedServer server({.own = make_certificate("kube.test")});
  ClusterAccess access{.server = server.url(), .ca_pem = make_certificate("other").certificate_pem};
  Client client(loop, access);
  const auto refused = ask(loop, client, {.path = "/"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::kPermission);
  EXPECT_THAT(refused.error().message, HasSubstr("certificate"));

  access.ca_pem.clear();
  access.insecure_skip_tls_verify = true;
  server.then_respond(200, "{}");
  Client careless(loop, access);
  EXPECT_TRUE(ask(loop, careless, {.path = "/"}).has_value());
}

TEST(ClientTlsTest, RefusesTheWrongName) {
  event::Loop loop;
  const Certificate own = make_certificate("kube.test");
  ScriptedServer server({.own = own});
  Client client(
      loop,
      {.server = server.url(), .ca_pem = own.certificate_pem, .tls_server_name = "other.test"});
  EXPECT_EQ(ask(loop, client, {.path = "/"}).error().code, Errc::kPermission);
}

TEST(ClientTlsTest, CertificatesThatAreNoneAreInvalid) {
  event::Loop loop;
  ScriptedServer server({.own = make_certificate("kube.test")});
  Client client(loop, {.server = server.url(), .ca_pem = "-----BEGIN CERTIFICATE-----\nrubbish\n"});
  EXPECT_FALSE(ask(loop, client, {.path = "/"}).has_value());
}

// ---- BlockingClient ----

TEST(BlockingClientTest, Verbs) {
  ScriptedServer server;
  for (int i = 0; i < 5; ++i) server.then_respond(200, R"({"n":1})");
  BlockingClient client({.server = server.url(), .token = "t"});
  const json::value object = *jsonio::parse(R"({"metadata":{"name":"a"}})");
  EXPECT_EQ(jsonio::get_int(*client.get("/p/a", {{"x", "1"}}), {"n"}), 1);
  EXPECT_TRUE(client.create("/p", object).has_value());
  EXPECT_TRUE(client.replace("/p/a", object).has_value());
  EXPECT_TRUE(client.patch("/p/a", kMergePatch, object).has_value());
  EXPECT_TRUE(client.remove("/p/a", {{"gracePeriodSeconds", "0"}}).has_value());
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 5u);
  const std::vector<std::string> methods = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].method, methods[i]);
    EXPECT_EQ(seen[i].headers.at("authorization"), "Bearer t");
  }
  EXPECT_EQ(seen[1].body, jsonio::to_string(object));
  EXPECT_EQ(seen[3].headers.at("content-type"), "application/merge-patch+json");
  EXPECT_EQ(seen[4].query.at("gracePeriodSeconds"), "0");
  EXPECT_EQ(server.connections(), 1);
}

TEST(BlockingClientTest, ListsAllPagesAndBeginsAnewWhenTheSnapshotExpires) {
  ScriptedServer server;
  server.then_respond(200, R"({"kind":"PodList","metadata":{"continue":"c1"},"items":[{"n":1}]})");
  server.then_respond(410, R"({"reason":"Expired","message":"gone"})");
  server.then_respond(
      200, R"({"kind":"PodList","metadata":{"continue":"c2"},"items":[{"n":1},{"n":2}]})");
  server.then_respond(200,
                      R"({"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{"n":3}]})");
  BlockingClient client({.server = server.url()});
  const auto list = client.list("/api/v1/pods", {{"labelSelector", "a=b"}});
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_EQ(
      jsonio::to_string(*list),
      R"({"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{"n":1},{"n":2},{"n":3}]})");
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[1].query.at("continue"), "c1");
  EXPECT_EQ(seen[2].query.count("continue"), 0u);
  EXPECT_EQ(seen[3].query.at("continue"), "c2");
  for (const auto& request : seen) EXPECT_EQ(request.query.at("labelSelector"), "a=b");
}

TEST(BlockingClientTest, Errors) {
  ScriptedServer server;
  server.then_respond(409, R"({"reason":"AlreadyExists","message":"pods \"a\" already exists"})");
  server.then_respond(200, "<html>");
  BlockingClient client({.server = server.url()});
  const auto exists = client.create("/p", json::object());
  EXPECT_EQ(exists.error().code, Errc::kExists);
  EXPECT_EQ(exists.error().message, "pods \"a\" already exists (HTTP 409)");
  EXPECT_THAT(client.get("/p").error().message,
              HasSubstr("GET /p: the server's answer is invalid JSON"));
  server.go_down();
  EXPECT_EQ(client.get("/p").error().code, Errc::kUnavailable);
}

TEST(BlockingClientTest, ATokenFileIsUsedAsItIsNow) {
  const std::string path = "/tmp/caracal-token-" + std::to_string(::getpid());
  ASSERT_TRUE(write_file_atomic(path, "one").has_value());
  ScriptedServer server;
  server.then_respond(200, "{}");
  server.then_respond(200, "{}");
  BlockingClient client({.server = server.url(), .token_file = path});
  EXPECT_TRUE(client.get("/").has_value());
  ASSERT_TRUE(write_file_atomic(path, "two").has_value());
  EXPECT_TRUE(client.get("/").has_value());
  ::unlink(path.c_str());
  EXPECT_EQ(server.seen().at(0).headers.at("authorization"), "Bearer one");
  EXPECT_EQ(server.seen().at(1).headers.at("authorization"), "Bearer two");
}

}  // namespace
}  // namespace caracal::kube
