#include "cni/error.h"

namespace caracal::cni {

Error to_error(const caracal::Error& error, std::string doing) {
  Code code = Code::kInternal;
  switch (error.code) {
    case Errc::kInvalid:
      code = Code::kInvalidConfig;
      break;
    case Errc::kNotFound:
      code = Code::kUnknownContainer;
      break;
    case Errc::kExhausted:
    case Errc::kUnavailable:
    case Errc::kTimeout:
    case Errc::kConflict:
      code = Code::kTryAgainLater;
      break;
    default:
      break;
  }
  return {code, std::move(doing), error.message};
}

rpc::Failure to_failure(const Error& error) {
  return {static_cast<int>(error.code), error.msg, error.details};
}

json::object to_json(const Error& error, std::string_view cni_version) {
  json::object object;
  object["cniVersion"] = cni_version;
  object["code"] = static_cast<int>(error.code);
  object["msg"] = error.msg;
  if (!error.details.empty()) object["details"] = error.details;
  return object;
}

}  // namespace caracal::cni
