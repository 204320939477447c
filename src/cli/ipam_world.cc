#include "cli/ipam_world.h"

#include <fmt/format.h>

#include <map>

#include "calico/decode_ip_pool.h"
#include "kube/decode.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

Status load_pods(kube::BlockingClient& api, ipam::AddressWorld& world) {
  CARACAL_ASSIGN(const json::value list, api.list(kube::resource_path("v1", "", "pods")));
  for (const json::value& object : jsonio::get_array(list, {"items"})) {
    const auto name = kube::decode_name(object);
    if (!name) continue;
    // One that cannot be read is there all the same.
    ipam::PodPlace& place = world.pods[*name];
    auto pod = kube::decode_pod(object);
    if (!pod) {
      world.records.problems.push_back(pod.error().message);
      continue;
    }
    place = {pod->node, std::move(pod->addresses), pod->finished, pod->host_network};
  }
  return {};
}

Status load_nodes(kube::BlockingClient& api, ipam::AddressWorld& world) {
  CARACAL_ASSIGN(const json::value list, api.list(kube::resource_path("v1", "", "nodes")));
  for (const json::value& object : jsonio::get_array(list, {"items"}))
    world.nodes.emplace(jsonio::get_string(object, {"metadata", "name"}));
  return {};
}

Status load_pools(kube::BlockingClient& api, ipam::AddressWorld& world) {
  const auto name_of = [](const json::value& object) {
    return std::string(jsonio::get_string(object, {"metadata", "name"}));
  };
  const auto note = [&world](std::string_view kind, const std::string& name,
                             const calico::ObjectReader& reader) {
    if (!reader.ok())
      world.records.problems.push_back(
          fmt::format("{} {}: {}", kind, name, reader.problems_text()));
  };
  CARACAL_ASSIGN(const std::vector<json::value> pools, list_calico(api, "ippools"));
  for (const json::value& object : pools) {
    calico::ObjectReader reader;
    if (auto pool = calico::decode_ip_pool(name_of(object), *object.if_object(), reader))
      world.pools.emplace(name_of(object), std::move(*pool));
    note("IPPool", name_of(object), reader);
  }
  CARACAL_ASSIGN(const std::vector<json::value> reservations, list_calico(api, "ipreservations"));
  for (const json::value& object : reservations) {
    calico::ObjectReader reader;
    if (auto one = calico::decode_ip_reservation(name_of(object), *object.if_object(), reader))
      world.reservations.emplace(name_of(object), std::move(*one));
    note("IPReservation", name_of(object), reader);
  }
  CARACAL_ASSIGN(const auto settings, find_ipam_settings(api));
  if (settings) {
    calico::ObjectReader reader;
    if (const auto decoded = calico::decode_ipam_settings(*settings->if_object(), reader))
      world.settings = *decoded;
    note("IPAMConfiguration", "default", reader);
  }
  return {};
}

}  // namespace

// IPAMConfiguration of projectcalico.org/v3 is what IPAMConfig is in crd.projectcalico.org/v1.
Result<std::optional<json::value>> find_ipam_settings(kube::BlockingClient& api) {
  for (const char* plural : {"ipamconfigurations", "ipamconfigs"}) {
    CARACAL_ASSIGN(const std::vector<json::value> all, list_calico(api, plural));
    for (const json::value& object : all) {
      if (jsonio::get_string(object, {"metadata", "name"}) == "default") return object;
    }
  }
  return std::nullopt;
}

Result<std::vector<json::value>> list_calico(kube::BlockingClient& api, const std::string& plural) {
  std::map<std::string, json::value> by_name;
  for (const char* group : {"projectcalico.org/v3", "crd.projectcalico.org/v1"}) {
    const auto list = api.list(kube::resource_path(group, "", plural));
    if (!list && list.error().code == Errc::kNotFound) continue;
    if (!list) return fail(list.error());
    for (const json::value& item : jsonio::get_array(*list, {"items"})) {
      json::value object = item;
      if (json::object* members = object.if_object()) (*members)["apiVersion"] = group;
      by_name.emplace(jsonio::get_string(object, {"metadata", "name"}), std::move(object));
    }
  }
  std::vector<json::value> out;
  for (auto& [name, object] : by_name) out.push_back(std::move(object));
  return out;
}

AddressStore::AddressStore(kube::ClusterAccess access)
    : api_(access), client_(loop_, std::move(access)), datastore_(client_) {}

Result<std::unique_ptr<AddressStore>> AddressStore::connect(const ClusterOptions& options) {
  CARACAL_ASSIGN(const kube::BlockingClient client, options.connect());
  return std::unique_ptr<AddressStore>(new AddressStore(client.access()));
}

Result<ipam::AddressWorld> AddressStore::load() {
  ipam::AddressWorld world;
  // The records first: a pod is there before its address is taken, so none seems to be missing.
  CARACAL_ASSIGN(world.records, wait<ipam::AddressRecords>([this](auto done) {
                   ipam::load_records(datastore_, std::move(done));
                 }));
  CARACAL_TRY(load_pods(api_, world));
  CARACAL_TRY(load_nodes(api_, world));
  CARACAL_TRY(load_pools(api_, world));
  return world;
}

Result<AddressStore::Cluster> AddressStore::cluster() {
  CARACAL_ASSIGN(const std::vector<json::value> all, list_calico(api_, "clusterinformations"));
  Cluster out;
  for (const json::value& object : all) {
    if (jsonio::get_string(object, {"metadata", "name"}) != "default") continue;
    out.guid = jsonio::get_string(object, {"spec", "clusterGUID"});
    out.resource_version = jsonio::get_string(object, {"metadata", "resourceVersion"});
    out.ready = jsonio::get_bool(object, {"spec", "datastoreReady"}, true);
  }
  return out;
}

}  // namespace caracal::cli
