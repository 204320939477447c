#include "ipam/kube_datastore.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/log.h"

namespace caracal::ipam {

namespace {

constexpr std::string_view kStored = "crd.projectcalico.org/v1";
constexpr std::string_view kShown = "projectcalico.org/v3";

std::string_view plural(Kind kind) {
  switch (kind) {
    case Kind::kBlock:
      return "ipamblocks";
    case Kind::kAffinity:
      return "blockaffinities";
    case Kind::kHandle:
      return "ipamhandles";
    case Kind::kPool:
    case Kind::kShownPool:
      return "ippools";
    case Kind::kClusterInformation:
    case Kind::kShownClusterInformation:
      return "clusterinformations";
  }
  return "";
}

bool only_shown(Kind kind) {
  return kind == Kind::kShownPool || kind == Kind::kShownClusterInformation;
}

// The four codes of Datastore, and those that a caller can do nothing about.
Error as_datastore_error(Error error) {
  if (error.code == Errc::kTimeout || error.code == Errc::kKernel || error.code == Errc::kInternal)
    error.code = Errc::kUnavailable;
  return error;
}

}  // namespace

struct KubeDatastore::Impl : std::enable_shared_from_this<KubeDatastore::Impl> {
  Impl(kube::Client& c, KubeDatastoreOptions o) : client(c), options(o) {}

  using Use = std::function<void(Result<std::string>)>;

  // Calls `use` with the API version in which the kind is served.
  void with_version(Kind kind, Use use) {
    if (served) return use(version_of(kind));
    waiting.emplace_back(kind, std::move(use));
    if (waiting.size() > 1) return;  // asked already
    found.clear();
    discover(0);
  }

  Result<std::string> version_of(Kind kind) const {
    if (!only_shown(kind) && served->contains({std::string(kStored), std::string(plural(kind))}))
      return std::string(kStored);
    if (served->contains({std::string(kShown), std::string(plural(kind))}))
      return std::string(kShown);
    return fail(Errc::kUnsupported,
                fmt::format("the API server serves no {}: the CRDs of crd.projectcalico.org or "
                            "projectcalico.org must be installed",
                            plural(kind)));
  }

  void discover(size_t index) {
    static constexpr std::array kVersions = {kStored, kShown};
    if (index == kVersions.size()) {
      served = found;
      return answer_waiting({});
    }
    kube::Request request;
    request.path = fmt::format("/apis/{}", kVersions[index]);
    request.timeout = options.timeout;
    send(std::move(request), false, [this, index](Result<json::value> body) {
      if (!body && body.error().code != Errc::kNotFound) return answer_waiting(body.error());
      if (body) {
        for (const json::value& resource : jsonio::get_array(*body, {"resources"})) {
          found.emplace(kVersions[index], jsonio::get_string(resource, {"name"}));
        }
      }
      discover(index + 1);
    });
  }

  void answer_waiting(const std::optional<Error>& error) {
    std::vector<std::pair<Kind, Use>> now;
    now.swap(waiting);
    for (auto& [kind, use] : now) use(error ? Result<std::string>(fail(*error)) : version_of(kind));
  }

  void send(kube::Request request, bool write, OnObject done) {
    ++(write ? counters.writes : counters.reads);
    client
        .request(
            std::move(request),
            [weak = weak_from_this(), done = std::move(done)](Result<kube::Response> response) {
              const auto self = weak.lock();
              if (!self) return;
              if (!response) {
                const Errc code = response.error().code;
                ++(code == Errc::kConflict || code == Errc::kExists ? self->counters.conflicts
                                                                    : self->counters.failures);
                return done(fail(as_datastore_error(std::move(response.error()))));
              }
              auto body = jsonio::parse(response->body);
              if (!body) {
                return done(fail(
                    Errc::kUnavailable,
                    fmt::format("the API server's answer is not JSON: {}", body.error().message)));
              }
              done(std::move(*body));
            })
        .detach();
  }

  void fail_later(OnObject done, Error error) {
    client.loop().post([weak = weak_from_this(), done = std::move(done), error] {
      if (!weak.expired()) done(fail(error));
    });
  }

