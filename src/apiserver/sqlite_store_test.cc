// What only a durable store must do: come back whole after a stop, after kill -9, and keep others
// out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "apiserver/store.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        (std::filesystem::temp_directory_path() / ("caracal-sqlite-" + std::to_string(getpid())))
            .string();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Store> open(StoreOptions options = {}) {
    auto store = open_sqlite_store(folder_ + "/store.db", std::move(options));
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }

  static void put(Store& store, const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(store.commit([&](Transaction& transaction) -> Status {
      transaction.put({"pods", "ns", name}, bytes, {});
      return {};
    }));
  }
  static void erase(Store& store, const std::string& name) {
    ASSERT_TRUE(store.commit([&](Transaction& transaction) -> Status {
      transaction.erase({"pods", "ns", name}, "last");
      return {};
    }));
  }

  std::string folder_;
};

TEST_F(SqliteStoreTest, ComesBackWithObjectsEventsAndRevision) {
  {
    auto store = open();
    put(*store, "a", "1");
    put(*store, "b", "1");
    put(*store, "a", "2");
    erase(*store, "b");
  }
  StoreOptions options;
  options.attributes = [](const ObjectKey& key, std::string_view bytes) {
    return Attributes{.uid = key.name + std::string(bytes)};
  };
  auto store = open(options);
  EXPECT_EQ(store->revision(), 4U);
  ASSERT_TRUE(store->get({"pods", "ns", "a"}));
  EXPECT_EQ(store->get({"pods", "ns", "a"})->bytes, "2");
  EXPECT_EQ(store->get({"pods", "ns", "a"})->attributes.uid, "a2");
  EXPECT_FALSE(store->get({"pods", "ns", "b"}));
  const auto events = store->events_since("pods", 2, 10);  // a watch resumes
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ((*events)[0]->before->bytes, "1");
  EXPECT_EQ((*events)[1]->last->bytes, "last");
  EXPECT_EQ(store->list({.resource = "pods", .at = 2})->items.size(), 2U);
  put(*store, "c", "1");
  EXPECT_EQ(store->revision(), 5U);
}

TEST_F(SqliteStoreTest, RevisionSurvivesCompactionOfADeletion) {
  {
    auto store = open();
    put(*store, "a", "1");
    erase(*store, "a");
    ASSERT_TRUE(store->compact(2));
  }
  auto store = open();
  EXPECT_EQ(store->revision(), 2U);
  EXPECT_EQ(store->events_since("pods", 1, 10).error().code, Errc::kExpired);
  EXPECT_TRUE(store->events_since("pods", 2, 10));
}

TEST_F(SqliteStoreTest, CompactionKeepsWhatIsLive) {
  {
    auto store = open();
    for (int i = 0; i < 50; ++i) put(*store, "a", std::to_string(i));
    put(*store, "b", "kept");
    ASSERT_TRUE(store->compact(51));
  }
  auto store = open();
  EXPECT_EQ(store->get({"pods", "ns", "a"})->bytes, "49");
  EXPECT_EQ(store->get({"pods", "ns", "b"})->bytes, "kept");
}

TEST_F(SqliteStoreTest, OnlyItsOwnerMayReadIt) {
  auto store = open();
  put(*store, "a", "1");
  for (const char* file : {"/store.db", "/store.db-wal"}) {
    EXPECT_EQ(std::filesystem::status(folder_ + file).permissions() & std::filesystem::perms::all,
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << file;
  }
}

TEST_F(SqliteStoreTest, SecondProcessIsKeptOut) {
  auto store = open();
  put(*store, "a", "1");
  const auto second = open_sqlite_store(folder_ + "/store.db", {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable) << second.error().message;
}

TEST_F(SqliteStoreTest, UnusablePathIsAnError) {
  const auto store = open_sqlite_store(folder_ + "/missing/store.db", {});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("missing/store.db"), std::string::npos);
}

// A child writes and reports each name through a pipe once it is acknowledged; it is killed in
// mid-write. What was reported must be there, and nothing may be there in part.
TEST_F(SqliteStoreTest, KillNineLosesNothingAcknowledged) {
  for (int round = 0; round < 3; ++round) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(channel[0]);
      auto store = open_sqlite_store(folder_ + "/store.db", {});
      if (!store) _exit(1);
      for (int i = 0;; ++i) {
        const std::string name = "r" + std::to_string(round) + "-" + std::to_string(i);
        (*store)->submit(
            [name](Transaction& transaction) -> Status {
              transaction.put({"pods", "ns", name}, std::string(2000, 'x') + name, {});
              return {};
            },
            [name, channel](Status status) {
              if (!status) _exit(2);
              const std::string line = name + "\n";
              if (write(channel[1], line.data(), line.size()) < 0) _exit(3);
            });
        if (i % 8 == 7 && !(*store)->commit([](Transaction&) -> Status { return {}; })) _exit(4);
      }
    }
    close(channel[1]);
    std::string reported;
    char buffer[4096];
    while (std::count(reported.begin(), reported.end(), '\n') < 200) {
      const ssize_t got = read(channel[0], buffer, sizeof buffer);
      ASSERT_GT(got, 0) << "the child ended by itself";
      reported.append(buffer, static_cast<size_t>(got));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    for (ssize_t got = 0; (got = read(channel[0], buffer, sizeof buffer)) > 0;) {
      reported.append(buffer, static_cast<size_t>(got));
    }
    close(channel[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    auto store = open();
    ASSERT_TRUE(store);
    reported.resize(reported.rfind('\n') + 1);
    for (const std::string_view name : split(reported, '\n')) {
      if (name.empty()) continue;
      const StoredPtr object = store->get({"pods", "ns", std::string(name)});
      ASSERT_TRUE(object) << name << " was acknowledged and is lost";
      EXPECT_EQ(object->bytes, std::string(2000, 'x') + std::string(name));
    }
    const auto all = store->list({.resource = "pods"});
    ASSERT_TRUE(all);
    std::set<Revision> revisions;
    for (const StoredPtr& object : all->items) revisions.insert(object->revision);
    EXPECT_EQ(revisions.size(), all->items.size());
    EXPECT_EQ(*revisions.rbegin(), store->revision());
  }
}

}  // namespace
}  // namespace caracal::apiserver
