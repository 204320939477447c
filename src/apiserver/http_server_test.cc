#include "apiserver/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "net/socket_address.h"

namespace caracal::apiserver {
namespace {

std::unique_ptr<HttpServer> serve() {
  auto server = HttpServer::start(
      {.listeners = {{.address = "127.0.0.1", .port = 0, .tls = false}}},
      [](const std::shared_ptr<const HttpRequest>& request, const Responder& respond) {
        HttpResponse response;
        response.body = request->path;
        respond(std::move(response));
      });
  EXPECT_TRUE(server.has_value()) << server.error().message;
  return server ? std::move(*server) : nullptr;
}

UniqueFd connect_to(uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::SocketAddress address(net::IpAddr::v4(INADDR_LOOPBACK), port);
  if (connect(fd.get(), address.get(), address.size()) != 0) {
    return {};
  }
  return fd;
}

// What the server says before it closes; nothing when it refuses.
std::string ask(uint16_t port, std::string_view path) {
  const UniqueFd fd = connect_to(port);
  if (!fd) return {};
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  char buffer[1024];
  for (ssize_t n; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  return answer;
}

TEST(HttpServer, AnswersThenRefusesWhenItStopped) {
  const auto server = serve();
  ASSERT_NE(server, nullptr);
  const uint16_t port = server->listeners().front().port;
  EXPECT_TRUE(ask(port, "/here").ends_with("\r\n\r\n/here"));
  server->stop(0);
  EXPECT_FALSE(connect_to(port));
}

// The daemon's threads still look at the listening socket while it is being shut; a descriptor
// closed under them ended the process.
TEST(HttpServer, StopsUnderClientsThatKeepConnecting) {
  size_t answered = 0;
  for (int round = 0; round < 150; ++round) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const uint16_t port = server->listeners().front().port;
    std::atomic<size_t> answers = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) {
      clients.emplace_back([&answers, port] {
        while (!ask(port, "/").empty()) ++answers;
      });
    }
    while (answers.load() < 5) std::this_thread::yield();
    server->stop(1000);
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(server->open_requests(), 0U);
    answered += answers.load();
  }
  EXPECT_GE(answered, 750U);
}

}  // namespace
}  // namespace caracal::apiserver
