#include "rpc/message.h"

namespace caracal::rpc {

std::string encode(const Request& request) {
  json::object object;
  object["method"] = request.method;
  if (!request.params.is_null()) object["params"] = request.params;
  return jsonio::to_string(object) + "\n";
}

std::string encode(const Reply& reply) {
  json::object object;
  if (reply.error) {
    json::object& error = object["error"].emplace_object();
    error["code"] = reply.error->code;
    error["msg"] = reply.error->msg;
    if (!reply.error->details.empty()) error["details"] = reply.error->details;
  } else {
    object["result"] = reply.result;
  }
  return jsonio::to_string(object) + "\n";
}

Result<Request> decode_request(std::string_view line) {
  CARACAL_ASSIGN(json::value value, jsonio::parse(line));
  json::object* object = value.if_object();
  if (object == nullptr) return fail(Errc::kInvalid, "request: must be a JSON object");
  const std::string_view method = jsonio::get_string(value, {"method"});
  if (method.empty())
    return fail(Errc::kInvalid, "request.method: must be a text that is not empty");
  Request request{std::string(method), nullptr};
  if (json::value* params = object->if_contains("params")) {
    if (!params->is_object() && !params->is_null()) {
      return fail(Errc::kInvalid, "request.params: must be an object");
    }
    request.params = std::move(*params);
  }
  return request;
}

Result<Reply> decode_reply(std::string_view line) {
  CARACAL_ASSIGN(json::value value, jsonio::parse(line));
  json::object* object = value.if_object();
  if (object == nullptr) return fail(Errc::kInvalid, "reply: must be a JSON object");
  if (const json::value* error = object->if_contains("error")) {
    return failure(static_cast<int>(jsonio::get_int(*error, {"code"})),
                   std::string(jsonio::get_string(*error, {"msg"})),
                   std::string(jsonio::get_string(*error, {"details"})));
  }
  json::value* result = object->if_contains("result");
  if (result == nullptr) return fail(Errc::kInvalid, "reply: holds neither result nor error");
  return success(std::move(*result));
}

Status LineBuffer::append(std::string_view bytes) {
  if (begin_ == bytes_.size()) {
    bytes_.clear();
    begin_ = scanned_ = 0;
  } else if (begin_ > 65536 && begin_ * 2 > bytes_.size()) {
    bytes_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  bytes_.append(bytes);
  const size_t newline = bytes_.find('\n', scanned_);
  const size_t length = (newline == std::string::npos ? bytes_.size() : newline) - begin_;
  if (length > limit_) {
    return fail(Errc::kInvalid, "a line longer than " + std::to_string(limit_) + " bytes");
  }
  scanned_ = newline == std::string::npos ? bytes_.size() : newline;
  return {};
}

std::optional<std::string> LineBuffer::next() {
  const size_t newline = bytes_.find('\n', scanned_);
  if (newline == std::string::npos) {
    scanned_ = bytes_.size();
    return std::nullopt;
  }
  std::string line = bytes_.substr(begin_, newline - begin_);
  begin_ = scanned_ = newline + 1;
  return line;
}

}  // namespace caracal::rpc
