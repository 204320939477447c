// NflogReader: follows log groups of nftables (NFLOG) and hands out what the kernel tells.
//
// Belongs to the network namespace it was opened in; one thread, the flow log's loop. A group has
// one reader in a namespace: who comes second is refused. Packets that nobody logs cost nothing;
// those the reader is too slow for are dropped by the kernel, and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/result.h"
#include "flowlog/nflog_message.h"
#include "netlink/socket.h"

namespace caracal::flowlog {

class NflogReader {
 public:
  // Errors: kConflict: another process follows the group; kUnsupported, kPermission, kKernel.
  static Result<NflogReader> open(uint16_t group);

  int fd() const { return socket_.fd(); }
  // Reads what is there without blocking. The views of a Capture end with the call.
  using Visitor = std::function<void(const Capture&)>;
  Status drain(const Visitor& visit);
  // Packets the kernel did not hand out since the start.
  uint64_t lost() const { return lost_; }

 private:
  explicit NflogReader(netlink::Socket socket) : socket_(std::move(socket)) {}

  netlink::Socket socket_;
  std::optional<uint32_t> last_;
  uint64_t lost_ = 0;
};

}  // namespace caracal::flowlog
