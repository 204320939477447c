#include "netlink/socket.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "netlink/attributes.h"
#include "netlink/network_namespace.h"

namespace caracal::netlink {
namespace {

// The kernel fills at most 32 KiB a dump message; the rest is room for big single objects.
constexpr size_t kReceiveBuffer = 64 * 1024;
constexpr int kMulticastBuffer = 8 * 1024 * 1024;

void set_buffer(int fd, int forced, int plain, int size) {
  // The forced form may exceed the system's limit and needs CAP_NET_ADMIN; without it the plain
  // form gives what it can, and the system call that needs more says EMSGSIZE or ENOBUFS.
  if (::setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
}

// An NLMSG_ERROR message as a refusal; error_number 0 is an acknowledgement.
std::optional<Refusal> parse_error(const nlmsghdr* message) {
  const auto* error = header_of<nlmsgerr>(message);
  if (error == nullptr) return std::nullopt;
  Refusal refusal;
  refusal.sequence = error->msg.nlmsg_seq;
  refusal.error_number = -error->error;
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return refusal;
  size_t header = sizeof(nlmsgerr);
  // Unless capped, the request's own bytes stand between the header and the attributes.
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0 && error->msg.nlmsg_len >= sizeof(nlmsghdr))
    header += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  for (const Attribute& attribute : Attributes(message, header)) {
    if (attribute.type == NLMSGERR_ATTR_MSG) refusal.text = attribute.string();
    if (attribute.type == NLMSGERR_ATTR_OFFS) refusal.offset = attribute.u32();
  }
  return refusal;
}

tl::unexpected<Error> fail_refusal(const Refusal& refusal, std::string_view what) {
  auto error = fail_errno(refusal.error_number, what);
  if (!refusal.text.empty()) error.value().message += fmt::format(" ({})", refusal.text);
  return error;
}

// Calls `visit` for each whole message of a datagram. Returns false when visit said stop.
template <typename F>
bool for_each_message(std::span<const std::byte> bytes, F&& visit) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
    if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > bytes.size()) return true;
    if (!visit(message)) return false;
    bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(message->nlmsg_len), bytes.size()));
  }
  return true;
}

}  // namespace

std::string to_string(const Refusal& refusal) {
  std::string out =
      fmt::format("message {}: {}", refusal.sequence, std::strerror(refusal.error_number));
  if (!refusal.text.empty()) out += fmt::format(" ({})", refusal.text);
  return out;
}

Result<Socket> Socket::open(int protocol) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return fail_errno(errno, fmt::format("cannot open a netlink socket ({})", protocol));
  // Old kernels do not know every option; then errors just say less.
  const int one = 1;
  (void)::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  (void)::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  (void)::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0)
    return fail_errno(errno, "cannot bind a netlink socket");
  socklen_t length = sizeof self;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&self), &length) != 0)
    return fail_errno(errno, "cannot name a netlink socket");
  Socket socket(std::move(fd));
  socket.port_ = self.nl_pid;
  int size = 0;
  length = sizeof size;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size > 0)
    socket.send_buffer_ = static_cast<size_t>(size);
  socket.buffer_.resize(kReceiveBuffer);
  return socket;
}

Result<Socket> Socket::open_in(const NetworkNamespace& ns, int protocol) {
  return ns.run([&] { return open(protocol); });
}

void Socket::reserve_send_buffer(size_t bytes) {
  constexpr size_t kSlack = 1024;  // the kernel wants 32 bytes more than the message
  if (bytes + kSlack <= send_buffer_) return;
  set_buffer(fd(), SO_SNDBUFFORCE, SO_SNDBUF, static_cast<int>(bytes + kSlack));
  int size = 0;
  socklen_t length = sizeof size;
  if (::getsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size > 0)
    send_buffer_ = static_cast<size_t>(size);
}

