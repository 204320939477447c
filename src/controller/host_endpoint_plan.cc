#include "controller/host_endpoint_plan.h"

#include <fmt/format.h>

#include "calico/auto_host_endpoint.h"
#include "calico/decode_host_endpoint.h"
#include "calico/metadata.h"

namespace caracal::controller {
namespace {

struct Wanted {
  model::HostEndpoint endpoint;
  model::Labels annotations;  // of the template
};

// Annotations are no matter of policy, so the decoder passes them over.
std::map<std::string, model::Labels> annotations_by_template(const json::value& configuration) {
  std::map<std::string, model::Labels> out;
  const auto& templates = jsonio::get_array(
      configuration, {"spec", "controllers", "node", "hostEndpoint", "templates"});
  for (const json::value& one : templates) {
    model::Labels& annotations = out[std::string(jsonio::get_string(one, {"generateName"}))];
    for (const auto& [key, value] : jsonio::get_object(one, {"annotations"})) {
      if (const json::string* text = value.if_string())
        annotations.insert_or_assign(std::string(key), std::string(*text));
    }
  }
  return out;
}

std::map<std::string, Wanted> wanted_endpoints(const json::value& configuration,
                                               const std::map<std::string, model::Node>& nodes,
                                               std::vector<std::string>& problems) {
  std::map<std::string, Wanted> out;
  const json::object* object = configuration.if_object();
  if (object == nullptr) return out;
  calico::ObjectReader reader;
  const calico::AutoHostEndpoints asked = calico::decode_auto_host_endpoints(*object, reader);
  if (!reader.ok()) {
    problems.push_back("KubeControllersConfiguration default: " + reader.problems_text());
  }
  const auto annotations = annotations_by_template(configuration);
  for (const auto& [name, node] : nodes) {
    for (model::HostEndpoint& endpoint : calico::host_endpoints_of(asked, node)) {
      Wanted one;
      for (const auto& [generate_name, of_template] : annotations) {
        if (endpoint.name == fmt::format("{}-{}-auto-hep", name, generate_name))
          one.annotations = of_template;
      }
      one.endpoint = std::move(endpoint);
      out.insert_or_assign(one.endpoint.name, std::move(one));
    }
  }
  return out;
}

json::object texts_of(const model::Labels& labels) {
  json::object out;
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

json::object spec_of(const model::HostEndpoint& endpoint) {
  json::object spec{{"node", endpoint.node}};
  if (!endpoint.interface.empty()) spec["interfaceName"] = endpoint.interface;
  json::array addresses;
  for (const net::IpAddr& address : endpoint.addresses) addresses.emplace_back(address.to_string());
  if (!addresses.empty()) spec["expectedIPs"] = std::move(addresses);
  json::array profiles;
  for (const std::string& profile : endpoint.profiles) profiles.emplace_back(profile);
  spec["profiles"] = std::move(profiles);
  return spec;
}

// The whole object; of `before` stays what others have put into its metadata.
json::value object_of(const Wanted& wanted, std::string_view api_version,
                      const json::value* before) {
  json::object metadata{{"name", wanted.endpoint.name}};
  if (before != nullptr) metadata = jsonio::get_object(*before, {"metadata"});
  metadata["labels"] = texts_of(wanted.endpoint.labels);
  metadata.erase("managedFields");
  json::value& place = metadata["annotations"];
  if (!place.is_object()) place.emplace_object();
  json::object& annotations = place.get_object();
  // It would hide the labels just written.
  annotations.erase(calico::kMetadataAnnotation);
  for (const auto& [key, value] : wanted.annotations) annotations[key] = value;
  if (annotations.empty()) metadata.erase("annotations");
  return json::object{{"apiVersion", api_version},
                      {"kind", "HostEndpoint"},
                      {"metadata", std::move(metadata)},
                      {"spec", spec_of(wanted.endpoint)}};
}

// REQUIRES: it is an object.
bool as_wanted(const Wanted& wanted, const std::string& name, const json::value& object) {
  calico::ObjectReader reader;
  const auto endpoint = calico::decode_host_endpoint(name, *object.if_object(), reader);
  if (!endpoint || !(*endpoint == wanted.endpoint)) return false;
  for (const auto& [key, value] : wanted.annotations) {
    if (jsonio::get_string(object, {"metadata", "annotations", key}) != value) return false;
  }
  return true;
}

bool is_ours(const json::object& object) {
  calico::ObjectReader reader;
  const model::Labels labels = calico::decode_labels(object, reader);
  const auto found = labels.find(calico::kCreatedByLabel);
  return found != labels.end() && found->second == calico::kCreatedByValue;
}

}  // namespace

HostEndpointPlan plan_host_endpoints(const json::value* configuration,
                                     const std::map<std::string, model::Node>& nodes,
                                     const ObjectTable& existing, const ApiKind& where) {
  HostEndpointPlan plan;
  std::map<std::string, Wanted> wanted;
  if (configuration != nullptr) wanted = wanted_endpoints(*configuration, nodes, plan.problems);
  for (const auto& [name, entry] : existing.entries()) {
    const json::object* object = entry.object->if_object();
    if (object == nullptr) continue;
    const ApiKind kind{std::string(entry.api_version), "HostEndpoint", "hostendpoints"};
    const auto found = wanted.find(name);
    if (!is_ours(*object)) {
      if (found == wanted.end()) continue;
      plan.problems.push_back(
          fmt::format("HostEndpoint {}: exists, without the label {}: {}; it is left as it is",
                      name, calico::kCreatedByLabel, calico::kCreatedByValue));
    } else if (jsonio::get(*entry.object, {"metadata", "deletionTimestamp"}) != nullptr) {
      // On its way out; what is still wanted is made anew when it has gone.
    } else if (found == wanted.end()) {
      plan.writes.push_back(delete_write(kind, *entry.object));
      ++plan.deleted;
    } else if (!as_wanted(found->second, name, *entry.object)) {
      plan.writes.push_back(
          replace_write(kind, object_of(found->second, entry.api_version, entry.object)));
      ++plan.updated;
    }
    if (found != wanted.end()) wanted.erase(found);
  }
  if (where.api_version.empty()) return plan;
  for (const auto& [name, one] : wanted) {
    plan.writes.push_back(create_write(where, object_of(one, where.api_version, nullptr)));
    ++plan.created;
  }
  return plan;
}

}  // namespace caracal::controller
