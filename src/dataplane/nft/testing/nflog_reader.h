// NflogReader: what the kernel tells a NFLOG group, message by message; for tests of the rules that
// log (the agent's own reader is flowlog/'s). One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::nft_testing {

struct NflogMessage {
  std::string prefix;
  uint32_t in = 0;  // interface indexes; 0: none
  uint32_t out = 0;
  std::vector<uint8_t> packet;  // from the network header on
};

class NflogReader {
 public:
  // Binds the group in the namespace; every message is delivered at once.
  static Result<NflogReader> open_in(const netlink::NetworkNamespace& ns, uint16_t group);
  // What has come since the last call; does not wait.
  Result<std::vector<NflogMessage>> take();

 private:
  explicit NflogReader(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace caracal::dataplane::nft_testing
