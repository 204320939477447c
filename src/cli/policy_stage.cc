#include "cli/policy_stage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <vector>

#include "base/strings.h"
#include "calico/decode.h"
#include "cli/world_loader.h"
#include "jsonio/yaml.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

constexpr std::string_view kKubernetes = "networking.k8s.io/v1";

struct Twins {
  std::string_view enforced;
  std::string_view staged;
};
constexpr std::array kTwins = {Twins{"NetworkPolicy", "StagedNetworkPolicy"},
                               Twins{"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"}};
constexpr std::string_view kStagedKubernetes = "StagedKubernetesNetworkPolicy";

json::object without_server_fields(const json::value& policy) {
  json::object metadata;
  for (const char* field : {"name", "namespace", "labels", "annotations"}) {
    if (const json::value* value = jsonio::get(policy, {"metadata", field}))
      metadata[field] = *value;
  }
  if (json::value* annotations = metadata.if_contains("annotations")) {
    // Another tool's memory of another object.
    if (json::object* object = annotations->if_object()) {
      object->erase("kubectl.kubernetes.io/last-applied-configuration");
      if (object->empty()) metadata.erase("annotations");
    }
  }
  return metadata;
}

json::value make_twin(const json::value& policy, std::string_view api_version,
                      std::string_view kind, json::object spec) {
  return json::object{{"apiVersion", api_version},
                      {"kind", kind},
                      {"metadata", without_server_fields(policy)},
                      {"spec", std::move(spec)}};
}

struct StageOptions {
  PolicySource source;
  std::string name;
  std::string kind;
  bool dry_run = false;
};

struct Found {
  json::value object;
  const calico::Collection* collection = nullptr;
};

bool wanted(const json::value& object, const StageOptions& options, const std::string& ns,
            const std::string& name, bool staged) {
  const std::string_view kind = jsonio::get_string(object, {"kind"});
  if (!kind.ends_with("NetworkPolicy") || kind.starts_with("Staged") != staged) return false;
  if (!options.kind.empty() && kind != options.kind) return false;
  if (jsonio::get_string(object, {"metadata", "name"}) != name) return false;
  const std::string_view own = jsonio::get_string(object, {"metadata", "namespace"});
  return own == ns || own.empty();
}

// The one policy of that name. Errors: kNotFound, kInvalid when there are several.
Result<Found> find_policy(const StageOptions& options, const manifests::Documents& documents,
                          const std::string& default_namespace, bool staged) {
  std::string ns = default_namespace;
  std::string name = options.name;
  if (const size_t slash = name.find('/'); slash != std::string::npos) {
    ns = name.substr(0, slash);
    name.erase(0, slash + 1);
  }
  std::vector<Found> found;
  for (const manifests::Document& document : documents.documents) {
    if (!wanted(document.value, options, ns, name, staged)) continue;
    found.push_back(
        {document.value, calico::find_collection(jsonio::get_string(document.value, {"apiVersion"}),
                                                 jsonio::get_string(document.value, {"kind"}))});
  }
  if (found.empty()) {
    return fail(Errc::kNotFound,
                fmt::format("there is no {} policy {} in namespace {}, and no global one",
                            staged ? "staged" : "enforced", name, ns));
  }
  if (found.size() > 1) {
    std::vector<std::string> kinds;
    for (const Found& one : found)
      kinds.push_back(fmt::format("{} ({})", jsonio::get_string(one.object, {"kind"}),
                                  jsonio::get_string(one.object, {"apiVersion"})));
    return fail(Errc::kInvalid, fmt::format("{} policies are called {}: {}; choose by --kind",
                                            found.size(), name, join(kinds, ", ")));
  }
  return std::move(found.front());
}

std::string path_of(const json::value& object, const calico::Collection& collection, bool named) {
  const std::string_view ns =
      collection.namespaced ? jsonio::get_string(object, {"metadata", "namespace"}) : "";
  return kube::resource_path(collection.api_version(), ns, collection.plural,
                             named ? jsonio::get_string(object, {"metadata", "name"}) : "");
}

// The group in which the server has Calico's kinds.
Result<std::string> calico_group(kube::BlockingClient& client) {
  for (const char* group : {"projectcalico.org/v3", "crd.projectcalico.org/v1"}) {
    if (client.list(kube::resource_path(group, "", "stagedkubernetesnetworkpolicies")))
      return group;
  }
  return fail(Errc::kUnsupported,
              "the API server has no StagedKubernetesNetworkPolicy (projectcalico.org/v3)");
}

// The new one is there before the old one goes: what is enforced in between is both or the old.
Result<int> apply(kube::BlockingClient& client, const Found& found, const json::value& twin) {
  const calico::Collection* target = calico::find_collection(
      jsonio::get_string(twin, {"apiVersion"}), jsonio::get_string(twin, {"kind"}));
  if (target == nullptr || found.collection == nullptr)
    return fail(Errc::kUnsupported, "this kind of policy cannot be staged");
  CARACAL_TRY(client.create(path_of(twin, *target, false), twin));
  CARACAL_TRY(client.remove(path_of(found.object, *found.collection, true)));
  fmt::print("{} {} is now {} {}\n", found.collection->kind,
             jsonio::get_string(found.object, {"metadata", "name"}), target->kind,
             jsonio::get_string(twin, {"metadata", "name"}));
  return 0;
}

