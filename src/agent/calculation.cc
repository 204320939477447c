#include "agent/calculation.h"

#include "base/log.h"

namespace caracal::agent {

namespace fib = dataplane::fib;

// As dataplane/link makes it: the address is on the other end of the link.
fib::RouteTable pod_routes(const model::LocalEndpoint& endpoint) {
  fib::RouteTable table;
  for (const net::IpAddr& address : endpoint.addresses) {
    fib::Route route;
    route.scope = address.is_v4() ? fib::RouteScope::kLink : fib::RouteScope::kUniverse;
    route.device = endpoint.interface;
    table.emplace(fib::RouteKey{net::Cidr::host(address)}, route);
  }
  return table;
}

Calculation::Calculation(event::Loop& loop, std::string node_name, telemetry::Metrics& metrics)
    : loop_(loop),
      node_name_(std::move(node_name)),
      engine_({.node = node_name_}),
      flush_seconds_(metrics.histogram("caracal_policy_calculation_seconds",
                                       "Time of one policy calculation")),
      updates_(
          metrics.counter("caracal_updates_total", "Changes of the world that were computed")) {}

void Calculation::update(const model::Update& update) {
  updates_.add();
  note(update);
  if (std::holds_alternative<model::PolicySettingsUpdate>(update)) {
    engine_.apply(with_tunnels());
  } else {
    engine_.apply(update);
  }
  schedule_flush();
}

void Calculation::set_tunnel_failsafes(std::vector<model::Failsafe> failsafes) {
  if (failsafes == tunnel_failsafes_) return;
  tunnel_failsafes_ = std::move(failsafes);
  engine_.apply(with_tunnels());
  schedule_flush();
}

model::PolicySettingsUpdate Calculation::with_tunnels() const {
  if (tunnel_failsafes_.empty()) return {settings_};
  model::PolicySettings settings = settings_.value_or(model::PolicySettings{});
  for (auto* list : {&settings.inbound, &settings.outbound})
    list->insert(list->end(), tunnel_failsafes_.begin(), tunnel_failsafes_.end());
  return {std::move(settings)};
}

// What besides the policy engine depends on an update.
void Calculation::note(const model::Update& update) {
  if (const auto* pod = std::get_if<model::PodUpdate>(&update)) {
    if (!pod->value) {
      pods_.erase(pod->key);
    } else if (pods_.insert(pod->key).second) {
      const auto [begin, end] = pod_waiters_.equal_range(pod->key);
      for (auto it = begin; it != end; ++it) loop_.post(it->second);
      pod_waiters_.erase(begin, end);
    }
  } else if (const auto* node = std::get_if<model::NodeUpdate>(&update)) {
    if (node->key != node_name_) return;
    own_node_ = node->value;
    if (own_node_ && own_node_changed_) own_node_changed_(*own_node_);
  } else if (const auto* settings = std::get_if<model::PolicySettingsUpdate>(&update)) {
    settings_ = settings->value;
  } else if (const auto* policy = std::get_if<model::PolicyUpdate>(&update)) {
    if (policy->invalid) {
      invalid_[policy->key] = *policy->invalid;
    } else {
      invalid_.erase(policy->key);
    }
  }
}

void Calculation::set_synced() {
  if (synced_) return;
  synced_ = true;
  engine_.flush();
  dirty_ = false;
  log::info("world in sync", {{"pods", engine_.counts().pods},
                              {"local_endpoints", engine_.counts().local_endpoints}});
  dataplane_->sync_policy(engine_.tables());
  dataplane_->sync_routes(wanted_routes());
}

fib::RouteTable Calculation::wanted_routes() const {
  fib::RouteTable table = block_table_;
  table.insert(pod_table_.begin(), pod_table_.end());
  return table;
}

void Calculation::apply_block_routes(const fib::RouteDelta& delta) {
  for (const auto& key : delta.erase) block_table_.erase(key);
  for (const auto& [key, route] : delta.set) block_table_.insert_or_assign(key, route);
  if (synced_ && !delta.empty()) dataplane_->apply_routes(delta);
}

void Calculation::set_endpoint(const model::LocalEndpoint& endpoint, bool routed) {
  engine_.apply(model::LocalEndpointUpdate{endpoint.interface, endpoint});
  dirty_ = true;
  if (!routed) return;
  const fib::RouteTable routes = pod_routes(endpoint);
  for (const auto& [key, route] : routes) pod_table_.insert_or_assign(key, route);
  if (synced_) dataplane_->apply_routes({routes, {}});
}

void Calculation::remove_endpoint(const std::string& interface) {
  engine_.apply(model::LocalEndpointUpdate{interface, std::nullopt});
  schedule_flush();
  fib::RouteDelta delta;
  for (const auto& [key, route] : pod_table_) {
    if (route.device == interface) delta.erase.insert(key);
  }
  for (const auto& key : delta.erase) pod_table_.erase(key);
  if (synced_ && !delta.empty()) dataplane_->apply_routes(delta);
}

void Calculation::schedule_flush() {
  dirty_ = true;
  if (!synced_ || flush_scheduled_) return;
  flush_scheduled_ = true;
  loop_.post([this] {
    flush_scheduled_ = false;
    flush();
  });
}

uint64_t Calculation::flush() {
  if (!synced_ || !dirty_) return dataplane_->last_sequence();
  dirty_ = false;
  const auto begin = event::Clock::now();
  const desired::PolicyDelta delta = engine_.flush();
  flush_seconds_.observe(event::Clock::now() - begin);
  if (delta.empty()) return dataplane_->last_sequence();
  log::debug("policy computed", {{"changes", delta.size()}});
  return dataplane_->apply_policy(delta);
}

void Calculation::flush_then(Done done) { when_applied(flush(), std::move(done)); }

void Calculation::when_applied(uint64_t sequence, Done done) {
  if (sequence <= applied_.sequence) {
    loop_.post(std::move(done));
  } else {
    apply_waiters_.emplace(sequence, std::move(done));
  }
}

void Calculation::when_pod_known(const model::ObjectName& name, Done wake) {
  pod_waiters_.emplace(name, std::move(wake));
}

void Calculation::on_applied(Applied applied) {
  applied_ = std::move(applied);
  while (!apply_waiters_.empty() && apply_waiters_.begin()->first <= applied_.sequence) {
    const Done done = std::move(apply_waiters_.begin()->second);
    apply_waiters_.erase(apply_waiters_.begin());
    done();
  }
}

void Calculation::on_route_drift() {
  route_resync_wanted_ = true;
  if (links_under_way_ == 0) {
    route_resync_wanted_ = false;
    dataplane_->resync_routes();
  }
}

void Calculation::link_ends() {
  --links_under_way_;
  if (route_resync_wanted_) on_route_drift();
}

}  // namespace caracal::agent
