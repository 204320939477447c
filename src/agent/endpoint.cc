#include "agent/endpoint.h"

#include "base/sha1.h"
#include "base/strings.h"

namespace caracal::agent {

std::string interface_name(const std::string& prefix, const model::ObjectName& pod) {
  return (prefix + sha1_hex(pod.ns + "." + pod.name).substr(0, 11)).substr(0, 15);
}

std::string Endpoint::to_string() const {
  return "pod " + pod.to_string() + " (" + attachment.to_string() + ")";
}

model::LocalEndpoint local_endpoint(const Endpoint& endpoint) {
  return {endpoint.pod, endpoint.interface, endpoint.addresses};
}

dataplane::link::PodLinkSpec link_spec(const Endpoint& endpoint) {
  dataplane::link::PodLinkSpec spec;
  spec.host_interface = endpoint.interface;
  spec.pod_interface = endpoint.attachment.ifname;
  spec.netns_path = endpoint.netns;
  spec.addresses = endpoint.addresses;
  spec.mtu = endpoint.mtu;
  spec.pod_mac = endpoint.mac;
  return spec;
}

ipam::Attributes to_attributes(const Endpoint& endpoint) {
  ipam::Attributes out = {{"network", endpoint.network}, {"namespace", endpoint.pod.ns},
                          {"pod", endpoint.pod.name},    {"interface", endpoint.interface},
                          {"netns", endpoint.netns},     {"mtu", std::to_string(endpoint.mtu)}};
  if (endpoint.mac) out.emplace("mac", endpoint.mac->to_string());
  return out;
}

Endpoint endpoint_of(const ipam::Lease& lease) {
  const auto text = [&](std::string_view key) {
    const auto found = lease.attributes.find(key);
    return found == lease.attributes.end() ? std::string() : found->second;
  };
  const auto mac = net::MacAddr::parse(text("mac"));
  return {lease.id,
          text("network"),
          {text("namespace"), text("pod")},
          text("interface"),
          text("netns"),
          static_cast<uint32_t>(parse_decimal(text("mtu"), 65535).value_or(0)),
          lease.addresses,
          mac ? std::optional(*mac) : std::nullopt};
}

}  // namespace caracal::agent
