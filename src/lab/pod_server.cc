#include "lab/pod_server.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>

namespace caracal::lab {
namespace {

constexpr size_t kMaxHead = 64 * 1024;

const char* name_of(ServedPort::Protocol protocol) {
  switch (protocol) {
    case ServedPort::Protocol::kTcp:
      return "TCP";
    case ServedPort::Protocol::kUdp:
      return "UDP";
    case ServedPort::Protocol::kSctp:
      return "SCTP";
  }
  return "?";
}

// One socket for both families where there is IPv6, else an IPv4 one. -1 with errno.
int open_listener(const ServedPort& port) {
  const bool stream = port.protocol != ServedPort::Protocol::kUdp;
  const int type = (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int protocol = port.protocol == ServedPort::Protocol::kSctp ? IPPROTO_SCTP : 0;
  sockaddr_storage address{};
  socklen_t length = 0;
  int fd = ::socket(AF_INET6, type, protocol);
  if (fd >= 0) {
    const int off = 0;
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port.port);
    length = sizeof *v6;
  } else {
    fd = ::socket(AF_INET, type, protocol);
    if (fd < 0) return -1;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port.port);
    length = sizeof *v4;
  }
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      (stream && ::listen(fd, 1024) != 0)) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

class Server {
 public:
  Server(const PodServerOptions& options, int epoll) : options_(options), epoll_(epoll) {}

  // Empty when all is well.
  std::string open_all() {
    for (const ServedPort& port : options_.ports) {
      const int fd = open_listener(port);
      const std::string what =
          std::string(name_of(port.protocol)) + " port " + std::to_string(port.port);
      if (fd < 0 && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
        std::fprintf(stderr, "%s: skipped, this kernel has no %s\n", what.c_str(),
                     name_of(port.protocol));
        continue;
      }
      if (fd < 0) return what + ": " + std::strerror(errno);
      listeners_[fd] = port.protocol;
      watch(fd);
    }
    return {};
  }

  void on_ready(int fd) {
    const auto listener = listeners_.find(fd);
    if (listener == listeners_.end()) {
      on_data(fd);
    } else if (listener->second == ServedPort::Protocol::kUdp) {
      answer_datagrams(fd);
    } else {
      accept_all(fd);
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all(int listener) {
    for (;;) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      pending_[fd] = {};
      watch(fd);
    }
  }

  void answer_datagrams(int fd) {
    char buffer[2048];
    for (;;) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t got =
          ::recvfrom(fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 0) return;
      std::string answer = options_.name + "\n";
      answer.append(buffer, static_cast<size_t>(got));
      ::sendto(fd, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from),
               length);
    }
  }

  void drop(int fd) {
    pending_.erase(fd);
    ::close(fd);
  }

  void on_data(int fd) {
    std::string& input = pending_[fd];
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return drop(fd);
    input.append(buffer, static_cast<size_t>(got));
    for (;;) {
      const size_t end = input.find("\r\n\r\n");
      if (end == std::string::npos) break;
      bool keep = true;
      const std::string answer = http_answer(input.substr(0, end + 2), options_.name, keep);
      // The answer is far smaller than a socket's buffer: when it does not fit, the client reads
      // nothing, and is dropped.
      if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) !=
              static_cast<ssize_t>(answer.size()) ||
          !keep) {
        return drop(fd);
      }
      input.erase(0, end + 4);
    }
    if (input.size() > kMaxHead) drop(fd);
  }

  const PodServerOptions& options_;
  int epoll_;
  std::map<int, ServedPort::Protocol> listeners_;
  std::map<int, std::string> pending_;  // connections, and what of a request has come
};

void tell(int fd, const std::string& text) {
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t ignored = ::write(fd, text.data(), text.size());
  ::close(fd);
}

}  // namespace

bool parse_served_port(const std::string& text, ServedPort& port) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return false;
  const std::string protocol = text.substr(0, colon);
  if (protocol == "TCP") {
    port.protocol = ServedPort::Protocol::kTcp;
  } else if (protocol == "UDP") {
    port.protocol = ServedPort::Protocol::kUdp;
  } else if (protocol == "SCTP") {
    port.protocol = ServedPort::Protocol::kSctp;
  } else {
    return false;
  }
  unsigned number = 0;
  for (const char c : text.substr(colon + 1)) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<unsigned>(c - '0');
    if (number > 65535) return false;
  }
  port.port = static_cast<uint16_t>(number);
  return number > 0;
}

std::string http_answer(const std::string& head, const std::string& pod_name, bool& keep) {
  const std::string line = head.substr(0, head.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t second = first == std::string::npos ? first : line.find(' ', first + 1);
  if (second == std::string::npos || line.compare(second + 1, 5, "HTTP/") != 0) {
    keep = false;
    return "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  }
  const std::string method = line.substr(0, first);
  const std::string path = line.substr(first + 1, second - first - 1);
  std::string lower = head;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  // A body is not read, so nothing can follow a request that has one.
  const bool has_body = lower.find("\r\ncontent-length: ") != std::string::npos ||
                        lower.find("\r\ntransfer-encoding: ") != std::string::npos;
  const bool old = line.find("HTTP/1.0", second) != std::string::npos;
  keep = !has_body && !old && lower.find("\r\nconnection: close") == std::string::npos;
  const std::string body =
      path == "/hostname.html"
          ? pod_name + "\n"
          : "Hello MyApp | Version: v1 | <a href=\"hostname.html\">Pod Name</a>\n";
  std::string answer =
      "HTTP/1.1 200 OK\r\nServer: caracal-lab-pod\r\nX-Pod-Name: " + pod_name +
      "\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(body.size()) +
      (keep ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  if (method != "HEAD") answer += body;
  return answer;
}

int run_pod_server(const PodServerOptions& options) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int signal_fd = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = signal_fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, signal_fd, &event);

  Server server(options, epoll);
  if (const std::string problem = server.open_all(); !problem.empty()) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    tell(options.ready_fd, problem + "\n");
    return 1;
  }
  tell(options.ready_fd, "ready\n");
  for (;;) {
    epoll_event events[64];
    const int n = ::epoll_wait(epoll, events, 64, -1);
    if (n < 0 && errno != EINTR) return 1;
    for (int i = 0; i < n; ++i) {
      if (events[i].data.fd == signal_fd) return 0;
      server.on_ready(events[i].data.fd);
    }
  }
}

}  // namespace caracal::lab
