// For tests: a server in this process, requests to it, and watches read line by line.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "apiserver/api_server.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

struct TestResponse {
  int code = 0;
  std::string body;
  std::vector<std::string> headers;
  json::value object;  // null when the body is not JSON

  std::string_view text(std::initializer_list<std::string_view> path) const {
    return jsonio::get_string(object, path);
  }
};

class TestClient {
 public:
  explicit TestClient(std::string url, std::string token = {})
      : url_(std::move(url)), token_(std::move(token)) {}

  TestResponse send(const std::string& method, const std::string& path,
                    const std::string& body = {},
                    const std::string& content_type = "application/json",
                    const std::vector<std::string>& headers = {}) const;
  TestResponse get(const std::string& path) const { return send("GET", path); }
  // Looks again until the predicate holds or a minute is over; what it saw last.
  template <typename Predicate>
  TestResponse until(const std::string& path, const Predicate& holds) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    TestResponse response = get(path);
    while (!holds(response) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
      response = get(path);
    }
    return response;
  }
  const std::string& url() const { return url_; }
  const std::string& token() const { return token_; }

 private:
  std::string url_;
  std::string token_;
};

// An open watch; ends with the object.
class TestWatch {
 public:
  TestWatch(const TestClient& client, std::string path, std::vector<std::string> headers = {});
  ~TestWatch();
  TestWatch(const TestWatch&) = delete;
  TestWatch& operator=(const TestWatch&) = delete;

  struct Line {
    json::value event;
    std::chrono::steady_clock::time_point arrived;
    std::string type() const { return std::string(jsonio::get_string(event, {"type"})); }
    std::string name() const {
      return std::string(jsonio::get_string(event, {"object", "metadata", "name"}));
    }
  };
  // The next event, or nothing when none comes in `patience` or the stream has ended.
  std::optional<Line> next(std::chrono::milliseconds patience = std::chrono::seconds(60));
  // Whether the server ended the stream within ten seconds.
  bool ended();

 private:
  void take(std::string_view part);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Line> lines_;
  std::string partial_;
  bool ended_ = false;
  bool stop_ = false;
  int socket_ = -1;
  std::thread thread_;
};

}  // namespace caracal::apiserver
