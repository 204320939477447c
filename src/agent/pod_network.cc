#include "agent/pod_network.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "dataplane/tunnel/block_routes.h"

namespace caracal::agent {

namespace tunnel = dataplane::tunnel;

namespace {
constexpr event::Duration kHandOver{5'000};
}  // namespace

Result<std::unique_ptr<PodNetwork>> PodNetwork::open(event::Loop& loop, const Options& options,
                                                     kube::Client& client, Calculation& calculation,
                                                     Dataplane& dataplane,
                                                     TunnelAddressSource& tunnels,
                                                     telemetry::Metrics& metrics) {
  std::unique_ptr<PodNetwork> network(
      new PodNetwork(loop, options, client, calculation, dataplane, tunnels, metrics));
  CARACAL_TRY(network->addressing_.configure(options));
  for (const net::Family family : net::kFamilies) {
    const bool v4 = family == net::Family::kIPv4;
    if ((v4 ? options.default_pool : options.default_pool6) == "none") continue;
    const auto object = default_pool_object(options, family);
    if (!object) return fail(object.error());
  }
  return network;
}

PodNetwork::PodNetwork(event::Loop& loop, const Options& options, kube::Client& client,
                       Calculation& calculation, Dataplane& dataplane, TunnelAddressSource& tunnels,
                       telemetry::Metrics& metrics)
    : loop_(loop),
      options_(options),
      calculation_(calculation),
      dataplane_(dataplane),
      engine_({.node = options.node_name, .pod_cidrs = !options.pools}),
      annotations_(client, options.node_name),
      addressing_(annotations_),
      tunnels_(loop, options, annotations_, tunnels,
               [this](const OwnTunnel& own, TunnelAddresses::OnPrepared done) {
                 prepare_tunnel(own, std::move(done));
               }),
      default_pools_(client, options),
      flush_seconds_(metrics.histogram("caracal_network_calculation_seconds",
                                       "Time of one calculation of routes and tunnels")),
      routes_(metrics.gauge("caracal_block_routes", "Routes to blocks of addresses")) {}

void PodNetwork::update(const model::NetworkUpdate& update) {
  if (const auto* pool = std::get_if<model::IpPoolUpdate>(&update)) {
    if (pool->value) {
      pools_.insert_or_assign(pool->key, pool->value->cidr.family());
    } else {
      pools_.erase(pool->key);
    }
  } else if (const auto* settings = std::get_if<model::NetworkSettingsUpdate>(&update)) {
    const uint32_t metric = settings->value.value_or(model::NetworkSettings{}).route_metric;
    if (metric != route_metric_ && synced_) {
      // Every route is another entry of the kernel's table then.
      calculation_.apply_block_routes(
          difference(tunnel::block_routes(engine_.network(), {.metric = route_metric_}),
                     tunnel::block_routes(engine_.network(), {.metric = metric})));
    }
    route_metric_ = metric;
  }
  if (const auto* node = std::get_if<model::NodeNetworkUpdate>(&update);
      node != nullptr && node->key == options_.node_name) {
    own_ = node->value;
    engine_.apply(with_own_tunnels());
  } else {
    engine_.apply(update);
  }
  schedule_flush();
}

// Our own devices come before the others are told of them.
void PodNetwork::prepare_tunnel(const OwnTunnel& own, TunnelAddresses::OnPrepared done) {
  if (own.address) {
    own_tunnels_.insert_or_assign(own.kind, own);
  } else {
    own_tunnels_.erase(own.kind);
  }
  if (own_) engine_.apply(with_own_tunnels());
  prepared_.push_back([this, kind = own.kind, done = std::move(done)] {
    constexpr std::array kDevices = {tunnel::kVxlanV4, tunnel::kVxlanV6, tunnel::kIpip,
                                     tunnel::kWireguardV4, tunnel::kWireguardV6};
    const std::string_view device = kDevices.at(static_cast<size_t>(kind));
    for (const json::value& one : calculation_.applied().tunnels) {
      if (jsonio::get_string(one, {"device"}) == device)
        return done(std::string(jsonio::get_string(one, {"problem"})));
    }
    done({});
  });
  schedule_flush();
}

model::NodeNetworkUpdate PodNetwork::with_own_tunnels() const {
  model::NodeNetworkUpdate update{options_.node_name, own_};
  if (!update.value) return update;
  for (const auto& [kind, own] : own_tunnels_) {
    using Kind = OwnTunnel::Kind;
    switch (kind) {
      case Kind::kVxlanV4:
        update.value->v4.vxlan_address = own.address;
        break;
      case Kind::kVxlanV6:
        update.value->v6.vxlan_address = own.address;
        break;
      case Kind::kIpip:
        update.value->ipip_address = own.address;
        break;
      case Kind::kWireguardV4:
      case Kind::kWireguardV6: {
        auto& family = kind == Kind::kWireguardV4 ? update.value->v4 : update.value->v6;
        family.wireguard_address = own.address;
        family.wireguard_key = own.key;
        break;
      }
    }
  }
  return update;
}

void PodNetwork::set_own_node(const model::Node& node) {
  annotations_.seen(node.annotations);
  addressing_.set_node(node);
  tunnels_.set_node(node);
}

void PodNetwork::set_host_mtu(uint32_t mtu) {
  engine_.set_host_mtu(mtu);
  schedule_flush();
}

void PodNetwork::set_bgp(bool runs) {
  bgp_ = runs;
  engine_.set_bgp(runs);
  schedule_flush();
}

void PodNetwork::set_synced() {
  if (synced_) return;
  look_at_pools();
  const auto begin = event::Clock::now();
  engine_.flush();
  flush_seconds_.observe(event::Clock::now() - begin);
  tell_failsafes();
  calculation_.apply_block_routes(
      {tunnel::block_routes(engine_.network(), {.metric = route_metric_}), {}});
  dataplane_.sync_network(engine_.network());
  synced_ = true;
  schedule_flush();
}

void PodNetwork::look_at_pools() {
  if (!options_.pools) return;
  std::vector<net::Family> missing;
  for (const net::Family family : net::kFamilies) {
    if (std::none_of(pools_.begin(), pools_.end(),
                     [&](const auto& pool) { return pool.second == family; }))
      missing.push_back(family);
  }
  default_pools_.make(missing);
}

void PodNetwork::schedule_flush() {
  if (!synced_ || flush_scheduled_) return;
  flush_scheduled_ = true;
  loop_.post([this] {
    flush_scheduled_ = false;
    flush();
  });
}

void PodNetwork::flush() {
  const auto begin = event::Clock::now();
  const desired::PodNetworkDelta delta = engine_.flush();
  flush_seconds_.observe(event::Clock::now() - begin);
  tunnels_.set_needs(engine_.needs());
  if (const uint32_t mtu = engine_.pod_mtu(); mtu != told_mtu_) {
    told_mtu_ = mtu;
    if (pod_mtu_changed_) pod_mtu_changed_(mtu);
  }
  if (delta.empty()) {
    for (const auto& done : std::exchange(prepared_, {})) done();
    return;
  }
  if (delta.rules || delta.devices) tell_failsafes();
  log::debug("network computed", {{"routes", delta.routes.size()},
                                  {"vxlan_peers", delta.vxlan_peers.size()},
                                  {"devices", delta.devices},
                                  {"rules", delta.rules}});
  routes_.set(static_cast<double>(engine_.network().routes.size()));
  const uint64_t sequence = dataplane_.apply_network(delta, engine_.network());
  for (auto& done : std::exchange(prepared_, {}))
    calculation_.when_applied(sequence, std::move(done));
  apply_routes(tunnel::block_route_delta(delta, engine_.network(), {.metric = route_metric_}));
  // Looks at every node: not with every event.
  if (!problem_timer_.active())
    problem_timer_ = loop_.after(event::Duration(2'000), [this] { log_problems(); });
}

// Where BIRD runs, a route we no longer want may be one it takes over: it has its time to do so.
// Ours goes before BIRD's as long as it is there (metric).
void PodNetwork::apply_routes(dataplane::fib::RouteDelta delta) {
  for (const auto& [key, route] : delta.set) leaving_.erase(key);
  if (bgp_) {
    leaving_.insert(delta.erase.begin(), delta.erase.end());
    delta.erase.clear();
    if (!leaving_.empty() && !leaving_timer_.active()) {
      leaving_timer_ = loop_.after(kHandOver, [this] {
        leaving_timer_.reset();
        calculation_.apply_block_routes({{}, std::exchange(leaving_, {})});
      });
    }
  }
  calculation_.apply_block_routes(delta);
}

void PodNetwork::tell_failsafes() {
  const desired::PodNetwork& network = engine_.network();
  std::vector<model::Failsafe> failsafes;
  if (network.rules.vxlan_port != 0)
    failsafes.push_back({net::kUdp, network.rules.vxlan_port, std::nullopt});
  if (network.rules.ipip) failsafes.push_back({net::kIpip, 0, std::nullopt});
  for (const auto* family : {&network.v4, &network.v6}) {
    if (family->wireguard) failsafes.push_back({net::kUdp, family->wireguard->port, std::nullopt});
  }
  calculation_.set_tunnel_failsafes(std::move(failsafes));
}

void PodNetwork::log_problems() {
  problem_timer_.reset();
  std::vector<std::string> problems = engine_.problems();
  for (const std::string& problem : problems) {
    if (std::find(logged_problems_.begin(), logged_problems_.end(), problem) ==
        logged_problems_.end())
      log::warn("pod network", {{"problem", problem}});
  }
  logged_problems_ = std::move(problems);
}

void PodNetwork::add_status(json::object& network) const {
  network["addresses"] = addressing_.status();
  network["mtu"] = engine_.pod_mtu();
  network["routes"] = engine_.network().routes.size();
  json::array problems = tunnels_.problems();
  for (const std::string& problem : engine_.problems()) problems.emplace_back(problem);
  if (!annotations_.error().empty())
    problems.emplace_back("node annotations: " + annotations_.error());
  if (!default_pools_.error().empty())
    problems.emplace_back("default pool: " + default_pools_.error());
  network["problems"] = std::move(problems);
}

}  // namespace caracal::agent
