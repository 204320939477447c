#include "apiserver/api_server.h"

#include <fmt/format.h>

#include <map>

#include "apimachinery/resource_type.h"
#include "apiserver/auth.h"
#include "apiserver/bootstrap.h"
#include "apiserver/cluster_ip_allocator.h"
#include "apiserver/lifecycle_controller.h"
#include "apiserver/object.h"
#include "apiserver/object_writer.h"
#include "apiserver/openapi_cache.h"
#include "apiserver/pki.h"
#include "apiserver/request_router.h"
#include "apiserver/resource_modifier.h"
#include "apiserver/resource_reader.h"
#include "apiserver/watch_hub.h"
#include "apiserver/worker_pool.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceRegistry;
using apimachinery::ResourceTypePtr;

constexpr int kStopGraceMs = 2000;

// Attributes of objects read back at start. CRDs are not registered then; their objects are only
// selected by name, namespace and labels, for which any type serves.
StoreOptions store_options(const ApiServerOptions& options, const ResourceRegistry& registry) {
  StoreOptions result;
  result.history_events = options.history_events;
  const auto catalog = registry.snapshot();
  std::map<std::string, ResourceTypePtr, std::less<>> types;
  for (const ResourceTypePtr& type : catalog->types()) types.emplace(type->group_resource(), type);
  result.attributes = [types](const ObjectKey& key, std::string_view bytes) {
    static const apimachinery::ResourceType kCustom;
    const auto object = jsonio::parse(bytes);
    if (!object) return Attributes{};
    const auto type = types.find(key.resource);
    return attributes_of(type != types.end() ? *type->second : kCustom, *object);
  };
  return result;
}

class WholeServer final : public ApiServer {
 public:
  explicit WholeServer(ApiServerOptions options) : options_(std::move(options)) {}
  ~WholeServer() override { stop(); }

  Status start() {
    CARACAL_ASSIGN(registry_, ResourceRegistry::with_builtins());
    CARACAL_ASSIGN(ClusterIpAllocator addresses,
                   ClusterIpAllocator::for_range(options_.service_cidr));
    addresses_ = std::make_unique<ClusterIpAllocator>(std::move(addresses));
    CARACAL_TRY(prepare_security());
    CARACAL_TRY(open_store());
    CARACAL_TRY(load_stored_types(*store_, *registry_, *addresses_));

    hub_ = std::make_unique<WatchHub>();
    writer_ = std::make_unique<ObjectWriter>(*registry_, *addresses_);
    lifecycle_ = std::make_unique<LifecycleController>(*store_, *registry_, *writer_);
    // What a CRD serves must be known before anybody hears that it is established.
    store_->set_listener([this](const std::vector<EventPtr>& events) {
      for (const EventPtr& event : events) follow_crd(*event, *registry_);
      hub_->announce(events);
      lifecycle_->observe(events);
    });
    reader_ = std::make_unique<ResourceReader>(*store_, *hub_);
    modifier_ = std::make_unique<ResourceModifier>(*store_, *registry_, *writer_);
    openapi_ = std::make_unique<OpenApiCache>(*registry_);
    workers_ = std::make_unique<WorkerPool>(2);
    const uint16_t wanted_port =
        options_.listeners.empty() ? uint16_t{6443} : options_.listeners.front().port;
    CARACAL_TRY(bootstrap(*store_, *registry_, *writer_, addresses_->first(),
                          wanted_port != 0 ? wanted_port : uint16_t{6443}, options_.bundled_crds));
    lifecycle_->start();
    return start_http();
  }

  const std::vector<Listener>& listeners() const override { return http_->listeners(); }

  std::string local_url() const override {
    const Listener& first = http_->listeners().front();
    std::string host = first.address;
    if (host == "0.0.0.0" || host == "::") host = "127.0.0.1";
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    return fmt::format("{}://{}:{}", first.tls ? "https" : "http", host, first.port);
  }

