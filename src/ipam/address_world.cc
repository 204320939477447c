#include "ipam/address_world.h"

#include <algorithm>
#include <memory>

#include "ipam/block_json.h"

namespace caracal::ipam {

const model::IpPool* AddressWorld::pool_of(const net::IpAddr& address) const {
  const model::IpPool* best = nullptr;
  for (const auto& [name, pool] : pools) {
    if (pool.cidr.contains(address) && (best == nullptr || pool.cidr.bits() > best->cidr.bits()))
      best = &pool;
  }
  return best;
}

const Block* AddressWorld::block_of(const net::IpAddr& address) const {
  // A block has at most 2^16 addresses, so it begins within the address's last two bytes; where
  // blocks overlap (a broken world) the one that begins last is taken.
  const net::IpAddr least = address.masked(net::address_bits(address.family()) - 16);
  auto at = records.blocks.upper_bound(net::Cidr::host(address));
  while (at != records.blocks.begin()) {
    --at;
    if (at->first.contains(address)) return &at->second.value;
    if (at->first.address() < least) return nullptr;
  }
  return nullptr;
}

bool is_reserved(const std::map<std::string, model::IpReservation, std::less<>>& reservations,
                 const net::IpAddr& address) {
  return std::any_of(reservations.begin(), reservations.end(), [&](const auto& entry) {
    const auto& cidrs = entry.second.cidrs;
    return std::any_of(cidrs.begin(), cidrs.end(),
                       [&](const net::Cidr& cidr) { return cidr.contains(address); });
  });
}

namespace {

struct Load : std::enable_shared_from_this<Load> {
  Load(Datastore& d, std::function<void(Result<AddressRecords>)> f)
      : datastore(d), done(std::move(f)) {}

  void affinities() {
    datastore.list(Kind::kAffinity, {},
                   [self = shared_from_this()](Result<std::vector<json::value>> objects) {
                     if (!objects) return self->done(fail(objects.error()));
                     for (json::value& object : *objects) {
                       auto stored = decode_affinity(std::move(object));
                       if (stored) {
                         std::string name = stored->name();
                         self->records.affinities.emplace(std::move(name), std::move(*stored));
                       } else {
                         self->records.problems.push_back(stored.error().message);
                       }
                     }
                     self->blocks();
                   });
  }

  void blocks() {
    datastore.list(Kind::kBlock, {},
                   [self = shared_from_this()](Result<std::vector<json::value>> objects) {
                     if (!objects) return self->done(fail(objects.error()));
                     for (json::value& object : *objects) {
                       auto stored = decode_block(std::move(object));
                       if (stored) {
                         const net::Cidr cidr = stored->value.cidr();
                         self->records.blocks.emplace(cidr, std::move(*stored));
                       } else {
                         self->records.problems.push_back(stored.error().message);
                       }
                     }
                     self->handles();
                   });
  }

  void handles() {
    datastore.list(Kind::kHandle, {},
                   [self = shared_from_this()](Result<std::vector<json::value>> objects) {
                     if (!objects) return self->done(fail(objects.error()));
                     for (json::value& object : *objects) {
                       auto stored = decode_handle(std::move(object));
                       if (stored) {
                         std::string name = stored->name();
                         self->records.handles.emplace(std::move(name), std::move(*stored));
                       } else {
                         self->records.problems.push_back(stored.error().message);
                       }
                     }
                     self->done(std::move(self->records));
                   });
  }

  Datastore& datastore;
  std::function<void(Result<AddressRecords>)> done;
  AddressRecords records;
};

}  // namespace

void load_records(Datastore& datastore, std::function<void(Result<AddressRecords>)> done) {
  std::make_shared<Load>(datastore, std::move(done))->affinities();
}

}  // namespace caracal::ipam
