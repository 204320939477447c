#include "telemetry/http_endpoint.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/fd.h"
#include "base/send_pending.h"
#include "base/strings.h"
#include "net/ip_addr.h"
#include "net/socket_address.h"

namespace caracal::telemetry {
namespace {

constexpr size_t kMaxConnections = 64;
constexpr size_t kMaxRequest = 8192;
constexpr event::Duration kIdle{15'000};  // a silent connection is closed

Result<net::SocketAddress> parse_listen(const std::string& text) {
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
  return net::SocketAddress(*address, static_cast<uint16_t>(*port));
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

struct Page {
  int status = 200;
  std::string_view reason = "OK";
  std::string_view type = "text/plain; charset=utf-8";
  std::string body;
};

Page page_of(std::string_view path, const HttpEndpoint::Sources& sources) {
  path = path.substr(0, path.find('?'));
  if (path == "/metrics")
    return {200, "OK", "text/plain; version=0.0.4; charset=utf-8", sources.metrics()};
  if (path == "/healthz" || path == "/readyz") {
    const Probe probe = path == "/healthz" ? sources.health() : sources.ready();
    Page page;
    if (!probe.ok) page.status = 503, page.reason = "Service Unavailable";
    page.body = probe.text + "\n";
    return page;
  }
  return {404, "Not Found", "text/plain; charset=utf-8", "there are /metrics, /healthz, /readyz\n"};
}

}  // namespace

HttpAnswer answer_http(std::string_view request, const HttpEndpoint::Sources& sources) {
  const size_t line_end = request.find('\n');
  const auto words = split(trim(request.substr(0, line_end)), ' ');
  HttpAnswer out;
  Page page;
  bool head = false;
  const bool http = words.size() == 3 && words[2].starts_with("HTTP/1.") && !words[1].empty();
  if (!http) {
    page = {400, "Bad Request", "text/plain; charset=utf-8", "not a request of HTTP/1.1\n"};
    out.close = true;
  } else if (words[0] != "GET" && words[0] != "HEAD") {
    page = {405, "Method Not Allowed", "text/plain; charset=utf-8", "only GET\n"};
    out.close = true;  // its body would be taken for the next request
  } else {
    head = words[0] == "HEAD";
    page = page_of(words[1], sources);
    out.close = words[2] == "HTTP/1.0";
  }
  for (const std::string_view line :
       split(request.substr(std::min(line_end, request.size())), '\n')) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (same_word(name, "connection") && same_word(value, "close")) out.close = true;
    if (same_word(name, "transfer-encoding")) out.close = true;
    if (same_word(name, "content-length") && value != "0") out.close = true;
  }
  out.bytes = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
                          page.status, page.reason, page.type, page.body.size(),
                          out.close ? "Connection: close\r\n" : "");
  if (page.status == 405) out.bytes.insert(out.bytes.find("\r\n") + 2, "Allow: GET, HEAD\r\n");
  if (!head) out.bytes += page.body;
  return out;
}

struct HttpEndpoint::Impl {
  struct Connection {
    UniqueFd fd;
    std::string in;
    std::string out;
    bool closing = false;
    event::Handle timer;
    event::Handle watch;
  };

  Impl(event::Loop& l, Sources s) : loop(l), sources(std::move(s)) {}

  event::Loop& loop;
  Sources sources;
  UniqueFd listener;
  std::map<int, Connection> connections;  // by descriptor
  event::Handle accept_watch;

  void accept_all() {
    for (;;) {
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return;
      }
      if (connections.size() >= kMaxConnections) continue;  // closes it
      const int number = fd.get();
      auto watch = loop.watch_fd(number, {.read = true, .write = false},
                                 [this, number](event::Ready ready) { on_ready(number, ready); });
      if (!watch) continue;
      Connection& connection = connections[number];
      connection.fd = std::move(fd);
      connection.watch = std::move(*watch);
      rest(number, connection);
    }
  }

  void rest(int number, Connection& connection) {
    connection.timer = loop.after(kIdle, [this, number] { drop(number); });
  }

  void on_ready(int number, event::Ready ready) {
    const auto found = connections.find(number);
    if (found == connections.end()) return;
    Connection& connection = found->second;
    if (ready.read && !receive(connection)) return drop(number);
    serve(connection);
    if (!flush(connection) || (connection.closing && connection.out.empty())) return drop(number);
    event::Loop::set_interest(connection.watch,
                              {.read = connection.out.empty(), .write = !connection.out.empty()});
    rest(number, connection);
  }

  static bool receive(Connection& connection) {
    char buffer[4096];
    const ssize_t n = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    connection.in.append(buffer, static_cast<size_t>(n));
    return connection.in.size() <= kMaxRequest;
  }

  void serve(Connection& connection) const {
    while (!connection.closing && connection.out.empty()) {
      const size_t end = connection.in.find("\r\n\r\n");
      if (end == std::string::npos) return;
      HttpAnswer answer = answer_http(std::string_view(connection.in).substr(0, end + 4), sources);
      connection.in.erase(0, end + 4);
      connection.out = std::move(answer.bytes);
      connection.closing = answer.close;
      if (!flush(connection)) connection.closing = true;
    }
  }

  static bool flush(Connection& connection) {
    return send_pending(connection.fd.get(), connection.out);
  }

  void drop(int number) { connections.erase(number); }
};

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::start(event::Loop& loop,
                                                          const std::string& listen,
                                                          Sources sources) {
  CARACAL_ASSIGN(const net::SocketAddress address, parse_listen(listen));
  const auto failed = [&listen] {
    return fail(Errc::kUnavailable, "listen on " + listen + ": " + std::strerror(errno));
  };
  auto impl = std::make_unique<Impl>(loop, std::move(sources));
  impl->listener.reset(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!impl->listener) return failed();
  const int one = 1;
  (void)::setsockopt(impl->listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(impl->listener.get(), address.get(), address.size()) != 0 ||
      ::listen(impl->listener.get(), 64) != 0) {
    return failed();
  }
  CARACAL_ASSIGN(impl->accept_watch,
                 loop.watch_fd(impl->listener.get(), {.read = true, .write = false},
                               [raw = impl.get()](event::Ready) { raw->accept_all(); }));
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpEndpoint::~HttpEndpoint() = default;

uint16_t HttpEndpoint::port() const {
  net::SocketAddress address;
  const bool known = ::getsockname(impl_->listener.get(), address.get(), address.room()) == 0;
  return known ? address.port() : uint16_t{0};
}

}  // namespace caracal::telemetry
