#include "agent/bgp_service.h"

#include <unistd.h>

#include <algorithm>

#include "agent/endpoint.h"
#include "base/log.h"
#include "kube/base64.h"

namespace caracal::agent {
namespace {

constexpr event::Duration kMeasureEvery{10'000};
constexpr event::Duration kTakeoverLimit{20'000};

bgp::BirdKeeper::Options keeper_options(const Options& options) {
  bgp::BirdKeeper::Options out;
  out.command = {options.bird};
  out.folder = options.run_dir + "/bird";
  out.render.pod_interface_prefix = options.interface_prefix;
  return out;
}

}  // namespace

BgpService::BgpService(event::Loop& loop, kube::Client& client, const Options& options,
                       telemetry::Metrics& metrics, std::function<void(bool)> on_routes)
    : loop_(loop),
      client_(client),
      options_(options),
      on_routes_(std::move(on_routes)),
      engine_({.node = options.node_name, .router_id = std::nullopt, .pod_cidrs = !options.pools}),
      keeper_(loop, keeper_options(options), [this] { tell_routes(); }),
      peering_(options.interface_prefix),
      peers_(metrics.gauge("caracal_bgp_peers", "BGP sessions that are configured")),
      established_(metrics.gauge("caracal_bgp_peers_established", "BGP sessions that are up")) {
  // One that a former agent left has the routes already.
  if (options.bgp && ::access((options.run_dir + "/bird/bird.ctl").c_str(), F_OK) == 0) {
    told_ = true;
    on_routes_(true);
  }
}

void BgpService::update(const model::NetworkUpdate& update) {
  engine_.apply(update);
  schedule_flush();
}

void BgpService::pod(const model::PodUpdate& update) {
  const bool here = update.value && update.value->node == options_.node_name &&
                    update.value->networked() && !update.value->addresses.empty();
  if (!here) {
    if (local_pods_.erase(update.key) == 0) return;
    if (engine_.set_local_workload(update.key, std::nullopt)) schedule_flush();
    return;
  }
  bgp::LocalWorkload workload{update.value->labels, update.value->addresses};
  local_pods_[update.key] = workload;
  if (engine_.set_local_workload(update.key, std::move(workload))) schedule_flush();
}

void BgpService::set_synced() {
  synced_ = true;
  flush();
}

void BgpService::schedule_flush() {
  if (!synced_ || flush_scheduled_) return;
  flush_scheduled_ = true;
  loop_.post([this] {
    flush_scheduled_ = false;
    flush();
  });
}

void BgpService::flush() {
  ++flushes_;
  const bool wanted = options_.bgp && engine_.needed();
  if (!wanted) {
    // A BIRD of a former agent is found and ended, too.
    keeper_.unwant();
    wanted_ = false;
    give_peering_addresses();
    return tell_routes();
  }
  auto config = engine_.flush();
  look_at_secrets();
  if (config) {
    log::info("BGP configuration",
              {{"sessions", config->sessions.size()},
               {"blocks", config->v4.own_blocks.size() + config->v6.own_blocks.size()}});
    peers_.set(static_cast<double>(config->sessions.size()));
    keeper_.want(std::move(*config));
  } else if (!wanted_) {
    keeper_.want(engine_.config());
  }
  wanted_ = true;
  give_peering_addresses();
  if (!measure_timer_.active()) measure_timer_ = loop_.every(kMeasureEvery, [this] { measure(); });
  tell_routes();
}

// What pods that are peers speak to, on their interfaces. The node's own address is theirs already.
void BgpService::give_peering_addresses() {
  PeeringAddresses::Wanted wanted;
  if (wanted_) {
    std::map<net::IpAddr, const model::ObjectName*> pods;
    for (const auto& [name, pod] : local_pods_) {
      for (const net::IpAddr& address : pod.addresses) pods.emplace(address, &name);
    }
    for (const bgp::Session& session : engine_.config().sessions) {
      if (!session.peering_address || !session.local_address) continue;
      if (const auto pod = pods.find(session.address); pod != pods.end()) {
        wanted[interface_name(options_.interface_prefix, *pod->second)].insert(
            *session.local_address);
      }
    }
  }
  const Status done = peering_.apply(wanted);
  const std::string error = done ? "" : done.error().message;
  if (error != peering_error_ && !error.empty())
    log::error("addresses for pods that speak BGP", {{"error", error}});
  peering_error_ = error;
}

// BIRD's routes take the place of the agent's once it has learned them: when every session is up,
// or has had its time. Without the program the agent's own routes have to do.
void BgpService::tell_routes() {
  const bool birds = wanted_ && keeper_.state() != bgp::BirdState::kAbsent;
  if (!birds) {
    if (wanted_ && told_ != false) {
      log::warn("BIRD is not installed: pods on other subnets are reached by encapsulation only",
                {{"program", options_.bird}, {"error", keeper_.last_error()}});
    }
    takeover_timer_.reset();
    if (told_ == false) return;
    told_ = false;
    return on_routes_(false);
  }
  if (told_ == true || takeover_timer_.active()) return;
  const auto since = event::Clock::now();
  takeover_timer_ = loop_.every(event::Duration(300), [this, since] {
    if (keeper_.state() != bgp::BirdState::kRunning) return;
    keeper_.view([this, since](const bgp::BirdKeeper::View& view) {
      if (!takeover_timer_.active() || view.state != bgp::BirdState::kRunning) return;
      const bool all = view.configured && std::all_of(view.peers.begin(), view.peers.end(),
                                                      [](const auto& peer) { return peer.up; });
      if (!all && event::Clock::now() - since < kTakeoverLimit) return;
      takeover_timer_.reset();
      told_ = true;
      on_routes_(true);
    });
  });
}

void BgpService::look_at_secrets() {
  const bool wanted = !engine_.wanted_secrets().empty();
  if (wanted == (secrets_ != nullptr)) return;
  if (!wanted) {
    secrets_.reset();
    return;
  }
  kube::ReflectorOptions options;
  options.path = kube::resource_path("v1", options_.secret_namespace, "secrets");
  kube::Reflector::Callbacks callbacks;
  callbacks.on_object = [this](const model::ObjectName& name, const json::value* object) {
    take_secret(name.name, object);
  };
  callbacks.on_state = [this](const kube::ReflectorState& state) {
    if (!state.connected) {
      log::warn("BGP passwords cannot be read",
                {{"namespace", options_.secret_namespace}, {"error", state.error}});
    }
  };
  secrets_ = std::make_unique<kube::Reflector>(client_, std::move(options), std::move(callbacks));
  secrets_->start();
}

// Every key of it: a peer that comes later may want another one.
void BgpService::take_secret(const std::string& name, const json::value* object) {
  for (const model::SecretKey& wanted : engine_.wanted_secrets()) {
    if (wanted.name != name) continue;
    std::optional<std::string> password;
    if (object != nullptr) {
      const std::string_view text = jsonio::get_string(*object, {"data", wanted.key});
      password = kube::decode_base64(text);
      if (!password && !text.empty()) {
        log::error("a BGP password is not usable",
                   {{"secret", name}, {"key", wanted.key}, {"error", "no base64"}});
      }
    }
    engine_.set_password(wanted, std::move(password));
  }
  schedule_flush();
}

void BgpService::measure() {
  if (!wanted_) return established_.set(0);
  // Interfaces may be new ones, or have come later than their pods' addresses.
  give_peering_addresses();
  keeper_.view([this](const bgp::BirdKeeper::View& view) {
    established_.set(static_cast<double>(std::count_if(view.peers.begin(), view.peers.end(),
                                                       [](const auto& peer) { return peer.up; })));
  });
}

void BgpService::status(std::function<void(json::object)> done) {
  if (!wanted_) return done({{"state", options_.bgp ? "not-needed" : "off"}});
  keeper_.view([this, done = std::move(done)](const bgp::BirdKeeper::View& view) {
    json::object out = bgp::to_json(view);
    json::array& problems = out["problems"].emplace_array();
    for (const std::string& problem : engine_.problems()) problems.emplace_back(problem);
    if (!peering_error_.empty()) problems.emplace_back(peering_error_);
    done(std::move(out));
  });
}

}  // namespace caracal::agent
