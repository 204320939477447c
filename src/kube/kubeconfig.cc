#include "kube/kubeconfig.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/strings.h"
#include "jsonio/json.h"
#include "jsonio/yaml.h"
#include "kube/base64.h"
#include "kube/decode_fields.h"

namespace caracal::kube {

namespace {

// A named entry of one of the three lists, with the file it came from and where in it.
struct Entry {
  json::object fields;
  std::string file;
  std::string path;  // "users[0].user"
};
using Entries = std::map<std::string, Entry, std::less<>>;

// What several kubeconfig files say together.
struct Merged {
  Entries clusters;
  Entries users;
  Entries contexts;
  std::string current_context;
  std::vector<std::string> files;
};

// "kubeconfig /etc/x: clusters[0].cluster.server: text"
tl::unexpected<Error> wrong(const std::string& file, const std::string& field,
                            std::string_view text) {
  return fail(Errc::kInvalid, "kubeconfig " + file + ": " + field + ": " + std::string(text));
}

Status merge_list(const json::object& config, std::string_view list, std::string_view item,
                  const std::string& file, Entries& entries) {
  const json::value* value = member(config, list);
  if (value == nullptr) return {};
  const std::string list_name(list);
  const json::array* array = value->if_array();
  if (array == nullptr) return wrong(file, list_name, quoted(*value) + ": must be a list");
  for (size_t i = 0; i < array->size(); ++i) {
    const json::value& element = (*array)[i];
    const std::string path = list_name + "[" + std::to_string(i) + "]";
    const json::object* object = element.if_object();
    if (object == nullptr) return wrong(file, path, quoted(element) + ": must be an object");
    const json::value* name = member(*object, "name");
    if (name == nullptr || !name->is_string()) {
      return wrong(file, path + ".name", name == nullptr ? "required" : "must be a string");
    }
    Entry entry{{}, file, path + "." + std::string(item)};
    if (const json::value* fields = member(*object, item)) {
      if (!fields->is_object()) {
        return wrong(file, entry.path, quoted(*fields) + ": must be an object");
      }
      entry.fields = *fields->if_object();
    }
    entries.try_emplace(std::string(name->get_string()), std::move(entry));
  }
  return {};
}

Status merge(std::string_view text, const std::string& file, Merged& merged) {
  auto documents = jsonio::parse_yaml(text);
  if (!documents) return fail(documents.error().within("kubeconfig " + file));
  merged.files.push_back(file);
  if (documents->empty()) return {};
  const json::object* config = documents->front().if_object();
  if (config == nullptr) {
    return fail(Errc::kInvalid, "kubeconfig " + file +
                                    ": must be an object with clusters, users and "
                                    "contexts");
  }
  const json::value* kind = member(*config, "kind");
  if (kind != nullptr && *kind != json::value("Config")) {
    return wrong(file, "kind", quoted(*kind) + ": must be Config");
  }
  CARACAL_TRY(merge_list(*config, "clusters", "cluster", file, merged.clusters));
  CARACAL_TRY(merge_list(*config, "users", "user", file, merged.users));
  CARACAL_TRY(merge_list(*config, "contexts", "context", file, merged.contexts));
  if (const json::value* current = member(*config, "current-context")) {
    if (!current->is_string()) {
      return wrong(file, "current-context", quoted(*current) + ": must be a string");
    }
    if (merged.current_context.empty()) merged.current_context = current->get_string();
  }
  return {};
}

// Reads the fields of one entry.
class Fields {
 public:
  Fields(const Entry& entry, const FileReader& read) : entry_(entry), read_(read) {}

  tl::unexpected<Error> fail_field(std::string_view name, std::string_view text) const {
    return wrong(entry_.file, entry_.path + "." + std::string(name), text);
  }

  bool has(std::string_view name) const { return member(entry_.fields, name) != nullptr; }

  Result<std::string> text(std::string_view name) const {
    const json::value* value = member(entry_.fields, name);
    if (value == nullptr) return std::string();
    if (!value->is_string()) return fail_field(name, quoted(*value) + ": must be a string");
    return std::string(value->get_string());
  }

  Result<bool> flag(std::string_view name) const {
    const json::value* value = member(entry_.fields, name);
    if (value == nullptr) return false;
    if (!value->is_bool()) return fail_field(name, quoted(*value) + ": must be true or false");
    return value->get_bool();
  }

