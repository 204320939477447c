#include "kube/testing/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/fd.h"
#include "base/strings.h"

namespace caracal::kube::testing {

namespace {

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509, X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX, SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL, SSL_free>>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

BioPtr bio_of(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

X509Ptr certificate_of(const std::string& pem) {
  return X509Ptr(PEM_read_bio_X509(bio_of(pem).get(), nullptr, nullptr, nullptr));
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  CARACAL_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

ContextPtr make_context(const ScriptedServer::Tls& tls) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  const X509Ptr own = certificate_of(tls.own.certificate_pem);
  const Key key(PEM_read_bio_PrivateKey(bio_of(tls.own.key_pem).get(), nullptr, nullptr, nullptr));
  CARACAL_CHECK(SSL_CTX_use_certificate(context.get(), own.get()) == 1);
  CARACAL_CHECK(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  if (!tls.client_ca_pem.empty()) {
    const X509Ptr ca = certificate_of(tls.client_ca_pem);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

std::string unescape(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return out;
}

// "GET /a?b=c HTTP/1.1\r\nName: value\r\n..." without the empty line.
SeenRequest parse_head(std::string_view head) {
  SeenRequest request;
  const std::vector<std::string_view> lines = split(head, '\n');
  const std::vector<std::string_view> first = split(lines.front(), ' ');
  request.method = first.at(0);
  const std::string_view target = first.at(1);
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) {
    for (const std::string_view pair : split(target.substr(mark + 1), '&')) {
      const size_t equals = pair.find('=');
      request.query[unescape(pair.substr(0, equals))] =
          equals == std::string_view::npos ? "" : unescape(pair.substr(equals + 1));
    }
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    if (colon == std::string_view::npos) continue;
    request.headers[lower(lines[i].substr(0, colon))] = trim(lines[i].substr(colon + 1));
  }
  return request;
}

// A connection's bytes, through TLS or not.
class Stream {
 public:
  Stream(int fd, SSL* ssl) : fd_(fd), ssl_(ssl) {}
  bool read(std::string& into) {
    char buffer[4096];
    const auto n = ssl_ != nullptr ? static_cast<ssize_t>(SSL_read(ssl_, buffer, sizeof buffer))
                                   : ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    into.append(buffer, static_cast<size_t>(n));
    return true;
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n =
          ssl_ != nullptr
              ? static_cast<ssize_t>(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void wait_for_end() {
    std::string ignored;
    while (read(ignored)) {
    }
  }

 private:
  int fd_;
  SSL* ssl_;
};

class LiveExchange final : public ScriptedServer::Exchange {
 public:
  LiveExchange(SeenRequest request, Stream& stream)
      : request_(std::move(request)), stream_(stream) {}

  const SeenRequest& request() const override { return request_; }
  void respond(int status, std::string_view body) override {
    complete = stream_.write("HTTP/1.1 " + std::to_string(status) +
                             " X\r\nContent-Type: application/json\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
  }
  void begin(int status) override {
    stream_.write("HTTP/1.1 " + std::to_string(status) +
                  " X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  void chunk(std::string_view bytes) override {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    stream_.write(size + std::string(bytes) + "\r\n");
  }
  void finish() override { complete = stream_.write("0\r\n\r\n"); }
  void hold() override { stream_.wait_for_end(); }

  bool complete = false;

 private:
  SeenRequest request_;
  Stream& stream_;
};

}  // namespace

Certificate make_certificate(const std::string& dns_name) {
  const Key key(EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(dns_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  add_extension(certificate.get(), NID_subject_alt_name, "DNS:" + dns_name + ",IP:127.0.0.1");
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  CARACAL_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  const BioPtr key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(out.get()), text_of(key_out.get())};
}

struct ScriptedServer::Impl {
  ContextPtr tls;
  uint16_t port = 0;

  mutable std::mutex mutex;
  std::deque<Step> steps;
  std::vector<SeenRequest> seen;
  std::list<int> open;  // descriptors of live connections
  int accepted = 0;
  bool down = true;

  UniqueFd listener;
  std::thread acceptor;
  std::vector<std::thread> threads;  // of connections; joined when the server goes down

  void come_up() {
    // Not inherited: a program started by another test must not keep the port.
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CARACAL_CHECK(listener.valid());
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    CARACAL_CHECK(::bind(listener.get(), generic, size) == 0);
    CARACAL_CHECK(::listen(listener.get(), 16) == 0);
    CARACAL_CHECK(::getsockname(listener.get(), generic, &size) == 0);
    port = ntohs(address.sin_port);
    {
      const std::lock_guard lock(mutex);
      down = false;
    }
    acceptor = std::thread([this] { accept_all(); });
  }

  void go_down() {
    {
      const std::lock_guard lock(mutex);
      if (down) return;
      down = true;
      for (const int fd : open) ::shutdown(fd, SHUT_RDWR);
    }
    ::shutdown(listener.get(), SHUT_RDWR);  // wakes accept()
    acceptor.join();
    listener.reset();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard lock(mutex);
      if (fd < 0 || down) {
        if (fd >= 0) ::close(fd);
        return;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++accepted;
      const auto at = open.insert(open.end(), fd);
      threads.emplace_back([this, fd, at] {
        serve(fd);
        const std::lock_guard ending(mutex);
        open.erase(at);
        ::close(fd);
      });
    }
  }

  void serve(int fd) {
    SslPtr ssl;
    if (tls) {
      ssl.reset(SSL_new(tls.get()));
      SSL_set_fd(ssl.get(), fd);
      if (SSL_accept(ssl.get()) != 1) {
        ERR_clear_error();
        return;
      }
    }
    Stream stream(fd, ssl.get());
    std::string input;
    for (;;) {
      size_t end = 0;
      while ((end = input.find("\r\n\r\n")) == std::string::npos) {
        if (!stream.read(input)) return;
      }
      SeenRequest request = parse_head(input.substr(0, end));
      input.erase(0, end + 4);
      const auto length = request.headers.find("content-length");
      if (length != request.headers.end()) {
        const size_t size = parse_decimal(length->second).value_or(0);
        while (input.size() < size) {
          if (!stream.read(input)) return;
        }
        request.body = input.substr(0, size);
        input.erase(0, size);
      }
      if (!answer(std::move(request), stream)) return;
    }
  }

  // False when the connection is to end.
  bool answer(SeenRequest request, Stream& stream) {
    Step step;
    {
      const std::lock_guard lock(mutex);
      seen.push_back(request);
      if (!steps.empty()) {
        step = std::move(steps.front());
        steps.pop_front();
      }
    }
    LiveExchange exchange(std::move(request), stream);
    if (step) {
      step(exchange);
    } else {
      exchange.respond(500, "nothing left in the script");
    }
    return exchange.complete;
  }
};

ScriptedServer::ScriptedServer() : impl_(std::make_unique<Impl>()) { impl_->come_up(); }
ScriptedServer::ScriptedServer(Tls tls) : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE, SIG_IGN);  // SSL_write() to a client that has gone
  impl_->tls = make_context(tls);
  impl_->come_up();
}
ScriptedServer::~ScriptedServer() { impl_->go_down(); }

void ScriptedServer::then(Step step) {
  const std::lock_guard lock(impl_->mutex);
  impl_->steps.push_back(std::move(step));
}

void ScriptedServer::then_respond(int status, std::string body) {
  then([status, body = std::move(body)](Exchange& exchange) { exchange.respond(status, body); });
}

std::vector<SeenRequest> ScriptedServer::seen() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

size_t ScriptedServer::steps_left() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->steps.size();
}

int ScriptedServer::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->accepted;
}

std::string ScriptedServer::url() const {
  return (impl_->tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(impl_->port);
}

void ScriptedServer::go_down() { impl_->go_down(); }
void ScriptedServer::come_up() { impl_->come_up(); }

}  // namespace caracal::kube::testing
