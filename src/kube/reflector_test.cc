#include "kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "kube/testing/scripted_server.h"

namespace caracal::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ScriptedServer;
using testing::SeenRequest;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;
using Exchange = ScriptedServer::Exchange;

constexpr event::Duration kLimit = 60s;

std::string pod(const std::string& name, const std::string& version) {
  return R"({"kind":"Pod","metadata":{"namespace":"dev","name":")" + name + R"(","uid":"u-)" +
         name + R"(","resourceVersion":")" + version + R"("},"spec":{"x":"}]\""}})";
}

std::string list(const std::vector<std::string>& items, const std::string& version,
                 const std::string& next = "") {
  std::string text = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":")" +
                     version + R"(","continue":")" + next + R"("},"items":[)";
  for (size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ",") + items[i];
  return text + "]}";
}

std::string event_line(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

std::string bookmark(const std::string& version) {
  return event_line("BOOKMARK",
                    R"({"kind":"Pod","metadata":{"resourceVersion":")" + version + R"("}})");
}

std::string expired_event() {
  return event_line("ERROR",
                    R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})");
}

class ReflectorTest : public ::testing::Test {
 protected:
  void make(ReflectorOptions options = {}) {
    options.path = "/api/v1/pods";
    options.backoff = {.first = 1ms, .longest = 5ms};
    options.random = [] { return 0.5; };
    reflector = std::make_unique<Reflector>(
        client, options,
        Reflector::Callbacks{.on_object =
                                 [this](const model::ObjectName& name, const json::value* object) {
                                   log.push_back(
                                       object == nullptr
                                           ? "-" + name.to_string()
                                           : "+" + name.to_string() + "@" +
                                                 std::string(jsonio::get_string(
                                                     *object, {"metadata", "resourceVersion"})));
                                   if (hook) hook();
                                 },
                             .on_synced = [this] { log.emplace_back("synced"); },
                             .on_state = [this](const ReflectorState& s) { states.push_back(s); }});
    reflector->start();
  }

  // A watch that sends these pieces and then stays open.
  void then_watch(std::vector<std::string> pieces) {
    server.then([pieces = std::move(pieces)](Exchange& exchange) {
      exchange.begin();
      for (const std::string& piece : pieces) exchange.chunk(piece);
      exchange.hold();
    });
  }
  // One that ends, in order or by a broken connection.
  void then_watch_ends(std::vector<std::string> pieces, bool in_order = true) {
    server.then([pieces = std::move(pieces), in_order](Exchange& exchange) {
      exchange.begin();
      for (const std::string& piece : pieces) exchange.chunk(piece);
      if (in_order) exchange.finish();
    });
  }

  // Runs until the log has as many lines; returns and forgets them.
  std::vector<std::string> next(size_t lines) {
    EXPECT_TRUE(loop.run_until([&] { return log.size() >= lines; }, kLimit))
        << ::testing::PrintToString(log);
    return std::exchange(log, {});
  }
  bool run_until_requests(size_t count) {
    return loop.run_until([&] { return server.seen().size() >= count; }, kLimit);
  }

  event::Loop loop;
  ScriptedServer server;
  Client client{loop, {.server = server.url()}};
  std::vector<std::string> log;
  std::vector<ReflectorState> states;
  std::function<void()> hook;
  std::unique_ptr<Reflector> reflector;
};

TEST_F(ReflectorTest, ListsPageByPageThenWatches) {
  server.then_respond(200, list({pod("a", "1"), pod("b", "2")}, "10", "more"));
  server.then_respond(200, list({pod("c", "3")}, "10"));
  then_watch({event_line("ADDED", pod("d", "11")) + event_line("MODIFIED", pod("a", "12")),
              event_line("DELETED", pod("b", "13"))});
  make({.label_selector = "app=x", .field_selector = "spec.nodeName=n1", .page_size = 2});
  EXPECT_THAT(next(7), ElementsAre("+dev/a@1", "+dev/b@2", "+dev/c@3", "synced", "+dev/d@11",
                                   "+dev/a@12", "-dev/b"));
  EXPECT_TRUE(reflector->synced());
  EXPECT_EQ(reflector->objects(), 3u);
  EXPECT_EQ(reflector->counters().lists, 1u);
  EXPECT_EQ(reflector->counters().watches, 1u);
  EXPECT_EQ(reflector->counters().events, 3u);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_TRUE(states[0].connected);

  const std::vector<SeenRequest> seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].path, "/api/v1/pods");
  EXPECT_EQ(seen[0].query.at("limit"), "2");
  EXPECT_EQ(seen[0].query.count("continue"), 0u);
  EXPECT_EQ(seen[1].query.at("continue"), "more");
  EXPECT_EQ(seen[2].query.at("watch"), "true");
  EXPECT_EQ(seen[2].query.at("resourceVersion"), "10");
  EXPECT_EQ(seen[2].query.at("allowWatchBookmarks"), "true");
  EXPECT_EQ(seen[2].query.at("timeoutSeconds"), "450");
  for (const SeenRequest& request : seen) {
    EXPECT_EQ(request.query.at("labelSelector"), "app=x");
    EXPECT_EQ(request.query.at("fieldSelector"), "spec.nodeName=n1");
  }
}

