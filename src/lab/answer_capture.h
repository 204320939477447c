// AnswerCapture: sees the packets that refuse a connection: TCP resets and ICMP errors, read raw in
// one network namespace. The proof that a denied probe got nothing at all, not merely that
// connect(2) stayed quiet. Needs CAP_NET_RAW. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::lab {

// A packet that came in and refuses what went out from `local_port` to `remote`:`remote_port`.
struct Refusal {
  enum class Kind { kReset, kIcmp };
  Kind kind = Kind::kReset;
  net::Protocol protocol;
  uint16_t local_port = 0;
  net::IpAddr remote;
  uint16_t remote_port = 0;
  net::IpAddr sender;  // who sent it
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  std::string to_string() const;  // "ICMP type 3 code 13 from 10.0.0.1", "TCP reset from 10.0.0.1"
};

// One packet that starts with its IP header. nullopt: it refuses nothing. Never reads past `size`.
std::optional<Refusal> parse_refusal(const uint8_t* packet, size_t size);

class AnswerCapture {
 public:
  // Everything that comes in from now on, on all interfaces of the namespace (a path).
  static Result<AnswerCapture> open(const std::string& netns_path);
  // What has come since the last call; never blocks.
  std::vector<Refusal> drain();

 private:
  explicit AnswerCapture(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace caracal::lab
