#include "kube/blocking_client.h"

#include <curl/curl.h>

#include "kube/client.h"
#include "kube/curl_easy.h"
#include "kube/token_file.h"

namespace caracal::kube {

struct BlockingClient::Impl {
  explicit Impl(ClusterAccess a) : access(std::move(a)), token(access.token_file, access.token) {}

  ClusterAccess access;
  ClientOptions options;
  TokenFile token;
  CurlEasy easy;  // used again and again, so that its connection is
};

BlockingClient::BlockingClient(ClusterAccess access)
    : impl_(std::make_unique<Impl>(std::move(access))) {}
BlockingClient::~BlockingClient() = default;
BlockingClient::BlockingClient(BlockingClient&&) noexcept = default;
BlockingClient& BlockingClient::operator=(BlockingClient&&) noexcept = default;

const ClusterAccess& BlockingClient::access() const { return impl_->access; }

Result<Response> BlockingClient::call(const Request& request) {
  CARACAL_ASSIGN(const std::string token, impl_->token.current());
  CARACAL_TRY(impl_->easy.prepare(impl_->access, impl_->options, request, token));
  CURL* const curl = impl_->easy.get();
  std::string body;
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* data, size_t, size_t size, void* user) -> size_t {
        static_cast<std::string*>(user)->append(data, size);
        return size;
      });
  if (const CURLcode code = curl_easy_perform(curl); code != CURLE_OK) {
    return fail(impl_->easy.error(code));
  }
  const int status = impl_->easy.status();
  if (status < 200 || status >= 300) return fail(api_error(status, body));
  return Response{status, std::move(body)};
}

Result<json::value> BlockingClient::call_json(Request request) {
  const std::string what = request.method + " " + request.path;
  CARACAL_ASSIGN(const Response response, call(request));
  auto value = jsonio::parse(response.body);
  if (!value)
    return fail(Errc::kUnavailable, what + ": the server's answer is " + value.error().message);
  return value;
}

Result<json::value> BlockingClient::get(std::string path, Query query) {
  return call_json({.path = std::move(path), .query = std::move(query)});
}

Result<json::value> BlockingClient::list(std::string path, Query query) {
  constexpr int kPageSize = 500;
  json::array items;
  std::string next;
  for (;;) {
    Query page = query;
    page.emplace_back("limit", std::to_string(kPageSize));
    if (!next.empty()) page.emplace_back("continue", next);
    auto list = get(path, std::move(page));
    if (!list && list.error().code == Errc::kExpired && !next.empty()) {
      // The snapshot of the first page is gone: the pages would not fit together, so begin anew.
      items.clear();
      next.clear();
      continue;
    }
    if (!list) return list;
    json::object* object = list->if_object();
    if (object == nullptr)
      return fail(Errc::kUnavailable, "GET " + path + ": the answer is not a list");
    if (json::value* page_items = object->if_contains("items");
        page_items != nullptr && page_items->is_array()) {
      for (json::value& item : page_items->get_array()) items.push_back(std::move(item));
    }
    next = jsonio::get_string(*list, {"metadata", "continue"});
    if (!next.empty()) continue;
    (*object)["items"] = std::move(items);
    return list;
  }
}

Result<json::value> BlockingClient::create(std::string path, const json::value& object,
                                           Query query) {
  return call_json({.method = "POST",
                    .path = std::move(path),
                    .query = std::move(query),
                    .body = jsonio::to_string(object)});
}

Result<json::value> BlockingClient::replace(std::string path, const json::value& object,
                                            Query query) {
  return call_json({.method = "PUT",
                    .path = std::move(path),
                    .query = std::move(query),
                    .body = jsonio::to_string(object)});
}

Result<json::value> BlockingClient::patch(std::string path, std::string_view type,
                                          const json::value& patch, Query query) {
  return call_json({.method = "PATCH",
                    .path = std::move(path),
                    .query = std::move(query),
                    .body = jsonio::to_string(patch),
                    .content_type = std::string(type)});
}

Result<json::value> BlockingClient::remove(std::string path, Query query) {
  return call_json({.method = "DELETE", .path = std::move(path), .query = std::move(query)});
}

}  // namespace caracal::kube