  // One request about one object.
  void one(Kind kind, std::string method, std::string name, std::optional<json::value> object,
           OnObject done) {
    with_version(kind, [this, method = std::move(method), kind, name = std::move(name),
                        object = std::move(object),
                        done = std::move(done)](Result<std::string> version) mutable {
      if (!version) return fail_later(std::move(done), version.error());
      kube::Request request;
      request.method = method;
      request.path = kube::resource_path(*version, {}, plural(kind), name);
      request.timeout = options.timeout;
      if (object) {
        if (method != "DELETE") {
          object->as_object()["apiVersion"] = *version;
          object->as_object()["kind"] = to_string(kind);
          if (kind == Kind::kAffinity && *version == kShown) {
            // A text in the one API, a boolean in the other.
            json::value& deleted = jsonio::ensure(*object, {"spec", "deleted"});
            deleted = deleted.is_string() ? deleted.get_string() == "true"
                                          : deleted.is_bool() && deleted.get_bool();
          }
        }
        request.body = jsonio::to_string(*object);
      }
      send(std::move(request), method != "GET", std::move(done));
    });
  }

  void list_page(const std::string& version, Kind kind, const std::string& labels,
                 const std::string& next, std::shared_ptr<std::vector<json::value>> items,
                 OnList done) {
    kube::Request request;
    request.path = kube::resource_path(version, {}, plural(kind));
    request.timeout = options.timeout;
    request.query.emplace_back("limit", std::to_string(options.page_size));
    if (!labels.empty()) request.query.emplace_back("labelSelector", labels);
    if (!next.empty()) request.query.emplace_back("continue", next);
    send(std::move(request), false,
         [this, version, kind, labels, items, next,
          done = std::move(done)](Result<json::value> page) {
           if (!page && page.error().code == Errc::kExpired && !next.empty()) {
             // The list took longer than the server remembers: from the start.
             items->clear();
             return list_page(version, kind, labels, {}, items, done);
           }
           if (!page) return done(fail(page.error()));
           if (json::value* list =
                   page->is_object() ? page->get_object().if_contains("items") : nullptr;
               list != nullptr && list->is_array()) {
             for (json::value& item : list->get_array()) items->push_back(std::move(item));
           }
           const std::string more(jsonio::get_string(*page, {"metadata", "continue"}));
           if (more.empty()) return done(std::move(*items));
           list_page(version, kind, labels, more, items, done);
         });
  }

  kube::Client& client;
  KubeDatastoreOptions options;
  DatastoreCounters counters;
  // API version and plural; nullopt: not known yet.
  std::optional<std::set<std::pair<std::string, std::string>>> served;
  std::set<std::pair<std::string, std::string>> found;
  std::vector<std::pair<Kind, Use>> waiting;
};

KubeDatastore::KubeDatastore(kube::Client& client, KubeDatastoreOptions options)
    : impl_(std::make_shared<Impl>(client, options)) {}
KubeDatastore::~KubeDatastore() = default;

void KubeDatastore::get(Kind kind, std::string name, OnObject done) {
  impl_->one(kind, "GET", std::move(name), std::nullopt, std::move(done));
}

void KubeDatastore::list(Kind kind, std::string label_selector, OnList done) {
  impl_->with_version(kind, [impl = impl_.get(), kind, label_selector = std::move(label_selector),
                             done = std::move(done)](Result<std::string> version) {
    if (!version) {
      return impl->fail_later(
          [done](Result<json::value> failed) { done(fail(std::move(failed.error()))); },
          version.error());
    }
    impl->list_page(*version, kind, label_selector, {},
                    std::make_shared<std::vector<json::value>>(), done);
  });
}

void KubeDatastore::create(Kind kind, json::value object, OnObject done) {
  impl_->one(kind, "POST", {}, std::move(object), std::move(done));
}

void KubeDatastore::update(Kind kind, json::value object, OnObject done) {
  std::string name(jsonio::get_string(object, {"metadata", "name"}));
  impl_->one(kind, "PUT", std::move(name), std::move(object), std::move(done));
}

void KubeDatastore::remove(Kind kind, std::string name, Precondition precondition, OnDone done) {
  json::object conditions;
  if (!precondition.uid.empty()) conditions["uid"] = precondition.uid;
  if (!precondition.resource_version.empty())
    conditions["resourceVersion"] = precondition.resource_version;
  json::value body = json::object{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (!conditions.empty()) body.get_object()["preconditions"] = std::move(conditions);
  impl_->one(kind, "DELETE", std::move(name), std::move(body),
             [done = std::move(done)](const Result<json::value>& answer) {
               if (answer) {
                 done({});
               } else {
                 done(fail(answer.error()));
               }
             });
}

const DatastoreCounters& KubeDatastore::counters() const { return impl_->counters; }

}  // namespace caracal::ipam
