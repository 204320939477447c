#include "bgp/bird_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"
#include "event/loop.h"

namespace caracal::bgp {
namespace {

using ::testing::HasSubstr;

TEST(ProcessTime, OfAProcessWithAnOddName) {
  const auto time = parse_process_time(
      "17 (a) S (b) R 1 17 17 0 -1 4194560 131 0 0 0 21 34 0 0 20 0 1 0 86 2838528 224\n");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->state, 'R');
  EXPECT_EQ(time->ticks, 55U);
  EXPECT_FALSE(parse_process_time(""));
  EXPECT_FALSE(parse_process_time("17 (bird)"));
  EXPECT_FALSE(parse_process_time("17 (bird) S 1 17 17 0 -1 4194560 131 0 0 0 x 34"));
}

// A process that takes connections and never answers; it sleeps, or works.
class MuteBird : public ::testing::Test {
 protected:
  void begin(bool busy) {
    path_ = "/tmp/caracal-mute-bird-" + std::to_string(::getpid());
    ::unlink(path_.c_str());
    listen_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listen_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listen_.get(), 8), 0);
    child_ = ::fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      volatile uint64_t work = 0;
      while (busy) work = work + 1;
      while (true) ::pause();
    }
    watch_.emplace(
        loop_, path_,
        BirdWatch::Options{.period = event::Duration(50),
                           .patience = event::Duration(300),
                           .tries = 3,
                           .busy_limit = event::Duration(4000)},
        [this] { ++changes_; }, [this](const std::string& how) { hung_ = how; });
    began_ = loop_.now();
    watch_->watch(child_);
  }
  ~MuteBird() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::unlink(path_.c_str());
  }
  event::Duration hangs_after() {
    EXPECT_TRUE(loop_.run_until([&] { return !hung_.empty(); }, event::Duration(30'000)));
    return std::chrono::duration_cast<event::Duration>(loop_.now() - began_);
  }

  event::Loop loop_;
  std::string path_;
  UniqueFd listen_;
  pid_t child_ = -1;
  std::optional<BirdWatch> watch_;
  event::Clock::time_point began_;
  int changes_ = 0;
  std::string hung_;
};

TEST_F(MuteBird, AsleepItHangsAfterThreeQuestions) {
  begin(false);
  EXPECT_GE(hangs_after(), event::Duration(900));
  EXPECT_THAT(hung_, HasSubstr("BIRD (pid " + std::to_string(child_) + ") has not answered for "));
  EXPECT_EQ(hung_.find("busy"), std::string::npos);
  EXPECT_EQ(hung_, watch_->silence());
  EXPECT_EQ(changes_, 3);
}

TEST_F(MuteBird, AtWorkItHasMuchLonger) {
  begin(true);
  EXPECT_GE(hangs_after(), event::Duration(4000));
  EXPECT_THAT(hung_, HasSubstr("it is busy"));
  EXPECT_GT(changes_, 3);
}

// Full or gone: who cannot be asked does not answer.
TEST_F(MuteBird, WithoutItsSocketToo) {
  begin(false);
  ::unlink(path_.c_str());
  EXPECT_GE(hangs_after(), event::Duration(600));  // the third is refused at once
}

TEST_F(MuteBird, NobodyIsAskedAfterTheEnd) {
  begin(false);
  watch_->stop();
  EXPECT_FALSE(
      loop_.run_until([&] { return !hung_.empty() || changes_ > 0; }, event::Duration(500)));
  EXPECT_EQ(watch_->silence(), "");
}

}  // namespace
}  // namespace caracal::bgp
