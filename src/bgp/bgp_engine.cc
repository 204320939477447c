#include "bgp/bgp_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/sha1.h"
#include "bgp/service_routes.h"
#include "bgp/session_plan.h"

namespace caracal::bgp {
namespace {

using model::BgpConfiguration;

// Puts a value into a map or takes it out; did that change the map?
template <typename Map, typename Value>
bool put(Map& map, const typename Map::key_type& key, const std::optional<Value>& value) {
  if (!value) return map.erase(key) > 0;
  const auto [found, fresh] = map.try_emplace(key, *value);
  if (fresh) return true;
  if (found->second == *value) return false;
  found->second = *value;
  return true;
}

// RFC 6286: any number but 0 that no other speaker has. The node's IPv4 address is one; without,
// four bytes of a digest of its name are one in all likelihood.
net::IpAddr router_id_of(const World& world) {
  if (world.router_id && world.router_id->is_v4()) return *world.router_id;
  const model::NodeNetwork* self = world.self();
  if (self != nullptr && self->v4.address) return self->v4.address->address;
  const auto id = static_cast<uint32_t>(std::stoul(sha1_hex(world.node).substr(0, 8), nullptr, 16));
  return net::IpAddr::v4(std::max(id, 1U));
}

// Without ranges to tell addresses of, Services change nothing.
bool tells_services(const World& world) {
  return std::any_of(world.configurations.begin(), world.configurations.end(),
                     [](const auto& entry) {
                       const BgpConfiguration& c = entry.second;
                       return !c.service_cluster_ips.empty() || !c.service_external_ips.empty() ||
                              !c.service_load_balancer_ips.empty();
                     });
}

std::optional<net::IpAddr> address_of(const model::NodeFamily& family) {
  if (!family.address) return std::nullopt;
  return family.address->address;
}

bool is_pod_pool(const model::IpPool& pool) { return pool.for_workloads || pool.for_tunnels; }

}  // namespace

BgpEngine::BgpEngine(Options options) {
  world_.node = std::move(options.node);
  world_.router_id = options.router_id;
  world_.pod_cidrs = options.pod_cidrs;
}

void BgpEngine::apply(const model::NetworkUpdate& update) {
  if (std::visit([this](const auto& u) { return update_world(u); }, update)) dirty_ = true;
}

bool BgpEngine::update_world(const model::NodeNetworkUpdate& update) {
  return put(world_.nodes, update.key, update.value);
}
bool BgpEngine::update_world(const model::IpPoolUpdate& update) {
  return put(world_.pools, update.key, update.value);
}
bool BgpEngine::update_world(const model::AddressBlockUpdate& update) {
  const bool own = update.value && update.value->node == world_.node && !world_.node.empty();
  return own ? world_.own_blocks.insert(update.key).second
             : world_.own_blocks.erase(update.key) > 0;
}
bool BgpEngine::update_world(const model::BgpConfigurationUpdate& update) {
  return put(world_.configurations, update.key, update.value);
}
bool BgpEngine::update_world(const model::BgpPeerUpdate& update) {
  return put(world_.peers, update.key, update.value);
}
bool BgpEngine::update_world(const model::BgpFilterUpdate& update) {
  return put(world_.filters, update.key, update.value);
}
bool BgpEngine::update_world(const model::ServiceUpdate& update) {
  return put(world_.services, update.key, update.value) && tells_services(world_);
}

bool BgpEngine::update_world(const model::ServiceNodesUpdate& update) {
  std::optional<std::string> service;
  if (update.value && std::find(update.value->nodes.begin(), update.value->nodes.end(),
                                world_.node) != update.value->nodes.end())
    service = update.value->service;
  const auto old = slices_.find(update.key);
  if (old != slices_.end() ? service == old->second : !service) return false;
  const std::string& ns = update.key.ns;
  if (old != slices_.end()) {
    const auto entry = world_.local_services.find({ns, old->second});
    entry->second.erase(update.key);
    if (entry->second.empty()) world_.local_services.erase(entry);
    slices_.erase(old);
  }
  if (service) {
    world_.local_services[{ns, *service}].insert(update.key);
    slices_[update.key] = *service;
  }
  return tells_services(world_);
}

void BgpEngine::set_password(const model::SecretKey& key, std::optional<std::string> password) {
  if (put(world_.passwords, key, password)) dirty_ = true;
}

bool BgpEngine::set_local_workload(const model::ObjectName& pod,
                                   std::optional<LocalWorkload> workload) {
  const bool changes = put(world_.local_workloads, pod, workload) &&
                       std::any_of(world_.peers.begin(), world_.peers.end(), [](const auto& entry) {
                         return entry.second.local_workloads.has_value();
                       });
  if (changes) dirty_ = true;
  return changes;
}

bool BgpEngine::needed() const {
  if (!world_.configurations.empty()) {
    if (world_.configurations.contains("default") ||
        world_.configurations.contains("node." + world_.node))
      return true;
  }
  const model::NodeNetwork* self = world_.self();
  for (const auto& [name, pool] : world_.pools) {
    if (is_pod_pool(pool) && pool.encapsulation == model::Encapsulation::kNone) return true;
  }
  if (world_.pod_cidrs && self != nullptr) {
    for (const net::Cidr& cidr : self->pod_cidrs) {
      const bool in_pool =
          std::any_of(world_.pools.begin(), world_.pools.end(),
                      [&](const auto& pool) { return pool.second.cidr.contains(cidr); });
      if (!in_pool) return true;
    }
  }
  // Any BGPPeer: whether it concerns this node depends on labels, and a daemon that comes and goes
  // with a label would be worse than an idle one.
  return !world_.peers.empty();
}

const std::set<model::SecretKey>& BgpEngine::wanted_secrets() {
  calculate();
  return wanted_secrets_;
}
const std::vector<std::string>& BgpEngine::problems() {
  calculate();
  return problems_;
}
const Config& BgpEngine::config() {
  calculate();
  return config_;
}

std::optional<Config> BgpEngine::flush() {
  calculate();
  if (!unflushed_) return std::nullopt;
  unflushed_ = false;
  if (flushed_ == config_) return std::nullopt;
  flushed_ = config_;
  return flushed_;
}

void BgpEngine::calculate() {
  if (!dirty_) return;
  dirty_ = false;
  unflushed_ = true;
  Config config;
  config.node = world_.node;
  config.router_id = router_id_of(world_);

  SessionPlan plan = plan_sessions(world_);
  wanted_secrets_ = std::move(plan.secrets);
  problems_ = std::move(plan.problems);
  config.sessions = std::move(plan.sessions);
  for (const Session& session : config.sessions) {
    for (const std::string& filter : session.filters)
      config.filters.emplace(filter, world_.filters.at(filter));
  }
  for (const auto& [peer, gateway] : plan.peer_routes)
    config.of(peer.family()).peer_routes.emplace(peer, gateway);

  const Settings settings(world_, world_.node);
  config.log_severity = settings.value(&BgpConfiguration::log_severity).value_or("Info");
  config.ignored_interfaces = settings.list(&BgpConfiguration::ignored_interfaces);
  config.v4.metric = settings.value(&BgpConfiguration::ipv4_priority).value_or(kDefaultMetricV4);
  config.v6.metric = settings.value(&BgpConfiguration::ipv6_priority).value_or(kDefaultMetricV6);
  for (const auto& advertisement : settings.list(&BgpConfiguration::prefix_advertisements))
    config.of(advertisement.cidr.family()).advertisements.push_back(advertisement);
  if (settings.value(&BgpConfiguration::program_cluster_routes) == "Disabled") {
    problems_.push_back(
        "BGPConfiguration: spec.programClusterRoutes: \"Disabled\" is not followed: routes of "
        "pools "
        "without encapsulation are programmed by BIRD, all others by the agent");
  }

  const auto add_block = [&](const net::Cidr& block) {
    FamilyConfig& part = config.of(block.family());
    (block.is_host() ? part.own_host_blocks : part.own_blocks).insert(block);
  };
  for (const net::Cidr& block : world_.own_blocks) add_block(block);
  if (const model::NodeNetwork* self = world_.self(); self != nullptr) {
    config.v4.node_address = address_of(self->v4);
    config.v6.node_address = address_of(self->v6);
    config.route_reflector = self->route_reflector_cluster.has_value();
    if (world_.pod_cidrs) {
      for (const net::Cidr& cidr : self->pod_cidrs) add_block(cidr);
    }
  }
  for (const auto& [name, pool] : world_.pools) {
    if (!is_pod_pool(pool)) continue;
    FamilyConfig& part = config.of(pool.cidr.family());
    (pool.export_by_bgp ? part.pools : part.hidden_pools).insert(pool.cidr);
    if (pool.encapsulation != model::Encapsulation::kNone) part.agent_pools.insert(pool.cidr);
  }
  for (const net::Family family : net::kFamilies) {
    ServiceRoutes services = plan_service_routes(world_, family);
    config.of(family).service_ranges = std::move(services.ranges);
    config.of(family).service_routes = std::move(services.routes);
  }
  config_ = std::move(config);
}

}  // namespace caracal::bgp
