// discovery.k8s.io/v1 EndpointSlice into model::EndpointSlice.
#include "kube/decode.h"
#include "kube/object_reader.h"

namespace caracal::kube {
namespace {

constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";

void read_endpoints(const json::object& object, model::EndpointSlice& slice, ObjectReader& reader) {
  const json::array* endpoints = reader.array(object, "endpoints", FieldPath(""));
  if (endpoints == nullptr || reader.text(object, "addressType", FieldPath("")) == "FQDN") return;
  const FieldPath list("endpoints");
  for (size_t i = 0; i < endpoints->size(); ++i) {
    const FieldPath path = list.element(i);
    const json::object* endpoint = reader.as_object((*endpoints)[i], path);
    if (endpoint == nullptr) continue;
    // Not told counts as ready (API document of EndpointConditions).
    if (!jsonio::get_bool((*endpoints)[i], {"conditions", "ready"}, true)) continue;
    for (const auto& [text, index] : reader.texts(*endpoint, "addresses", path)) {
      if (const auto address = net::IpAddr::parse(text)) slice.addresses.push_back(*address);
    }
  }
}

void read_ports(const json::object& object, model::EndpointSlice& slice, ObjectReader& reader) {
  const json::array* ports = reader.array(object, "ports", FieldPath(""));
  if (ports == nullptr) return;
  const FieldPath list("ports");
  for (size_t i = 0; i < ports->size(); ++i) {
    const FieldPath path = list.element(i);
    const json::object* port = reader.as_object((*ports)[i], path);
    if (port == nullptr) continue;
    model::ServicePort result;
    result.name = reader.text(*port, "name", path);
    if (const auto protocol = reader.protocol(*port, "protocol", path)) result.protocol = *protocol;
    // Without a number: every port.
    if (const auto number = reader.integer(*port, "port", path, 0, 65535)) {
      result.port = static_cast<uint16_t>(*number);
    }
    slice.ports.push_back(std::move(result));
  }
}

}  // namespace

Result<model::EndpointSlice> decode_endpoint_slice(const json::value& object) {
  model::EndpointSlice slice;
  CARACAL_ASSIGN(slice.name, decode_name(object));
  ObjectReader reader;
  const json::object& members = object.get_object();
  const model::Labels labels =
      reader.labels(members.at("metadata").get_object(), "labels", FieldPath("metadata"));
  if (const auto service = labels.find(kServiceLabel); service != labels.end()) {
    slice.service = service->second;
  }
  read_endpoints(members, slice, reader);
  read_ports(members, slice, reader);
  if (reader.ok()) return slice;
  return fail(Errc::kInvalid,
              "EndpointSlice " + slice.name.to_string() + ": " + reader.problems_text());
}

}  // namespace caracal::kube
