// Messages of the agent's local socket: one JSON object a line.
//
//   request  {"method": "status", "params": {...}}
//   reply    {"result": ...}   or   {"error": {"code": 11, "msg": "...", "details": "..."}}
//
// Made and read by rpc/client (the CNI plugin, the CLI) and rpc/server (the agent). Replies come in
// the order of the requests of a connection. Pure functions and values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::rpc {

// The longest line either side takes; a longer one ends the connection.
inline constexpr size_t kMaxRequestBytes = 4u << 20;
inline constexpr size_t kMaxReplyBytes = 512u << 20;

struct Request {
  std::string method;
  json::value params;  // null when the request had none
};

// Codes are those of the CNI specification (cni/error.h); 0 is not used.
struct Failure {
  int code = 0;
  std::string msg;
  std::string details;
  bool operator==(const Failure&) const = default;
};

struct Reply {
  std::optional<Failure> error;
  json::value result;  // only without error
};

inline Reply success(json::value result) { return Reply{std::nullopt, std::move(result)}; }
inline Reply failure(int code, std::string msg, std::string details = {}) {
  return Reply{Failure{code, std::move(msg), std::move(details)}, nullptr};
}

// One line, its newline included.
std::string encode(const Request& request);
std::string encode(const Reply& reply);
// From one line without its newline. kInvalid says what is wrong with it.
Result<Request> decode_request(std::string_view line);
Result<Reply> decode_reply(std::string_view line);

// Cuts a byte stream into lines. An invariant: never holds more than `limit` bytes of one line.
class LineBuffer {
 public:
  explicit LineBuffer(size_t limit) : limit_(limit) {}
  // kInvalid when a line grows past the limit; the buffer is then of no further use.
  Status append(std::string_view bytes);
  // The next whole line without its newline; nullopt when there is none yet.
  std::optional<std::string> next();
  bool empty() const { return begin_ == bytes_.size(); }

 private:
  size_t limit_;
  std::string bytes_;
  size_t begin_ = 0;    // start of the first line not yet given out
  size_t scanned_ = 0;  // no newline in [begin_, scanned_)
};

}  // namespace caracal::rpc
