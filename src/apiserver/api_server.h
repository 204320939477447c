// ApiServer: the whole server: store, HTTP, controllers, and the routing of requests between them.
//
// Made by cmd/apiserver, by tests and by the lab. Handlers run on network threads, writes on the
// store's commit thread, lists and OpenAPI on workers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apiserver/http_server.h"
#include "apiserver/store.h"
#include "base/result.h"

namespace caracal::apiserver {

struct ApiServerOptions {
  std::string data_dir;       // database, certificates, admin token; empty: all in memory
  bool memory_store = false;  // objects in memory although there is a data_dir
  std::vector<Listener> listeners;
  std::vector<std::string> names;  // for the certificate, besides localhost and loopback addresses
  std::string token_file;          // path; empty: only the admin token
  bool anonymous_admin = false;    // requests without token may do everything (tests)
  std::string service_cidr = "10.96.0.0/16";
  bool bundled_crds = true;        // install the CRDs of Caracal at start
  size_t history_events = 20'000;  // see StoreOptions
  std::string version = "0.0.0";   // Caracal's own, shown behind the Kubernetes version
};

class ApiServer {
 public:
  static Result<std::unique_ptr<ApiServer>> start(ApiServerOptions options);
  virtual ~ApiServer() = default;

  virtual const std::vector<Listener>& listeners() const = 0;  // with real ports
  // "https://127.0.0.1:6443": the first listener as a client on this machine reaches it.
  virtual std::string local_url() const = 0;
  virtual const std::string& ca_certificate() const = 0;  // PEM
  virtual const std::string& admin_token() const = 0;
  virtual std::string kubeconfig() const = 0;  // of the admin, for local_url()
  virtual Store& store() = 0;
  virtual size_t watches() const = 0;
  virtual void stop() = 0;
};

}  // namespace caracal::apiserver
