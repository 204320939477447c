#include "agent/pool_addresses.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace caracal::agent {
namespace {

// As Calico names it, so that either can release what the other has given out.
std::string handle_of(const std::string& network, const ipam::AttachmentId& id) {
  const std::string handle = network + "." + id.container_id;
  return id.ifname == "eth0" ? handle : handle + "." + id.ifname;
}

}  // namespace

PoolAddresses::PoolAddresses(event::Loop& loop, kube::Client& client, const Options& options,
                             ipam::LeaseBook& leases, const AddressWishes& wishes)
    : schedule_(loop),
      datastore_(client),
      claims_(schedule_, datastore_,
              {.node = options.node_name, .write_handles = options.write_handles}),
      options_(options),
      leases_(leases),
      wishes_(wishes) {}

void PoolAddresses::update(const model::NetworkUpdate& update) {
  if (const auto* pool = std::get_if<model::IpPoolUpdate>(&update)) {
    if (pool->value) {
      pools_.insert_or_assign(pool->key, *pool->value);
    } else {
      pools_.erase(pool->key);
    }
  } else if (const auto* node = std::get_if<model::NodeNetworkUpdate>(&update)) {
    if (node->key == options_.node_name && node->value) node_labels_ = node->value->labels;
  } else if (const auto* ready = std::get_if<model::DatastoreReadyUpdate>(&update)) {
    datastore_ready_ = ready->ready;
  }
  claims_.update(update);
}

bool PoolAddresses::selects_this_node(const model::IpPool& pool) const {
  return pool.nodes.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto found = node_labels_.find(key);
    if (found == node_labels_.end()) return std::nullopt;
    return found->second;
  });
}

void PoolAddresses::reserve(const AddressRequest& request, OnLease done) {
  if (const ipam::Lease* lease = leases_.find(request.attachment)) return done(*lease);
  auto wish = wishes_.of(request.pod);
  if (!wish) return done(fail(wish.error()));
  ipam::AssignRequest ask;
  ask.handle_id = handle_of(request.network, request.attachment);
  ask.attributes = {{"pod", request.pod.name}, {"namespace", request.pod.ns}};
  ask.addresses = request.requested.empty() ? wish->addresses : request.requested;
  ask.pools_v4 = wish->pools_v4;
  ask.pools_v6 = wish->pools_v6;
  ask.namespace_labels = wish->namespace_labels;
  for (const net::Family family : net::kFamilies) {
    const auto& asked = family == net::Family::kIPv4 ? wish->pools_v4 : wish->pools_v6;
    const bool wanted = wish->families.empty()
                            ? !asked.empty() || std::any_of(pools_.begin(), pools_.end(),
                                                            [&](const auto& entry) {
                                                              const model::IpPool& pool =
                                                                  entry.second;
                                                              return pool.cidr.family() == family &&
                                                                     pool.for_workloads &&
                                                                     !pool.disabled && !pool.manual;
                                                            })
                            : std::find(wish->families.begin(), wish->families.end(), family) !=
                                  wish->families.end();
    if (wanted) ask.families.push_back(family);
  }
  // Whether it was this container's before: then the answer was lost, and it is so still.
  ask.reuse = true;
  const std::string handle = ask.handle_id;
  claims_.assign(std::move(ask),
                 [this, request, handle, done](const Result<std::vector<net::IpAddr>>& addresses) {
                   if (!addresses) return done(fail(addresses.error()));
                   auto lease = leases_.record(request.attachment, *addresses, request.attributes);
                   if (lease) return done(std::move(lease));
                   const Error error = lease.error();
                   claims_.release(handle, *addresses, [handle](const Status& released) {
                     if (!released) {
                       log::warn("addresses not released; caracal-controller will find them",
                                 {{"handle", handle}, {"error", released.error().message}});
                     }
                   });
                   done(fail(error));
                 });
}

void PoolAddresses::release(const ipam::AttachmentId& id, const std::string& network,
                            OnReleased done) {
  const ipam::Lease* lease = leases_.find(id);
  const auto forget = [this, id, done](const Status& released) {
    if (!released) return done(released);
    done(leases_.release(id));
  };
  if (lease == nullptr) return claims_.release_all_of(handle_of(network, id), done);
  claims_.release(handle_of(network, id), lease->addresses, forget);
}

std::string PoolAddresses::not_ready_reason() const {
  if (!datastore_ready_)
    return "the cluster's datastore is locked (ClusterInformation datastoreReady is false)";
  if (pools_.empty()) return "there is no IPPool yet";
  if (!claims_.ready()) {
    const std::string problem = claims_.problem();
    return "this node's blocks of addresses are not read yet" +
           (problem.empty() ? "" : ": " + problem);
  }
  return {};
}

json::object PoolAddresses::status() const {
  json::object out{{"mode", "pools"}};
  json::array& blocks = out["blocks"].emplace_array();
  std::map<net::Cidr, size_t> used;
  size_t borrowed = 0;
  for (const ipam::HeldAddress& held : claims_.held()) {
    ++used[held.block];
    borrowed += held.borrowed ? 1 : 0;
  }
  for (const net::Cidr& cidr : claims_.own_blocks())
    blocks.push_back(json::object{{"cidr", cidr.to_string()}, {"used", used[cidr]}});
  out["borrowed"] = borrowed;
  const ipam::ClaimsCounters& counters = claims_.counters();
  out["assigned"] = counters.assigned;
  out["released"] = counters.released;
  out["writes"] = counters.block_writes + counters.affinity_writes + counters.handle_writes;
  out["conflicts"] = counters.conflicts;
  if (const std::string problem = claims_.problem(); !problem.empty()) out["problem"] = problem;
  return out;
}

void PoolAddresses::acquire_tunnel(const std::string& handle, const std::string& type,
                                   net::Family family, OnAddress done) {
  ipam::AssignRequest ask;
  ask.handle_id = handle;
  ask.attributes = {{"type", type}};
  ask.families = {family};
  ask.use = ipam::AddressUse::kTunnel;
  ask.reuse = true;
  claims_.assign(std::move(ask), [done](const Result<std::vector<net::IpAddr>>& addresses) {
    if (!addresses) return done(fail(addresses.error()));
    done(addresses->front());
  });
}

void PoolAddresses::release_tunnel(const std::string& handle, std::function<void(Status)> done) {
  claims_.release_all_of(handle, std::move(done));
}

bool PoolAddresses::keeps_tunnel(const net::IpAddr& address) const {
  bool another = false;
  for (const auto& [name, pool] : pools_) {
    const bool serves = pool.for_tunnels && !pool.disabled;
    if (pool.cidr.contains(address) && serves) return true;
    another = another || (pool.cidr.family() == address.family() && serves && !pool.manual &&
                          !pool.namespaces && selects_this_node(pool));
  }
  return !another;
}

}  // namespace caracal::agent
