// Client: asks the agent over its unix socket and waits for the answer.
//
// Used by the CNI plugin, which is linked statically and must start in a moment, and by the CLI:
// this file needs nothing beyond base and jsonio. Blocking, with a deadline for each call; one
// thread.
#pragma once

#include <chrono>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "rpc/message.h"

namespace caracal::rpc {

class Client {
 public:
  // kUnavailable when nobody listens at `path` (also when it does not exist: the agent makes it);
  // kPermission, kInvalid (path too long for a socket address).
  static Result<Client> connect(const std::string& path);

  // One request, one reply. The error is of the transport: kTimeout, kUnavailable (the connection
  // ended), kInvalid (not our protocol); what the agent refuses comes as Reply::error. After an
  // error the connection is closed and every further call gives kUnavailable.
  Result<Reply> call(std::string method, json::value params, std::chrono::milliseconds timeout);

 private:
  Client(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Result<Reply> exchange(const Request& request, std::chrono::milliseconds timeout);

  UniqueFd fd_;
  std::string path_;
  LineBuffer lines_{kMaxReplyBytes};
};

// connect() and one call().
Result<Reply> call_once(const std::string& path, std::string method, json::value params,
                        std::chrono::milliseconds timeout);

}  // namespace caracal::rpc
