// Endpoints, EndpointSlice and Lease.
#include <fmt/format.h>

#include <set>
#include <string>

#include "apimachinery/field_cursor.h"
#include "net/cidr.h"

namespace caracal::apimachinery {
namespace {

constexpr size_t kMaxSliceEndpoints = 1000;
constexpr size_t kMaxSlicePorts = 20'000;
constexpr size_t kMaxEndpointAddresses = 100;

// An address somebody else can reach: not of this host, not of this link only.
void validate_reachable(const Field& field, FieldErrors& errors) {
  const Result<net::IpAddr> address = net::IpAddr::parse(field.text());
  if (!address) return errors.ip_address(field);
  static const std::vector<std::pair<net::Cidr, std::string_view>> kBad = {
      {*net::Cidr::parse("0.0.0.0/32"), "the unspecified address"},
      {*net::Cidr::parse("::/128"), "the unspecified address"},
      {*net::Cidr::parse("127.0.0.0/8"), "a loopback address (127.0.0.0/8, ::1)"},
      {*net::Cidr::parse("::1/128"), "a loopback address (127.0.0.0/8, ::1)"},
      {*net::Cidr::parse("169.254.0.0/16"), "a link-local address (169.254.0.0/16, fe80::/10)"},
      {*net::Cidr::parse("fe80::/10"), "a link-local address (169.254.0.0/16, fe80::/10)"},
      {*net::Cidr::parse("224.0.0.0/24"),
       "a link-local multicast address (224.0.0.0/24, ff02::/16)"},
      {*net::Cidr::parse("ff02::/16"), "a link-local multicast address (224.0.0.0/24, ff02::/16)"},
  };
  for (const auto& [range, words] : kBad) {
    if (range.contains(*address)) errors.invalid(field, fmt::format("must not be {}", words));
  }
}

void validate_endpoint_address(const Field& address, FieldErrors& errors) {
  const Field ip = address.at("ip");
  if (ip.text().empty()) {
    errors.required(ip);
  } else {
    validate_reachable(ip, errors);
  }
  const Field hostname = address.at("hostname");
  if (!hostname.text().empty()) errors.check(hostname, check_dns1123_label(hostname.text()));
  const Field node = address.at("nodeName");
  if (!node.text().empty()) errors.check(node, check_dns1123_subdomain(node.text()));
}

}  // namespace

void validate_endpoints(const Field& object, FieldErrors& errors) {
  for (const Field& subset : object.at("subsets").elements()) {
    const Field ready = subset.at("addresses");
    const Field not_ready = subset.at("notReadyAddresses");
    if (ready.empty() && not_ready.empty()) {
      errors.required(subset, "addresses or notReadyAddresses must be given");
    }
    for (const Field& address : ready.elements()) validate_endpoint_address(address, errors);
    for (const Field& address : not_ready.elements()) validate_endpoint_address(address, errors);
    const Field ports = subset.at("ports");
    for (const Field& port : ports.elements()) {
      const Field name = port.at("name");
      if (name.text().empty()) {
        if (ports.size() > 1) errors.required(name, "each of several ports must have a name");
      } else {
        errors.check(name, check_dns1123_label(name.text()));
      }
      if (!port.at("port").present()) errors.required(port.at("port"));
      errors.port_number(port.at("port"));
      errors.one_of(port.at("protocol"), {"SCTP", "TCP", "UDP"});
    }
  }
}

void validate_endpoint_slice(const Field& object, FieldErrors& errors) {
  const Field type = object.at("addressType");
  if (type.text().empty()) {
    errors.required(type);
  } else {
    errors.one_of(type, {"FQDN", "IPv4", "IPv6"});
  }
  const Field endpoints = object.at("endpoints");
  if (endpoints.size() > kMaxSliceEndpoints) {
    errors.add(FieldError::too_many(endpoints.path(), endpoints.size(), kMaxSliceEndpoints));
    return;
  }
  for (const Field& endpoint : endpoints.elements()) {
    const Field addresses = endpoint.at("addresses");
    if (addresses.empty()) errors.required(addresses, "an endpoint needs at least one address");
    if (addresses.size() > kMaxEndpointAddresses) {
      errors.add(FieldError::too_many(addresses.path(), addresses.size(), kMaxEndpointAddresses));
    }
    for (const Field& address : addresses.elements()) {
      if (type.text() == "FQDN") {
        errors.check(address, check_dns1123_subdomain(address.text()));
        continue;
      }
      const Result<net::IpAddr> parsed = net::IpAddr::parse(address.text());
      if (parsed && net::to_string(parsed->family()) != type.text()) {
        errors.invalid(address,
                       fmt::format("must be an {} address, as addressType says", type.text()));
      } else {
        validate_reachable(address, errors);
      }
    }
    const Field hostname = endpoint.at("hostname");
    errors.check(hostname, check_dns1123_label(hostname.text()));
    const Field node = endpoint.at("nodeName");
    errors.check(node, check_dns1123_subdomain(node.text()));
  }
  const Field ports = object.at("ports");
  if (ports.size() > kMaxSlicePorts) {
    errors.add(FieldError::too_many(ports.path(), ports.size(), kMaxSlicePorts));
    return;
  }
  std::set<std::string> names;
  for (const Field& port : ports.elements()) {
    const Field name = port.at("name");
    if (!name.text().empty()) errors.check(name, check_dns1123_label(name.text()));
    if (!names.emplace(name.text()).second) errors.duplicate(name, name.text());
    errors.one_of(port.at("protocol"), {"SCTP", "TCP", "UDP"});
    errors.port_number(port.at("port"));
  }
}

void validate_endpoint_slice_update(const Field& object, const Field& old, FieldErrors& errors) {
  errors.immutable(object.at("addressType"), old.at("addressType"));
}

void validate_lease(const Field& object, FieldErrors& errors) {
  const Field spec = object.at("spec");
  errors.at_least(spec.at("leaseDurationSeconds"), 1);
  errors.at_least(spec.at("leaseTransitions"), 0);
  const Field holder = spec.at("holderIdentity");
  if (holder.is_text() && holder.text().empty()) errors.invalid(holder, "must not be empty");
}

}  // namespace caracal::apimachinery