TEST_F(ReflectorTest, LinesAreFoundWhereverTheChunksAreCut) {
  server.then_respond(200, list({}, "1"));
  const std::string text = event_line("ADDED", pod("a", "2")) + "\n" +
                           event_line("ADDED", pod("b", "3")) + bookmark("4") +
                           event_line("DELETED", pod("a", "5"));
  std::vector<std::string> pieces;
  for (const char c : text) pieces.emplace_back(1, c);
  then_watch(pieces);
  make();
  EXPECT_THAT(next(4), ElementsAre("synced", "+dev/a@2", "+dev/b@3", "-dev/a"));
}

TEST_F(ReflectorTest, ResumesABrokenWatchWhereItWas) {
  server.then_respond(200, list({pod("a", "1")}, "10"));
  // The last line is cut off: it comes again with the next watch.
  then_watch_ends({event_line("ADDED", pod("b", "11")), "{\"type\":\"ADD"}, false);
  then_watch({event_line("MODIFIED", pod("b", "12"))});
  make();
  EXPECT_THAT(next(4), ElementsAre("+dev/a@1", "synced", "+dev/b@11", "+dev/b@12"));
  ASSERT_EQ(server.seen().size(), 3u);
  EXPECT_EQ(server.seen()[2].query.at("resourceVersion"), "11");
  EXPECT_EQ(reflector->counters().lists, 1u);
  EXPECT_EQ(reflector->counters().failures, 1u);
  ASSERT_EQ(states.size(), 3u);
  EXPECT_FALSE(states[1].connected);
  EXPECT_THAT(states[1].error, HasSubstr("/api/v1/pods: "));
  EXPECT_TRUE(states[2].connected);
}

TEST_F(ReflectorTest, AnOrderlyEndIsNoFailure) {
  server.then_respond(200, list({}, "10"));
  then_watch_ends({event_line("ADDED", pod("a", "11"))});
  then_watch({event_line("ADDED", pod("b", "12"))});
  make();
  EXPECT_THAT(next(3), ElementsAre("synced", "+dev/a@11", "+dev/b@12"));
  EXPECT_EQ(server.seen()[2].query.at("resourceVersion"), "11");
  EXPECT_EQ(reflector->counters().failures, 0u);
  EXPECT_EQ(states.size(), 1u);
}

TEST_F(ReflectorTest, BookmarksMoveTheResourceVersion) {
  server.then_respond(200, list({}, "10"));
  then_watch_ends({event_line("ADDED", pod("a", "11")), bookmark("5000")}, false);
  then_watch({});
  make();
  EXPECT_TRUE(run_until_requests(3));
  EXPECT_EQ(server.seen()[2].query.at("resourceVersion"), "5000");
  EXPECT_THAT(log, ElementsAre("synced", "+dev/a@11"));  // a bookmark is no object
}

TEST_F(ReflectorTest, AnExpiredEventListsAgainAndReportsWhatChangedAndVanished) {
  server.then_respond(200, list({pod("a", "1"), pod("b", "2"), pod("c", "3")}, "10"));
  then_watch({expired_event()});
  server.then_respond(200, list({pod("a", "1"), pod("c", "33"), pod("d", "40")}, "50"));
  then_watch({event_line("ADDED", pod("e", "51"))});
  make();
  // "a" is as it was, so it is not reported again; "synced" comes once.
  EXPECT_THAT(next(8), ElementsAre("+dev/a@1", "+dev/b@2", "+dev/c@3", "synced", "+dev/c@33",
                                   "+dev/d@40", "-dev/b", "+dev/e@51"));
  EXPECT_EQ(server.seen()[3].query.at("resourceVersion"), "50");
  EXPECT_EQ(reflector->counters().lists, 2u);
  EXPECT_EQ(reflector->objects(), 4u);
}

