#include "lab/held_connection.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{3};
constexpr std::chrono::milliseconds kAnswerTime{2000};

bool wait_for(int fd, short events, std::chrono::milliseconds time) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace

struct HeldConnection::Impl {
  UniqueFd fd;
  std::atomic<bool> stop{false};
  std::atomic<bool> ended{false};
  Outcome outcome;
  std::thread thread;

  // One request and its whole answer. An empty text: it worked.
  std::string exchange();
  void run();
};

std::string HeldConnection::Impl::exchange() {
  constexpr std::string_view kRequest = "GET /hostname.html HTTP/1.1\r\nHost: pod\r\n\r\n";
  ++outcome.requests;
  const auto sent = Clock::now();
  if (::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size())) {
    return std::string("send: ") + std::strerror(errno);
  }
  std::string answer;
  // The body is the pod's name and a newline; the head ends with an empty line.
  for (;;) {
    const size_t head = answer.find("\r\n\r\n");
    if (head != std::string::npos && answer.size() > head + 4 && answer.back() == '\n') break;
    if (!wait_for(fd.get(), POLLIN, kAnswerTime)) {
      outcome.cut = true;
      return "no answer for 2 s";
    }
    char buffer[2048];
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got == 0) return "closed by the pod";
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      return std::string("receive: ") + std::strerror(errno);
    if (got > 0) answer.append(buffer, static_cast<size_t>(got));
  }
  ++outcome.answers;
  outcome.longest = std::max(
      outcome.longest, std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - sent));
  return {};
}

void HeldConnection::Impl::run() {
  while (!stop.load() && outcome.error.empty()) {
    outcome.error = exchange();
    std::this_thread::sleep_for(kPause);
  }
  ended.store(true);
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
    outcome.retransmissions = info.tcpi_total_retrans;
  }
}

HeldConnection::HeldConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HeldConnection::~HeldConnection() {
  impl_->stop.store(true);
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<std::unique_ptr<HeldConnection>> HeldConnection::open(const Probe& probe) {
  CARACAL_ASSIGN(Attempt attempt, begin_attempt(probe));
  int error = attempt.error;
  if (error == 0 && !wait_for(attempt.fd.get(), POLLOUT, std::chrono::seconds(2)))
    error = ETIMEDOUT;
  socklen_t length = sizeof error;
  if (error == 0) ::getsockopt(attempt.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    return fail_errno(error, "connection to " + probe.destination.to_string() + " port " +
                                 std::to_string(probe.port));
  }
  auto impl = std::make_unique<Impl>();
  impl->fd = std::move(attempt.fd);
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<HeldConnection>(new HeldConnection(std::move(impl)));
}

HeldConnection::Outcome HeldConnection::finish(std::chrono::milliseconds grace) {
  const auto deadline = Clock::now() + grace;
  while (!impl_->ended.load() && Clock::now() < deadline) std::this_thread::sleep_for(kPause);
  impl_->stop.store(true);
  if (impl_->thread.joinable()) impl_->thread.join();
  return impl_->outcome;
}

}  // namespace caracal::lab
