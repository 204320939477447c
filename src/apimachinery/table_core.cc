// The columns of the core kinds other than pods.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apimachinery/table_cells.h"
#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

size_t members_at(const json::value& object, std::string_view field) {
  return jsonio::get_object(object, {field}).size();
}

// --- nodes
// -------------------------------------------------------------------------------------------

json::value node_status_cell(const json::value& node, Timestamp /*now*/) {
  std::string text = "Unknown";
  for (const json::value& condition : jsonio::get_array(node, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) != "Ready") continue;
    text = jsonio::get_string(condition, {"status"}) == "True" ? "Ready" : "NotReady";
  }
  if (jsonio::get_bool(node, {"spec", "unschedulable"})) text += ",SchedulingDisabled";
  return text_value(text);
}

json::value node_roles_cell(const json::value& node, Timestamp /*now*/) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& label : jsonio::get_object(node, {"metadata", "labels"})) {
    const std::string_view key = label.key();
    const json::string* value = label.value().if_string();
    if (key.starts_with(kPrefix) && key.size() > kPrefix.size()) {
      roles.emplace(key.substr(kPrefix.size()));
    } else if (key == "kubernetes.io/role" && value != nullptr && !value->empty()) {
      roles.emplace(std::string_view(*value));
    }
  }
  return text_value(roles.empty()
                        ? std::string(kNone)
                        : join(std::vector<std::string>(roles.begin(), roles.end()), ","));
}

json::value node_address(const json::value& node, std::string_view type) {
  for (const json::value& address : jsonio::get_array(node, {"status", "addresses"})) {
    if (jsonio::get_string(address, {"type"}) == type) return text_or(address, {"address"}, kNone);
  }
  return text_value(kNone);
}

json::value internal_ip_cell(const json::value& node, Timestamp /*now*/) {
  return node_address(node, "InternalIP");
}
json::value external_ip_cell(const json::value& node, Timestamp /*now*/) {
  return node_address(node, "ExternalIP");
}
json::value kubelet_version_cell(const json::value& node, Timestamp /*now*/) {
  return text_or(node, {"status", "nodeInfo", "kubeletVersion"}, "");
}
json::value os_image_cell(const json::value& node, Timestamp /*now*/) {
  return text_or(node, {"status", "nodeInfo", "osImage"}, kUnknown);
}
json::value kernel_version_cell(const json::value& node, Timestamp /*now*/) {
  return text_or(node, {"status", "nodeInfo", "kernelVersion"}, kUnknown);
}
json::value container_runtime_cell(const json::value& node, Timestamp /*now*/) {
  return text_or(node, {"status", "nodeInfo", "containerRuntimeVersion"}, kUnknown);
}

// --- services
// ----------------------------------------------------------------------------------------

json::value service_type_cell(const json::value& service, Timestamp /*now*/) {
  return text_or(service, {"spec", "type"}, "ClusterIP");
}

json::value cluster_ip_cell(const json::value& service, Timestamp /*now*/) {
  const json::array& all = jsonio::get_array(service, {"spec", "clusterIPs"});
  const json::string* first = !all.empty() ? all[0].if_string() : nullptr;
  if (first != nullptr) return *first;
  return text_or(service, {"spec", "clusterIP"}, kNone);
}

std::vector<std::string> texts_at(const json::value& object,
                                  std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const json::value& element : jsonio::get_array(object, path)) {
    if (const json::string* text = element.if_string()) out.emplace_back(*text);
  }
  return out;
}

json::value service_external_ip_cell(const json::value& service, Timestamp /*now*/) {
  const std::string_view type = jsonio::get_string(service, {"spec", "type"}, "ClusterIP");
  if (type == "ExternalName") return text_or(service, {"spec", "externalName"}, kNone);
  std::vector<std::string> ips;
  if (type == "LoadBalancer") {
    for (const json::value& ingress :
         jsonio::get_array(service, {"status", "loadBalancer", "ingress"})) {
      const std::string_view ip = jsonio::get_string(ingress, {"ip"});
      ips.emplace_back(ip.empty() ? jsonio::get_string(ingress, {"hostname"}) : ip);
    }
  }
  for (std::string& ip : texts_at(service, {"spec", "externalIPs"})) ips.push_back(std::move(ip));
  if (!ips.empty()) return text_value(join(ips, ","));
  return text_value(type == "LoadBalancer" ? std::string_view("<pending>") : kNone);
}

