#include "ipam/lease_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/file.h"

namespace caracal::ipam {
namespace {

net::Cidr cidr(std::string_view text) { return net::Cidr::parse(text).value(); }
AttachmentId id(int n) { return {"c" + std::to_string(n), "eth0"}; }

// What a disk would hold, shared by the journals of successive "processes".
struct Disk {
  std::vector<std::string> records;
};

// A journal that dies at its n-th operation: before it took effect, or after (the caller is not
// told).
class FaultyJournal final : public Journal {
 public:
  struct Crash {};
  FaultyJournal(Disk& disk, int operations, bool effective, bool crash)
      : disk_(disk), left_(operations), effective_(effective), crash_(crash) {}
  Result<std::vector<std::string>> load() override { return disk_.records; }
  Status append(std::string_view record) override {
    return step([&] { disk_.records.emplace_back(record); });
  }
  Status sync() override { return {}; }
  Status rewrite(const std::vector<std::string>& records) override {
    return step([&] { disk_.records = records; });
  }

 private:
  template <typename F>
  Status step(F effect) {
    if (left_-- == 0) {
      if (effective_) effect();
      if (crash_) throw Crash{};
      return fail(Errc::kKernel, "write: No space left on device");
    }
    effect();
    return {};
  }
  Disk& disk_;
  int left_;
  bool effective_;
  bool crash_;
};

LeaseBook open_on(Disk& disk, int operations = -1, bool effective = false, bool crash = false) {
  auto book = LeaseBook::open(std::make_unique<FaultyJournal>(disk, operations, effective, crash));
  EXPECT_TRUE(book) << book.error().message;
  EXPECT_TRUE(book->set_ranges({cidr("10.1.0.0/28"), cidr("fd00::/120")}));
  return std::move(*book);
}

TEST(LeaseBook, IsIdempotentAndReadsItselfBack) {
  Disk disk;
  std::map<AttachmentId, Lease> before;
  {
    LeaseBook book = open_on(disk);
    const Lease first = book.reserve(id(1), {}, {{"pod", "dev/a"}}).value();
    EXPECT_EQ(first.addresses.size(), 2u);
    EXPECT_EQ(book.reserve(id(1), {}, {}).value(), first);
    ASSERT_TRUE(book.commit(id(1), {{"pod", "dev/a"}, {"interface", "cali1"}}));
    ASSERT_TRUE(book.reserve(id(2), {}, {}));
    ASSERT_TRUE(book.reserve(id(3), {}, {}));
    ASSERT_TRUE(book.release(id(2)));
    ASSERT_TRUE(book.release(id(2))) << "nothing to release is fine";
    EXPECT_EQ(book.commit(id(2), {}).error().code, Errc::kNotFound);
    before = book.leases();
  }
  LeaseBook book = open_on(disk);
  EXPECT_EQ(book.leases(), before);
  EXPECT_TRUE(book.find(id(1))->committed);
  EXPECT_FALSE(book.find(id(3))->committed);
  EXPECT_EQ(book.find(id(1))->attributes.at("interface"), "cali1");
  EXPECT_EQ(book.reserve(id(4), {}, {})->addresses.front().to_string(), "10.1.0.5")
      << "the round goes on after a restart, past the released .3";
}

// The same work, with the process dying at each of its writes, on either side of it; then a new
// process. What was told to a caller must be there, and no two may hold one address.
TEST(LeaseBook, SurvivesACrashAtEveryWrite) {
  for (const bool effective : {false, true}) {
    for (int operations = 0; operations < 60; ++operations) {
      Disk disk;
      std::map<AttachmentId, std::vector<net::IpAddr>> told;
      std::optional<AttachmentId> in_doubt;
      try {
        LeaseBook book = open_on(disk, operations, effective, true);
        std::mt19937 random(7);
        for (int step = 0; step < 40; ++step) {
          const AttachmentId who = id(static_cast<int>(random() % 8));
          in_doubt = who;
          if (random() % 3 != 0) {
            auto lease = book.reserve(who, {}, {});
            ASSERT_TRUE(lease) << lease.error().message;
            told[who] = lease->addresses;
            ASSERT_TRUE(book.commit(who, {}));
          } else {
            ASSERT_TRUE(book.release(who));
            told.erase(who);
          }
          in_doubt.reset();
        }
      } catch (const FaultyJournal::Crash&) {
      }
      LeaseBook after = open_on(disk);
      std::set<net::IpAddr> seen;
      for (const auto& [who, lease] : after.leases()) {
        for (const net::IpAddr& address : lease.addresses) {
          EXPECT_TRUE(seen.insert(address).second) << address.to_string() << " twice";
        }
      }
      for (const auto& [who, addresses] : told) {
        if (who == in_doubt) continue;  // its release may or may not have been written
        ASSERT_NE(after.find(who), nullptr);
        EXPECT_EQ(after.find(who)->addresses, addresses);
      }
    }
  }
}

TEST(LeaseBook, AFailedWriteReservesNothing) {
  for (int operations = 0; operations < 4; ++operations) {
    Disk disk;
    LeaseBook book = open_on(disk, operations);
    const auto first = book.reserve(id(1), {}, {});
    const auto second = book.reserve(id(2), {}, {});
    LeaseBook after = open_on(disk);
    EXPECT_EQ(after.find(id(1)) != nullptr, first.has_value());
    EXPECT_EQ(after.find(id(2)) != nullptr, second.has_value());
    EXPECT_EQ(after.leases().size(), book.leases().size());
  }
}

TEST(LeaseBook, RewritesAJournalFullOfHistory) {
  Disk disk;
  LeaseBook book = open_on(disk);
  ASSERT_TRUE(book.reserve(id(0), {}, {}));
  for (int n = 1; n < 2000; ++n) {
    ASSERT_TRUE(book.reserve(id(n), {}, {}));
    ASSERT_TRUE(book.release(id(n)));
  }
  EXPECT_LT(disk.records.size(), 1100u);
  const auto next = book.reserve(id(5000), {}, {}).value().addresses;
  ASSERT_TRUE(book.release(id(5000)));
  LeaseBook after = open_on(disk);
  EXPECT_EQ(after.leases(), book.leases());
  EXPECT_NE(after.reserve(id(6000), {}, {}).value().addresses, next);
}

class FileJournalTest : public ::testing::Test {
 protected:
  FileJournalTest() {
    folder_ =
        std::filesystem::temp_directory_path() / ("caracal-journal-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    path_ = (folder_ / "leases").string();
  }
  ~FileJournalTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(FileJournalTest, KeepsRecordsOverReopening) {
  {
    auto journal = FileJournal::open(path_).value();
    ASSERT_TRUE(journal->append("one"));
    ASSERT_TRUE(journal->append("two"));
    ASSERT_TRUE(journal->sync());
    const auto second = FileJournal::open(path_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::kConflict);
  }
  auto journal = FileJournal::open(path_).value();
  EXPECT_THAT(journal->load().value(), ::testing::ElementsAre("one", "two"));
  ASSERT_TRUE(journal->rewrite({"three"}));
  ASSERT_TRUE(journal->append("four"));
  EXPECT_THAT(journal->load().value(), ::testing::ElementsAre("three", "four"));
}

TEST_F(FileJournalTest, CutsOffATornLineAtEveryLength) {
  {
    auto journal = FileJournal::open(path_).value();
    ASSERT_TRUE(journal->append("whole"));
    ASSERT_TRUE(journal->append("torn record"));
  }
  const std::string content = read_file(path_).value();
  const size_t whole = content.find('\n') + 1;
  for (size_t length = whole; length < content.size(); ++length) {
    ASSERT_TRUE(write_file_atomic(path_, content.substr(0, length)));
    auto journal = FileJournal::open(path_).value();
    EXPECT_THAT(journal->load().value(), ::testing::ElementsAre("whole"));
    ASSERT_TRUE(journal->append("next"));
    EXPECT_THAT(journal->load().value(), ::testing::ElementsAre("whole", "next"));
    EXPECT_EQ(journal->damaged(), 0u);
  }
}

TEST_F(FileJournalTest, PassesOverADamagedLineAndKeepsACopy) {
  {
    auto journal = FileJournal::open(path_).value();
    for (const char* record : {"one", "two", "three"}) ASSERT_TRUE(journal->append(record));
  }
  std::string content = read_file(path_).value();
  content[content.find("two")] = 'x';
  ASSERT_TRUE(write_file_atomic(path_, content));
  auto journal = FileJournal::open(path_).value();
  EXPECT_THAT(journal->load().value(), ::testing::ElementsAre("one", "three"));
  EXPECT_EQ(journal->damaged(), 1u);
  EXPECT_EQ(read_file(path_ + ".damaged").value(), content);
}

}  // namespace
}  // namespace caracal::ipam
