#include "calico/decode_node_network.h"

#include <algorithm>

#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using net::Family;

// 32 bytes in base64 (RFC 4648) are 44 characters, the last one "=".
bool is_key(std::string_view text) {
  constexpr size_t kSize = 44;
  return text.size() == kSize && text.back() == '=' &&
         std::all_of(text.begin(), text.end() - 1, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/';
         });
}

class NodeReader {
 public:
  NodeReader(const json::object& object, ObjectReader& reader) : object_(object), reader_(reader) {}

  model::NodeNetwork read(const std::string& name) {
    node_.name = name;
    if (const json::object* metadata = reader_.object(object_, "metadata", FieldPath(""))) {
      const FieldPath path("metadata");
      node_.labels = reader_.labels(*metadata, "labels", path);
      annotations_ = reader_.labels(*metadata, "annotations", path);
    }
    read_family(Family::kIPv4, kNodeAnnotationsV4, node_.v4);
    read_family(Family::kIPv6, kNodeAnnotationsV6, node_.v6);
    node_.ipip_address = address(kIpipAddressAnnotation, Family::kIPv4);
    node_.route_reflector_cluster = address(kRouteReflectorAnnotation, Family::kIPv4);
    if (const std::string* text = annotation(kAsNumberAnnotation)) {
      node_.as_number = parse_as_number(*text);
      if (!node_.as_number) {
        wrong(kAsNumberAnnotation, "must be an AS number between 1 and 4294967295");
      }
    }
    read_status();
    read_pod_cidrs();
    return std::move(node_);
  }

 private:
  const std::string* annotation(std::string_view name) const {
    const auto found = annotations_.find(name);
    return found == annotations_.end() || found->second.empty() ? nullptr : &found->second;
  }
  void wrong(std::string_view name, std::string text) {
    const FieldPath metadata("metadata");
    const FieldPath annotations = metadata.member("annotations");
    reader_.invalid(annotations.member(name), json::string(*annotation(name)), std::move(text));
  }

  std::optional<net::IpAddr> address(std::string_view name, Family family) {
    const std::string* text = annotation(name);
    if (text == nullptr) return std::nullopt;
    const auto parsed = net::IpAddr::parse(*text);
    if (parsed && parsed->family() == family) return *parsed;
    wrong(name, "must be an " + std::string(net::to_string(family)) + " address");
    return std::nullopt;
  }

  void read_family(Family family, const NodeAnnotations& names, model::NodeFamily& out) {
    if (const std::string* text = annotation(names.address)) {
      const size_t slash = text->find('/');
      const auto found = net::IpAddr::parse(std::string_view(*text).substr(0, slash));
      const auto subnet = net::Cidr::parse_or_host(*text);
      if (found && subnet && found->family() == family) {
        out.address = model::NodeAddress{*found, subnet->bits()};
      } else {
        wrong(names.address, "must be an " + std::string(net::to_string(family)) +
                                 " address with the prefix length of its subnet, such as " +
                                 (family == Family::kIPv4 ? "10.9.8.7/24" : "2001:db8::7/64"));
      }
    }
    out.vxlan_address = address(names.vxlan_address, family);
    out.wireguard_address = address(names.wireguard_address, family);
    if (const std::string* text = annotation(names.vxlan_mac)) {
      if (const auto mac = net::MacAddr::parse(*text)) {
        out.vxlan_mac = *mac;
      } else {
        wrong(names.vxlan_mac, "must be a MAC address such as 66:00:00:00:00:01");
      }
    }
    if (const std::string* text = annotation(names.wireguard_key)) {
      if (is_key(*text)) {
        out.wireguard_key = *text;
      } else {
        wrong(names.wireguard_key, "must be a WireGuard public key: 32 bytes in base64");
      }
    }
  }

  // The kubelet's address, where nobody has written one with a prefix length.
  void read_status() {
    const json::object* status = reader_.object(object_, "status", FieldPath(""));
    if (status == nullptr) return;
    const json::array* addresses = reader_.array(*status, "addresses", FieldPath("status"));
    if (addresses == nullptr) return;
    for (const json::value& entry : *addresses) {
      if (jsonio::get_string(entry, {"type"}) != "InternalIP") continue;
      const auto found = net::IpAddr::parse(jsonio::get_string(entry, {"address"}));
      if (!found) continue;
      model::NodeFamily& family = found->is_v4() ? node_.v4 : node_.v6;
      if (!family.address) {
        family.address = model::NodeAddress{*found, address_bits(found->family())};
      }
    }
  }

  void read_pod_cidrs() {
    const FieldPath path("spec");
    const json::object& spec = spec_of(object_, reader_);
    const FieldPath list = path.member("podCIDRs");
    const auto add = [this](std::string_view text, const FieldPath& where) {
      const auto cidr = net::Cidr::parse(text);
      if (cidr) {
        node_.pod_cidrs.push_back(*cidr);
      } else {
        reader_.invalid(where, json::string(text), "must be a CIDR such as 10.0.1.0/24");
      }
    };
    for (const auto& [text, index] : reader_.texts(spec, "podCIDRs", path)) {
      add(text, list.element(index));
    }
    const std::string_view only = reader_.text(spec, "podCIDR", path);
    if (node_.pod_cidrs.empty() && !only.empty()) add(only, path.member("podCIDR"));
  }

  const json::object& object_;
  ObjectReader& reader_;
  model::Labels annotations_;
  model::NodeNetwork node_;
};

}  // namespace

model::NodeNetwork decode_node_network(const std::string& name, const json::object& object,
                                       ObjectReader& reader) {
  return NodeReader(object, reader).read(name);
}

}  // namespace caracal::calico
