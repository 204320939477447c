// Client: the asynchronous HTTP(S) client of one API server, on one loop.
//
// Connections are kept and shared (HTTP/2 multiplexing where the server offers it). All methods and
// all callbacks run on the loop's thread; a callback never runs inside the call that started it,
// and may do anything: start and cancel requests, end the client. libcurl is behind it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/loop.h"
#include "kube/cluster_access.h"
#include "kube/http.h"

namespace caracal::kube {

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{5'000};
  std::string user_agent = "caracal";
  bool http2 = true;  // where the server offers it, over TLS
};

namespace detail {
class Transfer;
}
class Client;

// Owns a request under way: ending it cancels the request, and no callback of it runs any more.
// detach() lets it go on by itself until it is done (or the client ends).
class [[nodiscard]] Call {
 public:
  Call() = default;
  explicit Call(std::shared_ptr<detail::Transfer> transfer) : transfer_(std::move(transfer)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&& other) noexcept;
  ~Call() { cancel(); }
  void cancel();
  void detach() { transfer_.reset(); }
  bool active() const;

 private:
  friend class Client;
  std::shared_ptr<detail::Transfer> transfer_;
};

class Client {
 public:
  using OnResponse = std::function<void(Result<Response>)>;
  struct Stream {
    std::function<void()> on_open;                   // a 2xx answer has begun; may be empty
    std::function<void(std::string_view)> on_chunk;  // bytes of a 2xx body, cut anywhere
    std::function<void(Status)> on_end;  // ok: the server ended it; or api_error, or no connection
  };

  Client(event::Loop& loop, ClusterAccess access, ClientOptions options = {});
  ~Client();  // cancels everything under way
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The whole body at once. Errors: api_error(); kUnavailable when the server cannot be reached
  // (the text names it and why), kTimeout, kPermission when its certificate is not trusted.
  Call request(Request request, OnResponse on_response);
  // The body as it comes. on_end is the last callback, and comes exactly once unless cancelled.
  Call stream(Request request, Stream stream);

  event::Loop& loop();
  const ClusterAccess& access() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::kube
