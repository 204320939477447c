#include "dataplane/conntrack/conntrack_driver.h"

#include <algorithm>
#include <cerrno>

#include "dataplane/conntrack/message.h"
#include "netlink/message.h"

namespace caracal::dataplane::conntrack {

Result<ConntrackDriver> ConntrackDriver::open() {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_NETFILTER));
  return ConntrackDriver(std::move(socket));
}

Result<ConntrackDriver> ConntrackDriver::open_in(const netlink::NetworkNamespace& ns) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open_in(ns, NETLINK_NETFILTER));
  return ConntrackDriver(std::move(socket));
}

Status ConntrackDriver::dump(const Visitor& visit) {
  netlink::Message request = dump_request();
  Status asked = socket_.query(request.header(), [&](const nlmsghdr* answer) -> Status {
    if (const auto connection = parse_connection(answer)) visit(*connection);
    return {};
  });
  if (!asked) return fail(asked.error().within("cannot list connections"));
  return {};
}

Result<ConntrackDriver::Removed> ConntrackDriver::remove(std::span<const Connection> connections) {
  // A refusal is some hundred bytes in the socket's receive buffer, and all of a batch may be
  // refused: batches stay small enough for that.
  constexpr size_t kBatch = 128;
  Removed out;
  Status first;
  while (!connections.empty()) {
    const auto part = connections.first(std::min(kBatch, connections.size()));
    connections = connections.subspan(part.size());
    netlink::MessageBatch batch;
    for (const Connection& one : part) put_delete(batch, socket_.next_sequence(), one);
    CARACAL_ASSIGN(const auto refusals, socket_.exchange(batch.bytes()));
    out.ended += part.size() - refusals.size();
    for (const netlink::Refusal& refusal : refusals) {
      if (refusal.error_number == ENOENT) {
        ++out.gone;
      } else if (first) {
        first = fail(Errc::kKernel, "cannot end a connection: " + netlink::to_string(refusal));
      }
    }
  }
  CARACAL_TRY(std::move(first));
  return out;
}

}  // namespace caracal::dataplane::conntrack
