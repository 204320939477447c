#include "apiserver/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <set>
#include <thread>

#include "apiserver/hangup_monitor.h"
#include "base/check.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::apiserver {

std::string_view HttpRequest::header(std::string_view lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view HttpRequest::parameter(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string_view() : std::string_view(found->second);
}

namespace {

constexpr size_t kStreamBlock = 16 * 1024;
constexpr size_t kConnectionMemory = 32 * 1024;
constexpr unsigned kIdleTimeoutSeconds = 600;

// One request and its answer. Shared by the connection, the responder and the stream's waker;
// whoever comes after the connection's end finds `connection_` null.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(MHD_Connection* connection, HangupMonitor& monitor)
      : connection_(connection), monitor_(monitor) {}

  std::shared_ptr<HttpRequest> request = std::make_shared<HttpRequest>();
  bool dispatched = false;
  bool too_large = false;

  bool answered() const {
    const std::lock_guard lock(mutex_);
    return answered_;
  }

  // Any thread: the handler's answer.
  void respond(HttpResponse response) {
    const std::lock_guard lock(mutex_);
    if (answered_) return;
    answered_ = true;
    response_ = std::move(response);
    if (connection_ != nullptr && suspended_) {
      suspended_ = false;
      MHD_resume_connection(connection_);
    }
  }

  // Network thread, within the access handler: sends the answer, or suspends until there is one.
  MHD_Result send_or_suspend() {
    std::unique_lock lock(mutex_);
    if (!answered_) {
      suspended_ = true;
      MHD_suspend_connection(connection_);
      return MHD_YES;
    }
    HttpResponse response = std::move(response_);
    lock.unlock();
    return send(std::move(response));
  }

  // Network thread: the connection is done with this request.
  void finish() {
    std::shared_ptr<ResponseStream> stream;
    {
      const std::lock_guard lock(mutex_);
      connection_ = nullptr;
      stream.swap(stream_);
    }
    if (monitored_ != 0) monitor_.remove(monitored_);
  }

  // Server stop: streams end; requests without an answer are told so when `force` is set.
  void shut_down(bool force) {
    bool unanswered = false;
    {
      const std::lock_guard lock(mutex_);
      unanswered = !answered_;
    }
    end_stream(&Exchange::ending_);
    if (force && unanswered) {
      respond({.status = 503,
               .headers = {{"Content-Type", "text/plain"}},
               .body = "the server is stopping\n"});
    }
  }

 private:
  MHD_Result send(HttpResponse response) {
    MHD_Response* raw = nullptr;
    if (response.stream) {
      {
        const std::lock_guard lock(mutex_);
        stream_ = response.stream;
      }
      raw = MHD_create_response_from_callback(
          MHD_SIZE_UNKNOWN, kStreamBlock,
          [](void* self, uint64_t, char* buffer, size_t size) {
            return static_cast<Exchange*>(self)->read(buffer, size);
          },
          this, nullptr);
      const MHD_ConnectionInfo* info =
          MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CONNECTION_FD);
      if (info != nullptr) {
        monitored_ = monitor_.add(info->connect_fd, [weak = weak_from_this()] {
          if (const auto exchange = weak.lock()) exchange->end_stream(&Exchange::hung_up_);
        });
      }
      response.stream->start([weak = weak_from_this()] {
        if (const auto exchange = weak.lock()) exchange->wake();
      });
    } else {
      auto* body = new std::string(std::move(response.body));
      raw = MHD_create_response_from_buffer_with_free_callback_cls(
          body->size(), body->data(), [](void* text) { delete static_cast<std::string*>(text); },
          body);
    }
    if (raw == nullptr) return MHD_NO;
    for (const auto& [name, value] : response.headers) {
      MHD_add_response_header(raw, name.c_str(), value.c_str());
    }
    const MHD_Result queued =
        MHD_queue_response(connection_, static_cast<unsigned>(response.status), raw);
    MHD_destroy_response(raw);
    return queued;
  }

  ssize_t read(char* buffer, size_t size) {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (hung_up_) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (ending_) return MHD_CONTENT_READER_END_OF_STREAM;
        woken_ = false;
      }
      const ResponseStream::Read result = stream_->read(buffer, size);
      if (result.state == ResponseStream::State::kEnd) return MHD_CONTENT_READER_END_OF_STREAM;
      if (result.bytes > 0) return static_cast<ssize_t>(result.bytes);
      const std::lock_guard lock(mutex_);
      if (woken_ || hung_up_ || ending_) continue;  // woken since read() looked
      suspended_ = true;
      MHD_suspend_connection(connection_);
      return 0;
    }
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    if (connection_ == nullptr || !suspended_) return;
    suspended_ = false;
    MHD_resume_connection(connection_);
  }

  void end_stream(bool Exchange::*reason) {
    const std::lock_guard lock(mutex_);
    this->*reason = true;
    if (!stream_) return;
    if (connection_ == nullptr || !suspended_) return;
    suspended_ = false;
    MHD_resume_connection(connection_);
  }

  mutable std::mutex mutex_;
  MHD_Connection* connection_;  // null when the request is over
  HangupMonitor& monitor_;
  uint64_t monitored_ = 0;
  bool suspended_ = false;
  bool answered_ = false;
  bool woken_ = false;
  bool hung_up_ = false;
  bool ending_ = false;
  HttpResponse response_;
  std::shared_ptr<ResponseStream> stream_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

