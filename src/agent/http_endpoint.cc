#include "agent/http_endpoint.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "net/ip_addr.h"

namespace caracal::agent {

struct HttpEndpoint::Impl {
  Sources sources;
  MHD_Daemon* daemon = nullptr;

  static MHD_Result reply(MHD_Connection* connection, unsigned status, const char* type,
                          const std::string& body) {
    MHD_Response* response = MHD_create_response_from_buffer(
        body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    const MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
  }

  MHD_Result serve(MHD_Connection* connection, std::string_view path,
                   std::string_view method) const {
    constexpr const char* kText = "text/plain; charset=utf-8";
    if (method != "GET" && method != "HEAD") {
      return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, kText, "only GET\n");
    }
    if (path == "/metrics") {
      return reply(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                   sources.metrics());
    }
    if (path == "/healthz" || path == "/readyz") {
      const Probe probe = path == "/healthz" ? sources.health() : sources.ready();
      return reply(connection, probe.ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, kText,
                   probe.text + "\n");
    }
    return reply(connection, MHD_HTTP_NOT_FOUND, kText, "there are /metrics, /healthz, /readyz\n");
  }
};

namespace {

Result<sockaddr_storage> parse_listen(const std::string& text) {
  const size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : parse_decimal(std::string_view(text).substr(colon + 1), 65535);
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = net::IpAddr::parse(host);
  if (!port || !address) {
    return fail(Errc::kInvalid, "listen address \"" + text +
                                    "\": must be ADDRESS:PORT, as 127.0.0.1:9091 or [::1]:9091");
  }
  sockaddr_storage storage{};
  if (address->is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<uint16_t>(*port));
    std::memcpy(&in->sin_addr, address->data(), 4);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(static_cast<uint16_t>(*port));
    std::memcpy(&in6->sin6_addr, address->data(), 16);
  }
  return storage;
}

}  // namespace

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::start(const std::string& listen,
                                                          Sources sources) {
  CARACAL_ASSIGN(const sockaddr_storage address, parse_listen(listen));
  auto impl = std::make_unique<Impl>();
  impl->sources = std::move(sources);
  unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;
  if (address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
  errno = 0;
  impl->daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr,
      [](void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
         const char*, size_t*,
         void**) -> MHD_Result { return static_cast<Impl*>(self)->serve(connection, url, method); },
      impl.get(), MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 64u,
      MHD_OPTION_CONNECTION_TIMEOUT, 15u, MHD_OPTION_END);
  if (impl->daemon == nullptr) {
    return fail(Errc::kUnavailable,
                "listen on " + listen + ": " +
                    (errno != 0 ? std::strerror(errno) : "the server did not start"));
  }
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpEndpoint::~HttpEndpoint() { MHD_stop_daemon(impl_->daemon); }

uint16_t HttpEndpoint::port() const {
  return MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

}  // namespace caracal::agent