Result<int> run(const StageOptions& options, bool stage) {
  CARACAL_ASSIGN(const manifests::Documents documents, options.source.documents());
  for (const manifests::Problem& problem : documents.problems)
    fmt::print(stderr, "{}: {}\n", problem.error ? "error" : "note", problem.to_string());
  if (options.source.offline()) {
    const std::string ns =
        options.source.cluster.ns.empty() ? "default" : options.source.cluster.ns;
    CARACAL_ASSIGN(const Found found, find_policy(options, documents, ns, !stage));
    CARACAL_ASSIGN(const json::value twin, stage ? staged_twin(found.object, "projectcalico.org/v3")
                                                 : enforced_twin(found.object));
    fmt::print("{}", jsonio::to_yaml(twin));
    return 0;
  }
  CARACAL_ASSIGN(kube::BlockingClient client, options.source.cluster.connect());
  const std::string ns = options.source.cluster.default_namespace(client);
  CARACAL_ASSIGN(const Found found, find_policy(options, documents, ns, !stage));
  std::string group(jsonio::get_string(found.object, {"apiVersion"}));
  if (stage && group == kKubernetes) {
    CARACAL_ASSIGN(group, calico_group(client));
  }
  CARACAL_ASSIGN(const json::value twin,
                 stage ? staged_twin(found.object, group) : enforced_twin(found.object));
  if (options.dry_run) {
    fmt::print("{}", jsonio::to_yaml(twin));
    return 0;
  }
  return apply(client, found, twin);
}

void add_one(CLI::App& policy, Action& chosen, bool stage) {
  auto options = std::make_shared<StageOptions>();
  const std::string name = stage ? "stage" : "enforce";
  CLI::App* command =
      add_command(policy, chosen, name,
                  stage ? "turn an enforced policy into its staged twin, which has no effect"
                        : "turn a staged policy into its enforced twin",
                  fmt::format("  caracal policy {0} dev/allow-web\n"
                              "  caracal policy {0} baseline --kind {1}\n"
                              "  caracal policy {0} dev/allow-web --dir deploy/ > twin.yaml\n\n"
                              "With --dir the twin is printed, nothing is changed.",
                              name, stage ? "GlobalNetworkPolicy" : "StagedGlobalNetworkPolicy"),
                  [options, stage] { return run(*options, stage); });
  command->add_option("name", options->name, "NAMESPACE/NAME, or NAME (in -n, or global)")
      ->required()
      ->type_name("NAME");
  command->add_option("--kind", options->kind, "where several kinds have a policy of that name")
      ->type_name("KIND");
  command->add_flag("--dry-run", options->dry_run, "print the twin, change nothing");
  options->source.add_to(*command);
}

}  // namespace

Result<json::value> staged_twin(const json::value& policy, const std::string& calico_group) {
  const std::string_view kind = jsonio::get_string(policy, {"kind"});
  const std::string_view version = jsonio::get_string(policy, {"apiVersion"});
  json::object spec = jsonio::get_object(policy, {"spec"});
  spec["stagedAction"] = "Set";
  if (kind == "NetworkPolicy" && version == kKubernetes)
    return make_twin(policy, calico_group, kStagedKubernetes, std::move(spec));
  for (const Twins& twins : kTwins) {
    if (kind == twins.enforced && version.find("projectcalico.org/") != std::string_view::npos)
      return make_twin(policy, version, twins.staged, std::move(spec));
  }
  return fail(Errc::kUnsupported, fmt::format("{} of {} cannot be staged", kind, version));
}

Result<json::value> enforced_twin(const json::value& policy) {
  const std::string_view kind = jsonio::get_string(policy, {"kind"});
  const std::string_view version = jsonio::get_string(policy, {"apiVersion"});
  json::object spec = jsonio::get_object(policy, {"spec"});
  const std::string action(jsonio::get_string(policy, {"spec", "stagedAction"}, "Set"));
  if (action == "Delete") {
    return fail(
        Errc::kInvalid,
        "spec.stagedAction: Delete: it has no enforced form; delete the policy it is about");
  }
  if (action != "Set")
    return fail(Errc::kUnsupported,
                fmt::format("spec.stagedAction: {}: only Set can be enforced", action));
  spec.erase("stagedAction");
  if (kind == kStagedKubernetes)
    return make_twin(policy, kKubernetes, "NetworkPolicy", std::move(spec));
  for (const Twins& twins : kTwins) {
    if (kind == twins.staged) return make_twin(policy, version, twins.enforced, std::move(spec));
  }
  return fail(Errc::kUnsupported, fmt::format("{} is no staged policy", kind));
}

void add_policy_stage_commands(CLI::App& policy, Action& chosen) {
  add_one(policy, chosen, true);
  add_one(policy, chosen, false);
}

}  // namespace caracal::cli
