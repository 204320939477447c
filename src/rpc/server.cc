#include "rpc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/send_pending.h"
#include "rpc/client.h"

namespace caracal::rpc {
namespace {

constexpr size_t kMaxConnections = 512;
// The code for a request that is not one (CNI: failed to decode content).
constexpr int kDecodeFailure = 6;

// Removes what a dead process has left at `path`.
Status clear_stale_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Status() : fail_errno(errno, "stat " + path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Errc::kConflict, path + ": exists and is not a socket");
  }
  const auto probe = Client::connect(path);
  if (probe) return fail(Errc::kConflict, path + ": another agent listens there");
  if (probe.error().code != Errc::kUnavailable) return fail(probe.error());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "unlink " + path);
  return {};
}

Result<UniqueFd> open_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Errc::kInvalid, "socket path \"" + path + "\": must have 1 to " +
                                    std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) CARACAL_TRY(make_directories(folder));
  CARACAL_TRY(clear_stale_socket(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind " + path);
  }
  // Before listen() nobody can connect, so the mode is in force from the first connection.
  if (::chmod(path.c_str(), 0600) != 0) return fail_errno(errno, "chmod " + path);
  if (::listen(fd.get(), 256) != 0) return fail_errno(errno, "listen " + path);
  return fd;
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  struct Connection {
    UniqueFd fd;
    LineBuffer lines{kMaxRequestBytes};
    std::string out;        // not yet sent
    bool busy = false;      // the handler owes an answer
    bool finished = false;  // the client sends no more
    event::Handle watch;    // ends before fd does
  };

  Impl(event::Loop& l, std::string p, Handler h)
      : loop(l), path(std::move(p)), handler(std::move(h)) {}

  event::Loop& loop;
  std::string path;
  Handler handler;
  UniqueFd listener;
  std::map<uint64_t, Connection> connections;
  uint64_t next_id = 1;
  event::Handle accept_watch;

  void accept_all() {
    for (;;) {
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno != EAGAIN) log::warn("accept failed", {{"error", std::strerror(errno)}});
        return;
      }
      if (connections.size() >= kMaxConnections) continue;  // closes it
      const uint64_t id = next_id++;
      auto watch = loop.watch_fd(fd.get(), {.read = true, .write = false},
                                 [this, id](event::Ready ready) { on_ready(id, ready); });
      if (!watch) continue;
      Connection& connection = connections[id];
      connection.fd = std::move(fd);
      connection.watch = std::move(*watch);
    }
  }

  void on_ready(uint64_t id, event::Ready ready) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    Connection& connection = found->second;
    if (ready.write && !flush(connection)) return drop(id);
    if (ready.read && !receive(connection)) return drop(id);
    serve(id);
  }

  // False: the connection is of no further use.
  static bool receive(Connection& connection) {
    char buffer[65536];
    const ssize_t n = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
    if (n > 0) return connection.lines.append({buffer, static_cast<size_t>(n)}).has_value();
    if (n == 0) {
      // Half-closed clients ("printf ... | nc -U") still get their answers.
      connection.finished = true;
      return true;
    }
    return errno == EAGAIN || errno == EINTR;
  }

  static bool flush(Connection& connection) {
    return send_pending(connection.fd.get(), connection.out);
  }

  // Takes requests until one waits for its answer, then sets what to wait for.
  void serve(uint64_t id) {
    for (;;) {
      const auto found = connections.find(id);
      if (found == connections.end()) return;
      Connection& connection = found->second;
      if (connection.busy || !connection.out.empty()) break;
      std::optional<std::string> line = connection.lines.next();
      if (!line) {
        if (connection.finished) return drop(id);
        break;
      }
      if (line->empty()) continue;
      connection.busy = true;
      auto request = decode_request(*line);
      if (!request) {
        answer(id, failure(kDecodeFailure, request.error().message));
        continue;
      }
      handler(std::move(*request), [weak = weak_from_this(), id](Reply reply) {
        if (const auto self = weak.lock()) {
          self->answer(id, reply);
          self->serve(id);
        }
      });
    }
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    Connection& connection = found->second;
    event::Loop::set_interest(connection.watch, {.read = !connection.busy && !connection.finished,
                                                 .write = !connection.out.empty()});
  }

  void answer(uint64_t id, const Reply& reply) {
    const auto found = connections.find(id);
    if (found == connections.end() || !found->second.busy) return;
    found->second.busy = false;
    found->second.out += encode(reply);
    if (!flush(found->second)) drop(id);
  }

  void drop(uint64_t id) { connections.erase(id); }
};

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  impl_->accept_watch.reset();
  impl_->connections.clear();
  ::unlink(impl_->path.c_str());
}

size_t Server::connections() const { return impl_->connections.size(); }

Result<std::unique_ptr<Server>> Server::listen(event::Loop& loop, const std::string& path,
                                               Handler handler) {
  CARACAL_ASSIGN(UniqueFd listener, open_socket(path));
  auto impl = std::make_shared<Impl>(loop, path, std::move(handler));
  impl->listener = std::move(listener);
  CARACAL_ASSIGN(impl->accept_watch,
                 loop.watch_fd(impl->listener.get(), {.read = true, .write = false},
                               [raw = impl.get()](event::Ready) { raw->accept_all(); }));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace caracal::rpc