TEST_F(ReflectorTest, A410AnswerToTheWatchListsAgain) {
  server.then_respond(200, list({pod("a", "1")}, "10"));
  server.then_respond(410, R"({"kind":"Status","reason":"Gone","message":"compacted","code":410})");
  server.then_respond(200, list({}, "90"));
  then_watch({});
  make();
  EXPECT_THAT(next(3), ElementsAre("+dev/a@1", "synced", "-dev/a"));
  EXPECT_TRUE(run_until_requests(4));
  EXPECT_EQ(server.seen()[3].query.at("resourceVersion"), "90");
}

TEST_F(ReflectorTest, APageThatExpiredBeginsTheListAnew) {
  server.then_respond(200, list({pod("a", "1"), pod("b", "2")}, "10", "more"));
  server.then_respond(
      410, R"({"kind":"Status","reason":"Expired","message":"continue too old","code":410})");
  server.then_respond(200, list({pod("a", "1"), pod("c", "3")}, "20"));
  then_watch({});
  make();
  EXPECT_THAT(next(5), ElementsAre("+dev/a@1", "+dev/b@2", "+dev/c@3", "-dev/b", "synced"));
  EXPECT_EQ(server.seen()[2].query.count("continue"), 0u);
}

TEST_F(ReflectorTest, AServerWhoseStoreBeganAnewLooksDifferent) {
  const auto with_uid = [](const char* uid) {
    return std::string(
               R"({"metadata":{"namespace":"dev","name":"a","resourceVersion":"1","uid":")") +
           uid + R"("}})";
  };
  server.then_respond(200, list({with_uid("x")}, "10"));
  then_watch({expired_event()});
  server.then_respond(200, list({with_uid("y")}, "10"));
  then_watch({});
  make();
  EXPECT_THAT(next(3), ElementsAre("+dev/a@1", "synced", "+dev/a@1"));
}

TEST_F(ReflectorTest, OtherErrorEventsAreRetriedFromTheSamePlace) {
  server.then_respond(200, list({}, "10"));
  then_watch({event_line("ADDED", pod("a", "11")),
              event_line("ERROR", R"({"kind":"Status","code":500,"message":"etcd is unhappy"})")});
  then_watch({event_line("ADDED", pod("b", "12"))});
  make();
  EXPECT_THAT(next(3), ElementsAre("synced", "+dev/a@11", "+dev/b@12"));
  EXPECT_EQ(server.seen()[2].query.at("resourceVersion"), "11");
  ASSERT_GE(states.size(), 2u);
  EXPECT_EQ(states[1].error, "/api/v1/pods: etcd is unhappy");
}

TEST_F(ReflectorTest, AnEventThatCannotBeReadListsAgain) {
  for (const char* bad : {"{\"type\":\"ADDED\",\"object\":{\n", "{\"type\":\"ADDED\"}\n",
                          "{\"type\":\"DROPPED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n",
                          "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n"}) {
    const size_t before = server.seen().size();
    server.then_respond(200, list({}, "10"));
    then_watch({bad});
    server.then_respond(200, list({}, "20"));
    then_watch({});
    states.clear();
    make();
    EXPECT_TRUE(run_until_requests(before + 4)) << bad;
    EXPECT_EQ(server.seen()[before + 3].query.at("resourceVersion"), "20");
    ASSERT_GE(states.size(), 2u);
    EXPECT_THAT(states[1].error, HasSubstr("watch event"));
    reflector.reset();
  }
}

