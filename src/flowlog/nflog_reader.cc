#include "flowlog/nflog_reader.h"

#include <fmt/format.h>
#include <sys/socket.h>

namespace caracal::flowlog {

Result<NflogReader> NflogReader::open(uint16_t group) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_NETFILTER));
  // Half a megabyte holds some thousand packets' beginnings; the default holds few.
  const int buffer = 512 * 1024;
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
    (void)::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  netlink::Message bind = bind_request(group);
  if (Status bound = socket.request(bind.header()); !bound) {
    // The kernel's word for a group that somebody else has (and for a process without the right).
    if (bound.error().code == Errc::kPermission) {
      return fail(Errc::kConflict,
                  fmt::format("log group {} is followed by another process, or this one has not "
                              "the right to (CAP_NET_ADMIN)",
                              group));
    }
    return fail(bound.error().within(fmt::format("cannot follow log group {}", group)));
  }
  netlink::Message mode = mode_request(group);
  if (Status set = socket.request(mode.header()); !set)
    return fail(set.error().within(fmt::format("cannot set up log group {}", group)));
  return NflogReader(std::move(socket));
}

Status NflogReader::drain(const Visitor& visit) {
  Status drained = socket_.drain([&](const nlmsghdr* message) -> Status {
    const auto capture = parse_capture(message);
    if (!capture) return {};
    if (capture->sequence) {
      if (last_ && *capture->sequence > *last_ + 1) lost_ += *capture->sequence - *last_ - 1;
      last_ = *capture->sequence;
    }
    visit(*capture);
    return {};
  });
  // An overflow shows in the numbers of what comes next.
  if (!drained && drained.error().code == Errc::kExhausted) return {};
  return drained;
}

}  // namespace caracal::flowlog