json::value service_ports_cell(const json::value& service, Timestamp /*now*/) {
  std::vector<std::string> texts;
  for (const json::value& port : jsonio::get_array(service, {"spec", "ports"})) {
    std::string text = fmt::format("{}", jsonio::get_int(port, {"port"}));
    const int64_t node_port = jsonio::get_int(port, {"nodePort"});
    if (node_port != 0) text += fmt::format(":{}", node_port);
    texts.push_back(text + "/" + std::string(jsonio::get_string(port, {"protocol"}, "TCP")));
  }
  return text_value(texts.empty() ? std::string(kNone) : join(texts, ","));
}

json::value service_selector_cell(const json::value& service, Timestamp /*now*/) {
  return text_value(labels_text(jsonio::get_object(service, {"spec", "selector"})));
}

// --- endpoints
// ---------------------------------------------------------------------------------------

std::string join_host_port(std::string_view host, int64_t port) {
  return host.find(':') != std::string_view::npos ? fmt::format("[{}]:{}", host, port)
                                                  : fmt::format("{}:{}", host, port);
}

json::value endpoints_cell(const json::value& endpoints, Timestamp /*now*/) {
  std::vector<std::string> texts;
  for (const json::value& subset : jsonio::get_array(endpoints, {"subsets"})) {
    const json::array& addresses = jsonio::get_array(subset, {"addresses"});
    const json::array& ports = jsonio::get_array(subset, {"ports"});
    if (ports.empty()) {
      for (const json::value& address : addresses) {
        texts.emplace_back(jsonio::get_string(address, {"ip"}));
      }
    }
    for (const json::value& port : ports) {
      for (const json::value& address : addresses) {
        texts.push_back(
            join_host_port(jsonio::get_string(address, {"ip"}), jsonio::get_int(port, {"port"})));
      }
    }
  }
  return text_value(first_three(texts, kNone));
}

// --- events
// ------------------------------------------------------------------------------------------

std::string_view first_seen(const json::value& event) {
  const std::string_view first = jsonio::get_string(event, {"firstTimestamp"});
  return first.empty() ? jsonio::get_string(event, {"eventTime"}) : first;
}

json::value first_seen_cell(const json::value& event, Timestamp now) {
  return text_value(age_since(first_seen(event), now));
}

json::value last_seen_cell(const json::value& event, Timestamp now) {
  std::string_view last = jsonio::get_string(event, {"series", "lastObservedTime"});
  if (last.empty()) last = jsonio::get_string(event, {"lastTimestamp"});
  if (last.empty()) last = first_seen(event);
  return text_value(age_since(last, now));
}

json::value event_object_cell(const json::value& event, Timestamp /*now*/) {
  std::string text(jsonio::get_string(event, {"involvedObject", "kind"}));
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string_view name = jsonio::get_string(event, {"involvedObject", "name"});
  if (!name.empty()) text.append("/").append(name);
  return text_value(text);
}

json::value event_source_cell(const json::value& event, Timestamp /*now*/) {
  std::string_view component = jsonio::get_string(event, {"source", "component"});
  if (component.empty()) component = jsonio::get_string(event, {"reportingComponent"});
  std::string_view host = jsonio::get_string(event, {"source", "host"});
  if (host.empty()) host = jsonio::get_string(event, {"reportingInstance"});
  std::string text(component);
  if (!host.empty()) text.append(", ").append(host);
  return text_value(text);
}

json::value event_count_cell(const json::value& event, Timestamp /*now*/) {
  const int64_t series = jsonio::get_int(event, {"series", "count"});
  if (series != 0) return series;
  return std::max<int64_t>(jsonio::get_int(event, {"count"}), 1);
}

