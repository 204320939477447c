#include "apiserver/test_client.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"

namespace caracal::apiserver {
namespace {

struct Curl {
  CURL* handle = curl_easy_init();
  curl_slist* headers = nullptr;
  Curl() = default;
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;
  ~Curl() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(handle);
  }
  void header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle, option, value);
  }
};

size_t append(char* data, size_t size, size_t count, void* text) {
  static_cast<std::string*>(text)->append(data, size * count);
  return size * count;
}

size_t append_line(char* data, size_t size, size_t count, void* lines) {
  static_cast<std::vector<std::string>*>(lines)->emplace_back(
      trim(std::string_view(data, size * count)));
  return size * count;
}

}  // namespace

TestResponse TestClient::send(const std::string& method, const std::string& path,
                              const std::string& body, const std::string& content_type,
                              const std::vector<std::string>& headers) const {
  // One handle a thread keeps its connection open.
  static thread_local Curl curl;
  curl_easy_reset(curl.handle);
  curl_slist_free_all(curl.headers);
  curl.headers = nullptr;
  TestResponse response;
  curl.set(CURLOPT_URL, (url_ + path).c_str());
  curl.set(CURLOPT_CUSTOMREQUEST, method.c_str());
  curl.set(CURLOPT_NOSIGNAL, 1L);
  curl.set(CURLOPT_TIMEOUT, 30L);
  curl.set(CURLOPT_SSL_VERIFYPEER, 0L);
  curl.set(CURLOPT_SSL_VERIFYHOST, 0L);
  if (!token_.empty()) curl.header("Authorization: Bearer " + token_);
  if (!body.empty() || method == "POST") {
    curl.set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    curl.set(CURLOPT_POSTFIELDS, body.data());
    curl.header("Content-Type: " + content_type);
  }
  curl.header("Expect:");
  for (const std::string& header : headers) curl.header(header);
  curl.set(CURLOPT_HTTPHEADER, curl.headers);
  curl.set(CURLOPT_WRITEFUNCTION, &append);
  curl.set(CURLOPT_WRITEDATA, &response.body);
  curl.set(CURLOPT_HEADERFUNCTION, &append_line);
  curl.set(CURLOPT_HEADERDATA, &response.headers);
  if (curl_easy_perform(curl.handle) == CURLE_OK) {
    long code = 0;
    curl_easy_getinfo(curl.handle, CURLINFO_RESPONSE_CODE, &code);
    response.code = static_cast<int>(code);
  }
  response.object = jsonio::parse(response.body).value_or(json::value());
  return response;
}

TestWatch::TestWatch(const TestClient& client, std::string path, std::vector<std::string> headers) {
  thread_ = std::thread([this, url = client.url() + path, token = client.token(),
                         headers = std::move(headers)] {
    Curl curl;
    curl.set(CURLOPT_URL, url.c_str());
    curl.set(CURLOPT_NOSIGNAL, 1L);
    curl.set(CURLOPT_SSL_VERIFYPEER, 0L);
    curl.set(CURLOPT_SSL_VERIFYHOST, 0L);
    if (!token.empty()) curl.header("Authorization: Bearer " + token);
    for (const std::string& header : headers) curl.header(header);
    curl.set(CURLOPT_HTTPHEADER, curl.headers);
    curl.set(CURLOPT_SOCKOPTDATA, this);
    curl_easy_setopt(
        curl.handle, CURLOPT_SOCKOPTFUNCTION, +[](void* self, curl_socket_t socket, curlsocktype) {
          auto* watch = static_cast<TestWatch*>(self);
          const std::lock_guard lock(watch->mutex_);
          watch->socket_ = socket;
          return watch->stop_ ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
        });
    // A descriptor that is closed may be another's at once: not to be shut down by the destructor.
    curl.set(CURLOPT_CLOSESOCKETDATA, this);
    curl_easy_setopt(
        curl.handle, CURLOPT_CLOSESOCKETFUNCTION, +[](void* self, curl_socket_t socket) {
          auto* watch = static_cast<TestWatch*>(self);
          const std::lock_guard lock(watch->mutex_);
          if (watch->socket_ == socket) watch->socket_ = -1;
          return close(socket);
        });
    curl.set(CURLOPT_WRITEDATA, this);
    curl_easy_setopt(
        curl.handle, CURLOPT_WRITEFUNCTION,
        +[](char* data, size_t size, size_t count, void* self) -> size_t {
          static_cast<TestWatch*>(self)->take(std::string_view(data, size * count));
          return size * count;
        });
    curl_easy_perform(curl.handle);
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  });
}

TestWatch::~TestWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (socket_ >= 0 && !ended_) shutdown(socket_, SHUT_RDWR);
  }
  thread_.join();
}

void TestWatch::take(std::string_view part) {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  partial_ += part;
  for (size_t end = 0; (end = partial_.find('\n')) != std::string::npos;
       partial_.erase(0, end + 1)) {
    lines_.push_back(
        {jsonio::parse(std::string_view(partial_).substr(0, end)).value_or(json::value()), now});
  }
  changed_.notify_all();
}

std::optional<TestWatch::Line> TestWatch::next(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return !lines_.empty() || ended_; });
  if (lines_.empty()) return std::nullopt;
  Line line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

bool TestWatch::ended() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(60), [this] { return ended_; });
}

}  // namespace caracal::apiserver
