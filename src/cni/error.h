// Error: what a CNI plugin prints when it fails, with the codes of the CNI specification 1.1.
//
// Made by request validation and by the agent; carried over the local socket as rpc::Failure;
// printed by the plugin. Plain value.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "jsonio/json.h"
#include "rpc/message.h"

namespace caracal::cni {

// Below 100: of the specification (section "Error", and STATUS).
enum class Code : int {
  kIncompatibleVersion = 1,
  kUnsupportedField = 2,
  kUnknownContainer = 3,
  kInvalidEnvironment = 4,
  kIoFailure = 5,
  kDecodeFailure = 6,
  kInvalidConfig = 7,
  kTryAgainLater = 11,
  kNotAvailable = 50,         // STATUS: ADD cannot be served
  kLimitedConnectivity = 51,  // STATUS: nor do all running containers have their network
  kInternal = 100,            // ours: the kernel or the agent failed; details say how
  kCheckFailed = 101,         // ours: CHECK found differences
};

struct Error {
  Code code = Code::kInternal;
  std::string msg;      // short
  std::string details;  // long, may be empty
};

template <typename T>
using Outcome = tl::expected<T, Error>;

inline tl::unexpected<Error> refuse(Code code, std::string msg, std::string details = {}) {
  return tl::unexpected<Error>(Error{code, std::move(msg), std::move(details)});
}

// An error of ours as the runtime is to see it: `doing` is the message, the error the details. What
// may go away by itself is kTryAgainLater.
Error to_error(const caracal::Error& error, std::string doing);
rpc::Failure to_failure(const Error& error);
// The error object on standard output.
json::object to_json(const Error& error, std::string_view cni_version);

}  // namespace caracal::cni

namespace caracal {
// Lets CARACAL_TRY and CARACAL_ASSIGN hand on CNI errors, too.
inline tl::unexpected<cni::Error> fail(cni::Error error) {
  return tl::unexpected<cni::Error>(std::move(error));
}
}  // namespace caracal
