// Socket: a netlink socket that sends requests and reads the kernel's answers, synchronously.
//
// Used by the dataplane drivers: NETLINK_ROUTE for links and routes, NETLINK_NETFILTER for
// nftables. A socket belongs to the network namespace it was opened in, for ever: it may be used
// from a thread that is somewhere else by then. Errors carry errno's text and the kernel's own
// words where it gives some (extended acknowledgement). One thread at a time.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::netlink {

class NetworkNamespace;

// What the kernel said against one message of a batch.
struct Refusal {
  uint32_t sequence = 0;           // nlmsg_seq of the message
  int error_number = 0;            // positive errno
  std::string text;                // the kernel's words; often empty
  std::optional<uint32_t> offset;  // of the attribute it does not like, from the message's start
};

// "message 3: File exists (kernel's words)".
std::string to_string(const Refusal& refusal);

class Socket {
 public:
  // `protocol` is NETLINK_ROUTE, NETLINK_NETFILTER, ... In the calling thread's namespace.
  static Result<Socket> open(int protocol);
  // The same in another namespace; the calling thread is back in its own when this returns.
  static Result<Socket> open_in(const NetworkNamespace& ns, int protocol);

  Socket(Socket&&) noexcept = default;
  Socket& operator=(Socket&&) noexcept = default;

  int fd() const { return fd_.get(); }
  // The kernel's name for this socket; notifications of what it asked for carry it as nlmsg_pid.
  uint32_t port() const { return port_; }
  uint32_t next_sequence() { return ++sequence_; }

  // Sends one request and waits for its acknowledgement. Sets nlmsg_seq and NLM_F_ACK.
  Status request(nlmsghdr* message);

  // Sends one request and hands every answer to `visit`, up to the end of the dump (NLM_F_DUMP) or
  // the acknowledgement (else). A dump that the kernel marks as interrupted gives kUnavailable: ask
  // again. An error from `visit` ends it.
  using Visitor = std::function<Status(const nlmsghdr*)>;
  Status query(nlmsghdr* message, const Visitor& visit);

  // Sends several messages, already numbered with next_sequence(), in one system call, and collects
  // what the kernel answered by the time it returned (requests are worked through inside the call):
  // the refusals, by sequence number. Empty: all went well. A batch of route requests is worked
  // through to its end even when one fails; an nftables transaction is then undone as a whole.
  // The batch may be megabytes large: the send buffer is raised as needed.
  Result<std::vector<Refusal>> exchange(std::span<const std::byte> messages);

  // Multicast. After subscribe() the descriptor becomes readable when the kernel tells something.
  Status subscribe(unsigned group);
  // Reads what is there now without blocking. kExhausted: the kernel dropped messages because we
  // were slow (ENOBUFS); the caller must read the whole state again.
  Status drain(const Visitor& visit);

 private:
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)) {}
  Status send(std::span<const std::byte> bytes);
  // One datagram into buffer_; empty when there is none (only with MSG_DONTWAIT).
  Result<std::span<const std::byte>> receive(int flags);
  void reserve_send_buffer(size_t bytes);

  UniqueFd fd_;
  uint32_t port_ = 0;
  uint32_t sequence_ = 0;
  size_t send_buffer_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace caracal::netlink
