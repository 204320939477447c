#include "calico/decode_service.h"

#include <set>

#include "calico/network_fields.h"

namespace caracal::calico {
namespace {

constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";

void append(std::string_view text, std::vector<net::IpAddr>& out) {
  if (const auto address = net::IpAddr::parse(text)) out.push_back(*address);
}

}  // namespace

model::Service decode_service(const model::ObjectName& name, const json::object& object,
                              ObjectReader& reader) {
  constexpr FieldPath kSpec("spec");
  constexpr FieldPath kStatus("status");
  const json::object& spec = spec_of(object, reader);
  model::Service service;
  service.name = name;
  for (const auto& [text, index] : reader.texts(spec, "clusterIPs", kSpec)) {
    append(text, service.cluster_ips);  // "None" of a headless one is no address
  }
  // Servers before 1.20 know clusterIP only.
  if (service.cluster_ips.empty()) {
    append(reader.text(spec, "clusterIP", kSpec), service.cluster_ips);
  }
  for (const auto& [text, index] : reader.texts(spec, "externalIPs", kSpec)) {
    append(text, service.external_ips);
  }
  service.local = reader.text(spec, "externalTrafficPolicy", kSpec) == "Local";
  service.internal_local = reader.text(spec, "internalTrafficPolicy", kSpec) == "Local";
  const json::object* status = reader.object(object, "status", FieldPath(""));
  if (status == nullptr) return service;
  const json::object* balancer = reader.object(*status, "loadBalancer", kStatus);
  if (balancer == nullptr) return service;
  const json::array* ingress = reader.array(*balancer, "ingress", kStatus.member("loadBalancer"));
  if (ingress == nullptr) return service;
  for (const json::value& entry : *ingress) {
    append(jsonio::get_string(entry, {"ip"}), service.load_balancer_ips);
  }
  return service;
}

std::optional<model::ServiceNodes> decode_service_nodes(const model::ObjectName& name,
                                                        const json::object& object,
                                                        ObjectReader& reader) {
  const json::object* metadata = reader.object(object, "metadata", FieldPath(""));
  if (metadata == nullptr) return std::nullopt;
  const model::Labels labels = reader.labels(*metadata, "labels", FieldPath("metadata"));
  const auto service = labels.find(kServiceLabel);
  if (service == labels.end() || service->second.empty()) return std::nullopt;
  model::ServiceNodes out{name, service->second, {}};
  const json::array* endpoints = reader.array(object, "endpoints", FieldPath(""));
  if (endpoints == nullptr) return out;
  std::set<std::string> nodes;
  for (const json::value& endpoint : *endpoints) {
    // Not told counts as ready (API document of EndpointConditions).
    if (!jsonio::get_bool(endpoint, {"conditions", "ready"}, true)) continue;
    const std::string_view node = jsonio::get_string(endpoint, {"nodeName"});
    if (!node.empty()) nodes.emplace(node);
  }
  out.nodes.assign(nodes.begin(), nodes.end());
  return out;
}

}  // namespace caracal::calico
