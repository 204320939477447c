// The same demands on every Store: memory and SQLite.
#include "apiserver/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <thread>

namespace caracal::apiserver {
namespace {

using ::testing::ElementsAre;

ObjectKey key(std::string ns, std::string name) { return {"pods", std::move(ns), std::move(name)}; }

enum class Kind { kMemory, kSqlite };

class StoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(test.begin(), test.end(), '/', '-');
    folder_ = (std::filesystem::temp_directory_path() /
               ("caracal-store-" + std::to_string(getpid()) + "-" + test))
                  .string();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open() {
    if (GetParam() == Kind::kMemory) {
      store_ = open_memory_store(options_);
      return;
    }
    auto opened = open_sqlite_store(folder_ + "/store.db", options_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }

  Revision put(const ObjectKey& at, const std::string& bytes, Attributes attributes = {}) {
    Revision revision = 0;
    const Status done = store_->commit([&](Transaction& transaction) -> Status {
      revision = transaction.next_revision();
      const StoredPtr stored = transaction.put(at, bytes, attributes);
      EXPECT_EQ(stored->revision, revision);
      return {};
    });
    EXPECT_TRUE(done);
    return revision;
  }

  Revision erase(const ObjectKey& at) {
    Revision revision = 0;
    const Status done = store_->commit([&](Transaction& transaction) -> Status {
      revision = transaction.next_revision();
      transaction.erase(at, "last of " + at.name);
      return {};
    });
    EXPECT_TRUE(done);
    return revision;
  }

  std::vector<std::string> contents(const ListQuery& query) const {
    std::vector<std::string> texts;
    const auto page = store_->list(query);
    EXPECT_TRUE(page) << page.error().message;
    if (page) {
      for (const StoredPtr& item : page->items)
        texts.push_back(item->key.ns + "/" + item->key.name + "=" + item->bytes);
    }
    return texts;
  }

  std::string folder_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreTest, RevisionsGrowByOneOverAllResources) {
  EXPECT_EQ(store_->revision(), 0U);
  EXPECT_EQ(put(key("a", "x"), "1"), 1U);
  EXPECT_EQ(put({"nodes", "", "n"}, "2"), 2U);
  EXPECT_EQ(erase(key("a", "x")), 3U);
  EXPECT_EQ(store_->revision(), 3U);
}

TEST_P(StoreTest, GetGivesTheLatest) {
  put(key("a", "x"), "1");
  put(key("a", "x"), "2", {.uid = "u"});
  const StoredPtr object = store_->get(key("a", "x"));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->bytes, "2");
  EXPECT_EQ(object->revision, 2U);
  EXPECT_EQ(object->attributes.uid, "u");
  EXPECT_FALSE(store_->get(key("b", "x")));
  erase(key("a", "x"));
  EXPECT_FALSE(store_->get(key("a", "x")));
}

TEST_P(StoreTest, ListIsOrderedAndScoped) {
  put(key("b", "1"), "b1");
  put(key("a", "2"), "a2");
  put(key("a", "1"), "a1");
  put({"nodes", "", "n"}, "n");
  EXPECT_THAT(contents({.resource = "pods"}), ElementsAre("a/1=a1", "a/2=a2", "b/1=b1"));
  EXPECT_THAT(contents({.resource = "pods", .ns = "a"}), ElementsAre("a/1=a1", "a/2=a2"));
  EXPECT_THAT(contents({.resource = "secrets"}), ElementsAre());
}

TEST_P(StoreTest, PagesOfOneRevisionAreConsistent) {
  for (const char* name : {"a", "b", "c", "d"}) put(key("ns", name), name);
  ListQuery query{.resource = "pods", .limit = 2};
  const auto first = store_->list(query);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->more);
  EXPECT_EQ(first->revision, 4U);
  // Between the pages everything changes.
  put(key("ns", "c"), "changed");
  erase(key("ns", "d"));
  put(key("ns", "bb"), "new");
  query.at = first->revision;
  query.after = {"ns", "b"};
  EXPECT_THAT(contents(query), ElementsAre("ns/c=c", "ns/d=d"));
  const auto last = store_->list(query);
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->more);
  EXPECT_THAT(contents({.resource = "pods"}),
              ElementsAre("ns/a=a", "ns/b=b", "ns/bb=new", "ns/c=changed"));
}

TEST_P(StoreTest, LimitCountsOnlyWhatMatches) {
  for (int i = 0; i < 10; ++i) put(key("ns", "p" + std::to_string(i)), "x");
  const auto page =
      store_->list({.resource = "pods", .limit = 3, .matches = [](const StoredObject& object) {
                      return (object.key.name.back() - '0') % 2 == 0;
                    }});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 3U);
  EXPECT_EQ(page->items[2]->key.name, "p4");
  EXPECT_TRUE(page->more);
}

