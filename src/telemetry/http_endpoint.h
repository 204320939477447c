// HttpEndpoint: /metrics, /healthz and /readyz over HTTP, for Prometheus and for probes.
//
// On the loop of its program: a probe that gets no answer says as much as one that gets 503. Only
// what these clients need of HTTP/1.1 (RFC 9112): GET and HEAD without a body, one request after
// the other on a connection that stays open. Connections are few and short-lived by limits of its
// own, so a client that misbehaves costs its connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/loop.h"

namespace caracal::telemetry {

struct Probe {
  bool ok = false;
  std::string text;
};

class HttpEndpoint {
 public:
  struct Sources {
    std::function<std::string()> metrics;
    std::function<Probe()> health;
    std::function<Probe()> ready;
  };
  // `listen` is "address:port" or "[v6]:port"; port 0 takes a free one. Errors: kInvalid names the
  // text; kUnavailable: the port is in use.
  static Result<std::unique_ptr<HttpEndpoint>> start(event::Loop& loop, const std::string& listen,
                                                     Sources sources);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  uint16_t port() const;

 private:
  struct Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One request as text up to and with the empty line -> the whole answer. Pure; public for tests.
struct HttpAnswer {
  std::string bytes;
  bool close = false;  // the connection ends after it
};
HttpAnswer answer_http(std::string_view request, const HttpEndpoint::Sources& sources);

}  // namespace caracal::telemetry
