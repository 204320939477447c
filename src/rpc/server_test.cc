#include "rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "rpc/client.h"

namespace caracal::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    folder_ =
        std::filesystem::temp_directory_path() / ("caracal-rpc-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    path_ = (folder_ / "sub" / "agent.sock").string();
  }
  ~ServerTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Server> listen(Server::Handler handler) {
    auto server = Server::listen(loop_, path_, std::move(handler));
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  }
  // Runs `client` on a thread of its own while the loop serves it.
  template <typename F>
  void with_client(F client) {
    std::thread thread([&] {
      client();
      loop_.stop();
    });
    loop_.run();
    thread.join();
  }
  static void echo(Request request, const Server::Respond& respond) {
    respond(success(json::object{{"method", request.method}, {"params", request.params}}));
  }

  std::filesystem::path folder_;
  std::string path_;
  event::Loop loop_;
};

TEST_F(ServerTest, AnswersSeveralRequestsOnAConnection) {
  const auto server = listen(echo);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  with_client([&] {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client) << client.error().message;
    for (int i = 0; i < 3; ++i) {
      const auto reply = client->call("m" + std::to_string(i), json::object{{"n", i}}, seconds(60));
      ASSERT_TRUE(reply) << reply.error().message;
      EXPECT_EQ(jsonio::get_string(reply->result, {"method"}), "m" + std::to_string(i));
    }
    const std::string big(3u << 20, 'x');
    const auto reply = client->call("big", json::object{{"text", big}}, seconds(60));
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(jsonio::get_string(reply->result, {"params", "text"}).size(), big.size());
  });
}

TEST_F(ServerTest, AnswersLater) {
  std::vector<Server::Respond> waiting;
  const auto server = listen([&](const Request& request, const Server::Respond& respond) {
    waiting.push_back(respond);
    if (waiting.size() == 2) {
      for (const auto& one : waiting) one(failure(11, "later: " + request.method));
    }
  });
  with_client([&] {
    std::thread other(
        [&] { EXPECT_EQ(call_once(path_, "a", nullptr, seconds(60))->error->code, 11); });
    EXPECT_EQ(call_once(path_, "b", nullptr, seconds(60))->error->code, 11);
    other.join();
  });
}

TEST_F(ServerTest, SaysWhatIsWrongWithARequest) {
  const auto server = listen(echo);
  with_client([&] {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    const auto reply = client->call("", nullptr, seconds(60));
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->error->code, 6);
    EXPECT_THAT(reply->error->msg, ::testing::HasSubstr("request.method"));
    const auto too_long = client->call("x", json::string(5u << 20, 'x'), seconds(60));
    EXPECT_FALSE(too_long) << "the connection ends";
  });
}

TEST_F(ServerTest, AClientGivesUpInTime) {
  const auto server = listen([](const Request&, const Server::Respond&) {});
  with_client([&] {
    const auto reply = call_once(path_, "never", nullptr, milliseconds(50));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Errc::kTimeout);
  });
}

TEST_F(ServerTest, ReplacesADeadSocketAndRespectsALiveOne) {
  EXPECT_EQ(Client::connect(path_).error().code, Errc::kUnavailable);
  {
    const auto server = listen(echo);
    const auto second = Server::listen(loop_, path_, echo);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::kConflict);
    // What a killed agent leaves: a socket file without listener.
    std::filesystem::create_hard_link(path_, path_ + ".kept");
  }
  EXPECT_FALSE(std::filesystem::exists(path_)) << "an orderly end removes the file";
  std::filesystem::rename(path_ + ".kept", path_);
  EXPECT_EQ(Client::connect(path_).error().code, Errc::kUnavailable);
  EXPECT_TRUE(listen(echo));
  std::filesystem::remove(path_);
  std::ofstream(path_) << "a file";
  EXPECT_EQ(Server::listen(loop_, path_, echo).error().code, Errc::kConflict);
}

TEST_F(ServerTest, RefusesAPathTooLongForASocket) {
  EXPECT_EQ(Server::listen(loop_, "/" + std::string(200, 'a'), echo).error().code, Errc::kInvalid);
  EXPECT_EQ(Client::connect("/" + std::string(200, 'a')).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace caracal::rpc
