#include "apiserver/request_router.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/api_error.h"
#include "apiserver/discovery.h"
#include "apiserver/media.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceTypePtr;
using apimachinery::Subresource;

// The API level this server follows; kubectl compares its own version with it.
constexpr const char* kMajor = "1";
constexpr const char* kMinor = "32";

HttpResponse text_response(int status, std::string body) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(body)};
}

bool wants_watch(const HttpRequest& request) {
  const std::string_view value = request.parameter("watch");
  return value == "true" || value == "1" || (value.empty() && request.has_parameter("watch"));
}

// The RBAC verb of a request; empty: the method has none there.
std::string_view verb_of(const HttpRequest& request, const RequestPath& path) {
  const bool collection = path.name.empty();
  if (request.method == "GET") return wants_watch(request) ? "watch" : collection ? "list" : "get";
  if (request.method == "POST") return collection || !path.subresource.empty() ? "create" : "";
  if (request.method == "PUT") return collection ? "" : "update";
  if (request.method == "PATCH") return collection ? "" : "patch";
  if (request.method == "DELETE") return collection ? "deletecollection" : "delete";
  return "";
}

// "v2" or "v2beta1" when the client takes aggregated discovery before the plain documents.
std::string_view aggregated_version(std::string_view accept) {
  for (const std::string_view alternative : split(accept, ',')) {
    if (alternative.find("as=APIGroupDiscoveryList") == std::string_view::npos) continue;
    if (alternative.find("v=v2beta1") != std::string_view::npos) return "v2beta1";
    if (alternative.find("v=v2") != std::string_view::npos) return "v2";
  }
  return {};
}

}  // namespace

void RequestRouter::route(const std::shared_ptr<const HttpRequest>& request,
                          Responder respond) const {
  if (answer_open(*request, respond)) return;
  const std::optional<User> user = parts_.authenticator->authenticate(*request);
  if (!user) {
    respond(ApiError::unauthorized().to_response());
    return;
  }
  if (answer_documents(request, respond)) return;
  answer_resource(request, *user, std::move(respond));
}

bool RequestRouter::answer_open(const HttpRequest& request, const Responder& respond) const {
  const std::string& path = request.path;
  for (const std::string_view probe : {"/healthz", "/livez", "/readyz"}) {
    if (path != probe && path != fmt::format("{}/ping", probe)) continue;
    respond(text_response(200, request.has_parameter("verbose")
                                   ? fmt::format("[+]ping ok\n{} check passed\n", probe.substr(1))
                                   : "ok"));
    return true;
  }
  if (path != "/version" && path != "/version/") return false;
  const json::value version = json::object{
      {"major", kMajor},
      {"minor", kMinor},
      {"gitVersion", fmt::format("v{}.{}.0-caracal.{}", kMajor, kMinor, parts_.version)},
      {"gitCommit", ""},
      {"gitTreeState", ""},
      {"buildDate", "1970-01-01T00:00:00Z"},
      {"goVersion", ""},
      {"compiler", "gcc"},
      {"platform", "linux/amd64"}};
  respond(json_response(200, jsonio::to_string(version)));
  return true;
}

