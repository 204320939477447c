#include "calico/decode_felix_configuration.h"

#include <algorithm>

#include "calico/decode_entity_rule.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

std::optional<model::Failsafe> failsafe(const json::object& entry, const FieldPath& path,
                                        ObjectReader& reader) {
  const auto protocol = reader.protocol(entry, "protocol", path);
  const auto port = reader.integer(entry, "port", path, 1, 65535);
  for (const std::string_view field : {"protocol", "port"}) {
    if (kube::member(entry, field) == nullptr) reader.required(path.member(field));
  }
  std::optional<net::Cidr> net;
  const std::string_view range = reader.text(entry, "net", path);
  if (!range.empty()) {
    net = network(range, path.member("net"), reader);
    if (!net) return std::nullopt;
  }
  if (!protocol || !port) return std::nullopt;
  if (!protocol->has_ports()) {
    reader.invalid(path.member("protocol"), *kube::member(entry, "protocol"),
                   "must be tcp, udp or sctp");
    return std::nullopt;
  }
  return model::Failsafe{*protocol, static_cast<uint16_t>(*port), net};
}

std::optional<std::vector<model::Failsafe>> failsafes(const json::object& spec,
                                                      std::string_view name, const FieldPath& path,
                                                      ObjectReader& reader) {
  const json::array* list = reader.array(spec, name, path);
  if (list == nullptr) return std::nullopt;
  std::vector<model::Failsafe> result;
  const FieldPath list_path = path.member(name);
  for (size_t i = 0; i < list->size(); ++i) {
    const FieldPath element = list_path.element(i);
    const json::object* entry = reader.as_object((*list)[i], element);
    const auto one = entry == nullptr ? std::nullopt : failsafe(*entry, element, reader);
    if (one) result.push_back(*one);
  }
  // A list meant to hold something must not lock anybody out because of a typing error in it.
  if (result.size() < list->size()) return std::nullopt;
  return result;
}

// For which nodes the object is, where its name does not say that.
std::optional<selector::Selector> node_selector(std::string_view name, const json::object& spec,
                                                const FieldPath& path, ObjectReader& reader) {
  const bool named = name == "default" || name.starts_with("node.");
  auto nodes = decode_selector(spec, path, {.name = "nodeSelector"}, reader);
  const json::value* given = kube::member(spec, "nodeSelector");
  const bool empty = given == nullptr || *given == json::value("");
  if (named && !empty) {
    reader.forbidden(path.member("nodeSelector"),
                     "may not stand in the objects \"default\" and \"node.NAME\"");
    return std::nullopt;
  }
  if (!named && !name.empty() && empty) {
    reader.warn(path.member("nodeSelector"),
                "without it only the objects default and node.NAME have an effect");
  }
  return nodes;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

}  // namespace

FelixSettings decode_felix_configuration(const json::object& object, ObjectReader& reader) {
  FelixSettings settings;
  static const json::object kEmpty;
  const json::object* metadata = reader.object(object, "metadata", FieldPath(""));
  const FieldPath metadata_path("metadata");
  const model::Labels annotations =
      reader.labels(metadata == nullptr ? kEmpty : *metadata, "annotations", metadata_path);
  if (const auto end = annotations.find(kEndConnectionsAnnotation); end != annotations.end()) {
    if (end->second == "true" || end->second == "false") {
      settings.end_connections = end->second == "true";
    } else {
      reader.invalid(metadata_path.member("annotations").member(kEndConnectionsAnnotation),
                     json::string(end->second), "must be \"true\" or \"false\"");
    }
  }
  const FieldPath path("spec");
  const json::object* spec = reader.object(object, "spec", FieldPath(""));
  const std::string_view name =
      reader.text(metadata == nullptr ? kEmpty : *metadata, "name", metadata_path);
  settings.nodes = node_selector(name, spec == nullptr ? kEmpty : *spec, path, reader);
  if (spec == nullptr) return settings;
  settings.network = decode_network_settings(*spec, reader);
  settings.inbound = failsafes(*spec, "failsafeInboundHostPorts", path, reader);
  settings.outbound = failsafes(*spec, "failsafeOutboundHostPorts", path, reader);
  const std::string_view to_host = reader.text(*spec, "defaultEndpointToHostAction", path);
  const std::string word = lower(to_host);
  if (word == "drop") {
    settings.to_host = model::ToHostAction::kDrop;
  } else if (word == "return") {
    settings.to_host = model::ToHostAction::kReturn;
  } else if (word == "accept") {
    settings.to_host = model::ToHostAction::kAccept;
  } else if (!word.empty()) {
    reader.invalid(path.member("defaultEndpointToHostAction"), json::string(to_host),
                   "must be one of \"Drop\", \"Return\", \"Accept\"");
  }
  return settings;
}

model::PolicySettings merge_policy_settings(std::span<const FelixSettings* const> parts) {
  model::PolicySettings settings;
  for (const FelixSettings* part : parts) {
    if (part->inbound) settings.inbound = *part->inbound;
    if (part->outbound) settings.outbound = *part->outbound;
    if (part->to_host) settings.to_host = *part->to_host;
    if (part->end_connections) settings.end_connections = *part->end_connections;
  }
  return settings;
}

model::NetworkSettings merge_network_settings(std::span<const FelixSettings* const> parts) {
  model::NetworkSettings settings;
  for (const FelixSettings* part : parts) part->network.apply_to(settings);
  return settings;
}

}  // namespace caracal::calico