TEST_F(ReflectorTest, ABadListIsRetried) {
  server.then_respond(200, "<html>");
  server.then_respond(200, R"({"metadata":{},"items":[]})");
  server.then_respond(200, R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{}}]})");
  server.then_respond(503, R"({"kind":"Status","message":"starting","code":503})");
  server.then_respond(200, list({pod("a", "1")}, "10"));
  then_watch({});
  make();
  EXPECT_THAT(next(2), ElementsAre("+dev/a@1", "synced"));
  ASSERT_EQ(states.size(), 5u);
  EXPECT_THAT(states[0].error, HasSubstr("the list"));
  EXPECT_THAT(states[1].error, HasSubstr("no metadata.resourceVersion"));
  EXPECT_THAT(states[2].error, HasSubstr("an item of the list: metadata.name: required"));
  EXPECT_THAT(states[3].error, HasSubstr("starting (HTTP 503)"));
  EXPECT_TRUE(states[4].connected);
}

TEST_F(ReflectorTest, SurvivesAServerThatIsAwayAndComesBack) {
  server.then_respond(200, list({pod("a", "1")}, "10"));
  then_watch({event_line("ADDED", pod("b", "11"))});
  make();
  EXPECT_THAT(next(3), ElementsAre("+dev/a@1", "synced", "+dev/b@11"));
  server.go_down();
  EXPECT_TRUE(loop.run_until([&] { return reflector->counters().failures >= 4; }, kLimit));
  EXPECT_FALSE(reflector->state().connected);
  EXPECT_EQ(reflector->objects(), 2u);
  EXPECT_THAT(log, IsEmpty());  // nothing was taken back
  then_watch({event_line("DELETED", pod("a", "12"))});
  server.come_up();
  EXPECT_THAT(next(1), ElementsAre("-dev/a"));
  EXPECT_EQ(server.seen().back().query.at("resourceVersion"), "11");
  EXPECT_TRUE(reflector->state().connected);
  EXPECT_EQ(reflector->counters().lists, 1u);
}

TEST_F(ReflectorTest, StartsBeforeTheServerDoes) {
  server.go_down();
  make();
  EXPECT_TRUE(loop.run_until([&] { return reflector->counters().failures >= 2; }, kLimit));
  EXPECT_FALSE(reflector->synced());
  server.then_respond(200, list({pod("a", "1")}, "10"));
  then_watch({});
  server.come_up();
  EXPECT_THAT(next(2), ElementsAre("+dev/a@1", "synced"));
}

TEST_F(ReflectorTest, AResourceThatIsNoLongerServedIsListedWhenItIsBack) {
  server.then_respond(200, list({pod("a", "1")}, "10"));
  server.then_respond(404, "404 page not found");
  server.then_respond(404, "404 page not found");
  server.then_respond(200, list({}, "20"));
  then_watch({});
  make();
  EXPECT_THAT(next(3), ElementsAre("+dev/a@1", "synced", "-dev/a"));
}

TEST_F(ReflectorTest, MayBeStoppedInACallbackAndGoesOnFromThere) {
  server.then_respond(200, list({}, "10"));
  then_watch({event_line("ADDED", pod("a", "11")) + event_line("ADDED", pod("b", "12"))});
  then_watch({event_line("ADDED", pod("b", "12"))});
  hook = [this] { reflector->stop(); };
  make();
  EXPECT_THAT(next(2), ElementsAre("synced", "+dev/a@11"));
  EXPECT_FALSE(loop.run_until([&] { return !log.empty(); }, 10ms));
  hook = nullptr;
  reflector->start();
  EXPECT_THAT(next(1), ElementsAre("+dev/b@12"));
  EXPECT_EQ(server.seen()[2].query.at("resourceVersion"), "11");
}

TEST_F(ReflectorTest, StoppedWhileListingItListsAgain) {
  server.then_respond(200, list({pod("a", "1"), pod("b", "2")}, "10"));
  server.then_respond(200, list({pod("a", "1"), pod("b", "2")}, "10"));
  then_watch({});
  hook = [this] { reflector->stop(); };
  make();
  EXPECT_THAT(next(1), ElementsAre("+dev/a@1"));
  hook = nullptr;
  reflector->start();
  EXPECT_THAT(next(2), ElementsAre("+dev/b@2", "synced"));
}

TEST_F(ReflectorTest, MayEndInACallback) {
  server.then_respond(200, list({pod("a", "1"), pod("b", "2")}, "10"));
  hook = [this] { reflector.reset(); };
  make();
  EXPECT_THAT(next(1), ElementsAre("+dev/a@1"));
  EXPECT_FALSE(loop.run_until([&] { return !log.empty(); }, 10ms));
}

}  // namespace
}  // namespace caracal::kube
