#include "agent/agent.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "agent/bgp_service.h"
#include "agent/calculation.h"
#include "agent/calico_node_status.h"
#include "agent/cluster_watch.h"
#include "agent/cni_service.h"
#include "agent/dataplane.h"
#include "agent/drop_counters.h"
#include "agent/flow_service.h"
#include "agent/link_monitor.h"
#include "agent/local_api.h"
#include "agent/node_condition.h"
#include "agent/node_setup.h"
#include "agent/pod_cidr_addresses.h"
#include "agent/pod_network.h"
#include "agent/policy_status.h"
#include "agent/policy_target.h"
#include "agent/pool_addresses.h"
#include "agent/wireguard_keys.h"
#include "base/log.h"
#include "dataplane/fib/route_driver.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/tunnel/block_routes.h"
#include "event/loop.h"
#include "event/watchdog.h"
#include "ipam/lease_book.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "telemetry/http_endpoint.h"
#include "telemetry/metrics.h"

// Loops, each with its thread, and what flows between them:
//
//   API server --> ClusterWatch --+     LinkMonitor <-- kernel
//                                 v      v                +--> nftables
//   plugin --> Server --> CniService <--> Calculation --> Dataplane --> connections
//                            |   (policy::Engine, routes)   +--> routes
//                            v                                   |
//                        LeaseBook, links (workers)    <--Applied+
//                        FlowService <---------- FlowWatch <-- kernel
//
//   [----------- calculation loop: this thread -----------] [- dataplane loop -]
//                                                           [--- flow loop ----]
namespace caracal::agent {
namespace {

std::unique_ptr<kube::Client> make_client(event::Loop& loop, kube::ClusterAccess access,
                                          const Options& options) {
  kube::ClientOptions client;
  client.user_agent = "caracal-agent/" + options.version;
  return std::make_unique<kube::Client>(loop, std::move(access), std::move(client));
}

// New pods get the MTU of now; those that are there keep theirs.
void use_mtu(Options& options, bool follow, uint32_t mtu) {
  if (!follow || options.mtu == mtu) return;
  if (options.mtu != 0) {
    log::warn("the MTU for pods has changed; pods that run keep theirs",
              {{"before", options.mtu}, {"now", mtu}});
  }
  options.mtu = mtu;
}

void log_ended(const std::vector<EndedConnection>& ended, FlowService& flows) {
  if (!log::enabled(log::Level::kDebug)) return;
  for (const EndedConnection& one : ended) {
    using dataplane::conntrack::Judgement;
    const auto& connection = one.connection;
    const char* why = one.judgement == Judgement::kIngress  ? "ingress policy"
                      : one.judgement == Judgement::kEgress ? "egress policy"
                                                            : "its pod has gone";
    log::debug("connection ended", {{"connection", to_string(connection)},
                                    {"source", flows.name_of(connection.original.source)},
                                    {"destination", flows.name_of(connection.reply.source)},
                                    {"because", why}});
  }
}

telemetry::Probe health_of(const event::Watchdog& watchdog) {
  for (const event::LoopHealth& loop : watchdog.health()) {
    if (loop.stuck)
      return {false,
              fmt::format("loop {} does not turn since {} ms", loop.name, loop.silent.count())};
  }
  return {true, "ok"};
}

}  // namespace

Status run(const Options& asked) {
  Options options = asked;
  std::signal(SIGPIPE, SIG_IGN);  // a peer that has gone is an error of the write
  log::info("caracal-agent starts", {{"version", options.version}, {"node", options.node_name}});

  // What can fail, first; nothing is changed until all of it is there.
  CARACAL_ASSIGN(kube::ClusterAccess access, kube::find_access({.kubeconfig = options.kubeconfig}));
  CARACAL_ASSIGN(auto journal, ipam::FileJournal::open(options.state_dir + "/leases"));
  CARACAL_ASSIGN(ipam::LeaseBook leases, ipam::LeaseBook::open(std::move(journal)));
  CARACAL_ASSIGN(auto nft, dataplane::nft::NftDriver::open(
                               {.table = "caracal", .interface_prefix = options.interface_prefix}));
  CARACAL_ASSIGN(auto routes, dataplane::fib::RouteDriver::open());
  dataplane::tunnel::TunnelOptions tunnel_options;
  tunnel_options.wireguard_key =
      [path = TunnelAddresses::key_path(options)](
          const std::string&) -> Result<dataplane::tunnel::WireguardKey> {
    CARACAL_ASSIGN(const WireguardKeys keys, load_wireguard_keys(path));
    return keys.secret;
  };
  CARACAL_ASSIGN(auto tunnel_driver,
                 dataplane::tunnel::TunnelDriver::open(std::move(tunnel_options)));
  CARACAL_ASSIGN(auto net_rules, dataplane::netrules::NetRulesDriver::open());
  CARACAL_ASSIGN(auto connections, dataplane::conntrack::ConntrackDriver::open());
  CARACAL_TRY(prepare_node(options.state_dir));

  telemetry::Metrics metrics;
  metrics
      .gauge("caracal_build_info", "1, with the version as label",
             "version=\"" + options.version + "\"")
      .set(1);

  event::Watchdog watchdog({.abort_after = event::Duration(120'000)});
  event::Loop loop;
  const std::string server = access.server;
  const auto client = make_client(loop, std::move(access), options);

  // The two halves of the pipeline.
  std::function<void(const std::vector<EndedConnection>&)> tell_ended;
  Calculation calculation(loop, options.node_name, metrics);
  Dataplane dataplane(
      loop, make_nft_target(std::move(nft)), std::move(routes),
      NetworkApply(std::move(tunnel_driver), std::move(net_rules)), std::move(connections),
      {.on_applied = [&](Applied applied) { calculation.on_applied(std::move(applied)); },
       .on_route_drift = [&] { calculation.on_route_drift(); },
       .on_connections_ended =
           [&](const std::vector<EndedConnection>& ended) {
             if (tell_ended) tell_ended(ended);
           }},
      metrics);
  dataplane.set_end_connections(options.end_connections);
  calculation.connect(dataplane);
  AddressWishes wishes(options.node_name);
  PodCidrAddresses pod_cidrs(leases, options.node_name);
  PoolAddresses pools(loop, *client, options, leases, wishes);
  AddressSource& addresses = options.pools ? static_cast<AddressSource&>(pools) : pod_cidrs;
  TunnelAddressSource& tunnels =
      options.pools ? static_cast<TunnelAddressSource&>(pools) : pod_cidrs;
  CARACAL_ASSIGN(const auto network, PodNetwork::open(loop, options, *client, calculation,
                                                      dataplane, tunnels, metrics));
  BgpService bgp(loop, *client, options, metrics, [&](bool birds) { network->set_bgp(birds); });
  calculation.on_own_node([&](const model::Node& node) {
    if (!options.pools) pod_cidrs.use(node);
    network->set_own_node(node);
  });

  // What feeds it: the API, the plugin, the kernel's interfaces.
  std::function<void(const model::Update&)> note_update;
  PolicyStatus policy_status(*client, {.node = options.node_name}, metrics);
  NodeCondition node_condition(*client, {.node = options.node_name});
  CalicoNodeStatus node_status(*client, {.node = options.node_name},
                               node_status_sources(loop, bgp, options));
  ClusterWatch cluster(
      *client,
      {.on_update =
           [&](const model::Update& update) {
             calculation.update(update);
             note_update(update);
             if (const auto* pod = std::get_if<model::PodUpdate>(&update)) bgp.pod(*pod);
           },
       .on_network =
           [&](const model::NetworkUpdate& update) {
             network->update(update);
             if (options.pools) pools.update(update);
             bgp.update(update);
           },
       .on_synced =
           [&] {
             bgp.set_synced();
             network->set_synced();
             calculation.set_synced();
             if (options.pools) pools.set_synced();
           },
       .on_findings =
           [&](const calico::Collection& collection, const model::ObjectName& name,
               const std::vector<calico::Finding>& findings, const json::value* object) {
             if (collection.kind == "Pod") return wishes.pod(name, object);
             if (collection.kind == "Namespace") return wishes.ns(name.name, object);
             if (collection.kind == "Node") return node_condition.seen(name.name, object);
             policy_status.note(collection, name, findings, object);
           }},
      metrics, options.node_name);
  CniService cni(loop, options, leases, addresses, wishes, calculation, dataplane, *client,
                 metrics);
  CARACAL_TRY(cni.recover());
  const bool follow_mtu = options.mtu == 0;
  CARACAL_ASSIGN(
      const auto links,
      LinkMonitor::open(
          loop, options.interface_prefix,
          {.on_host_interface =
               [&](const model::HostInterfaceUpdate& update) {
                 calculation.update(update);
                 note_update(update);
               },
           .on_host_addresses =
               [&](const std::set<net::IpAddr>& all) { dataplane.set_host_addresses(all); },
           .on_pod_links = [&] { cni.look_at_links(); },
           .on_mtu = [&](uint32_t mtu) { network->set_host_mtu(mtu); },
           .on_host_links = [&](const std::vector<HostLink>& all) { network->set_links(all); }}));
  network->on_pod_mtu([&](uint32_t mtu) { use_mtu(options, follow_mtu, mtu); });

  // Records of what is denied, or asked to be written down.
  FlowService flows(loop, options, cni, *links, metrics);
  note_update = [&](const model::Update& update) {
    flows.update(update);
    if (const auto* settings = std::get_if<model::PolicySettingsUpdate>(&update)) {
      const bool end = settings->value.value_or(model::PolicySettings{}).end_connections;
      dataplane.set_end_connections(options.end_connections && end);
    }
  };
  tell_ended = [&](const std::vector<EndedConnection>& ended) { log_ended(ended, flows); };
  links->report();
  cni.watch_links(*links);
  flows.start();

  // What it tells.
  LocalApi api(
      {options, calculation, cluster, addresses, *network, bgp, watchdog, server, cni, flows});
  CARACAL_ASSIGN(const auto socket, rpc::Server::listen(loop, options.socket,
                                                        [&](const rpc::Request& request,
                                                            const rpc::Server::Respond& respond) {
                                                          api.handle(request, respond);
                                                        }));
  bool ready = false;
  std::unique_ptr<telemetry::HttpEndpoint> http;
  if (!options.metrics_listen.empty()) {
    telemetry::Gauge& resident =
        metrics.gauge("caracal_resident_bytes", "Resident memory of the agent");
    CARACAL_ASSIGN(auto drops, DropCounters::open(metrics));
    const auto counters = std::make_shared<DropCounters>(std::move(drops));
    CARACAL_ASSIGN(
        http, telemetry::HttpEndpoint::start(
                  loop, options.metrics_listen,
                  {.metrics =
                       [&metrics, &resident, counters] {
                         if (Status read = counters->read(); !read) {
                           log::warn("drop counters not read", {{"error", read.error().message}});
                         }
                         resident.set(static_cast<double>(telemetry::resident_bytes()));
                         return metrics.render();
                       },
                   .health = [&] { return health_of(watchdog); },
                   .ready =
                       [&] {
                         return telemetry::Probe{ready, ready ? "ok" : "not ready"};
                       }}));
  }
  telemetry::Gauge& ready_gauge = metrics.gauge("caracal_ready", "1 when the node serves pods");
  telemetry::Gauge& endpoint_gauge = metrics.gauge("caracal_endpoints", "Workload interfaces");
  telemetry::Gauge& vanished_gauge =
      metrics.gauge("caracal_endpoints_vanished", "Workload interfaces whose link has vanished");
  telemetry::Gauge& mtu_gauge = metrics.gauge("caracal_pod_mtu_bytes", "MTU of new pods");
  const event::Handle look = loop.every(event::Duration(500), [&] {
    ready = api.not_ready_reason().empty();
    ready_gauge.set(ready ? 1 : 0);
    if (calculation.synced()) node_condition.tell(ready, api.network_problems());
    cluster.measure();
    endpoint_gauge.set(static_cast<double>(cni.endpoints().size()));
    vanished_gauge.set(static_cast<double>(cni.vanished().size()));
    mtu_gauge.set(options.mtu);
  });

  // Turn.
  CARACAL_ASSIGN(const event::Handle term, loop.watch_signal(SIGTERM, [&] { loop.stop(); }));
  CARACAL_ASSIGN(const event::Handle interrupt, loop.watch_signal(SIGINT, [&] { loop.stop(); }));
  const event::Handle watched = watchdog.watch(loop, "calculation");
  const event::Handle watched_dataplane = watchdog.watch(dataplane.loop(), "dataplane");
  dataplane.start();
  cluster.start();
  node_status.start();
  log::info("caracal-agent runs",
            {{"socket", options.socket}, {"api", server}, {"mtu", options.mtu}});
  loop.run();
  dataplane.stop();  // before the watches on its loop end
  log::info("caracal-agent ends; the kernel keeps what it has");
  return {};
}

Status dry_run(const Options& options) {
  CARACAL_ASSIGN(kube::ClusterAccess access, kube::find_access({.kubeconfig = options.kubeconfig}));
  CARACAL_ASSIGN(auto nft, dataplane::nft::NftDriver::open(
                               {.table = "caracal", .interface_prefix = options.interface_prefix}));
  CARACAL_ASSIGN(auto fib, dataplane::fib::RouteDriver::open());
  telemetry::Metrics metrics;
  event::Loop loop;
  const auto client = make_client(loop, std::move(access), options);
  policy::Engine engine({.node = options.node_name});
  route::NetworkEngine network({.node = options.node_name, .pod_cidrs = !options.pools});
  ClusterWatch cluster(
      *client,
      {.on_update = [&](const model::Update& update) { engine.apply(update); },
       .on_network = [&](const model::NetworkUpdate& update) { network.apply(update); },
       .on_synced = [&] { loop.stop(); }},
      metrics, options.node_name);
  // The endpoints of a running agent, when it can be asked; its lease journal is locked.
  const auto status = rpc::call_once(options.socket, "status", nullptr, std::chrono::seconds(10));
  dataplane::fib::RouteTable wanted_routes;
  if (status && !status->error) {
    for (const json::value& one : jsonio::get_array(status->result, {"endpoints"})) {
      model::LocalEndpoint endpoint{{std::string(jsonio::get_string(one, {"namespace"})),
                                     std::string(jsonio::get_string(one, {"pod"}))},
                                    std::string(jsonio::get_string(one, {"interface"})),
                                    {}};
      for (const json::value& text : jsonio::get_array(one, {"addresses"})) {
        if (const auto address =
                net::IpAddr::parse(text.is_string() ? std::string_view(text.get_string()) : "")) {
          endpoint.addresses.push_back(*address);
        }
      }
      wanted_routes.merge(pod_routes(endpoint));
      engine.apply(model::LocalEndpointUpdate{endpoint.interface, endpoint});
    }
  }
  cluster.start();
  const event::Handle limit = loop.after(event::Duration(30'000), [&] { loop.stop(); });
  loop.run();
  if (!cluster.synced())
    return fail(Errc::kUnavailable, "not in sync with the API server: " + cluster.error());

  engine.flush();
  const auto held = nft.read_back();
  const desired::PolicyDelta delta =
      desired::difference(held ? *held : desired::PolicyTables{}, engine.tables());
  fmt::print("# table inet caracal: {} ({} elements to change)\n{}",
             held ? "present" : "to be made: " + held.error().message, delta.size(),
             nft.describe(delta));
  network.flush();
  wanted_routes.merge(dataplane::tunnel::block_routes(network.network()));
  CARACAL_ASSIGN(const auto held_routes, fib.read_back());
  const auto route_delta = difference(held_routes, wanted_routes);
  for (const auto& key : route_delta.erase) fmt::print("ip route delete {}\n", key.to_string());
  for (const auto& [key, route] : route_delta.set) {
    fmt::print("ip route replace {} {}\n", key.to_string(), route.to_string());
  }
  return {};
}

}  // namespace caracal::agent
