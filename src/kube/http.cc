#include "kube/http.h"

#include "base/strings.h"
#include "jsonio/json.h"

namespace caracal::kube {

namespace {

// `value`: the metav1.Status of the answer, or anything else.
Errc code_of(int status, const json::value& value) {
  const std::string_view reason = jsonio::get_string(value, {"reason"});
  if (reason == "AlreadyExists") return Errc::kExists;
  if (reason == "Expired" || reason == "Gone") return Errc::kExpired;
  // A resourceVersion from the future: the server's store was restored from a backup. As with one
  // that is too old, listing again is what helps.
  for (const json::value& cause : jsonio::get_array(value, {"details", "causes"})) {
    if (jsonio::get_string(cause, {"reason"}) == "ResourceVersionTooLarge") return Errc::kExpired;
  }
  switch (status) {
    case 401:
    case 403:
      return Errc::kPermission;
    case 404:
      return Errc::kNotFound;
    case 408:
    case 504:
      return Errc::kTimeout;
    case 409:
      return Errc::kConflict;
    case 410:
      return Errc::kExpired;
    case 429:
      return Errc::kUnavailable;
    case 501:
      return Errc::kUnsupported;
    default:
      break;
  }
  if (status >= 400 && status < 500) return Errc::kInvalid;
  if (status >= 500) return Errc::kUnavailable;
  return Errc::kInternal;
}

std::string shortened(std::string_view body) {
  constexpr size_t kLongest = 200;
  const std::string_view text = trim(body);
  return text.size() <= kLongest ? std::string(text)
                                 : std::string(text.substr(0, kLongest)) + "...";
}

// The text of a metav1.Status, or "" when the value is not one.
std::string status_message(const json::value& value) {
  const std::string_view message = jsonio::get_string(value, {"message"});
  if (!message.empty()) return std::string(message);
  return std::string(jsonio::get_string(value, {"reason"}));
}

// RFC 3986 section 2.3: everything but unreserved characters is escaped. A slash and a comma may
// stand in a query as they are, and stay readable in the server's log.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || c == '/' || c == ',';
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
}

}  // namespace

Error api_error(int status, std::string_view body) {
  const json::value value = jsonio::parse(body).value_or(nullptr);
  const std::string message = value.is_object() ? status_message(value) : shortened(body);
  const std::string number = "HTTP " + std::to_string(status);
  return {code_of(status, value), message.empty() ? number : message + " (" + number + ")"};
}

Error api_error_of_status(std::string_view status_json) {
  const auto value = jsonio::parse(status_json);
  if (!value) return {Errc::kInternal, shortened(status_json)};
  const auto status = static_cast<int>(jsonio::get_int(*value, {"code"}));
  std::string message = status_message(*value);
  if (message.empty()) message = shortened(status_json);
  return {code_of(status, *value), std::move(message)};
}

std::string make_url(std::string_view server, std::string_view path, const Query& query) {
  while (!server.empty() && server.back() == '/') server.remove_suffix(1);
  std::string url(server);
  url += path;
  char separator = '?';
  for (const auto& [name, value] : query) {
    url.push_back(separator);
    separator = '&';
    append_escaped(url, name);
    url.push_back('=');
    append_escaped(url, value);
  }
  return url;
}

std::string resource_path(std::string_view api_version, std::string_view ns,
                          std::string_view plural, std::string_view name) {
  const bool core = api_version.find('/') == std::string_view::npos;
  std::string path = core ? "/api/" : "/apis/";
  path += api_version;
  if (!ns.empty()) {
    path += "/namespaces/";
    append_escaped(path, ns);
  }
  path.push_back('/');
  path += plural;
  if (!name.empty()) {
    path.push_back('/');
    append_escaped(path, name);
  }
  return path;
}

}  // namespace caracal::kube
