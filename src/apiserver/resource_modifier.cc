#include "apiserver/resource_modifier.h"

#include <fmt/format.h>

#include "apimachinery/crd.h"
#include "apiserver/kind_rules.h"
#include "apiserver/media.h"
#include "apiserver/object.h"
#include "apiserver/selection.h"
#include "jsonio/yaml.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceTypePtr;

ApiResult<bool> parse_dry_run(const HttpRequest& request) {
  bool dry_run = false;
  for (auto [at, end] = request.query.equal_range("dryRun"); at != end; ++at) {
    if (at->second.empty()) continue;
    if (at->second != "All") {
      return refuse(ApiError::bad_request(
          fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"", at->second)));
    }
    dry_run = true;
  }
  return dry_run;
}

HttpResponse success(int code, const ResourceType& type, const json::value& object) {
  json::object details{{"name", object_name(object)}};
  if (!type.group.empty()) details["group"] = type.group;
  details["kind"] = type.plural;
  details["uid"] = object_uid(object);
  json::object status{{"kind", "Status"},
                      {"apiVersion", "v1"},
                      {"metadata", json::object()},
                      {"status", "Success"},
                      {"details", std::move(details)}};
  if (code != 200) status["code"] = code;
  return json_response(code, jsonio::to_string(json::value(std::move(status))));
}

// The object as it is now, in the form the client asked for. What of it is not enforced as written
// is told with the main resource, not with every status.
HttpResponse written(const WriteTarget& target, const WriteOutcome& outcome, const ObjectView& view,
                     std::vector<std::string> warnings) {
  if (target.subresource.empty()) {
    for (std::string& warning : object_warnings(*target.type, outcome.object))
      warnings.push_back(std::move(warning));
  }
  HttpResponse response = json_response(outcome.code, view.render(outcome.object));
  for (const std::string& warning : warnings) add_warning(response, warning);
  return response;
}

// DELETE bodies are optional, and their kind is always DeleteOptions.
ApiResult<json::value> decode_optional_body(const HttpRequest& request) {
  if (request.body.empty()) return json::value();
  return decode_body(request);
}

}  // namespace

