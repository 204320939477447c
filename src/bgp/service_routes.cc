#include "bgp/service_routes.h"

#include <algorithm>

namespace caracal::bgp {
namespace {

constexpr const char* kExcluded = "node.kubernetes.io/exclude-from-external-load-balancers";

// Kubernetes looks for the label alone; "false" is what people write who want to take it back.
bool is_excluded(const World& world) {
  const model::NodeNetwork* self = world.self();
  if (self == nullptr) return true;
  const auto label = self->labels.find(kExcluded);
  return label != self->labels.end() && label->second != "false";
}

// One of the three lists of ranges, and what is told of the addresses in them.
struct Ranges {
  const std::vector<net::Cidr>& cidrs;
  bool aggregate = true;

  // The longest range with the address, or nullptr.
  const net::Cidr* find(const net::IpAddr& address) const {
    const net::Cidr* best = nullptr;
    for (const net::Cidr& cidr : cidrs) {
      if (cidr.contains(address) && (best == nullptr || cidr.bits() > best->bits())) best = &cidr;
    }
    return best;
  }
  bool tells_hosts(const net::Cidr& range) const { return range.is_host() || !aggregate; }
};

}  // namespace

ServiceRoutes plan_service_routes(const World& world, net::Family family) {
  using Configuration = model::BgpConfiguration;
  const Settings settings(world, world.node);
  const Ranges cluster{settings.list(&Configuration::service_cluster_ips)};
  const Ranges external{settings.list(&Configuration::service_external_ips)};
  const Ranges balancer{settings.list(&Configuration::service_load_balancer_ips),
                        settings.value(&Configuration::load_balancer_aggregation).value_or(true)};

  ServiceRoutes out;
  const bool excluded = is_excluded(world);
  for (const Ranges* list : {&cluster, &external, &balancer}) {
    for (const net::Cidr& cidr : list->cidrs) {
      if (cidr.family() != family) continue;
      out.ranges.insert(cidr);
      if (!excluded && !list->tells_hosts(cidr)) out.routes.insert(cidr);
    }
  }
  if (excluded || out.ranges.empty()) return out;

  for (const auto& [name, service] : world.services) {
    const bool here = world.local_services.contains(name);
    const auto tell = [&](const Ranges& list, const std::vector<net::IpAddr>& addresses,
                          bool local) {
      for (const net::IpAddr& address : addresses) {
        if (address.family() != family) continue;
        const net::Cidr* range = list.find(address);
        if (range == nullptr) continue;
        if (local ? here : list.tells_hosts(*range)) out.routes.insert(net::Cidr::host(address));
      }
    };
    tell(cluster, service.cluster_ips, service.local || service.internal_local);
    tell(external, service.external_ips, service.local);
    tell(balancer, service.load_balancer_ips, service.local);
  }
  return out;
}

}  // namespace caracal::bgp