  const std::string& ca_certificate() const override { return pki_.ca_certificate; }
  const std::string& admin_token() const override { return admin_token_; }
  std::string kubeconfig() const override {
    const bool tls = http_->listeners().front().tls;
    return make_kubeconfig(local_url(), tls ? pki_.ca_certificate : "", admin_token_);
  }
  Store& store() override { return *store_; }
  size_t watches() const override { return hub_->size(); }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    if (http_) http_->stop(kStopGraceMs);
    workers_.reset();
    if (lifecycle_) lifecycle_->stop();  // it commits through the store, which goes before it
  }

 private:
  Status prepare_security() {
    std::vector<std::string> names = {
        "localhost",        "127.0.0.1", "::1", "kubernetes", "kubernetes.default.svc",
        addresses_->first()};
    names.insert(names.end(), options_.names.begin(), options_.names.end());
    for (const Listener& listener : options_.listeners) {
      if (listener.address != "0.0.0.0" && listener.address != "::")
        names.push_back(listener.address);
    }
    if (options_.data_dir.empty()) {
      CARACAL_ASSIGN(pki_, make_pki(names));
      admin_token_ = random_token();
    } else {
      CARACAL_ASSIGN(pki_, load_or_make_pki(options_.data_dir + "/pki", names));
      const std::string path = options_.data_dir + "/admin.token";
      admin_token_ = trim(read_file(path).value_or(""));
      if (admin_token_.empty()) {
        admin_token_ = random_token();
        CARACAL_TRY(write_file_atomic(path, admin_token_ + "\n", 0600));
      }
    }
    const User admin{
        "caracal:admin", "admin", {std::string(kMastersGroup), "system:authenticated"}};
    authenticator_.add_token(admin_token_, admin);
    if (options_.anonymous_admin) authenticator_.set_anonymous(admin);
    if (!options_.token_file.empty()) {
      CARACAL_ASSIGN(const std::string text, read_file(options_.token_file));
      if (const Status added = authenticator_.add_token_file(text); !added) {
        return fail(added.error().within(options_.token_file));
      }
    }
    return {};
  }

  Status open_store() {
    StoreOptions store_opts = store_options(options_, *registry_);
    if (options_.data_dir.empty() || options_.memory_store) {
      store_ = open_memory_store(std::move(store_opts));
      return {};
    }
    CARACAL_TRY(make_directories(options_.data_dir));
    CARACAL_ASSIGN(store_,
                   open_sqlite_store(options_.data_dir + "/caracal.db", std::move(store_opts)));
    return {};
  }

  Status start_http() {
    RequestRouter::Parts parts;
    parts.registry = registry_.get();
    parts.authenticator = &authenticator_;
    parts.reader = reader_.get();
    parts.modifier = modifier_.get();
    parts.openapi = openapi_.get();
    parts.workers = workers_.get();
    parts.version = options_.version;
    parts.server_address = options_.listeners.empty() ? "" : options_.listeners.front().address;
    router_ = std::make_unique<RequestRouter>(std::move(parts));
    HttpServer::Options http;
    http.listeners = options_.listeners;
    http.tls = {pki_.certificate, pki_.key};
    CARACAL_ASSIGN(
        http_, HttpServer::start(std::move(http), [this](std::shared_ptr<const HttpRequest> request,
                                                         Responder respond) {
          if (log::enabled(log::Level::kDebug)) {
            log::debug("request", {{"method", request->method}, {"path", request->path}});
          }
          router_->route(request, std::move(respond));
        }));
    return {};
  }

  ApiServerOptions options_;
  Pki pki_;
  std::string admin_token_;
  Authenticator authenticator_;
  bool stopped_ = false;

  // Destroyed in reverse order: who answers before what answers.
  std::unique_ptr<ResourceRegistry> registry_;
  std::unique_ptr<ClusterIpAllocator> addresses_;
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<ObjectWriter> writer_;
  std::unique_ptr<LifecycleController> lifecycle_;
  std::unique_ptr<Store> store_;  // its commit thread uses all above
  std::unique_ptr<ResourceReader> reader_;
  std::unique_ptr<ResourceModifier> modifier_;
  std::unique_ptr<OpenApiCache> openapi_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<RequestRouter> router_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(ApiServerOptions options) {
  auto server = std::make_unique<WholeServer>(std::move(options));
  CARACAL_TRY(server->start());
  return std::unique_ptr<ApiServer>(std::move(server));
}

}  // namespace caracal::apiserver
