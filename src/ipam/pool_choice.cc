#include "ipam/pool_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace caracal::ipam {

using model::IpPool;

namespace {

bool selects(const selector::Selector& selector, const model::Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto at = labels.find(key);
    if (at == labels.end()) return std::nullopt;
    return std::string_view(at->second);
  });
}

}  // namespace

std::string_view to_string(AddressUse use) {
  return use == AddressUse::kWorkload ? "Workload" : "Tunnel";
}

bool serves(const IpPool& pool, AddressUse use) {
  return use == AddressUse::kWorkload ? pool.for_workloads : pool.for_tunnels;
}

std::string describe(const std::vector<const IpPool*>& pools) {
  std::vector<std::string> parts;
  for (const IpPool* pool : pools)
    parts.push_back(fmt::format("{} ({})", pool->name, pool->cidr.to_string()));
  return join(parts, ", ");
}

Result<const IpPool*> PoolSet::find(std::string_view name_or_cidr) const {
  if (const auto at = pools.find(name_or_cidr); at != pools.end()) return &at->second;
  if (const auto cidr = net::Cidr::parse(name_or_cidr)) {
    for (const auto& [name, pool] : pools) {
      if (pool.cidr == *cidr) return &pool;
    }
  }
  std::vector<const IpPool*> all;
  for (const auto& [name, pool] : pools) all.push_back(&pool);
  return fail(Errc::kInvalid,
              fmt::format("IPPool \"{}\" does not exist: must be the name or CIDR of "
                          "one of {}",
                          name_or_cidr, all.empty() ? "(none)" : describe(all)));
}

Result<std::vector<const IpPool*>> PoolSet::choose(const PoolQuery& query) const {
  std::vector<const IpPool*> out;
  if (query.address) {
    const std::string address = query.address->to_string();
    const IpPool* pool = pool_of(*query.address);
    std::vector<const IpPool*> all;
    for (const auto& [name, each] : pools) all.push_back(&each);
    if (pool == nullptr) {
      return fail(Errc::kInvalid,
                  fmt::format("requested address {} is in no IPPool: must be in one of {}", address,
                              all.empty() ? "(none)" : describe(all)));
    }
    if (pool->disabled) {
      return fail(Errc::kInvalid,
                  fmt::format("requested address {} is in IPPool {}, which is disabled", address,
                              pool->name));
    }
    if (!serves(*pool, query.use)) {
      return fail(Errc::kInvalid,
                  fmt::format("requested address {} is in IPPool {}, whose allowedUses lack {}",
                              address, pool->name, to_string(query.use)));
    }
    return std::vector<const IpPool*>{pool};
  }
  for (const std::string& wanted : query.pools) {
    CARACAL_ASSIGN(const IpPool* pool, find(wanted));
    std::string problem;
    if (pool->disabled) {
      problem = "it is disabled";
    } else if (pool->cidr.family() != query.family) {
      problem = fmt::format("it is not an {} pool", net::to_string(query.family));
    } else if (!serves(*pool, query.use)) {
      problem = fmt::format("its allowedUses lack {}", to_string(query.use));
    }
    if (!problem.empty()) {
      return fail(Errc::kInvalid,
                  fmt::format("IPPool {} was asked for, but {}", pool->name, problem));
    }
    if (std::find(out.begin(), out.end(), pool) == out.end()) out.push_back(pool);
  }
  if (!query.pools.empty()) return out;

  std::vector<std::string> refused;
  for (const auto& [name, pool] : pools) {
    if (pool.cidr.family() != query.family) continue;
    std::string problem;
    if (pool.disabled) {
      problem = "disabled";
    } else if (!serves(pool, query.use)) {
      problem = fmt::format("not for {} use", to_string(query.use));
    } else if (pool.manual) {
      problem = "assignmentMode Manual";
    } else if (!selects(pool.nodes, node_labels)) {
      problem = "nodeSelector does not select this node";
    } else if (query.use == AddressUse::kWorkload && pool.namespaces &&
               !selects(*pool.namespaces, query.namespace_labels)) {
      problem = "namespaceSelector does not select the namespace";
    }
    if (problem.empty()) {
      out.push_back(&pool);
    } else {
      refused.push_back(fmt::format("{}: {}", name, problem));
    }
  }
  if (out.empty()) {
    return fail(
        Errc::kExhausted,
        fmt::format("no IPPool gives {} addresses for {} use here ({}): make an IPPool, or "
                    "change the fields named",
                    net::to_string(query.family), to_string(query.use),
                    refused.empty() ? "there is none of this family" : join(refused, "; ")));
  }
  return out;
}

const IpPool* PoolSet::pool_of(const net::IpAddr& address) const {
  const IpPool* best = nullptr;
  for (const auto& [name, pool] : pools) {
    if (!pool.cidr.contains(address)) continue;
    // While a pool is split both have it: the smaller one is the new one.
    if (best == nullptr || pool.cidr.bits() > best->cidr.bits()) best = &pool;
  }
  return best;
}

bool PoolSet::node_keeps(const net::Cidr& block) const {
  return std::any_of(pools.begin(), pools.end(), [&](const auto& entry) {
    const IpPool& pool = entry.second;
    return pool.cidr.contains(block) && !pool.disabled && selects(pool.nodes, node_labels);
  });
}

bool PoolSet::reserved(const net::IpAddr& address) const {
  for (const auto& [name, reservation] : reservations) {
    for (const net::Cidr& cidr : reservation.cidrs) {
      if (cidr.contains(address)) return true;
    }
  }
  return false;
}

bool PoolSet::all_reserved(const net::Cidr& block) const {
  for (const auto& [name, reservation] : reservations) {
    for (const net::Cidr& cidr : reservation.cidrs) {
      if (cidr.contains(block)) return true;
    }
  }
  return false;
}

bool PoolSet::any_reserved(const net::Cidr& block) const {
  for (const auto& [name, reservation] : reservations) {
    for (const net::Cidr& cidr : reservation.cidrs) {
      if (cidr.contains(block) || block.contains(cidr)) return true;
    }
  }
  return false;
}

}  // namespace caracal::ipam