Status Socket::send(std::span<const std::byte> bytes) {
  reserve_send_buffer(bytes.size());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = -1;
  do {
    sent = ::sendto(fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                    sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0)
    return fail_errno(errno, fmt::format("cannot send {} bytes over netlink", bytes.size()));
  return {};
}

Result<std::span<const std::byte>> Socket::receive(int flags) {
  for (;;) {
    const ssize_t size = ::recv(fd(), buffer_.data(), buffer_.size(), flags | MSG_TRUNC);
    if (size >= 0) {
      if (static_cast<size_t>(size) > buffer_.size())
        return fail(Errc::kInternal, fmt::format("netlink message of {} bytes was cut", size));
      return std::span<const std::byte>(buffer_.data(), static_cast<size_t>(size));
    }
    if (errno == EINTR) continue;
    if ((flags & MSG_DONTWAIT) != 0 && errno == EAGAIN) return std::span<const std::byte>();
    if (errno == ENOBUFS)
      return fail(Errc::kExhausted, "netlink receive buffer overflowed, messages were lost");
    return fail_errno(errno, "cannot receive from netlink");
  }
}

Status Socket::request(nlmsghdr* message) {
  message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  message->nlmsg_seq = next_sequence();
  CARACAL_ASSIGN(const std::vector<Refusal> refusals,
                 exchange({reinterpret_cast<const std::byte*>(message), message->nlmsg_len}));
  if (!refusals.empty()) return fail_refusal(refusals.front(), "kernel refused");
  return {};
}

Status Socket::query(nlmsghdr* message, const Visitor& visit) {
  const bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  message->nlmsg_flags |= NLM_F_REQUEST;
  if (!dump) message->nlmsg_flags |= NLM_F_ACK;
  const uint32_t sequence = next_sequence();
  message->nlmsg_seq = sequence;
  CARACAL_TRY(send({reinterpret_cast<const std::byte*>(message), message->nlmsg_len}));

  Status result;
  bool interrupted = false;
  bool done = false;
  while (!done) {
    CARACAL_ASSIGN(const std::span<const std::byte> bytes, receive(0));
    for_each_message(bytes, [&](const nlmsghdr* answer) {
      if (answer->nlmsg_seq != sequence) return true;  // of a request given up earlier
      if ((answer->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (answer->nlmsg_type == NLMSG_DONE || answer->nlmsg_type == NLMSG_ERROR) {
        done = true;
        int error = 0;
        if (answer->nlmsg_type == NLMSG_ERROR) {
          if (auto refusal = parse_error(answer); refusal && refusal->error_number != 0)
            result = fail_refusal(*refusal, "kernel refused");
        } else if (const int* code = header_of<int>(answer)) {
          error = -*code;
        }
        if (error > 0) result = fail_errno(error, "kernel ended the dump");
        return false;
      }
      // After a failure of ours the rest is read and ignored, so that the socket stays in step.
      if (result) result = visit(answer);
      return true;
    });
  }
  CARACAL_TRY(std::move(result));
  if (interrupted) return fail(Errc::kUnavailable, "objects changed while the kernel listed them");
  return {};
}

Result<std::vector<Refusal>> Socket::exchange(std::span<const std::byte> messages) {
  CARACAL_TRY(send(messages));
  // Requests are worked through inside sendto(), so all answers are queued by now.
  std::vector<Refusal> refusals;
  for (;;) {
    CARACAL_ASSIGN(const std::span<const std::byte> bytes, receive(MSG_DONTWAIT));
    if (bytes.empty()) return refusals;
    for_each_message(bytes, [&](const nlmsghdr* answer) {
      if (answer->nlmsg_type != NLMSG_ERROR) return true;
      if (auto refusal = parse_error(answer); refusal && refusal->error_number != 0)
        refusals.push_back(std::move(*refusal));
      return true;
    });
  }
}

Status Socket::subscribe(unsigned group) {
  set_buffer(fd(), SO_RCVBUFFORCE, SO_RCVBUF, kMulticastBuffer);
  if (::setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    return fail_errno(errno, fmt::format("cannot join netlink group {}", group));
  return {};
}

Status Socket::drain(const Visitor& visit) {
  Status result;
  for (;;) {
    CARACAL_ASSIGN(const std::span<const std::byte> bytes, receive(MSG_DONTWAIT));
    if (bytes.empty()) return result;
    for_each_message(bytes, [&](const nlmsghdr* message) {
      if (result) result = visit(message);
      return true;
    });
  }
}

}  // namespace caracal::netlink
