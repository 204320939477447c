#include "lab/probe.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "lab/answer_capture.h"
#include "net/socket_address.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::pair<Outcome, std::string_view>, 6> kOutcomeNames = {{
    {Outcome::kOpen, "open"},
    {Outcome::kSilent, "silent"},
    {Outcome::kRefused, "refused"},
    {Outcome::kUnreachable, "unreachable"},
    {Outcome::kUnsupported, "unsupported"},
    {Outcome::kFailed, "failed"},
}};

Observation from_errno(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
      return {Outcome::kRefused, {}, "connection refused"};
    case EHOSTUNREACH:
    case ENETUNREACH:
      return {Outcome::kUnreachable, {}, std::strerror(error)};
    case EINVAL:  // what connect(2) says where the source's own route is a blackhole
      return {Outcome::kUnreachable, {}, "blackhole route at the source"};
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
      return {Outcome::kUnsupported, {}, std::strerror(error)};
    case ETIMEDOUT:
      return {Outcome::kSilent, {}, ""};
    default:
      return {Outcome::kFailed, {}, std::strerror(error)};
  }
}

// One probe under way.
struct Running {
  Attempt attempt;
  Clock::time_point sent;
  bool resent = false;
  std::optional<Observation> result;
  std::optional<Refusal> refusal;

  void finish(Observation observation) {
    observation.time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - sent);
    result = std::move(observation);
  }
};

void send_datagram(Running& running) {
  constexpr std::string_view kText = "caracal probe\n";
  if (::send(running.attempt.fd.get(), kText.data(), kText.size(), MSG_NOSIGNAL) < 0 &&
      errno != EAGAIN) {
    running.finish(from_errno(errno));
  }
}

void on_ready(const Probe& probe, Running& running) {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(running.attempt.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return running.finish(from_errno(error));
  if (probe.protocol == net::kUdp) {
    char buffer[2048];
    if (::recv(running.attempt.fd.get(), buffer, sizeof buffer, 0) < 0) {
      if (errno != EAGAIN && errno != EINTR) running.finish(from_errno(errno));
      return;
    }
  }
  running.finish({Outcome::kOpen, {}, ""});
}

void start(const Probe& probe, Running& running) {
  running.sent = Clock::now();
  auto attempt = begin_attempt(probe);
  if (!attempt) {
    const bool unsupported = attempt.error().code == Errc::kUnsupported;
    return running.finish(
        {unsupported ? Outcome::kUnsupported : Outcome::kFailed, {}, attempt.error().message});
  }
  running.attempt = std::move(*attempt);
  if (running.attempt.error != 0) return running.finish(from_errno(running.attempt.error));
  if (probe.protocol == net::kUdp) send_datagram(running);
}

bool belongs(const Refusal& refusal, const Probe& probe, const Running& running) {
  return refusal.protocol == probe.protocol && refusal.local_port == running.attempt.local_port &&
         refusal.remote == probe.destination && refusal.remote_port == probe.port;
}

// A raw packet knows better than connect(2): it says who refused, and with what.
void apply_refusal(Running& running) {
  if (!running.refusal || !running.result || running.result->outcome == Outcome::kOpen) return;
  const Refusal& refusal = *running.refusal;
  const bool port_unreachable =
      refusal.kind == Refusal::Kind::kIcmp &&
      ((refusal.sender.is_v4() && refusal.icmp_type == 3 && refusal.icmp_code == 3) ||
       (refusal.sender.is_v6() && refusal.icmp_type == 1 && refusal.icmp_code == 4));
  running.result->outcome = refusal.kind == Refusal::Kind::kReset || port_unreachable
                                ? Outcome::kRefused
                                : Outcome::kUnreachable;
  running.result->detail = refusal.to_string();
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  for (const auto& [value, name] : kOutcomeNames) {
    if (value == outcome) return name;
  }
  return "?";
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  for (const auto& [value, name] : kOutcomeNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

Result<Attempt> begin_attempt(const Probe& probe) {
  CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(probe.netns));
  const int family = net::socket_family(probe.destination.family());
  const bool udp = probe.protocol == net::kUdp;
  Attempt attempt;
  const Status made = ns.run([&]() -> Status {
    const int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    attempt.fd.reset(::socket(family, type, probe.protocol.number));
    if (!attempt.fd) {
      if (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT) {
        return fail(Errc::kUnsupported, "this kernel has no " + probe.protocol.to_string());
      }
      return fail_errno(errno, "socket");
    }
    return {};
  });
  CARACAL_TRY(made);
  if (!udp) {
    // Close with a reset: a probe leaves no connection behind on either side.
    const linger now{1, 0};
    ::setsockopt(attempt.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  if (probe.source) {
    const net::SocketAddress source(*probe.source, 0);
    if (::bind(attempt.fd.get(), source.get(), source.size()) != 0) {
      return fail_errno(errno, "send from " + probe.source->to_string());
    }
  }
  const net::SocketAddress to(probe.destination, probe.port);
  if (::connect(attempt.fd.get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) {
    attempt.error = errno;
  }
  net::SocketAddress local;
  if (::getsockname(attempt.fd.get(), local.get(), local.room()) == 0)
    attempt.local_port = local.port();
  return attempt;
}

std::vector<Observation> run_probes(const std::vector<Probe>& probes, const ProbeOptions& options) {
  std::map<std::string, AnswerCapture> captures;
  std::vector<Running> running(probes.size());
  for (size_t i = 0; i < probes.size(); ++i) {
    if (!captures.contains(probes[i].netns)) {
      if (auto capture = AnswerCapture::open(probes[i].netns)) {
        captures.emplace(probes[i].netns, std::move(*capture));
      }
    }
    start(probes[i], running[i]);
  }

  const auto begun = Clock::now();
  const auto deadline = begun + options.timeout;
  const auto resend = begun + options.timeout / 2;
  for (;;) {
    std::vector<pollfd> fds;
    std::vector<size_t> which;
    for (size_t i = 0; i < running.size(); ++i) {
      if (running[i].result) continue;
      fds.push_back({running[i].attempt.fd.get(),
                     static_cast<short>(probes[i].protocol == net::kUdp ? POLLIN : POLLOUT), 0});
      which.push_back(i);
    }
    const auto now = Clock::now();
    if (fds.empty() || now >= deadline) break;
    if (now >= resend) {
      for (const size_t i : which) {
        if (probes[i].protocol != net::kUdp || running[i].resent) continue;
        running[i].resent = true;
        send_datagram(running[i]);
      }
    }
    const auto until = now < resend ? resend : deadline;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - now).count() + 1;
    if (::poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    for (size_t k = 0; k < fds.size(); ++k) {
      if (fds[k].revents != 0 && !running[which[k]].result)
        on_ready(probes[which[k]], running[which[k]]);
    }
  }

  for (auto& [netns, capture] : captures) {
    for (const Refusal& refusal : capture.drain()) {
      for (size_t i = 0; i < probes.size(); ++i) {
        if (probes[i].netns == netns && belongs(refusal, probes[i], running[i]))
          running[i].refusal = refusal;
      }
    }
  }
  std::vector<Observation> out;
  for (Running& r : running) {
    if (!r.result) r.finish({Outcome::kSilent, {}, ""});
    apply_refusal(r);
    out.push_back(std::move(*r.result));
  }
  return out;
}

}  // namespace caracal::lab
