#include "lab/trace_probe.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;

// After an answer, and after a probe was given up: what is still on its way to our sockets.
constexpr std::chrono::milliseconds kSettle{30};

// The echo request of RFC 792 and RFC 4443; of the latter the kernel fills in the checksum.
std::vector<uint8_t> make_echo(bool v4, uint16_t id, const std::vector<uint8_t>& mark) {
  std::vector<uint8_t> out = {
      static_cast<uint8_t>(v4 ? 8 : 128), 0, 0, 0, static_cast<uint8_t>(id >> 8),
      static_cast<uint8_t>(id),           0, 1};
  out.insert(out.end(), mark.begin(), mark.end());
  if (!v4) return out;
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < out.size(); i += 2)
    sum += static_cast<uint32_t>(out[i] << 8 | out[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  out[2] = static_cast<uint8_t>(~sum >> 8);
  out[3] = static_cast<uint8_t>(~sum);
  return out;
}

struct Sent {
  UniqueFd fd;
  int error = 0;  // the kernel would not even send it
  uint16_t local_port = 0;
};

Result<Sent> send_echo(const Probe& probe, const std::vector<uint8_t>& mark) {
  CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(probe.netns));
  const bool v4 = probe.destination.is_v4();
  Sent sent;
  CARACAL_TRY(ns.run([&]() -> Status {
    sent.fd.reset(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                           v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6)));
    return sent.fd ? Status() : Status(fail_errno(errno, "raw socket"));
  }));
  if (probe.source) {
    const net::SocketAddress source(*probe.source, 0);
    if (::bind(sent.fd.get(), source.get(), source.size()) != 0)
      return fail_errno(errno, "send from " + probe.source->to_string());
  }
  const net::SocketAddress to(probe.destination, 0);
  if (::connect(sent.fd.get(), to.get(), to.size()) != 0) {
    sent.error = errno;
    return sent;
  }
  const auto packet = make_echo(v4, static_cast<uint16_t>(::getpid()), mark);
  if (::send(sent.fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) sent.error = errno;
  return sent;
}

Result<Sent> send_probe(const Probe& probe, const std::vector<uint8_t>& mark) {
  if (probe.protocol == net::kIcmp || probe.protocol == net::kIcmpV6) return send_echo(probe, mark);
  CARACAL_ASSIGN(Attempt attempt, begin_attempt(probe));
  Sent sent{std::move(attempt.fd), attempt.error, attempt.local_port};
  if (probe.protocol == net::kUdp && sent.error == 0 &&
      ::send(sent.fd.get(), mark.data(), mark.size(), MSG_NOSIGNAL) < 0)
    sent.error = errno;
  return sent;
}

// An answer has come, or an error of the socket: kTcp, kUdp, or an echo reply with the mark.
std::optional<Outcome> look_at_socket(const Probe& probe, int fd,
                                      const std::vector<uint8_t>& mark) {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == ECONNREFUSED || error == ECONNRESET) return Outcome::kRefused;
  if (error == ETIMEDOUT) return Outcome::kSilent;
  if (error != 0) return Outcome::kUnreachable;
  if (probe.protocol == net::kTcp) return Outcome::kOpen;
  std::array<uint8_t, 2048> buffer;
  ssize_t got;
  while ((got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
    const auto end = buffer.begin() + got;
    if (probe.protocol == net::kUdp) return Outcome::kOpen;
    const auto found = std::search(buffer.begin(), end, mark.begin(), mark.end());
    // Raw sockets of IPv4 get the IP header, too.
    const size_t at = probe.destination.is_v4() ? static_cast<size_t>(buffer[0] & 0x0f) * 4 : 0;
    const uint8_t reply = probe.destination.is_v4() ? 0 : 129;
    if (found != end && buffer[at] == reply) return Outcome::kOpen;
  }
  if (got < 0 && errno == ECONNREFUSED) return Outcome::kRefused;
  if (got < 0 && (errno == EHOSTUNREACH || errno == ENETUNREACH)) return Outcome::kUnreachable;
  return std::nullopt;
}

}  // namespace

Result<Shot> shoot(PacketCapture& capture, const Probe& probe, const std::vector<uint8_t>& mark,
                   std::chrono::milliseconds timeout) {
  Shot shot;
  const auto begun = Clock::now();
  CARACAL_ASSIGN(const Sent sent, send_probe(probe, mark));
  shot.local_port = sent.local_port;
  shot.error = sent.error;
  auto until = begun + (sent.error == 0 ? timeout : std::chrono::milliseconds(0));
  bool settled = sent.error != 0;
  if (settled) {
    shot.outcome = sent.error == ECONNREFUSED ? Outcome::kRefused : Outcome::kUnreachable;
    until = begun + kSettle;
  }
  std::vector<pollfd> fds;
  for (const int fd : capture.fds()) fds.push_back({fd, POLLIN, 0});
  const short wanted = probe.protocol == net::kTcp ? POLLOUT : POLLIN;
  fds.push_back({sent.fd.get(), wanted, 0});
  for (;;) {
    const auto now = Clock::now();
    if (now >= until) {
      if (settled) break;
      settled = true;  // given up
      shot.time = std::chrono::duration_cast<std::chrono::microseconds>(now - begun);
      until = now + kSettle;
    }
    fds.back().fd = settled ? -1 : sent.fd.get();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now).count();
    if (::poll(fds.data(), fds.size(), static_cast<int>(left) + 1) < 0 && errno != EINTR) break;
    if (!settled && fds.back().revents != 0) {
      if (const auto outcome = look_at_socket(probe, sent.fd.get(), mark)) {
        shot.outcome = *outcome;
        shot.time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
        settled = true;
        until = Clock::now() + kSettle;
      }
    }
    capture.drain(shot.packets);
  }
  return shot;
}

}  // namespace caracal::lab