json::value event_message_cell(const json::value& event, Timestamp /*now*/) {
  return text_value(trim(jsonio::get_string(event, {"message"})));
}

json::value data_count(const json::value& object) {
  return static_cast<int64_t>(members_at(object, "data") + members_at(object, "binaryData"));
}

}  // namespace

std::vector<TableColumn> node_columns() {
  return {
      name_column(),
      text_column("Status", "Ready condition of the node, and whether pods may be bound to it",
                  node_status_cell),
      text_column("Roles", "Roles from the node's labels", node_roles_cell),
      age_column(),
      text_column("Version", "Version the node's kubelet reports", kubelet_version_cell),
      text_column("Internal-IP", "Address of the node within the cluster", internal_ip_cell, kWide),
      text_column("External-IP", "Address of the node from outside", external_ip_cell, kWide),
      text_column("OS-Image", "Operating system of the node", os_image_cell, kWide),
      text_column("Kernel-Version", "Kernel of the node", kernel_version_cell, kWide),
      text_column("Container-Runtime", "Container runtime of the node", container_runtime_cell,
                  kWide),
  };
}

std::vector<TableColumn> namespace_columns() {
  return {name_column(),
          text_column("Status", "Active, or Terminating while its objects are deleted",
                      [](const json::value& object, Timestamp) {
                        return text_or(object, {"status", "phase"}, "");
                      }),
          age_column()};
}

std::vector<TableColumn> service_columns() {
  return {
      name_column(),
      text_column("Type", "How the service is reached", service_type_cell),
      text_column("Cluster-IP", "Virtual address within the cluster", cluster_ip_cell),
      text_column("External-IP", "Addresses or name from outside", service_external_ip_cell),
      text_column("Port(s)", "Ports and protocols", service_ports_cell),
      age_column(),
      text_column("Selector", "Labels of the pods behind the service", service_selector_cell,
                  kWide),
  };
}

std::vector<TableColumn> service_account_columns() {
  return {name_column(),
          integer_column("Secrets", "Secrets that pods of this account may use",
                         [](const json::value& object, Timestamp) {
                           return json::value(
                               static_cast<int64_t>(jsonio::get_array(object, {"secrets"}).size()));
                         }),
          age_column()};
}

std::vector<TableColumn> config_map_columns() {
  return {name_column(),
          integer_column("Data", "Number of entries, text and binary",
                         [](const json::value& object, Timestamp) { return data_count(object); }),
          age_column()};
}

std::vector<TableColumn> secret_columns() {
  return {name_column(),
          text_column("Type", "What programs may expect in the secret",
                      [](const json::value& object, Timestamp) {
                        return text_or(object, {"type"}, "Opaque");
                      }),
          integer_column("Data", "Number of entries",
                         [](const json::value& object, Timestamp) { return data_count(object); }),
          age_column()};
}

std::vector<TableColumn> endpoints_columns() {
  return {name_column(),
          text_column("Endpoints", "Ready addresses and their ports", endpoints_cell),
          age_column()};
}

std::vector<TableColumn> event_columns() {
  TableColumn name = name_column();
  name.priority = kWide;
  return {
      text_column("Last Seen", "Time since it happened last", last_seen_cell),
      text_column("Type", "Normal or Warning",
                  [](const json::value& event, Timestamp) { return text_or(event, {"type"}, ""); }),
      text_column(
          "Reason", "Why it was reported, in a word",
          [](const json::value& event, Timestamp) { return text_or(event, {"reason"}, ""); }),
      text_column("Object", "Object it is about", event_object_cell),
      text_column(
          "Subobject", "Part of the object it is about",
          [](const json::value& event, Timestamp) {
            return text_or(event, {"involvedObject", "fieldPath"}, "");
          },
          kWide),
      text_column("Source", "Component that reported it", event_source_cell, kWide),
      text_column("Message", "What happened", event_message_cell),
      text_column("First Seen", "Time since it happened first", first_seen_cell, kWide),
      integer_column("Count", "How often it happened", event_count_cell, kWide),
      name,
  };
}

}  // namespace caracal::apimachinery
