#include "apiserver/bootstrap.h"

#include <fmt/format.h>

#include "apimachinery/crd.h"
#include "apiserver/object.h"
#include "base/log.h"
#include "calico/object_rules.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceTypePtr;

constexpr std::string_view kCrds = "customresourcedefinitions.apiextensions.k8s.io";

bool established(const json::value& crd) {
  for (const json::value& condition : jsonio::get_array(crd, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) == "Established") {
      return jsonio::get_string(condition, {"status"}) == "True";
    }
  }
  return false;
}

void register_crd(const StoredObject& stored, apimachinery::ResourceRegistry& registry) {
  const json::value crd = parse_stored(stored);
  if (!established(crd)) return;
  auto types = apimachinery::crd_types(crd);
  if (!types) {
    log::error("CRD cannot be served",
               {{"crd", stored.key.name}, {"error", types.error().message}});
    return;
  }
  registry.put_crd(stored.key.name, std::move(*types));
}

// Creates an object, or leaves the one that is there.
Status ensure_object(Store& store, ObjectWriter& writer, const ResourceTypePtr& type,
                     std::string ns, json::value object) {
  const std::string name(object_name(object));
  if (store.get(key_of(*type, ns, name))) return {};
  return store.commit([&](Transaction& transaction) -> Status {
    const WriteTarget target{.type = type, .ns = ns, .name = name};
    const auto created = writer.create(transaction, target, normalize_object(*type, object));
    if (created || created.error().reason == "AlreadyExists") return {};
    return fail(Errc::kInternal,
                fmt::format("cannot create {} {}: {}", type->kind, name, created.error().message));
  });
}

json::value named(std::string_view name) {
  return json::object{{"metadata", json::object{{"name", name}}}};
}

// A bundled CRD of an older release is brought up to date; status and the rest of metadata stay.
Status ensure_crd(Store& store, ObjectWriter& writer, const ResourceTypePtr& type,
                  json::value crd) {
  const std::string name(object_name(crd));
  const StoredPtr stored = store.get(key_of(*type, "", name));
  if (!stored) return ensure_object(store, writer, type, "", std::move(crd));
  json::value wanted = normalize_object(*type, std::move(crd));
  return store.commit([&](Transaction& transaction) -> Status {
    const StoredPtr present = transaction.get(stored->key);
    if (!present || present->attributes.deleting) return {};
    json::value merged = parse_stored(*present);
    merged.get_object()["spec"] = *jsonio::get(wanted, {"spec"});
    const auto updated =
        writer.update(transaction, {.type = type, .name = name}, std::move(merged));
    if (!updated) {
      log::warn("bundled CRD not updated", {{"crd", name}, {"reason", updated.error().message}});
    }
    return {};
  });
}

}  // namespace

Status load_stored_types(const Store& store, apimachinery::ResourceRegistry& registry,
                         ClusterIpAllocator& addresses) {
  CARACAL_ASSIGN(const ListPage crds, store.list({.resource = std::string(kCrds)}));
  for (const StoredPtr& crd : crds.items) register_crd(*crd, registry);
  CARACAL_ASSIGN(const ListPage services, store.list({.resource = "services"}));
  for (const StoredPtr& service : services.items) {
    const json::value object = parse_stored(*service);
    const auto why =
        addresses.reserve(jsonio::get_string(object, {"spec", "clusterIP"}), service->key);
    if (why)
      log::warn("service address not reserved", {{"service", service->key.name}, {"reason", *why}});
  }
  return {};
}

void follow_crd(const StoreEvent& event, apimachinery::ResourceRegistry& registry) {
  if (event.key().resource != kCrds) return;
  if (!event.now) {
    registry.remove_crd(event.key().name);
  } else {
    register_crd(*event.now, registry);
  }
}

Status bootstrap(Store& store, const apimachinery::ResourceRegistry& registry, ObjectWriter& writer,
                 const std::string& service_address, uint16_t api_port, bool bundled_crds) {
  const auto catalog = registry.snapshot();
  const ResourceTypePtr namespaces = catalog->find("", "v1", "namespaces");
  const ResourceTypePtr services = catalog->find("", "v1", "services");
  const ResourceTypePtr crds =
      catalog->find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  if (!namespaces || !services || !crds) return fail(Errc::kInternal, "a builtin type is missing");
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    CARACAL_TRY(ensure_object(store, writer, namespaces, "", named(name)));
  }
  json::value service = named("kubernetes");
  jsonio::ensure(service, {"metadata", "labels"}) =
      json::object{{"component", "apiserver"}, {"provider", "kubernetes"}};
  jsonio::ensure(service, {"spec"}) = json::object{
      {"type", "ClusterIP"},
      {"clusterIP", service_address},
      {"sessionAffinity", "None"},
      {"ports",
       json::array{json::object{
           {"name", "https"}, {"protocol", "TCP"}, {"port", 443}, {"targetPort", api_port}}}}};
  CARACAL_TRY(ensure_object(store, writer, services, "default", std::move(service)));
  if (!bundled_crds) return {};
  CARACAL_ASSIGN(std::vector<json::value> bundle, apimachinery::bundled_crds());
  for (json::value& crd : bundle) CARACAL_TRY(ensure_crd(store, writer, crds, std::move(crd)));
  const ResourceTypePtr tiers = registry.snapshot()->find("projectcalico.org", "v3", "tiers");
  if (!tiers) return {};  // a CRD of the user's own, without this version
  for (json::value& tier : calico::builtin_tiers())
    CARACAL_TRY(ensure_object(store, writer, tiers, "", std::move(tier)));
  return {};
}

}  // namespace caracal::apiserver