void ResourceModifier::handle(std::string_view verb,
                              const std::shared_ptr<const HttpRequest>& request, const User& user,
                              const ResourceTypePtr& type, const RequestPath& path,
                              Responder respond) {
  if (!type->stored && type->kind != "Binding") {
    const auto answered = review(*request, user, {.type = type});
    respond(answered ? *answered : answered.error().to_response());
    return;
  }
  auto step = plan(verb, request, user, type, path);
  if (!step) {
    respond(step.error().to_response());
    return;
  }
  auto answer = std::make_shared<HttpResponse>();
  store_.submit(
      [step = std::move(*step), answer](Transaction& transaction) -> Status {
        ApiResult<HttpResponse> result = step(transaction);
        if (result) {
          *answer = std::move(*result);
          return {};
        }
        *answer = result.error().to_response();
        return fail(Errc::kInvalid, result.error().message);  // rolls back
      },
      [answer, respond = std::move(respond)](Status status) {
        // A refused step left its own answer; without any, the store itself failed.
        if (!status && (answer->body.empty() || answer->status < 300)) {
          *answer = ApiError::internal(status.error().message).to_response();
        }
        respond(std::move(*answer));
      });
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan(
    std::string_view verb, const std::shared_ptr<const HttpRequest>& request, const User&,
    const ResourceTypePtr& type, const RequestPath& path) {
  WriteTarget target{
      .type = type, .ns = path.ns, .name = path.name, .subresource = path.subresource};
  CARACAL_API_ASSIGN(target.dry_run, parse_dry_run(*request));
  CARACAL_API_ASSIGN(target.field_validation,
                     parse_field_validation(request->parameter("fieldValidation")));
  if (type->kind == "Binding" || path.subresource == "binding")
    return plan_binding(*request, std::move(target));
  CARACAL_API_ASSIGN(ObjectView view, ObjectView::for_request(*request, type));
  if (verb == "create") return plan_create(*request, target, std::move(view));
  if (verb == "update") return plan_update(*request, target, std::move(view));
  if (verb == "patch") return plan_patch(*request, target, std::move(view));
  if (verb == "delete") return plan_delete(*request, std::move(target), std::move(view));
  return plan_delete_collection(*request, std::move(target), std::move(view));
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_create(const HttpRequest& request,
                                                                const WriteTarget& target,
                                                                ObjectView view) {
  CARACAL_API_ASSIGN(json::value body, decode_body(request));
  std::vector<std::string> warnings;
  CARACAL_API_ASSIGN(json::value object, decode_object(*target.type, std::move(body),
                                                       target.field_validation, warnings));
  if (is_kind(*target.type, "apiextensions.k8s.io", "CustomResourceDefinition")) {
    for (std::string& warning : apimachinery::crd_warnings(object))
      warnings.push_back(std::move(warning));
  }
  return [this, target, view, warnings,
          object = std::move(object)](Transaction& transaction) -> ApiResult<HttpResponse> {
    CARACAL_API_ASSIGN(const WriteOutcome outcome, writer_.create(transaction, target, object));
    return written(target, outcome, view, warnings);
  };
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_update(const HttpRequest& request,
                                                                const WriteTarget& target,
                                                                ObjectView view) {
  CARACAL_API_ASSIGN(json::value body, decode_body(request));
  std::vector<std::string> warnings;
  CARACAL_API_ASSIGN(json::value object, decode_object(*target.type, std::move(body),
                                                       target.field_validation, warnings));
  return [this, target, view, warnings,
          object = std::move(object)](Transaction& transaction) -> ApiResult<HttpResponse> {
    CARACAL_API_ASSIGN(const WriteOutcome outcome, writer_.update(transaction, target, object));
    return written(target, outcome, view, warnings);
  };
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_patch(const HttpRequest& request,
                                                               const WriteTarget& target,
                                                               ObjectView view) {
  const std::string media = media_type_of(request);
  const auto unknown_format = [&target](std::string_view why) {
    return refuse(ApiError::unsupported_media_type(
        fmt::format("{} - accepted media types include: application/json-patch+json, "
                    "application/merge-patch+json{}",
                    why, target.type->builtin ? ", application/strategic-merge-patch+json" : "")));
  };
  Patch patch;
  if (media == "application/json-patch+json") {
    patch.kind = Patch::Kind::kJson;
  } else if (media == "application/merge-patch+json") {
    patch.kind = Patch::Kind::kMerge;
  } else if (media == "application/strategic-merge-patch+json" && target.type->builtin) {
    patch.kind = Patch::Kind::kStrategic;
  } else if (media.starts_with("application/apply-patch+")) {
    return unknown_format(
        "server-side apply is not supported by this server; use kubectl apply without "
        "--server-side");
  } else {
    return unknown_format(
        fmt::format("the body of the request was in an unknown format (\"{}\")", media));
  }
  patch.text = request.body;
  auto body = jsonio::parse(request.body);
  if (!body) {
    return refuse(ApiError::bad_request("error decoding patch: " + body.error().message));
  }
  if (patch.kind == Patch::Kind::kJson) {
    auto operations = apimachinery::JsonPatch::parse(*body);
    if (!operations) {
      return refuse(ApiError::bad_request("error decoding patch: " + operations.error().message));
    }
    patch.operations = std::move(*operations);
  } else {
    if (!body->is_object())
      return refuse(ApiError::bad_request("error decoding patch: it must be an object"));
    patch.body = std::move(*body);
  }
  return [this, target, view,
          patch = std::move(patch)](Transaction& transaction) -> ApiResult<HttpResponse> {
    CARACAL_API_ASSIGN(const WriteOutcome outcome, writer_.patch(transaction, target, patch));
    return written(target, outcome, view, outcome.warnings);
  };
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_delete(const HttpRequest& request,
                                                                WriteTarget target,
                                                                ObjectView view) {
  CARACAL_API_ASSIGN(const json::value body, decode_optional_body(request));
  CARACAL_API_ASSIGN(const DeleteOptions options,
                     parse_delete_options(&body, request, target.dry_run));
  return [this, target, view, options](Transaction& transaction) -> ApiResult<HttpResponse> {
    CARACAL_API_ASSIGN(const WriteOutcome outcome, writer_.remove(transaction, target, options));
    if (outcome.deleted) return success(200, *target.type, outcome.object);
    return json_response(200, view.render(outcome.object));
  };
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_delete_collection(
    const HttpRequest& request, WriteTarget target, ObjectView view) {
  CARACAL_API_ASSIGN(const json::value body, decode_optional_body(request));
  CARACAL_API_ASSIGN(const DeleteOptions options,
                     parse_delete_options(&body, request, target.dry_run));
  CARACAL_API_ASSIGN(const Selection selection,
                     parse_selection(request, *target.type, target.ns, ""));
  return [this, target, view, options,
          selection](Transaction& transaction) -> ApiResult<HttpResponse> {
    std::vector<StoredPtr> matching;
    for (StoredPtr& object : transaction.list(target.type->group_resource(), target.ns)) {
      if (selection.matches(*object)) matching.push_back(std::move(object));
    }
    for (const StoredPtr& object : matching) {
      WriteTarget one = target;
      one.ns = object->key.ns;
      one.name = object->key.name;
      CARACAL_API_TRY(writer_.remove(transaction, one, options));
    }
    const Revision last = transaction.next_revision() - 1;
    return json_response(200,
                         view.render_list(matching, {{"resourceVersion", std::to_string(last)}}));
  };
}

ApiResult<ResourceModifier::Step> ResourceModifier::plan_binding(const HttpRequest& request,
                                                                 WriteTarget target) {
  CARACAL_API_ASSIGN(json::value body, decode_body(request));
  if (!body.is_object()) return refuse(ApiError::bad_request("the request body must be a Binding"));
  // POST bindings names the pod in its metadata, POST pods/NAME/binding in the path.
  if (target.name.empty()) target.name = object_name(body);
  target.subresource.clear();
  target.type = registry_.snapshot()->find("", "v1", "pods");
  return [this, target,
          binding = std::move(body)](Transaction& transaction) -> ApiResult<HttpResponse> {
    CARACAL_API_TRY(writer_.bind(transaction, target, binding));
    return json_response(
        201, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})");
  };
}

ApiResult<HttpResponse> ResourceModifier::review(const HttpRequest& request, const User& user,
                                                 const WriteTarget& target) {
  CARACAL_API_ASSIGN(json::value body, decode_body(request));
  std::vector<std::string> warnings;
  CARACAL_API_ASSIGN(json::value object, decode_object(*target.type, std::move(body),
                                                       FieldValidation::kIgnore, warnings));
  if (target.type->kind == "SelfSubjectAccessReview") {
    const std::string_view verb =
        jsonio::get_string(object, {"spec", "resourceAttributes", "verb"},
                           jsonio::get_string(object, {"spec", "nonResourceAttributes", "verb"}));
    const bool allowed = may(user, verb);
    json::object status{{"allowed", allowed}};
    if (!allowed) status["reason"] = fmt::format("members of {} may only read", kReadersGroup);
    object.get_object()["status"] = std::move(status);
    return json_response(201, jsonio::to_string(object));
  }
  return refuse(ApiError::method_not_allowed(*target.type, "create"));
}

}  // namespace caracal::apiserver
