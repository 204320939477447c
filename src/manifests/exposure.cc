#include "manifests/exposure.h"

#include <algorithm>
#include <map>

#include "kube/decode.h"

namespace caracal::manifests {
namespace {

Error wrong(std::string_view field, std::string_view text) {
  return {Errc::kInvalid, std::string(field) + ": " + std::string(text)};
}

Result<uint16_t> port_number(const json::value& value, std::string_view field) {
  const int64_t* number = value.if_int64();
  if (number == nullptr || *number < 1 || *number > 65535)
    return fail(wrong(field, "must be a number from 1 to 65535"));
  return static_cast<uint16_t>(*number);
}

Result<ServicePortSpec> decode_port(const json::value& value, const std::string& field) {
  ServicePortSpec out;
  out.name = jsonio::get_string(value, {"name"});
  const auto protocol = net::Protocol::parse(jsonio::get_string(value, {"protocol"}, "TCP"));
  if (!protocol) return fail(wrong(field + ".protocol", "must be TCP, UDP or SCTP"));
  out.protocol = *protocol;
  const json::value* port = jsonio::get(value, {"port"});
  if (port == nullptr) return fail(wrong(field + ".port", "required"));
  CARACAL_ASSIGN(out.port, port_number(*port, field + ".port"));
  out.target = out.port;
  if (const json::value* target = jsonio::get(value, {"targetPort"});
      target && !target->is_null()) {
    if (const json::string* name = target->if_string()) {
      out.target = std::string(name->data(), name->size());
    } else {
      CARACAL_ASSIGN(out.target, port_number(*target, field + ".targetPort"));
    }
  }
  return out;
}

std::optional<std::variant<uint16_t, std::string>> port_of(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  if (const json::string* name = value->if_string())
    return std::variant<uint16_t, std::string>(std::string(name->data(), name->size()));
  if (const int64_t* number = value->if_int64())
    return std::variant<uint16_t, std::string>(static_cast<uint16_t>(*number));
  return std::nullopt;
}

bool names(const Backend& backend, const ServicePortSpec& port) {
  if (!backend.port) return true;
  if (const auto* number = std::get_if<uint16_t>(&*backend.port))
    return *number == port.port || (std::holds_alternative<uint16_t>(port.target) &&
                                    *number == std::get<uint16_t>(port.target));
  const auto& name = std::get<std::string>(*backend.port);
  return name == port.name || (std::holds_alternative<std::string>(port.target) &&
                               name == std::get<std::string>(port.target));
}

}  // namespace

Result<Service> decode_service(const json::value& object) {
  Service out;
  CARACAL_ASSIGN(out.name, kube::decode_name(object));
  for (const auto& member : jsonio::get_object(object, {"spec", "selector"})) {
    if (const json::string* value = member.value().if_string())
      out.selector.emplace(member.key(), std::string(value->data(), value->size()));
  }
  const json::array& ports = jsonio::get_array(object, {"spec", "ports"});
  for (size_t i = 0; i < ports.size(); ++i) {
    CARACAL_ASSIGN(ServicePortSpec port,
                   decode_port(ports[i], "spec.ports[" + std::to_string(i) + "]"));
    out.ports.push_back(std::move(port));
  }
  return out;
}

bool selects(const Service& service, const model::Pod& pod) {
  if (service.selector.empty() || pod.name.ns != service.name.ns || !pod.networked()) return false;
  return std::all_of(service.selector.begin(), service.selector.end(), [&](const auto& wanted) {
    const auto it = pod.labels.find(wanted.first);
    return it != pod.labels.end() && it->second == wanted.second;
  });
}

std::vector<uint16_t> target_ports(const model::Pod& pod, const ServicePortSpec& port) {
  if (const auto* number = std::get_if<uint16_t>(&port.target)) return {*number};
  std::vector<uint16_t> out;
  for (const model::NamedPort& named : pod.ports) {
    if (named.name == std::get<std::string>(port.target) && named.protocol == port.protocol)
      out.push_back(named.port);
  }
  return out;
}

std::vector<Backend> backends_of(const json::value& object) {
  std::vector<Backend> out;
  const std::string ns(jsonio::get_string(object, {"metadata", "namespace"}));
  if (jsonio::get_string(object, {"kind"}) == "Route") {
    const auto port = port_of(jsonio::get(object, {"spec", "port", "targetPort"}));
    const auto add = [&](const json::value& to) {
      const std::string name(jsonio::get_string(to, {"name"}));
      if (!name.empty() && jsonio::get_string(to, {"kind"}, "Service") == "Service")
        out.push_back({{ns, name}, port});
    };
    if (const json::value* to = jsonio::get(object, {"spec", "to"})) add(*to);
    for (const json::value& to : jsonio::get_array(object, {"spec", "alternateBackends"})) add(to);
    return out;
  }
  const auto add = [&](const json::value* backend) {
    if (backend == nullptr) return;
    const std::string name(jsonio::get_string(*backend, {"service", "name"}));
    if (name.empty()) return;
    const json::value* number = jsonio::get(*backend, {"service", "port", "number"});
    const json::value* port_name = jsonio::get(*backend, {"service", "port", "name"});
    Backend one{{ns, name}, port_of(number != nullptr ? number : port_name)};
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(std::move(one));
  };
  add(jsonio::get(object, {"spec", "defaultBackend"}));
  for (const json::value& rule : jsonio::get_array(object, {"spec", "rules"})) {
    for (const json::value& path : jsonio::get_array(rule, {"http", "paths"}))
      add(jsonio::get(path, {"backend"}));
  }
  return out;
}

std::vector<analysis::Exposure> exposures(const model::World& world,
                                          const std::vector<Service>& services,
                                          const std::vector<Backend>& backends) {
  std::map<model::ObjectName, policy::PortSet> by_pod;
  for (const Backend& backend : backends) {
    for (const Service& service : services) {
      if (service.name != backend.service) continue;
      for (auto it = world.pods.lower_bound({service.name.ns, ""});
           it != world.pods.end() && it->first.ns == service.name.ns; ++it) {
        if (!selects(service, it->second)) continue;
        for (const ServicePortSpec& port : service.ports) {
          if (!names(backend, port)) continue;
          for (const uint16_t number : target_ports(it->second, port))
            by_pod[it->first].add(port.protocol, {number, number});
        }
      }
    }
  }
  std::vector<analysis::Exposure> out;
  for (auto& [pod, ports] : by_pod) out.push_back({pod, std::move(ports)});
  return out;
}

std::vector<model::EndpointSlice> slices_of(const model::World& world, const Service& service) {
  std::map<std::vector<std::tuple<std::string, net::Protocol, uint16_t>>, std::vector<net::IpAddr>>
      by_ports;
  for (auto it = world.pods.lower_bound({service.name.ns, ""});
       it != world.pods.end() && it->first.ns == service.name.ns; ++it) {
    if (!selects(service, it->second)) continue;
    std::vector<std::tuple<std::string, net::Protocol, uint16_t>> ports;
    for (const ServicePortSpec& port : service.ports) {
      for (const uint16_t number : target_ports(it->second, port))
        ports.emplace_back(port.name, port.protocol, number);
    }
    auto& addresses = by_ports[ports];
    addresses.insert(addresses.end(), it->second.addresses.begin(), it->second.addresses.end());
  }
  std::vector<model::EndpointSlice> out;
  for (auto& [ports, addresses] : by_ports) {
    model::EndpointSlice slice;
    slice.name = {service.name.ns, service.name.name + "-" + std::to_string(out.size())};
    slice.service = service.name.name;
    slice.addresses = std::move(addresses);
    for (const auto& [name, protocol, port] : ports) slice.ports.push_back({name, protocol, port});
    out.push_back(std::move(slice));
  }
  return out;
}

}  // namespace caracal::manifests
