// HttpServer: HTTP/1.1 over TCP or TLS on libmicrohttpd's epoll thread pool.
//
// A handler is called on a network thread when a request is complete; it answers through the
// Responder, at once or later, from any thread. A streamed response (a watch) costs no thread while
// it waits: its connection is suspended until the stream is woken, and a client that hangs up
// meanwhile is noticed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace caracal::apiserver {

struct HttpRequest {
  std::string method;
  std::string path;  // percent-decoded, without the query
  std::multimap<std::string, std::string, std::less<>> query;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;

  std::string_view header(std::string_view lower_case_name) const;
  // First value of a query parameter, or nothing.
  std::string_view parameter(std::string_view name) const;
  bool has_parameter(std::string_view name) const { return query.find(name) != query.end(); }
};

// Tells a stream's connection to call read() again. Thread-safe; harmless after the connection is
// gone.
using Waker = std::function<void()>;

class ResponseStream {
 public:
  enum class State { kMore, kWait, kEnd };
  struct Read {
    State state = State::kMore;
    size_t bytes = 0;  // put into the buffer; above 0 with kMore
  };

  virtual ~ResponseStream() = default;
  // Called once, before the first read().
  virtual void start(Waker waker) = 0;
  // Fills a part of the buffer. After kWait it is called again when the waker ran, perhaps without
  // need. Called by one thread at a time. The stream is destroyed when the connection ends.
  virtual Read read(char* buffer, size_t size) = 0;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<ResponseStream> stream;  // in place of a body, chunked
};

// Answers one request, exactly once. Copyable, thread-safe.
using Responder = std::function<void(HttpResponse)>;
using Handler = std::function<void(std::shared_ptr<const HttpRequest>, Responder)>;

struct TlsFiles {
  std::string certificate;  // PEM texts
  std::string key;
};

struct Listener {
  std::string address;  // "127.0.0.1", "::1", "0.0.0.0"
  uint16_t port = 0;    // 0: the kernel chooses
  bool tls = true;
};

// "127.0.0.1:6443", "[::]:6443", ":6443" (all addresses).
Result<Listener> parse_listener(std::string_view text, bool tls);

class HttpServer {
 public:
  struct Options {
    std::vector<Listener> listeners;
    TlsFiles tls;
    unsigned threads = 2;                      // network threads of each listener
    unsigned max_connections = 20'000;         // of each listener
    size_t max_body_bytes = 3u * 1024 * 1024;  // beyond: 413
  };

  static Result<std::unique_ptr<HttpServer>> start(Options options, Handler handler);
  virtual ~HttpServer() = default;

  // The listeners with their ports filled in.
  virtual const std::vector<Listener>& listeners() const = 0;
  // No new connections; streams end, requests under way get up to `grace_ms` to be answered.
  virtual void stop(int grace_ms) = 0;
  virtual size_t open_requests() const = 0;
};

}  // namespace caracal::apiserver
