#include "apiserver/resource_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "apiserver/object.h"
#include "apiserver/watch_stream.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceType;
using apimachinery::ResourceTypePtr;

// Where the next page of a list begins: opaque to clients, the text "REVISION NAMESPACE NAME" in
// hex.
struct Continuation {
  Revision revision = 0;
  std::string ns;
  std::string name;
};

std::string encode(const Continuation& next) {
  return to_hex(fmt::format("{} {} {}", next.revision, next.ns, next.name));
}

std::optional<Continuation> decode_continuation(std::string_view token) {
  std::string text;
  if (token.size() % 2 != 0) return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < token.size(); i += 2) {
    const int high = digit(token[i]);
    const int low = digit(token[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    text.push_back(static_cast<char>(high * 16 + low));
  }
  const auto parts = split(text, ' ');
  if (parts.size() != 3) return std::nullopt;
  const auto revision = parse_decimal(parts[0]);
  if (!revision || *revision == 0) return std::nullopt;
  return Continuation{*revision, std::string(parts[1]), std::string(parts[2])};
}

bool flag(const HttpRequest& request, std::string_view name) {
  const std::string_view value = request.parameter(name);
  return value == "true" || value == "1";
}

// ?resourceVersion=; 0 when absent or "0".
ApiResult<Revision> parse_revision(const HttpRequest& request) {
  const std::string_view text = request.parameter("resourceVersion");
  if (text.empty()) return Revision{0};
  const auto revision = parse_decimal(text);
  if (!revision) {
    return refuse(ApiError::bad_request(fmt::format(
        "resourceVersion: Invalid value: \"{}\": must be a number a server gave, or 0", text)));
  }
  return *revision;
}

ApiResult<uint64_t> parse_number(const HttpRequest& request, std::string_view name) {
  const std::string_view text = request.parameter(name);
  if (text.empty()) return uint64_t{0};
  const auto number = parse_decimal(text, INT32_MAX);
  if (!number) {
    return refuse(ApiError::bad_request(fmt::format(
        "{}: Invalid value: \"{}\": must be a whole number, not negative", name, text)));
  }
  return *number;
}

HttpResponse answer(ApiResult<HttpResponse> result) {
  return result ? std::move(*result) : result.error().to_response();
}

}  // namespace

HttpResponse ResourceReader::get(const HttpRequest& request, const ResourceTypePtr& type,
                                 const RequestPath& path) const {
  return answer(try_get(request, type, path));
}
HttpResponse ResourceReader::list(const HttpRequest& request, const ResourceTypePtr& type,
                                  const RequestPath& path) const {
  return answer(try_list(request, type, path));
}
HttpResponse ResourceReader::watch(const HttpRequest& request, const ResourceTypePtr& type,
                                   const RequestPath& path) const {
  return answer(try_watch(request, type, path));
}

ApiResult<HttpResponse> ResourceReader::try_get(const HttpRequest& request,
                                                const ResourceTypePtr& type,
                                                const RequestPath& path) const {
  CARACAL_API_ASSIGN(const ObjectView view, ObjectView::for_request(request, type));
  const StoredPtr object = store_.get(key_of(*type, path.ns, path.name));
  if (!object) return refuse(ApiError::not_found(*type, path.name));
  return json_response(200, view.render(*object));
}

ApiResult<ListPage> ResourceReader::select(const Selection& selection, const ResourceType& type,
                                           ListQuery query) const {
  const std::string* name = selection.fields.required_value("metadata.name");
  if (name != nullptr && query.at == 0 && (!selection.ns.empty() || !type.namespaced)) {
    // One object at most: no need to look at all.
    ListPage page;
    page.revision = store_.revision();
    const StoredPtr object = store_.get(key_of(type, selection.ns, *name));
    if (object && selection.matches(*object)) page.items.push_back(object);
    return page;
  }
  query.resource = type.group_resource();
  query.ns = selection.ns;
  if (!selection.matches_all()) {
    query.matches = [&selection](const StoredObject& object) { return selection.matches(object); };
  }
  auto page = store_.list(query);
  if (page) return std::move(*page);
  if (page.error().code == Errc::kInvalid) {
    return refuse(ApiError::too_large_resource_version(query.at, store_.revision()));
  }
  return refuse(ApiError::from(page.error()));
}

