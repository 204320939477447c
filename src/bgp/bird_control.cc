#include "bgp/bird_control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace caracal::bgp {
namespace {

// Non-blocking afterwards. A local connection is made at once or not at all.
Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Errc::kInvalid, "BIRD's control socket " + path + ": the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(Errc::kUnavailable, "BIRD's control socket " + path + ": " + std::strerror(errno));
  }
  return fd;
}

// The talk of one connection: a greeting, one command, one reply.
class Talk {
 public:
  Talk(UniqueFd fd, std::string command)
      : fd_(std::move(fd)), command_(std::move(command) + "\n") {}

  int fd() const { return fd_.get(); }

  // Reads what is there. The reply when it is whole, nullopt when more must come.
  Result<std::optional<Reply>> read_some() {
    char buffer[16384];
    while (true) {
      const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
      if (n <= 0) return fail(Errc::kUnavailable, "BIRD has closed the control connection");
      CARACAL_TRY(reader_.feed({buffer, static_cast<size_t>(n)}));
      while (auto reply = reader_.next()) {
        if (greeted_) return reply;
        if (reply->code() != kReady)
          return fail(Errc::kUnavailable, "BIRD is not ready: " + reply->text());
        greeted_ = true;
        CARACAL_TRY(send());
      }
    }
  }

 private:
  static constexpr int kReady = 1;

  // A command is far smaller than a socket's buffer, and nothing was sent before.
  Status send() {
    if (::send(fd_.get(), command_.data(), command_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command_.size()))
      return fail(Errc::kUnavailable, "BIRD does not take commands");
    return {};
  }

  UniqueFd fd_;
  std::string command_;
  ReplyReader reader_;
  bool greeted_ = false;
};

tl::unexpected<Error> no_answer(const std::string& command) {
  return fail(Errc::kTimeout, "BIRD does not answer \"" + command + "\"");
}

}  // namespace

class BirdControl::Exchange {
 public:
  Exchange(BirdControl& owner, UniqueFd fd, const std::string& command)
      : owner_(owner), talk_(std::move(fd), command) {}

  Status start(const std::string& command, event::Duration timeout) {
    CARACAL_ASSIGN(watch_, owner_.loop_.watch_fd(talk_.fd(), {.read = true},
                                                 [this](event::Ready) { readable(); }));
    timer_ = owner_.loop_.after(timeout, [this, command] { owner_.finish(no_answer(command)); });
    return {};
  }

 private:
  void readable() {
    auto reply = talk_.read_some();
    if (!reply) return owner_.finish(fail(std::move(reply).error()));
    if (*reply) owner_.finish(std::move(**reply));
  }

  BirdControl& owner_;
  Talk talk_;
  event::Handle watch_;
  event::Handle timer_;
};

BirdControl::BirdControl(event::Loop& loop, std::string socket_path)
    : loop_(loop), path_(std::move(socket_path)) {}
BirdControl::~BirdControl() = default;

void BirdControl::request(std::string command, Done done, event::Duration timeout) {
  waiting_.push_back({std::move(command), std::move(done), timeout});
  if (waiting_.size() == 1) start_next();
}

void BirdControl::start_next() {
  const Waiting& next = waiting_.front();
  auto fd = connect_to(path_);
  Status started;
  if (fd) {
    running_ = std::make_unique<Exchange>(*this, std::move(*fd), next.command);
    started = running_->start(next.command, next.timeout);
  } else {
    started = fail(std::move(fd).error());
  }
  if (started) return;
  // Not from within request(): callers do not expect their callback before it returns.
  timer_ =
      loop_.after(event::Duration(0), [this, error = started.error()] { finish(fail(error)); });
}

void BirdControl::finish(Result<Reply> result) {
  const Waiting done = std::move(waiting_.front());
  waiting_.pop_front();
  const std::unique_ptr<Exchange> ended = std::move(running_);
  if (!waiting_.empty()) start_next();
  done.done(std::move(result));  // may end this object
}

Result<Reply> ask_bird(const std::string& socket_path, const std::string& command,
                       std::chrono::milliseconds timeout) {
  CARACAL_ASSIGN(UniqueFd fd, connect_to(socket_path));
  Talk talk(std::move(fd), command);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    if (left <= 0) return no_answer(command);
    pollfd wait{talk.fd(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left)) < 0 && errno != EINTR)
      return fail_errno(errno, "poll");
    if (wait.revents == 0) continue;
    CARACAL_ASSIGN(std::optional<Reply> reply, talk.read_some());
    if (reply) return std::move(*reply);
  }
}

Result<pid_t> bird_process(const std::string& socket_path) {
  CARACAL_ASSIGN(UniqueFd fd, connect_to(socket_path));
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return fail_errno(errno, "the process behind " + socket_path);
  if (who.pid <= 0)
    return fail(Errc::kUnavailable, socket_path + ": its process is in another pid namespace");
  return who.pid;
}

}  // namespace caracal::bgp
