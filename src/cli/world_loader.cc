#include "cli/world_loader.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>

#include "base/strings.h"
#include "calico/decode.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

struct Kind {
  std::string api_version;
  std::string plural;
  std::string kind;
  bool always = false;
};

// What tells more about a cluster's pods than policy needs to know.
const std::array kBeside = {Kind{"v1", "services", "Service", false},
                            Kind{"apps/v1", "replicasets", "ReplicaSet", false},
                            Kind{"networking.k8s.io/v1", "ingresses", "Ingress", false}};

// The objects of a collection, with the apiVersion and kind that lists leave out. A server that
// does not have the kind, or does not let us see it, has none of it, unless every server has it.
Result<json::array> list_kind(kube::BlockingClient& client, const Kind& kind) {
  auto list = client.list(kube::resource_path(kind.api_version, "", kind.plural));
  if (!list) {
    const Errc code = list.error().code;
    if (!kind.always && (code == Errc::kNotFound || code == Errc::kPermission))
      return json::array();
    return fail(list.error());
  }
  json::array out;
  for (const json::value& item : jsonio::get_array(*list, {"items"})) {
    json::value object = item;
    jsonio::ensure(object, {"apiVersion"}) = kind.api_version;
    jsonio::ensure(object, {"kind"}) = kind.kind;
    out.push_back(std::move(object));
  }
  return out;
}

Kind kind_of(const calico::Collection& collection) {
  return {collection.api_version(), std::string(collection.plural), std::string(collection.kind),
          collection.always};
}

}  // namespace

Result<LoadedWorld> load_world(kube::BlockingClient& client) {
  LoadedWorld out;
  calico::ObjectDecoder decoder;
  for (const calico::Collection& collection : calico::collections()) {
    CARACAL_ASSIGN(const json::array objects, list_kind(client, kind_of(collection)));
    for (const json::value& object : objects) {
      auto decoded = decoder.apply(object);
      if (!decoded) {
        out.warnings.push_back(decoded.error().message);
        continue;
      }
      for (const model::Update& update : decoded->updates) out.world.apply(update);
      for (const calico::Finding& finding : decoded->findings)
        out.warnings.push_back(finding.title() + ": " + finding.text);
    }
  }
  return out;
}

void PolicySource::add_to(CLI::App& command) {
  command
      .add_option(
          "--dir", dirs,
          "read manifests from this directory or file instead of a cluster (repeatable; - is "
          "standard input)")
      ->type_name("PATH")
      ->allow_extra_args(false);
  command.add_flag(
      "--every-pod", every_pod,
      "with --dir: treat pods of the host network and finished ones as pods that policy "
      "holds for");
  cluster.add_to(command);
}

Result<manifests::Documents> PolicySource::documents() const {
  if (offline()) return manifests::read_documents(dirs);
  CARACAL_ASSIGN(kube::BlockingClient client, cluster.connect());
  manifests::Documents out;
  const auto add = [&](const Kind& kind) -> Status {
    CARACAL_ASSIGN(json::array objects, list_kind(client, kind));
    for (json::value& object : objects) {
      // Workloads that own nothing but pods are told by the pods.
      if (kind.kind == "ReplicaSet" && jsonio::get_int(object, {"spec", "replicas"}) == 0) continue;
      out.documents.push_back({{}, std::move(object), nullptr, 1, {}});
    }
    return {};
  };
  for (const calico::Collection& collection : calico::collections())
    CARACAL_TRY(add(kind_of(collection)));
  for (const Kind& kind : kBeside) CARACAL_TRY(add(kind));
  return out;
}

manifests::LoadOptions PolicySource::load_options() const {
  manifests::LoadOptions options;
  options.every_pod = every_pod && offline();
  return options;
}

Result<manifests::Manifests> PolicySource::load() const {
  CARACAL_ASSIGN(manifests::Documents read, documents());
  return manifests::load(std::move(read), load_options(), !offline());
}

std::vector<std::string> PolicySource::namespaces() const {
  std::vector<std::string> out;
  for (const std::string_view name : split(cluster.ns, ',')) {
    if (!name.empty()) out.emplace_back(name);
  }
  return out;
}

bool print_problems(const manifests::Manifests& manifests) {
  for (const manifests::Problem& problem : manifests.problems) {
    fmt::print(stderr, "{}: {}\n", problem.error ? "error" : "note", problem.to_string());
  }
  return manifests.has_errors();
}

}  // namespace caracal::cli
