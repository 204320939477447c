#include "agent/node_addressing.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace caracal::agent {
namespace {

std::string text_of(const model::NodeAddress& address) {
  return fmt::format("{}/{}", address.address.to_string(), address.bits);
}

constexpr const char* kKeys[] = {"projectcalico.org/IPv4Address", "projectcalico.org/IPv6Address"};

}  // namespace

Status NodeAddressing::configure(const Options& options) {
  for (const net::Family family : net::kFamilies) {
    const bool v4 = family == net::Family::kIPv4;
    const std::string& asked = v4 ? options.ip : options.ip6;
    Family& one = family_[index(family)];
    const auto method = parse_detection_method(v4 ? options.detection : options.detection6);
    if (!method) {
      return fail(method.error().within(v4 ? "--ip-autodetection" : "--ip6-autodetection"));
    }
    one.method = *method;
    if (asked == "none") {
      one.off = true;
      annotations_.want(kKeys[index(family)], std::nullopt);
    } else if (!asked.empty() && asked != "autodetect") {
      const size_t slash = asked.find('/');
      const auto address = net::IpAddr::parse(asked.substr(0, slash));
      std::optional<uint64_t> bits;
      if (slash != std::string::npos)
        bits = parse_decimal(asked.substr(slash + 1),
                             static_cast<uint64_t>(net::address_bits(family)));
      if (!address || address->family() != family || (slash != std::string::npos && !bits)) {
        return fail(Errc::kInvalid,
                    fmt::format("{} \"{}\": must be autodetect, none, or an {} address, with or "
                                "without a prefix length",
                                v4 ? "--ip" : "--ip6", asked, net::to_string(family)));
      }
      one.fixed = *address;
      if (bits) one.fixed_bits = static_cast<int>(*bits);
    }
  }
  return {};
}

// [{"name": "eth0", "addresses": ["10.0.0.7"]}]: for host endpoints made by interface pattern.
void NodeAddressing::tell_interfaces() {
  json::array all;
  for (const HostLink& link : links_) {
    if (link.loopback || is_virtual_interface(link.name)) continue;
    json::array addresses;
    for (const model::NodeAddress& one : link.addresses)
      addresses.emplace_back(one.address.to_string());
    all.push_back(json::object{{"name", link.name}, {"addresses", std::move(addresses)}});
  }
  annotations_.want("projectcalico.org/Interfaces", jsonio::to_string(all));
}

void NodeAddressing::set_links(const std::vector<HostLink>& links) {
  links_ = links;
  tell_interfaces();
  look();
}

void NodeAddressing::set_node(const model::Node& node) {
  const bool changed = !node_ || node_->internal_addresses != node.internal_addresses;
  node_ = node;
  if (changed) look();
}

void NodeAddressing::look() {
  for (const net::Family family : net::kFamilies) {
    Family& one = family_[index(family)];
    if (one.off) continue;
    Result<model::NodeAddress> now = fail(Errc::kNotFound, "");
    if (one.fixed) {
      int bits = one.fixed_bits.value_or(net::address_bits(family));
      for (const HostLink& link : links_) {
        for (const model::NodeAddress& on : link.addresses) {
          if (!one.fixed_bits && on.address == *one.fixed) bits = on.bits;
        }
      }
      now = model::NodeAddress{*one.fixed, bits};
    } else {
      now = detect_node_address(one.method, family, links_, node_ ? &*node_ : nullptr);
    }
    if (!now) {
      one.error = now.error().message;
      continue;
    }
    one.error.clear();
    if (one.found == *now) continue;
    if (one.found) {
      log::warn("the node's address has changed",
                {{"before", text_of(*one.found)}, {"now", text_of(*now)}});
    }
    one.found = *now;
    annotations_.want(kKeys[index(family)], text_of(*now));
  }
}

json::object NodeAddressing::status() const {
  json::object out;
  for (const net::Family family : net::kFamilies) {
    const Family& one = family_[index(family)];
    const char* key = family == net::Family::kIPv4 ? "v4" : "v6";
    if (one.found) out[key] = text_of(*one.found);
    if (!one.error.empty()) out[std::string(key) + "Error"] = one.error;
  }
  return out;
}

}  // namespace caracal::agent
