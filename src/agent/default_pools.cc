#include "agent/default_pools.h"

#include <fmt/format.h>

#include "base/log.h"
#include "jsonio/json.h"

namespace caracal::agent {

Result<json::object> default_pool_object(const Options& options, net::Family family) {
  const bool v4 = family == net::Family::kIPv4;
  const std::string& text = v4 ? options.default_pool : options.default_pool6;
  const auto refuse = [&](std::string_view why) {
    return fail(
        Errc::kInvalid,
        fmt::format("--default-pool-{} \"{}\": {}; valid is a prefix like {}, or none",
                    v4 ? "ipv4" : "ipv6", text, why, v4 ? "192.168.0.0/16" : "fd00:192:168::/48"));
  };
  const auto cidr = net::Cidr::parse(text);
  if (!cidr) return refuse(cidr.error().message);
  if (cidr->family() != family) return refuse("of the other address family");
  json::object spec{{"cidr", cidr->to_string()}, {"natOutgoing", options.default_nat_outgoing}};
  const std::string& mode = options.default_encapsulation;
  const char* when = mode.ends_with("-cross-subnet") ? "CrossSubnet" : "Always";
  // There are no IPIP tunnels for IPv6: what reaches other subnets there is VXLAN.
  if (mode.starts_with("vxlan") || (mode.starts_with("ipip") && !v4)) {
    spec["vxlanMode"] = when;
  } else if (mode.starts_with("ipip")) {
    spec["ipipMode"] = when;
  }
  return json::object{
      {"kind", "IPPool"},
      {"metadata", json::object{{"name", v4 ? "default-ipv4-ippool" : "default-ipv6-ippool"}}},
      {"spec", std::move(spec)}};
}

DefaultPools::DefaultPools(kube::Client& client, const Options& options)
    : client_(client), options_(options), backoff_({.first = event::Duration(1'000)}) {}

void DefaultPools::make(const std::vector<net::Family>& missing) {
  for (const net::Family family : missing) {
    const bool v4 = family == net::Family::kIPv4;
    if ((v4 ? options_.default_pool : options_.default_pool6) == "none") continue;
    if (!calls_.contains(family)) create(family, false);
  }
}

// First in the group people see; a cluster may have only the one Calico stores in.
void DefaultPools::create(net::Family family, bool stored_group) {
  auto object = default_pool_object(options_, family);
  if (!object) {
    error_ = object.error().message;
    log::error("no default pool", {{"error", error_}});
    return;
  }
  const char* version = stored_group ? "crd.projectcalico.org/v1" : "projectcalico.org/v3";
  (*object)["apiVersion"] = version;
  kube::Request request;
  request.method = "POST";
  request.path = kube::resource_path(version, "", "ippools");
  request.body = jsonio::to_string(*object);
  calls_[family] = client_.request(
      std::move(request), [this, family, stored_group](const Result<kube::Response>& answer) {
        if (answer || answer.error().code == Errc::kExists) {
          if (answer) log::info("default pool made", {{"family", net::to_string(family)}});
          error_.clear();
          return;
        }
        if (answer.error().code == Errc::kNotFound && !stored_group) return create(family, true);
        error_ = answer.error().code == Errc::kNotFound
                     ? "the API server has no kind IPPool: install Caracal's CRDs"
                     : answer.error().message;
        log::warn("no default pool yet", {{"error", error_}});
        timers_[family] =
            client_.loop().after(backoff_.next(), [this, family] { create(family, false); });
      });
}

}  // namespace caracal::agent
