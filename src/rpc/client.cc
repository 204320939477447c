#include "rpc/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace caracal::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// Waits until `fd` is ready for `events` or the deadline passed.
Status wait_ready(int fd, short events, Clock::time_point deadline, const std::string& path) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return fail(Errc::kTimeout, path + ": no answer in time");
    pollfd p{fd, events, 0};
    const int ready = ::poll(&p, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll " + path);
  }
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Errc::kInvalid, "socket path \"" + path + "\": must have 1 to " +
                                    std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  // A connect to a unix socket does not wait for accept, only for room in the backlog.
  int rc = 0;
  do {
    rc = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) {
    const int error = errno;
    if (error == ENOENT || error == ECONNREFUSED) {
      return fail(Errc::kUnavailable, "connect " + path + ": " + std::strerror(error));
    }
    return fail_errno(error, "connect " + path);
  }
  return Client(std::move(fd), path);
}

Result<Reply> Client::call(std::string method, json::value params,
                           std::chrono::milliseconds timeout) {
  if (!fd_) return fail(Errc::kUnavailable, path_ + ": the connection is closed");
  Result<Reply> reply = exchange(Request{std::move(method), std::move(params)}, timeout);
  if (!reply) fd_.reset();
  return reply;
}

Result<Reply> Client::exchange(const Request& request, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  const std::string line = encode(request);
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t n =
        ::send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      CARACAL_TRY(wait_ready(fd_.get(), POLLOUT, deadline, path_));
    } else if (errno != EINTR) {
      return fail_errno(errno, "send to " + path_);
    }
  }
  for (;;) {
    if (std::optional<std::string> answer = lines_.next()) return decode_reply(*answer);
    CARACAL_TRY(wait_ready(fd_.get(), POLLIN, deadline, path_));
    char buffer[65536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) {
      CARACAL_TRY(lines_.append(std::string_view(buffer, static_cast<size_t>(n))));
    } else if (n == 0) {
      return fail(Errc::kUnavailable, path_ + ": the agent closed the connection");
    } else if (errno != EINTR && errno != EAGAIN) {
      return fail_errno(errno, "receive from " + path_);
    }
  }
}

Result<Reply> call_once(const std::string& path, std::string method, json::value params,
                        std::chrono::milliseconds timeout) {
  CARACAL_ASSIGN(Client client, Client::connect(path));
  return client.call(std::move(method), std::move(params), timeout);
}

}  // namespace caracal::rpc