class MicroHttpServer final : public HttpServer {
 public:
  MicroHttpServer(Options options, Handler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        listeners_(options_.listeners) {}
  ~MicroHttpServer() override { stop(0); }

  Status start() {
    CARACAL_TRY(monitor_.start());
    for (Listener& listener : listeners_) CARACAL_TRY(start_listener(listener));
    return {};
  }

  const std::vector<Listener>& listeners() const override { return listeners_; }

  size_t open_requests() const override {
    const std::lock_guard lock(mutex_);
    return exchanges_.size();
  }

  void stop(int grace_ms) override {
    if (daemons_.empty()) return;
    for (const bool force : {false, true}) {
      std::vector<ExchangePtr> open;
      {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        open.assign(exchanges_.begin(), exchanges_.end());
      }
      for (const ExchangePtr& exchange : open) exchange->shut_down(force);
      open.clear();
      std::unique_lock lock(mutex_);
      const auto patience = std::chrono::milliseconds(force ? std::min(grace_ms, 200) : grace_ms);
      idle_.wait_for(lock, patience, [this] { return exchanges_.empty(); });
    }
    for (MHD_Daemon* daemon : daemons_) MHD_stop_daemon(daemon);
    daemons_.clear();
  }

 private:
  Status start_listener(Listener& listener) {
    CARACAL_ASSIGN(UniqueFd socket, bind_socket(listener));
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (listener.tls) flags |= MHD_USE_TLS;
    std::vector<MHD_OptionItem> extra;
    const auto pointer = [](auto* p) { return const_cast<void*>(static_cast<const void*>(p)); };
    if (listener.tls) {
      extra.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, pointer(options_.tls.key.c_str())});
      extra.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, pointer(options_.tls.certificate.c_str())});
      extra.push_back(
          {MHD_OPTION_HTTPS_PRIORITIES, 0, pointer("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")});
    }
    if (options_.threads > 1) {
      extra.push_back(
          {MHD_OPTION_THREAD_POOL_SIZE, static_cast<intptr_t>(options_.threads), nullptr});
    }
    extra.push_back({MHD_OPTION_END, 0, nullptr});
    MHD_Daemon* daemon = MHD_start_daemon(
        flags, listener.port, &MicroHttpServer::on_connect, this, &MicroHttpServer::on_request,
        this, MHD_OPTION_EXTERNAL_LOGGER, &MicroHttpServer::on_log, nullptr,  //
        MHD_OPTION_LISTEN_SOCKET, socket.get(),                               //
        MHD_OPTION_NOTIFY_COMPLETED, &MicroHttpServer::on_completed, this,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,  //
        MHD_OPTION_CONNECTION_LIMIT, options_.max_connections,  //
        MHD_OPTION_CONNECTION_TIMEOUT, kIdleTimeoutSeconds,     //
        MHD_OPTION_ARRAY, extra.data(), MHD_OPTION_END);
    if (daemon == nullptr) {
      return fail(Errc::kInternal,
                  fmt::format("cannot serve on {} port {}", listener.address, listener.port));
    }
    socket.release();
    daemons_.push_back(daemon);
    return {};
  }

  static Result<UniqueFd> bind_socket(Listener& listener) {
    sockaddr_storage storage{};
    socklen_t length = 0;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (inet_pton(AF_INET, listener.address.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(listener.port);
      length = sizeof(sockaddr_in);
    } else if (inet_pton(AF_INET6, listener.address.c_str(), &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(listener.port);
      length = sizeof(sockaddr_in6);
    } else {
      return fail(Errc::kInvalid, fmt::format("\"{}\" is not an IP address", listener.address));
    }
    const std::string where =
        fmt::format("cannot listen on {} port {}", listener.address, listener.port);
    UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, where);
    const int on = 1;
    const int off = 0;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (storage.ss_family == AF_INET6)
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 ||
        listen(fd.get(), 1024) != 0) {
      return fail_errno(errno, where);
    }
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
      return fail_errno(errno, where);
    }
    listener.port = ntohs(storage.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    return fd;
  }

  static void on_log(void*, const char* format, va_list arguments) {
    if (!log::enabled(log::Level::kDebug)) return;
    char text[512];
    std::vsnprintf(text, sizeof text, format, arguments);
    log::debug("http", {{"detail", trim(text)}});
  }

  // MHD_quiesce_daemon() would be the call to take no more connections, but with a thread pool on
  // epoll it races with the threads for the removal of the listening socket and ends the process
  // (libmicrohttpd 0.9.75).
  static MHD_Result on_connect(void* self, const sockaddr*, socklen_t) {
    return static_cast<MicroHttpServer*>(self)->is_stopping() ? MHD_NO : MHD_YES;
  }

  bool is_stopping() const {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  static void on_completed(void* self, MHD_Connection*, void** context,
                           MHD_RequestTerminationCode) {
    auto* holder = static_cast<ExchangePtr*>(*context);
    if (holder == nullptr) return;
    *context = nullptr;
    (*holder)->finish();
    auto* server = static_cast<MicroHttpServer*>(self);
    {
      const std::lock_guard lock(server->mutex_);
      server->exchanges_.erase(*holder);
      if (server->exchanges_.empty()) server->idle_.notify_all();
    }
    delete holder;
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char*, const char* upload,
                               size_t* upload_size, void** context) {
    return static_cast<MicroHttpServer*>(self)->handle(connection, url, method, upload, upload_size,
                                                       context);
  }

  MHD_Result handle(MHD_Connection* connection, const char* url, const char* method,
                    const char* upload, size_t* upload_size, void** context) {
    if (*context == nullptr) {
      auto exchange = std::make_shared<Exchange>(connection, monitor_);
      read_head(connection, url, method, *exchange->request);
      const std::lock_guard lock(mutex_);
      // A request that stop() did not see must not wait: the library does not stop under one.
      if (stopping_) exchange->shut_down(true);
      exchanges_.insert(exchange);
      *context = new ExchangePtr(std::move(exchange));
      return MHD_YES;
    }
    const ExchangePtr exchange = *static_cast<ExchangePtr*>(*context);
    if (*upload_size > 0) {
      std::string& body = exchange->request->body;
      if (body.size() + *upload_size > options_.max_body_bytes) {
        exchange->too_large = true;
      } else {
        body.append(upload, *upload_size);
      }
      *upload_size = 0;
      return MHD_YES;
    }
    if (!exchange->dispatched) {
      exchange->dispatched = true;
      if (exchange->too_large) {
        exchange->respond({.status = 413,
                           .headers = {{"Content-Type", "text/plain"}},
                           .body = fmt::format("Request entity too large: limit is {}\n",
                                               options_.max_body_bytes)});
      } else if (!exchange->answered()) {
        handler_(exchange->request,
                 [exchange](HttpResponse response) { exchange->respond(std::move(response)); });
      }
    }
    return exchange->send_or_suspend();
  }

  static void read_head(MHD_Connection* connection, const char* url, const char* method,
                        HttpRequest& request) {
    request.method = method;
    request.path = url;
    MHD_get_connection_values(
        connection, MHD_GET_ARGUMENT_KIND,
        [](void* query, MHD_ValueKind, const char* key, const char* value) {
          static_cast<decltype(HttpRequest::query)*>(query)->emplace(key,
                                                                     value == nullptr ? "" : value);
          return MHD_YES;
        },
        &request.query);
    MHD_get_connection_values(
        connection, MHD_HEADER_KIND,
        [](void* headers, MHD_ValueKind, const char* key, const char* value) {
          std::string name(key);
          std::transform(name.begin(), name.end(), name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
          std::string& text = (*static_cast<decltype(HttpRequest::headers)*>(headers))[name];
          if (!text.empty()) text += ", ";
          text += value == nullptr ? "" : value;
          return MHD_YES;
        },
        &request.headers);
  }

  Options options_;
  Handler handler_;
  std::vector<Listener> listeners_;
  HangupMonitor monitor_;
  std::vector<MHD_Daemon*> daemons_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::set<ExchangePtr> exchanges_;  // guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
};

}  // namespace

Result<Listener> parse_listener(std::string_view text, bool tls) {
  const auto wrong = [text](std::string_view why) {
    return fail(
        Errc::kInvalid,
        fmt::format("\"{}\": {}; want ADDRESS:PORT, as 127.0.0.1:6443 or [::]:6443", text, why));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("no port");
  std::string_view address = text.substr(0, colon);
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!port) return wrong("the port must be a number between 0 and 65535");
  if (address.size() >= 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  Listener listener{address.empty() ? "::" : std::string(address), static_cast<uint16_t>(*port),
                    tls};
  in6_addr probe{};
  if (inet_pton(AF_INET, listener.address.c_str(), &probe) != 1 &&
      inet_pton(AF_INET6, listener.address.c_str(), &probe) != 1) {
    return wrong("not an IP address");
  }
  return listener;
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options, Handler handler) {
  auto server = std::make_unique<MicroHttpServer>(std::move(options), std::move(handler));
  CARACAL_TRY(server->start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace caracal::apiserver
