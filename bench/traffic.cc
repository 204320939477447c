// traffic: a load generator for two ends of a network path, small enough not to be what is
// measured.
//
//   traffic serve PORT               echo on PORT, discard on PORT + 1; until SIGTERM
//   traffic stream HOST PORT SECONDS one TCP connection to PORT + 1 as fast as it goes   -> gbit_s
//   traffic rr HOST PORT SECONDS     one byte there, one byte back, again                 -> per_s,
//   p50, p99 traffic crr HOST PORT SECONDS    connect, one byte there and back, close with a reset
//   -> per_s, p50, p99
//
// Prints one line of JSON. --cpu N pins it. Connections of crr are closed by reset, so that the
// ports of the client do not run out in TIME_WAIT; the packets until then are those of any short
// connection.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using caracal::UniqueFd;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "traffic: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

sockaddr_storage address_of(const char* host, int port, socklen_t& size) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    size = sizeof *v6;
  } else {
    errno = EINVAL;
    die(host);
  }
  return storage;
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

UniqueFd dial(const char* host, int port) {
  socklen_t size = 0;
  const sockaddr_storage address = address_of(host, port, size);
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) die("socket");
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) die("connect");
  return fd;
}

UniqueFd listen_on(int port) {
  UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));  // both families
  if (!fd) die("socket");
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
  if (::listen(fd.get(), 1024) != 0) die("listen");
  return fd;
}

int serve(int port) {
  const UniqueFd echo = listen_on(port);
  const UniqueFd sink = listen_on(port + 1);
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  // The connection's kind is the low bit of its epoll word: 1 = echo.
  const auto watch = [&poll](int fd, uint64_t word) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = word;
    if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  };
  watch(echo.get(), static_cast<uint64_t>(echo.get()) << 1);
  watch(sink.get(), static_cast<uint64_t>(sink.get()) << 1);
  static std::array<char, 1 << 18> buffer;
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t word = events[static_cast<size_t>(i)].data.u64;
      const int fd = static_cast<int>(word >> 1);
      if (fd == echo.get() || fd == sink.get()) {
        const int client = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) continue;
        set_option(client, IPPROTO_TCP, TCP_NODELAY, 1);
        watch(client, static_cast<uint64_t>(client) << 1 | (fd == echo.get() ? 1 : 0));
        continue;
      }
      const ssize_t n = ::read(fd, buffer.data(), buffer.size());
      if (n <= 0) {
        if (n < 0 && errno == EAGAIN) continue;
        ::close(fd);
      } else if ((word & 1) != 0) {
        [[maybe_unused]] const ssize_t ignored = ::write(fd, buffer.data(), static_cast<size_t>(n));
      }
    }
  }
}

// Processor time this process has used, softirq work done on its back included.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

int stream(const char* host, int port, double seconds) {
  const UniqueFd fd = dial(host, port + 1);
  static std::array<char, 1 << 17> buffer{};
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  double bytes = 0;
  const double cpu = cpu_seconds();
  while (Clock::now() < end) {
    const ssize_t n = ::write(fd.get(), buffer.data(), buffer.size());
    if (n < 0) die("write");
    bytes += static_cast<double>(n);
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("{\"gbit_s\": %.4f, \"work\": %.6f, \"cpu_s\": %.9f}\n", bytes * 8 / elapsed / 1e9,
              bytes * 8 / 1e9, cpu_seconds() - cpu);
  return 0;
}

void ping_pong(int fd) {
  char byte = 'x';
  if (::write(fd, &byte, 1) != 1) die("write");
  if (::read(fd, &byte, 1) != 1) die("read");
}

int report(std::vector<double>& micros, double seconds, double cpu) {
  std::sort(micros.begin(), micros.end());
  const auto at = [&micros](double part) {
    return micros.empty()
               ? 0.0
               : micros[static_cast<size_t>(part * static_cast<double>(micros.size() - 1))];
  };
  std::printf(
      "{\"per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"work\": %zu, \"cpu_s\": %.9f}\n",
      static_cast<double>(micros.size()) / seconds, at(0.5), at(0.99), micros.size(), cpu);
  return micros.empty() ? 1 : 0;
}

template <typename Step>
int repeat(double seconds, const Step& step) {
  std::vector<double> micros;
  micros.reserve(1 << 20);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  const double cpu = cpu_seconds();
  auto last = start;
  while (last < end) {
    step();
    const auto now = Clock::now();
    micros.push_back(std::chrono::duration<double, std::micro>(now - last).count());
    last = now;
  }
  const double used = cpu_seconds() - cpu;
  return report(micros, std::chrono::duration<double>(last - start).count(), used);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--cpu") {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<size_t>(std::atoi(words[i + 1].c_str())), &set);
      if (::sched_setaffinity(0, sizeof set, &set) != 0) die("--cpu");
      words.erase(words.begin() + static_cast<ptrdiff_t>(i),
                  words.begin() + static_cast<ptrdiff_t>(i) + 2);
      break;
    }
  }
  if (words.size() == 2 && words[0] == "serve") return serve(std::atoi(words[1].c_str()));
  if (words.size() == 4) {
    const char* host = words[1].c_str();
    const int port = std::atoi(words[2].c_str());
    const double seconds = std::atof(words[3].c_str());
    if (words[0] == "stream") return stream(host, port, seconds);
    if (words[0] == "rr") {
      const UniqueFd fd = dial(host, port);
      return repeat(seconds, [&fd] { ping_pong(fd.get()); });
    }
    if (words[0] == "crr") {
      return repeat(seconds, [host, port] {
        const UniqueFd fd = dial(host, port);
        ping_pong(fd.get());
        const linger reset{1, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      });
    }
  }
  std::fprintf(stderr, "usage: traffic [--cpu N] serve PORT | stream|rr|crr HOST PORT SECONDS\n");
  return 2;
}
