#include "hollow_node.h"

#include <fmt/format.h>

#include "agent/address_wishes.h"
#include "agent/calculation.h"
#include "agent/cluster_watch.h"
#include "agent/dataplane.h"
#include "agent/link_monitor.h"
#include "agent/pod_network.h"
#include "agent/policy_target.h"
#include "agent/pool_addresses.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "ipam/journal.h"
#include "ipam/lease_book.h"
#include "kube/client.h"
#include "network_watch.h"
#include "telemetry/metrics.h"

namespace caracal::bench {
namespace {

// A hollow node has no pods, so no leases.
class NoJournal final : public ipam::Journal {
 public:
  Result<std::vector<std::string>> load() override { return std::vector<std::string>{}; }
  Status append(std::string_view) override { return {}; }
  Status sync() override { return {}; }
  Status rewrite(const std::vector<std::string>&) override { return {}; }
};

}  // namespace

Result<std::unique_ptr<HollowNode>> HollowNode::create(std::string name,
                                                       const std::string& address) {
  CARACAL_ASSIGN(auto ns, netlink::NetworkNamespace::create_anonymous());
  CARACAL_TRY(run_checked({.argv = {"ip", "-batch", "-"},
                           .input = fmt::format("link add uplink type veth peer name nowhere\n"
                                                "link set nowhere up\n"
                                                "address add {} dev uplink\n"
                                                "link set uplink up\n",
                                                address),
                           .environment = {},
                           .netns = ns.fd_path()}));
  return std::unique_ptr<HollowNode>(new HollowNode(std::move(name), std::move(ns)));
}

// Threads end with the process: there is nothing to put in order.
HollowNode::~HollowNode() {
  if (thread_.joinable()) thread_.detach();
}

void HollowNode::start(const kube::ClusterAccess& access, bool all) {
  thread_ = std::thread([this, access, all] {
    const Status ended = run(access, all);
    if (!ended) {
      log::error("hollow node ended", {{"node", name_}, {"error", ended.error().message}});
      failed_ = true;
    }
  });
}

// The wiring of agent.cc, as far as it goes.
Status HollowNode::run(const kube::ClusterAccess& access, bool all) {
  agent::Options options;
  options.node_name = name_;
  options.bgp = false;
  options.default_pool = "none";
  options.flow_log = false;

  telemetry::Metrics metrics;
  event::Loop loop;
  kube::Client client(loop, access, {.user_agent = "caracal-hollow-node"});
  CARACAL_ASSIGN(ipam::LeaseBook leases, ipam::LeaseBook::open(std::make_unique<NoJournal>()));
  agent::AddressWishes wishes(name_);
  agent::PoolAddresses pools(loop, client, options, leases, wishes);
  agent::Calculation calculation(loop, name_, metrics);

  // Sockets are of the namespace they were opened in, the dataplane's thread of the one it was
  // started in.
  CARACAL_ASSIGN(auto inside, ns_.enter());
  std::optional<netlink::ScopedEnter> entered(std::move(inside));
  CARACAL_ASSIGN(auto nft, dataplane::nft::NftDriver::open(
                               {.table = "caracal", .interface_prefix = options.interface_prefix}));
  CARACAL_ASSIGN(auto routes, dataplane::fib::RouteDriver::open());
  CARACAL_ASSIGN(auto tunnels, dataplane::tunnel::TunnelDriver::open());
  CARACAL_ASSIGN(auto rules, dataplane::netrules::NetRulesDriver::open());
  CARACAL_ASSIGN(auto connections, dataplane::conntrack::ConntrackDriver::open());
  agent::Dataplane dataplane(
      loop, agent::make_nft_target(std::move(nft)), std::move(routes),
      agent::NetworkApply(std::move(tunnels), std::move(rules)), std::move(connections),
      {.on_applied = [&](agent::Applied applied) { calculation.on_applied(std::move(applied)); },
       .on_route_drift = [&] { calculation.on_route_drift(); },
       .on_connections_ended = {}},
      metrics);
  calculation.connect(dataplane);
  CARACAL_ASSIGN(const auto network, agent::PodNetwork::open(loop, options, client, calculation,
                                                             dataplane, pools, metrics));
  CARACAL_ASSIGN(
      const auto links,
      agent::LinkMonitor::open(
          loop, options.interface_prefix,
          {.on_host_interface =
               [&](const model::HostInterfaceUpdate& update) { calculation.update(update); },
           .on_host_addresses =
               [&](const std::set<net::IpAddr>& addresses) {
                 dataplane.set_host_addresses(addresses);
               },
           .on_pod_links = [] {},
           .on_mtu = [&](uint32_t mtu) { network->set_host_mtu(mtu); },
           .on_host_links =
               [&](const std::vector<agent::HostLink>& every) { network->set_links(every); }}));
  dataplane.start();
  entered.reset();

  calculation.on_own_node([&](const model::Node& node) { network->set_own_node(node); });
  const auto on_update = [&](const model::Update& update) { calculation.update(update); };
  const auto on_network = [&](const model::NetworkUpdate& update) {
    network->update(update);
    pools.update(update);
  };
  const auto on_synced = [&] {
    network->set_synced();
    calculation.set_synced();
    pools.set_synced();
    calculation.flush_then([this] { synced_ = true; });
  };
  agent::ClusterWatch cluster(
      client, {.on_update = on_update, .on_network = on_network, .on_synced = on_synced}, metrics,
      name_);
  NetworkWatch some(
      client, name_,
      [&](const calico::Decoded& decoded) {
        for (const model::Update& update : decoded.updates) on_update(update);
        for (const model::NetworkUpdate& update : decoded.network) on_network(update);
      },
      on_synced);
  links->report();
  if (all) {
    cluster.start();
  } else {
    some.start();
  }
  loop.run();
  dataplane.stop();
  return {};
}

}  // namespace caracal::bench