ApiResult<HttpResponse> ResourceReader::try_list(const HttpRequest& request,
                                                 const ResourceTypePtr& type,
                                                 const RequestPath& path) const {
  CARACAL_API_ASSIGN(const ObjectView view, ObjectView::for_request(request, type));
  CARACAL_API_ASSIGN(const Selection selection, parse_selection(request, *type, path.ns, ""));
  CARACAL_API_ASSIGN(const Revision revision, parse_revision(request));
  CARACAL_API_ASSIGN(const uint64_t limit, parse_number(request, "limit"));
  const std::string_view match = request.parameter("resourceVersionMatch");
  const std::string_view token = request.parameter("continue");

  if (!match.empty() && match != "Exact" && match != "NotOlderThan") {
    return refuse(
        ApiError::bad_request(fmt::format("resourceVersionMatch: Unsupported value: \"{}\": "
                                          "supported values: \"Exact\", \"NotOlderThan\"",
                                          match)));
  }
  if (!match.empty() && request.parameter("resourceVersion").empty()) {
    return refuse(
        ApiError::bad_request("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden "
                              "unless resourceVersion is provided"));
  }
  if (match == "Exact" && revision == 0) {
    return refuse(
        ApiError::bad_request("resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is "
                              "forbidden for resourceVersion \"0\""));
  }
  ListQuery query;
  query.limit = limit;
  if (!token.empty()) {
    if (revision != 0) {
      return refuse(
          ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    auto next = decode_continuation(token);
    if (!next) return refuse(ApiError::bad_request("continue key is not valid"));
    query.at = next->revision;
    query.after.emplace(std::move(next->ns), std::move(next->name));
  } else if (match == "Exact" || (match.empty() && limit != 0 && revision != 0)) {
    query.at = revision;
  } else if (revision > store_.revision()) {
    return refuse(ApiError::too_large_resource_version(revision, store_.revision()));
  }
  auto page = select(selection, *type, std::move(query));
  if (!page) {
    if (page.error().code == 410 && !token.empty()) {
      return refuse(
          ApiError::expired("The provided continue parameter is too old to display a consistent "
                            "list result. You must start a new "
                            "list without the continue parameter."));
    }
    return refuse(std::move(page.error()));
  }
  json::object metadata{{"resourceVersion", std::to_string(page->revision)}};
  if (page->more) {
    const ObjectKey& last = page->items.back()->key;
    metadata["continue"] = encode({page->revision, last.ns, last.name});
  }
  return json_response(200, view.render_list(page->items, metadata));
}

ApiResult<HttpResponse> ResourceReader::try_watch(const HttpRequest& request,
                                                  const ResourceTypePtr& type,
                                                  const RequestPath& path) const {
  CARACAL_API_ASSIGN(ObjectView view, ObjectView::for_request(request, type));
  CARACAL_API_ASSIGN(Selection selection, parse_selection(request, *type, path.ns, path.name));
  CARACAL_API_ASSIGN(const Revision revision, parse_revision(request));
  CARACAL_API_ASSIGN(const uint64_t timeout, parse_number(request, "timeoutSeconds"));

  WatchOptions options;
  options.bookmarks = flag(request, "allowWatchBookmarks");
  const bool send_initial = flag(request, "sendInitialEvents");
  if (send_initial && request.parameter("resourceVersionMatch") != "NotOlderThan") {
    return refuse(
        ApiError::bad_request("sendInitialEvents: Forbidden: sendInitialEvents requires setting "
                              "resourceVersionMatch to NotOlderThan"));
  }
  const bool initial_refused = request.parameter("sendInitialEvents") == "false";
  if (revision == 0 || send_initial) {
    if (revision > store_.revision()) {
      return refuse(ApiError::too_large_resource_version(revision, store_.revision()));
    }
    CARACAL_API_ASSIGN(ListPage page, select(selection, *type, {}));
    options.from = page.revision;
    if (!initial_refused) options.initial = std::move(page.items);
    options.initial_events_end = send_initial && options.bookmarks;
  } else {
    options.from = revision;
    // Of a revision this store has not reached only another store's client can know: it must list
    // again.
    const auto probe = revision > store_.revision()
                           ? Result<std::vector<EventPtr>>(fail(
                                 Errc::kExpired, fmt::format("too new resource version: {} ({})",
                                                             revision, store_.revision())))
                           : store_.events_since(type->group_resource(), revision, 1);
    if (!probe) {
      // As an event of the stream: that is where clients of a watch look for it.
      const std::string error =
          jsonio::to_string(ApiError::expired(probe.error().message).to_json());
      return json_response(200, fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n", error));
    }
  }
  static thread_local std::mt19937 random{std::random_device{}()};
  const auto seconds = timeout != 0 ? static_cast<long>(timeout)
                                    : std::uniform_int_distribution<long>(1800, 3600)(random);
  options.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);

  auto stream = std::make_shared<WatchStream>(store_, std::move(view), std::move(selection),
                                              std::move(options));
  hub_.add(stream);
  HttpResponse response;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}};
  response.stream = std::move(stream);
  return response;
}

}  // namespace caracal::apiserver