bool RequestRouter::answer_documents(const std::shared_ptr<const HttpRequest>& request,
                                     const Responder& respond) const {
  std::string_view path = request->path;
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const bool openapi =
      path == "/openapi/v2" || path == "/openapi/v3" || path.starts_with("/openapi/v3/");
  const bool discovery = path == "/" || path == "/api" || path == "/apis" ||
                         ((path.starts_with("/api/") || path.starts_with("/apis/")) &&
                          !parse_request_path(path).has_value());
  if (!openapi && !discovery) return false;
  if (request->method != "GET") {
    respond(ApiError{
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        {}}.to_response());
    return true;
  }
  if (openapi) {
    parts_.workers->submit([cache = parts_.openapi, request, respond, path = std::string(path)] {
      constexpr std::string_view kV3 = "/openapi/v3";
      if (!path.starts_with(kV3)) {
        respond(cache->v2(*request));
      } else {
        respond(cache->v3(*request, path.size() > kV3.size()
                                        ? std::string_view(path).substr(kV3.size() + 1)
                                        : std::string_view()));
      }
    });
    return true;
  }
  const auto catalog = parts_.registry->snapshot();
  const auto parts = split(path, '/');
  std::optional<json::value> document;
  std::string content_type = "application/json";
  if (path == "/") {
    document =
        json::object{{"paths", json::array{"/api", "/api/v1", "/apis", "/healthz", "/livez",
                                           "/openapi/v2", "/openapi/v3", "/readyz", "/version"}}};
  } else if (path == "/api" || path == "/apis") {
    const std::string_view version = aggregated_version(request->header("accept"));
    if (!version.empty()) {
      document = aggregated_discovery(*catalog, path == "/api", version);
      content_type += fmt::format(";g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version);
    } else {
      document = path == "/api" ? api_versions(parts_.server_address) : api_group_list(*catalog);
    }
  } else if (parts[1] == "api" && parts.size() == 3) {
    document = api_resource_list(*catalog, "", parts[2]);
  } else if (parts[1] == "apis" && parts.size() == 3) {
    document = api_group(*catalog, parts[2]);
  } else if (parts[1] == "apis" && parts.size() == 4) {
    document = api_resource_list(*catalog, parts[2], parts[3]);
  }
  if (!document) {
    respond(text_response(404, "404 page not found\n"));
    return true;
  }
  respond({.status = 200,
           .headers = {{"Content-Type", content_type}},
           .body = jsonio::to_string(*document)});
  return true;
}

void RequestRouter::answer_resource(const std::shared_ptr<const HttpRequest>& request,
                                    const User& user, Responder respond) const {
  const auto path = parse_request_path(request->path);
  const auto catalog = parts_.registry->snapshot();
  const ResourceTypePtr type =
      path ? catalog->find(path->group, path->version, path->resource) : nullptr;
  const auto refuse_with = [&respond](const ApiError& error) { respond(error.to_response()); };
  if (!type) {
    respond(text_response(404, "404 page not found\n"));
    return;
  }
  if (!path->ns.empty() && !type->namespaced) return refuse_with(ApiError::no_such_path());
  const std::string_view verb = verb_of(*request, *path);
  const std::vector<std::string>* verbs = &type->verbs;
  if (!path->subresource.empty()) {
    const Subresource* subresource = type->subresource(path->subresource);
    if (subresource == nullptr) return refuse_with(ApiError::no_such_path());
    verbs = &subresource->verbs;
  }
  const bool served = std::find(verbs->begin(), verbs->end(), verb) != verbs->end();
  const bool scoped = !type->namespaced || !path->ns.empty() || verb == "list" || verb == "watch";
  if (!served || !scoped) {
    return refuse_with(ApiError::method_not_allowed(*type, verb.empty() ? request->method : verb));
  }
  // Whoever may not write may still ask what is allowed.
  if (!may(user, verb) && type->kind != "SelfSubjectAccessReview") {
    return refuse_with(ApiError::forbidden(
        *type, path->name,
        fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\"{}", user.name, verb,
                    type->plural, type->group,
                    type->namespaced ? fmt::format(" in the namespace \"{}\"", path->ns)
                                     : " at the cluster scope")));
  }
  if (type->deprecated) {
    respond = [type, inner = std::move(respond)](HttpResponse response) {
      add_warning(response,
                  !type->deprecation_warning.empty()
                      ? type->deprecation_warning
                      : fmt::format("{} {} is deprecated", type->api_version(), type->kind));
      inner(std::move(response));
    };
  }
  if (verb == "get") return respond(parts_.reader->get(*request, type, *path));
  if (verb == "watch") return respond(parts_.reader->watch(*request, type, *path));
  if (verb == "list") {
    parts_.workers->submit(
        [reader = parts_.reader, request, type, place = *path, respond = std::move(respond)] {
          respond(reader->list(*request, type, place));
        });
    return;
  }
  parts_.modifier->handle(verb, request, user, type, *path, std::move(respond));
}

}  // namespace caracal::apiserver
