// ScriptedServer: an HTTP/1.1 server on 127.0.0.1 for tests of clients; each request that comes
// takes the next step of a script, which answers it byte by byte as the test wants, or breaks the
// connection.
//
// Runs on threads of its own. With a certificate it speaks TLS, and may demand a client
// certificate.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace caracal::kube::testing {

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};
// Self-signed, P-256, valid now, for the DNS name and 127.0.0.1.
Certificate make_certificate(const std::string& dns_name);

struct SeenRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;    // unescaped
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class ScriptedServer {
 public:
  // The answer to one request. A step that returns without answering breaks the connection.
  class Exchange {
   public:
    virtual ~Exchange() = default;
    virtual const SeenRequest& request() const = 0;
    virtual void respond(int status, std::string_view body) = 0;  // whole, connection kept
    virtual void begin(int status = 200) = 0;                     // chunked, then:
    virtual void chunk(std::string_view bytes) = 0;
    virtual void finish() = 0;  // the orderly end of a chunked answer
    virtual void hold() = 0;    // waits until the client has gone or the server ends
  };
  using Step = std::function<void(Exchange&)>;

  struct Tls {
    Certificate own;
    std::string client_ca_pem;  // not empty: a client certificate signed by it is required
  };

  ScriptedServer();
  explicit ScriptedServer(Tls tls);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  // Adds a step to the script. A request beyond it is answered with 500.
  void then(Step step);
  // The usual steps.
  void then_respond(int status, std::string body);

  std::vector<SeenRequest> seen() const;
  size_t steps_left() const;
  int connections() const;  // accepted so far
  std::string url() const;  // "http://127.0.0.1:port"

  // Refuses connections, and breaks those there are; then takes them again on the same port.
  void go_down();
  void come_up();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::kube::testing