TEST_P(StoreTest, FutureAndCompactedRevisionsAreRefused) {
  put(key("a", "x"), "1");
  put(key("a", "x"), "2");
  put(key("a", "x"), "3");
  EXPECT_EQ(store_->list({.resource = "pods", .at = 9}).error().code, Errc::kInvalid);
  ASSERT_TRUE(store_->compact(2));
  EXPECT_EQ(store_->list({.resource = "pods", .at = 1}).error().code, Errc::kExpired);
  EXPECT_THAT(contents({.resource = "pods", .at = 2}), ElementsAre("a/x=2"));
  EXPECT_EQ(store_->events_since("pods", 1, 10).error().code, Errc::kExpired);
  const auto events = store_->events_since("pods", 2, 10);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->size(), 1U);
}

TEST_P(StoreTest, EventsTellBeforeAndAfter) {
  put(key("a", "x"), "1");
  put(key("a", "x"), "2");
  erase(key("a", "x"));
  const auto events = store_->events_since("pods", 0, 10);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 3U);
  EXPECT_FALSE((*events)[0]->before);
  EXPECT_EQ((*events)[0]->now->bytes, "1");
  EXPECT_EQ((*events)[1]->before->bytes, "1");
  EXPECT_EQ((*events)[1]->now->bytes, "2");
  EXPECT_EQ((*events)[2]->before->bytes, "2");
  EXPECT_FALSE((*events)[2]->now);
  EXPECT_EQ((*events)[2]->last->bytes, "last of x");
  EXPECT_EQ((*events)[2]->revision, 3U);
  EXPECT_EQ(store_->events_since("pods", 0, 2)->size(), 2U);
  EXPECT_TRUE(store_->events_since("pods", 3, 10)->empty());
}

TEST_P(StoreTest, FailedWriteLeavesNothing) {
  put(key("a", "x"), "1");
  const Status failed = store_->commit([](Transaction& transaction) -> Status {
    transaction.put(key("a", "y"), "no", {});
    transaction.erase(key("a", "x"), "no");
    EXPECT_FALSE(transaction.get(key("a", "x")));
    return fail(Errc::kConflict, "changed my mind");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kConflict);
  EXPECT_EQ(store_->revision(), 1U);
  EXPECT_THAT(contents({.resource = "pods"}), ElementsAre("a/x=1"));
  EXPECT_EQ(put(key("a", "y"), "yes"), 2U);
}

TEST_P(StoreTest, TransactionSeesItsOwnWritesAndThoseBefore) {
  put(key("a", "x"), "1");
  const Status done = store_->commit([](Transaction& transaction) -> Status {
    transaction.put(key("a", "y"), "2", {});
    transaction.erase(key("a", "x"), "gone");
    transaction.put(key("b", "z"), "3", {});
    const auto in_a = transaction.list("pods", "a");
    EXPECT_EQ(in_a.size(), 1U);
    EXPECT_EQ(in_a[0]->key.name, "y");
    EXPECT_EQ(transaction.list("pods").size(), 2U);
    return {};
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(store_->revision(), 4U);
}

TEST_P(StoreTest, CompareAndSwapLosesNoIncrement) {
  put(key("a", "counter"), "0");
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach;) {
        const StoredPtr seen = store_->get(key("a", "counter"));
        const Status done = store_->commit([&seen](Transaction& transaction) -> Status {
          const StoredPtr now = transaction.get(key("a", "counter"));
          if (now->revision != seen->revision) return fail(Errc::kConflict, "modified");
          transaction.put(now->key, std::to_string(std::stoi(now->bytes) + 1), {});
          return {};
        });
        if (done) ++i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->get(key("a", "counter"))->bytes, std::to_string(kThreads * kEach));
}

TEST_P(StoreTest, ListenerHearsEverythingInOrderBeforeDone) {
  std::vector<Revision> heard;
  store_->set_listener([&heard](const std::vector<EventPtr>& events) {
    for (const EventPtr& event : events) heard.push_back(event->revision);
  });
  std::promise<size_t> heard_at_done;
  for (int i = 0; i < 20; ++i) {
    store_->submit(
        [i](Transaction& transaction) -> Status {
          transaction.put(key("a", std::to_string(i)), "x", {});
          return {};
        },
        [&, i](Status status) {
          EXPECT_TRUE(status);
          if (i == 19) heard_at_done.set_value(heard.size());
        });
  }
  EXPECT_EQ(heard_at_done.get_future().get(), 20U);
  EXPECT_TRUE(std::is_sorted(heard.begin(), heard.end()));
}

TEST_P(StoreTest, HistoryIsBounded) {
  store_.reset();
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  options_.history_events = 5;
  open();
  for (int i = 1; i <= 20; ++i) put(key("a", "x"), std::to_string(i));
  put({"nodes", "", "n"}, "n");
  EXPECT_EQ(store_->events_since("pods", 1, 100).error().code, Errc::kExpired);
  EXPECT_EQ(store_->events_since("pods", 18, 100)->size(), 2U);
  // Nothing of this resource was dropped: its old revisions stay good.
  EXPECT_EQ(store_->events_since("nodes", 1, 100)->size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest, ::testing::Values(Kind::kMemory, Kind::kSqlite),
                         [](const auto& suite) {
                           return suite.param == Kind::kMemory ? "Memory" : "Sqlite";
                         });

}  // namespace
}  // namespace caracal::apiserver
