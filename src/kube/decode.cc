#include "kube/decode.h"

#include <array>

#include "kube/decode_fields.h"

namespace caracal::kube {

namespace {

constexpr FieldPath kMetadata("metadata");
constexpr FieldPath kSpec("spec");
constexpr FieldPath kStatus("status");

// The three parts of an object; parts that are absent are empty.
struct Parts {
  model::ObjectName name;
  const json::object* metadata;
  const json::object* spec;
  const json::object* status;
};

const json::object& empty_object() {
  static const json::object kEmpty;
  return kEmpty;
}

Result<const json::object*> part(const json::object& object, std::string_view name) {
  const json::value* value = member(object, name);
  if (value == nullptr) return &empty_object();
  return as_object(*value, FieldPath(name));
}

Result<Parts> parts_of(const json::value& object, std::string_view kind) {
  CARACAL_ASSIGN(model::ObjectName name, decode_name(object));
  const json::object& members = *object.if_object();
  Parts parts{std::move(name), nullptr, nullptr, nullptr};
  const auto read = [&]() -> Status {
    CARACAL_ASSIGN(parts.metadata, part(members, "metadata"));
    CARACAL_ASSIGN(parts.spec, part(members, "spec"));
    CARACAL_ASSIGN(parts.status, part(members, "status"));
    return {};
  };
  if (const Status status = read(); !status) {
    return fail(status.error().within(std::string(kind) + " " + parts.name.to_string()));
  }
  return parts;
}

// Named ports of a list of containers, appended. `sidecars_only`: of those that keep running.
Status append_ports(const Parts& pod, std::string_view list, bool sidecars_only,
                    std::vector<model::NamedPort>& ports) {
  CARACAL_ASSIGN(const json::array* containers, array_member(*pod.spec, list, kSpec));
  if (containers == nullptr) return {};
  const FieldPath list_path = kSpec.member(list);
  for (size_t i = 0; i < containers->size(); ++i) {
    const FieldPath path = list_path.element(i);
    CARACAL_ASSIGN(const json::object* container, as_object((*containers)[i], path));
    if (sidecars_only) {
      CARACAL_ASSIGN(const std::string_view restart,
                     text_member(*container, "restartPolicy", path));
      if (restart != "Always") continue;
    }
    CARACAL_ASSIGN(const json::array* container_ports, array_member(*container, "ports", path));
    if (container_ports == nullptr) continue;
    const FieldPath ports_path = path.member("ports");
    for (size_t j = 0; j < container_ports->size(); ++j) {
      const FieldPath port_path = ports_path.element(j);
      CARACAL_ASSIGN(const json::object* port, as_object((*container_ports)[j], port_path));
      CARACAL_ASSIGN(const std::string_view name, text_member(*port, "name", port_path));
      if (name.empty()) continue;
      CARACAL_ASSIGN(const net::Protocol protocol, protocol_member(*port, port_path));
      const json::value* number = member(*port, "containerPort");
      if (number == nullptr) {
        return fail(Errc::kInvalid, port_path.member("containerPort").to_string() + ": required");
      }
      CARACAL_ASSIGN(const uint16_t container_port,
                     decode_port(*number, port_path.member("containerPort")));
      ports.push_back({std::string(name), protocol, container_port});
    }
  }
  return {};
}

void append_address(std::string_view text, std::vector<net::IpAddr>& addresses) {
  if (const auto address = net::IpAddr::parse(text)) addresses.push_back(*address);
}

Result<std::vector<net::IpAddr>> pod_addresses(const Parts& pod) {
  std::vector<net::IpAddr> addresses;
  CARACAL_ASSIGN(const json::array* list, array_member(*pod.status, "podIPs", kStatus));
  if (list != nullptr) {
    for (const json::value& entry : *list)
      append_address(jsonio::get_string(entry, {"ip"}), addresses);
  }
  // Servers and kubelets before 1.16 know podIP only.
  if (addresses.empty()) {
    CARACAL_ASSIGN(const std::string_view address, text_member(*pod.status, "podIP", kStatus));
    append_address(address, addresses);
  }
  return addresses;
}

Result<model::Pod> pod_of(const Parts& parts) {
  model::Pod pod;
  pod.name = parts.name;
  CARACAL_ASSIGN(pod.uid, text_member(*parts.metadata, "uid", kMetadata));
  CARACAL_ASSIGN(pod.labels, labels_member(*parts.metadata, "labels", kMetadata));
  CARACAL_ASSIGN(pod.node, text_member(*parts.spec, "nodeName", kSpec));
  CARACAL_ASSIGN(pod.host_network, bool_member(*parts.spec, "hostNetwork", kSpec));
  CARACAL_ASSIGN(pod.service_account, text_member(*parts.spec, "serviceAccountName", kSpec));
  if (pod.service_account.empty()) {  // the field's old name
    CARACAL_ASSIGN(pod.service_account, text_member(*parts.spec, "serviceAccount", kSpec));
  }
  CARACAL_TRY(append_ports(parts, "containers", false, pod.ports));
  CARACAL_TRY(append_ports(parts, "initContainers", true, pod.ports));
  CARACAL_ASSIGN(pod.addresses, pod_addresses(parts));
  CARACAL_ASSIGN(const std::string_view phase, text_member(*parts.status, "phase", kStatus));
  pod.finished = phase == "Succeeded" || phase == "Failed";
  return pod;
}

Result<model::Node> node_of(const Parts& parts) {
  model::Node node;
  node.name = parts.name.name;
  CARACAL_ASSIGN(node.labels, labels_member(*parts.metadata, "labels", kMetadata));
  CARACAL_ASSIGN(node.annotations, labels_member(*parts.metadata, "annotations", kMetadata));

  const auto append_cidr = [&node](const json::value& value, const FieldPath& path) -> Status {
    const json::string* text = value.if_string();
    if (text == nullptr) return fail(wrong_field(path, value, "must be a string"));
    auto cidr = net::Cidr::parse(std::string_view(text->data(), text->size()));
    if (!cidr) return fail(wrong_field(path, value, "must be a CIDR such as 10.0.1.0/24"));
    node.pod_cidrs.push_back(*cidr);
    return {};
  };
  CARACAL_ASSIGN(const json::array* cidrs, array_member(*parts.spec, "podCIDRs", kSpec));
  if (cidrs != nullptr && !cidrs->empty()) {
    const FieldPath path = kSpec.member("podCIDRs");
    for (size_t i = 0; i < cidrs->size(); ++i) {
      CARACAL_TRY(append_cidr((*cidrs)[i], path.element(i)));
    }
  } else if (const json::value* cidr = member(*parts.spec, "podCIDR");
             cidr != nullptr && *cidr != json::value("")) {
    CARACAL_TRY(append_cidr(*cidr, kSpec.member("podCIDR")));
  }

  CARACAL_ASSIGN(const json::array* addresses, array_member(*parts.status, "addresses", kStatus));
  if (addresses == nullptr) return node;
  for (const json::value& entry : *addresses) {
    if (jsonio::get_string(entry, {"type"}) != "InternalIP") continue;
    const auto address = net::IpAddr::parse(jsonio::get_string(entry, {"address"}));
    if (!address) continue;
    bool known = false;
    for (const net::IpAddr& other : node.internal_addresses) {
      known = known || other.family() == address->family();
    }
    if (!known) node.internal_addresses.push_back(*address);
  }
  return node;
}

// Puts the object's kind and name in front of an error.
template <typename Value, typename Decode>
Result<Value> decode_as(const json::value& object, std::string_view kind, Decode decode) {
  CARACAL_ASSIGN(const Parts parts, parts_of(object, kind));
  Result<Value> value = decode(parts);
  if (!value) {
    return fail(value.error().within(std::string(kind) + " " + parts.name.to_string()));
  }
  return value;
}

}  // namespace

Result<model::ObjectName> decode_name(const json::value& object) {
  if (!object.is_object()) return fail(Errc::kInvalid, quoted(object) + ": must be an object");
  const json::value* metadata = member(*object.if_object(), "metadata");
  if (metadata == nullptr) return fail(Errc::kInvalid, "metadata: required");
  CARACAL_ASSIGN(const json::object* members, as_object(*metadata, kMetadata));
  model::ObjectName name;
  CARACAL_ASSIGN(name.ns, text_member(*members, "namespace", kMetadata));
  CARACAL_ASSIGN(name.name, text_member(*members, "name", kMetadata));
  if (name.name.empty()) return fail(Errc::kInvalid, "metadata.name: required");
  return name;
}

Result<model::Pod> decode_pod(const json::value& object) {
  return decode_as<model::Pod>(object, "Pod", pod_of);
}

Result<model::Namespace> decode_namespace(const json::value& object) {
  return decode_as<model::Namespace>(
      object, "Namespace", [](const Parts& parts) -> Result<model::Namespace> {
        model::Namespace result;
        result.name = parts.name.name;
        CARACAL_ASSIGN(result.labels, labels_member(*parts.metadata, "labels", kMetadata));
        return result;
      });
}

Result<model::Node> decode_node(const json::value& object) {
  return decode_as<model::Node>(object, "Node", node_of);
}

Result<model::ServiceAccount> decode_service_account(const json::value& object) {
  return decode_as<model::ServiceAccount>(
      object, "ServiceAccount", [](const Parts& parts) -> Result<model::ServiceAccount> {
        model::ServiceAccount result;
        result.name = parts.name;
        CARACAL_ASSIGN(result.labels, labels_member(*parts.metadata, "labels", kMetadata));
        return result;
      });
}

}  // namespace caracal::kube
