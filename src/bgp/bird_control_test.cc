#include "bgp/bird_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/fd.h"

namespace caracal::bgp {
namespace {

using ::testing::HasSubstr;

// Something that listens like BIRD: says `greeting` to everybody and `answer` to every line.
class FakeBird {
 public:
  FakeBird(std::string greeting, std::string answer)
      : path_("/tmp/caracal-fake-bird-" + std::to_string(::getpid())),
        greeting_(std::move(greeting)),
        answer_(std::move(answer)) {
    ::unlink(path_.c_str());
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_.get(), 8), 0);
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    stop_read_.reset(ends[0]);
    stop_write_.reset(ends[1]);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeBird() {
    stop_write_.reset();
    thread_.join();
    ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  bool readable(int fd) {
    pollfd wait[2] = {{fd, POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    return ::poll(wait, 2, -1) > 0 && wait[1].revents == 0;
  }
  void serve() {
    while (readable(fd_.get())) {
      const UniqueFd client(::accept(fd_.get(), nullptr, nullptr));
      say(client, greeting_);
      char buffer[1000];
      while (readable(client.get()) && ::read(client.get(), buffer, sizeof buffer) > 0)
        say(client, answer_);
    }
  }
  // Who asked may have gone.
  static void say(const UniqueFd& client, const std::string& text) {
    [[maybe_unused]] const ssize_t sent =
        ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  std::string path_;
  std::string greeting_;
  std::string answer_;
  UniqueFd fd_;
  UniqueFd stop_read_;
  UniqueFd stop_write_;
  std::thread thread_;
};

constexpr const char* kGreeting = "0001 BIRD 2.0.12 ready.\n";

TEST(BirdControl, AnswersInTheOrderOfQuestions) {
  FakeBird bird(kGreeting, "1000-line\n0013 done\n");
  event::Loop loop;
  BirdControl control(loop, bird.path());
  std::vector<int> codes;
  for (int i = 0; i < 3; ++i) {
    control.request("show status", [&](Result<Reply> reply) {
      ASSERT_TRUE(reply) << reply.error().message;
      codes.push_back(reply->code());
    });
  }
  EXPECT_TRUE(codes.empty());  // never from within request()
  EXPECT_TRUE(loop.run_until([&] { return codes.size() == 3; }, event::Duration(60'000)));
  EXPECT_THAT(codes, ::testing::ElementsAre(13, 13, 13));
}

TEST(BirdControl, SaysWhatIsWrong) {
  event::Loop loop;
  const auto ask = [&](const std::string& path) {
    BirdControl control(loop, path);
    std::optional<Error> error;
    control.request(
        "show status", [&](const Result<Reply>& reply) { error = reply ? Error() : reply.error(); },
        event::Duration(200));
    EXPECT_TRUE(loop.run_until([&] { return error.has_value(); }, event::Duration(60'000)));
    return error.value_or(Error());
  };
  EXPECT_EQ(ask("/nonexistent/bird.ctl").code, Errc::kUnavailable);
  EXPECT_EQ(ask(std::string(200, 'x')).code, Errc::kInvalid);
  {
    FakeBird silent(kGreeting, "");
    const Error error = ask(silent.path());
    EXPECT_EQ(error.code, Errc::kTimeout);
    EXPECT_THAT(error.message, HasSubstr("show status"));
  }
  {
    FakeBird web("HTTP/1.1 400 Bad Request\r\n", "");
    EXPECT_EQ(ask(web.path()).code, Errc::kInvalid);
  }
  {
    FakeBird busy("0016 Access restricted\n", "");
    EXPECT_EQ(ask(busy.path()).code, Errc::kUnavailable);
  }
}

TEST(BirdControl, MayEndInItsOwnAnswer) {
  FakeBird bird(kGreeting, "0013 done\n");
  event::Loop loop;
  auto control = std::make_unique<BirdControl>(loop, bird.path());
  bool done = false;
  control->request("show status", [&](const Result<Reply>&) {
    control.reset();
    done = true;
  });
  control->request("show status", [](const Result<Reply>&) { FAIL() << "forgotten"; });
  EXPECT_TRUE(loop.run_until([&] { return done; }, event::Duration(60'000)));
}

TEST(AskBird, Blocking) {
  {
    FakeBird bird(kGreeting, "8002 no\n");
    const auto reply = ask_bird(bird.path(), "configure");
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->failed());
    EXPECT_EQ(*bird_process(bird.path()), ::getpid());
  }
  EXPECT_EQ(ask_bird("/nonexistent/bird.ctl", "x").error().code, Errc::kUnavailable);
  FakeBird silent(kGreeting, "");
  EXPECT_EQ(ask_bird(silent.path(), "x", std::chrono::milliseconds(100)).error().code,
            Errc::kTimeout);
}

}  // namespace
}  // namespace caracal::bgp
