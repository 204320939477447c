// PatchWriter, and NodeAnnotations on it, against a real API server in this process.
#include "agent/patch_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node_annotations.h"
#include "apiserver/testing/api_fixture.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

constexpr event::Duration kSoon{1};

class PatchWriterTest : public apiserver::testing::ApiFixture {
 protected:
  PatchWriterTest() : ApiFixture(false) {}

  void make_node() {
    create("/api/v1/nodes",
           yaml("{apiVersion: v1, kind: Node, metadata: {name: n, annotations: {theirs: a}}}"));
  }
  json::object annotations() {
    return jsonio::get_object(get("/api/v1/nodes/n"), {"metadata", "annotations"});
  }
  int64_t version() {
    const json::value node = get("/api/v1/nodes/n");
    return std::stoll(std::string(jsonio::get_string(node, {"metadata", "resourceVersion"})));
  }
  void make_writer(std::function<void()> attempt) {
    writer_.emplace(
        client_,
        PatchWriter::Target{.what = "text",
                            .path = "/api/v1/nodes/n",
                            .type = kube::kMergePatch,
                            .backoff = {.first = kSoon, .longest = kSoon}},
        PatchWriter::Callbacks{.attempt = std::move(attempt), .written = [this] { ++written_; }});
  }
  void send(const std::string& text) {
    writer_->send({{"metadata", json::object{{"annotations", json::object{{"text", text}}}}}});
  }

  int written_ = 0;
  std::optional<PatchWriter> writer_;
};

TEST_F(PatchWriterTest, TriesAgainUntilTheServerHasIt) {
  int attempts = 0;
  make_writer([&] { send(std::to_string(++attempts)); });
  writer_->attempt_in(kSoon);
  EXPECT_FALSE(writer_->resting() || writer_->trying());
  ASSERT_TRUE(until([&] { return attempts >= 3; }));
  EXPECT_THAT(writer_->error(), HasSubstr("\"n\" not found"));
  EXPECT_EQ(written_, 0);
  make_node();
  ASSERT_TRUE(until([&] { return written_ == 1; }));
  EXPECT_TRUE(writer_->resting());
  EXPECT_EQ(writer_->error(), "");
  EXPECT_EQ(jsonio::get_string(annotations(), {"text"}), std::to_string(attempts));
}

TEST_F(PatchWriterTest, OneAttemptAtATime) {
  make_node();
  int attempts = 0;
  make_writer([&] { ++attempts; });
  writer_->attempt_in(kSoon);
  writer_->attempt_in(event::Duration(0));  // the first waits already
  ASSERT_TRUE(until([&] { return writer_->trying(); }));
  writer_->attempt_in(kSoon);
  send("a");
  writer_->attempt_in(kSoon);
  ASSERT_TRUE(until([&] { return written_ == 1; }));
  EXPECT_EQ(attempts, 1);

  // What cannot be read is tried again; what need not be said is not.
  writer_->attempt_in(kSoon);
  ASSERT_TRUE(until([&] { return attempts == 2; }));
  writer_->failed({Errc::kKernel, "no routes"});
  EXPECT_EQ(writer_->error(), "no routes");
  ASSERT_TRUE(until([&] { return attempts == 3; }));
  writer_->rest();
  EXPECT_EQ(writer_->error(), "");
  EXPECT_EQ(written_, 1);
}

TEST_F(PatchWriterTest, NothingComesAfterItsEnd) {
  make_node();
  make_writer([&] {
    send("a");
    loop_.post([&] { writer_.reset(); });
  });
  writer_->attempt_in(kSoon);
  ASSERT_TRUE(until([&] { return !writer_; }));
  bool later = false;
  const event::Handle timer = loop_.after(event::Duration(50), [&] { later = true; });
  ASSERT_TRUE(until([&] { return later; }));
  EXPECT_EQ(written_, 0);
}

TEST_F(PatchWriterTest, NodeAnnotationsAreKeptAsTheyAreWanted) {
  make_node();
  NodeAnnotations kept(client_, "n");
  const auto look = [&] {
    model::Labels seen;
    for (const auto& [key, value] : annotations())
      seen.emplace(std::string(key), std::string(value.as_string()));
    kept.seen(seen);
  };
  // Not before it is known what is there; then all that differs, in one patch.
  kept.want("a", "1");
  kept.want("b", "2");
  kept.want("gone", std::nullopt);
  EXPECT_FALSE(kept.settled());
  const int64_t before = version();
  look();
  ASSERT_TRUE(until([&] { return kept.settled(); }));
  EXPECT_EQ(annotations(), (json::object{{"theirs", "a"}, {"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(version(), before + 1);

  kept.want("a", std::nullopt);
  ASSERT_TRUE(until([&] { return kept.settled(); }));
  EXPECT_EQ(annotations(), (json::object{{"theirs", "a"}, {"b", "2"}}));

  // Somebody else's hand is put right.
  merge("/api/v1/nodes/n", yaml("{metadata: {annotations: {a: x, b: y, theirs: z}}}"));
  look();
  ASSERT_TRUE(until([&] { return kept.settled(); }));
  EXPECT_EQ(annotations(), (json::object{{"theirs", "z"}, {"b", "2"}}));
  EXPECT_EQ(kept.error(), "");
}

}  // namespace
}  // namespace caracal::agent
