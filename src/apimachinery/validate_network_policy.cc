// NetworkPolicy (networking.k8s.io/v1), every field:
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
#include "apimachinery/field_cursor.h"
#include "apimachinery/object_meta.h"
#include "net/cidr.h"

namespace caracal::apimachinery {
namespace {

void validate_port(const Field& port, FieldErrors& errors) {
  errors.one_of(port.at("protocol"), {"SCTP", "TCP", "UDP"});
  const Field number = port.at("port");
  const Field end = port.at("endPort");
  if (number.is_text()) {
    errors.check(number, check_port_name(number.text()));
  } else {
    errors.port_number(number);
  }
  if (!end.present()) return;
  errors.port_number(end);
  if (!number.present()) {
    errors.required(number, "endPort needs the port at which the range begins");
  } else if (number.is_text()) {
    errors.invalid(end, "a range needs a numeric port at its beginning");
  } else if (number.number() && end.number() && *end.number() < *number.number()) {
    errors.invalid(end, "must be greater than or equal to port");
  }
}

void validate_ip_block(const Field& block, FieldErrors& errors) {
  const Field cidr = block.at("cidr");
  if (cidr.text().empty()) return errors.required(cidr);
  const Result<net::Cidr> net = net::Cidr::parse(cidr.text());
  if (!net) return errors.invalid(cidr, "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/64");
  for (const Field& except : block.at("except").elements()) {
    const Result<net::Cidr> part = net::Cidr::parse(except.text());
    if (!part) {
      errors.invalid(except, "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/64");
    } else if (part->family() != net->family()) {
      errors.invalid(except, "must be of the same address family as cidr");
    } else if (!net->contains(*part) || part->bits() <= net->bits()) {
      errors.invalid(except, "must be a strict part of cidr, which is " + net->to_string());
    }
  }
}

void validate_peer(const Field& peer, FieldErrors& errors) {
  const Field pods = peer.at("podSelector");
  const Field namespaces = peer.at("namespaceSelector");
  const Field block = peer.at("ipBlock");
  if (pods.present()) errors.append(validate_label_selector(pods.value(), pods.path()));
  if (namespaces.present()) {
    errors.append(validate_label_selector(namespaces.value(), namespaces.path()));
  }
  if (block.present()) validate_ip_block(block, errors);
  if (block.present() && (pods.present() || namespaces.present())) {
    errors.forbidden(peer, "ipBlock cannot stand together with podSelector or namespaceSelector");
  } else if (!block.present() && !pods.present() && !namespaces.present()) {
    errors.required(peer, "a peer needs a podSelector, a namespaceSelector or an ipBlock");
  }
}

void validate_rules(const Field& rules, std::string_view peers, FieldErrors& errors) {
  for (const Field& rule : rules.elements()) {
    for (const Field& port : rule.at("ports").elements()) validate_port(port, errors);
    for (const Field& peer : rule.at(peers).elements()) validate_peer(peer, errors);
  }
}

}  // namespace

void validate_network_policy(const Field& object, FieldErrors& errors) {
  const Field spec = object.at("spec");
  const Field selector = spec.at("podSelector");
  errors.append(validate_label_selector(selector.value(), selector.path()));
  validate_rules(spec.at("ingress"), "from", errors);
  validate_rules(spec.at("egress"), "to", errors);
  const Field types = spec.at("policyTypes");
  if (types.size() > 2) {
    errors.invalid(types, "at most two policyTypes, Ingress and Egress, are allowed");
    return;
  }
  for (const Field& type : types.elements()) errors.one_of(type, {"Egress", "Ingress"});
}

}  // namespace caracal::apimachinery
