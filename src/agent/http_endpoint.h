// HttpEndpoint: /metrics, /healthz and /readyz over HTTP, for Prometheus and for probes.
//
// Runs on a thread of its own (libmicrohttpd's, in http_endpoint.cc only); the functions it is
// given are called there, so they must be thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace caracal::agent {

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
  static Result<std::unique_ptr<HttpEndpoint>> start(const std::string& listen, Sources sources);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  uint16_t port() const;

 private:
  struct Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::agent