  // Relative paths are relative to the file that holds them.
  Result<std::string> file_path(std::string_view name) const {
    Result<std::string> path = text(name);
    if (!path || path->empty() || path->starts_with('/')) return path;
    return (std::filesystem::path(entry_.file).parent_path() / *path).string();
  }

  // The text in `name`-data (base64), or else in the file that `name` points to. Data wins, as in
  // kubectl.
  Result<std::string> pem(const std::string& name) const {
    CARACAL_ASSIGN(const std::string data, text(name + "-data"));
    std::string content;
    std::string field = name + "-data";
    if (!data.empty()) {
      auto decoded = decode_base64(data);
      if (!decoded) return fail_field(field, "is not valid base64");
      content = std::move(*decoded);
    } else {
      field = name;
      CARACAL_ASSIGN(const std::string path, file_path(name));
      if (path.empty()) return std::string();
      auto loaded = read_(path);
      if (!loaded) {
        return fail(
            loaded.error().within("kubeconfig " + entry_.file + ": " + entry_.path + "." + field));
      }
      content = std::move(*loaded);
    }
    if (content.find("-----BEGIN ") == std::string::npos) {
      return fail_field(field, "holds no PEM block (-----BEGIN ...)");
    }
    return content;
  }

 private:
  const Entry& entry_;
  const FileReader& read_;
};

Status read_cluster(const Fields& cluster, ClusterAccess& access) {
  CARACAL_ASSIGN(access.server, cluster.text("server"));
  if (access.server.empty()) return cluster.fail_field("server", "required");
  const bool https = access.server.starts_with("https://");
  if (!https && !access.server.starts_with("http://")) {
    return cluster.fail_field("server",
                              "\"" + access.server + "\": must begin with https:// or http://");
  }
  while (access.server.back() == '/') access.server.pop_back();
  if (access.server.size() <= std::string_view("https:").size()) {
    return cluster.fail_field("server", "\"" + access.server + "\": has no host");
  }
  CARACAL_ASSIGN(access.insecure_skip_tls_verify, cluster.flag("insecure-skip-tls-verify"));
  CARACAL_ASSIGN(access.ca_pem, cluster.pem("certificate-authority"));
  if (access.insecure_skip_tls_verify && !access.ca_pem.empty()) {
    return cluster.fail_field("insecure-skip-tls-verify",
                              "true: cannot stand beside a certificate-authority");
  }
  CARACAL_ASSIGN(access.tls_server_name, cluster.text("tls-server-name"));
  CARACAL_ASSIGN(access.proxy_url, cluster.text("proxy-url"));
  return {};
}

Status read_user(const Fields& user, ClusterAccess& access) {
  for (const std::string_view plugin : {"exec", "auth-provider"}) {
    if (user.has(plugin)) {
      return user.fail_field(plugin,
                             "credential plugins are not supported; use a token, a tokenFile or a "
                             "client certificate");
    }
  }
  CARACAL_ASSIGN(access.token, user.text("token"));
  CARACAL_ASSIGN(access.token_file, user.file_path("tokenFile"));
  CARACAL_ASSIGN(access.client_certificate_pem, user.pem("client-certificate"));
  CARACAL_ASSIGN(access.client_key_pem, user.pem("client-key"));
  CARACAL_ASSIGN(access.username, user.text("username"));
  CARACAL_ASSIGN(access.password, user.text("password"));
  if (access.client_certificate_pem.empty() != access.client_key_pem.empty()) {
    const bool no_key = access.client_key_pem.empty();
    return user.fail_field(
        no_key ? "client-key" : "client-certificate",
        no_key ? "required beside client-certificate" : "required beside client-key");
  }
  return {};
}

std::string names(const Entries& entries) {
  std::vector<std::string> all;
  for (const auto& [name, entry] : entries) all.push_back("\"" + name + "\"");
  return all.empty() ? "none" : join(all, ", ");
}

Result<ClusterAccess> resolve(const Merged& merged, std::string_view wanted,
                              const FileReader& read) {
  const std::string files = "kubeconfig " + join(merged.files, ":");
  const std::string context_name(wanted.empty() ? std::string_view(merged.current_context)
                                                : wanted);
  if (context_name.empty()) {
    return fail(Errc::kInvalid, files + ": current-context: not set, and no context was asked for");
  }
  const auto context = merged.contexts.find(context_name);
  if (context == merged.contexts.end()) {
    return fail(Errc::kInvalid, files + ": " + (wanted.empty() ? "current-context: " : "context ") +
                                    "\"" + context_name +
                                    "\": no such context; there are: " + names(merged.contexts));
  }
  const Fields fields(context->second, read);
  ClusterAccess access;
  access.origin = files + ", context " + context_name;

  CARACAL_ASSIGN(const std::string cluster_name, fields.text("cluster"));
  if (cluster_name.empty()) return fields.fail_field("cluster", "required");
  const auto cluster = merged.clusters.find(cluster_name);
  if (cluster == merged.clusters.end()) {
    return fields.fail_field("cluster", "\"" + cluster_name + "\": no such cluster; there are: " +
                                            names(merged.clusters));
  }
  CARACAL_TRY(read_cluster(Fields(cluster->second, read), access));

  CARACAL_ASSIGN(const std::string user_name, fields.text("user"));
  if (!user_name.empty()) {
    const auto user = merged.users.find(user_name);
    if (user == merged.users.end()) {
      return fields.fail_field(
          "user", "\"" + user_name + "\": no such user; there are: " + names(merged.users));
    }
    CARACAL_TRY(read_user(Fields(user->second, read), access));
  }
  CARACAL_ASSIGN(const std::string ns, fields.text("namespace"));
  if (!ns.empty()) access.ns = ns;
  return access;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<ClusterAccess> parse_kubeconfig(std::string_view text, const std::string& path,
                                       std::string_view context, const FileReader& read) {
  Merged merged;
  CARACAL_TRY(merge(text, path, merged));
  return resolve(merged, context, read ? read : FileReader(read_file));
}

Result<ClusterAccess> load_kubeconfig(const std::vector<std::string>& paths,
                                      std::string_view context) {
  Merged merged;
  std::optional<Error> missing;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    auto text = read_file(path);
    if (!text && text.error().code == Errc::kNotFound) {
      if (!missing) missing = text.error().within("kubeconfig");
      continue;
    }
    if (!text) return fail(text.error().within("kubeconfig"));
    CARACAL_TRY(merge(*text, path, merged));
  }
  if (merged.files.empty()) {
    return fail(missing.value_or(Error{Errc::kNotFound, "kubeconfig: no file was named"}));
  }
  return resolve(merged, context, read_file);
}

Result<ClusterAccess> in_cluster_access(const std::string& folder) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return fail(Errc::kNotFound,
                "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  if (!parse_decimal(port, 65535)) {
    return fail(Errc::kInvalid, "KUBERNETES_SERVICE_PORT: \"" + port + "\": must be a port number");
  }
  ClusterAccess access;
  const bool is_v6 = host.find(':') != std::string::npos;
  access.server = "https://" + (is_v6 ? "[" + host + "]" : host) + ":" + port;
  access.token_file = folder + "/token";
  access.origin = "service account of the pod";
  // The token is read for each request; that it is there at all is found out now.
  if (const auto token = read_file(access.token_file); !token) {
    return fail(token.error().within("service account token"));
  }
  auto ca = read_file(folder + "/ca.crt");
  if (!ca) return fail(ca.error().within("service account certificate authority"));
  access.ca_pem = std::move(*ca);
  if (const auto ns = read_file(folder + "/namespace"); ns && !trim(*ns).empty()) {
    access.ns = std::string(trim(*ns));
  }
  return access;
}

Result<ClusterAccess> find_access(const AccessOptions& options) {
  const auto with_server = [&options](Result<ClusterAccess> access) {
    if (access && !options.server.empty()) access->server = options.server;
    return access;
  };
  if (!options.kubeconfig.empty()) {
    return with_server(load_kubeconfig({options.kubeconfig}, options.context));
  }
  if (const std::string listed = environment("KUBECONFIG"); !listed.empty()) {
    std::vector<std::string> paths;
    for (const std::string_view path : split(listed, ':')) paths.emplace_back(path);
    return with_server(load_kubeconfig(paths, options.context));
  }
  if (options.context.empty()) {
    auto pod = in_cluster_access();
    if (pod || pod.error().code == Errc::kInvalid) return with_server(std::move(pod));
  }
  const std::string home = environment("HOME");
  auto personal = load_kubeconfig({home + "/.kube/config"}, options.context);
  if (personal || personal.error().code != Errc::kNotFound || options.server.empty()) {
    if (!personal && personal.error().code == Errc::kNotFound) {
      return fail(Errc::kNotFound, "no cluster access: " + personal.error().message +
                                       "; give --kubeconfig or --server, or set KUBECONFIG");
    }
    return with_server(std::move(personal));
  }
  ClusterAccess access;
  access.server = options.server;
  access.origin = "--server";
  return access;
}

}  // namespace caracal::kube
