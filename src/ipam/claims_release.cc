// Addresses given back.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

using net::Cidr;
using net::IpAddr;

std::optional<Cidr> AddressClaims::Impl::block_holding(const IpAddr& address) const {
  for (const auto& [cidr, slot] : slots) {
    if (cidr.contains(address)) return cidr;
  }
  for (const auto& [cidr, node] : known) {
    if (cidr.contains(address)) return cidr;
  }
  return std::nullopt;
}

void AddressClaims::Impl::add_release(const Cidr& block, ReleaseOp op) {
  Slot* slot = find_slot(block);
  if (slot == nullptr) slot = &add_slot(block, Phase::kUnread);
  op.came = schedule.now();
  slot->releases.push_back(std::move(op));
  wake();
}

void AddressClaims::Impl::release_pinned(const Cidr& block, const Allocation& allocation) {
  add_release(block, {nullptr, allocation.handle_id, allocation.address, allocation.sequence});
}

void AddressClaims::Impl::release(std::string handle_id, std::vector<IpAddr> addresses,
                                  OnDone done) {
  auto job = std::make_shared<ReleaseJob>();
  job->handle_id = handle_id;
  job->done = std::move(done);
  job->open = 1;  // until all are on their way
  ++open_releases;
  request_came();
  std::vector<IpAddr> homeless;
  for (const IpAddr& address : addresses) {
    std::optional<Cidr> block = block_holding(address);
    if (!block) {
      const model::IpPool* pool = pools.pool_of(address);
      if (pool != nullptr && pool->block_bits >= pool->cidr.bits() &&
          pool->block_bits <= net::address_bits(address.family())) {
        block = Cidr(address, pool->block_bits);
      }
    }
    if (!block) {
      homeless.push_back(address);
      continue;
    }
    ++job->open;
    add_release(*block, {job, handle_id, address, std::nullopt});
  }
  schedule.after(options.request_limit, [weak = weak_from_this(), weak_job = std::weak_ptr(job)] {
    const auto self = weak.lock();
    const auto late = weak_job.lock();
    if (!self || !late || late->over) return;
    late->over = true;
    --self->open_releases;
    self->later([late, limit = self->options.request_limit] {
      late->done(fail(Errc::kUnavailable,
                      fmt::format("the release of handle {} was not acknowledged within {} ms",
                                  late->handle_id, limit.count())));
    });
  });
  const ReleaseOp begin{job, handle_id, std::nullopt, std::nullopt};
  if (homeless.empty()) return release_done(begin, {});
  // Their pool is gone: any block may have them.
  ++counters.reads;
  datastore.list(
      Kind::kBlock, {},
      [weak = weak_from_this(), begin, homeless](Result<std::vector<json::value>> objects) {
        const auto self = weak.lock();
        if (!self) return;
        if (!objects) return self->release_done(begin, fail(objects.error()));
        for (json::value& object : *objects) {
          const auto stored = decode_block(std::move(object));
          if (!stored) continue;
          for (const IpAddr& address : homeless) {
            if (!stored->value.ordinal_of(address)) continue;
            ++begin.job->open;
            self->add_release(stored->value.cidr(),
                              {begin.job, begin.handle_id, address, std::nullopt});
          }
        }
        self->release_done(begin, {});
      });
}

void AddressClaims::Impl::release_all_of(std::string handle_id, OnDone done) {
  // Whoever still assigns to it is too late.
  std::vector<JobPtr> late;
  for (const JobPtr& job : jobs) {
    if (job->ask.handle_id == handle_id) late.push_back(job);
  }
  for (const JobPtr& job : late) {
    job_failed(job, {Errc::kConflict, fmt::format("handle {} has been released", handle_id)});
  }
  auto job = std::make_shared<ReleaseJob>();
  job->handle_id = handle_id;
  job->done = std::move(done);
  job->open = 1;
  ++open_releases;
  request_came();
  const ReleaseOp all{job, handle_id, std::nullopt, std::nullopt};
  std::set<Cidr> blocks;
  bool ask_handle = options.write_handles;
  bool found = false;
  for (const auto& [cidr, slot] : slots) {
    const auto held = slot->stored.value.allocations_of(handle_id);
    const auto of_handle = [&](const PartRef& ref) { return ref.job->ask.handle_id == handle_id; };
    const bool coming = std::any_of(slot->parts.begin(), slot->parts.end(), of_handle) ||
                        std::any_of(slot->flight.begin(), slot->flight.end(),
                                    [&](const Flight& flight) { return of_handle(flight.ref); });
    for (const Allocation& each : held) {
      found = true;
      if (!made_here.contains({each.address, each.sequence})) ask_handle = true;
    }
    found = found || coming;
    if (coming || !held.empty()) blocks.insert(cidr);
    // Not read yet: it may have some.
    if (slot->stored.resource_version().empty() && slot->phase != Phase::kClaiming)
      blocks.insert(cidr);
  }
  for (const Cidr& cidr : blocks) {
    ++job->open;
    add_release(cidr, all);
  }
  if (!ask_handle && found) return release_done(all, {});
  // Nothing here, or something a Calico node gave out: the handle knows the blocks, if there is
  // one.
  ++counters.reads;
  datastore.get(Kind::kHandle, handle_name(handle_id),
                [weak = weak_from_this(), all, blocks](Result<json::value> object) {
                  const auto self = weak.lock();
                  if (!self) return;
                  if (!object && object.error().code != Errc::kNotFound)
                    return self->release_done(all, fail(object.error()));
                  if (object) {
                    const auto handle = decode_handle(std::move(*object));
                    if (handle) {
                      for (const auto& [cidr, count] : handle->value.blocks) {
                        if (blocks.contains(cidr)) continue;
                        ++all.job->open;
                        self->add_release(cidr, all);
                      }
                    }
                  }
                  self->release_done(all, {});
                });
}

void AddressClaims::Impl::release_done(const ReleaseOp& op, const Status& status) {
  if (!op.job) return;
  if (!status && !op.job->error) op.job->error = status.error();
  if (--op.job->open > 0 || op.job->over) return;
  op.job->over = true;
  --open_releases;
  later([job = op.job] {
    if (job->error) {
      job->done(fail(*job->error));
    } else {
      job->done({});
    }
  });
}

void AddressClaims::Impl::account_release(const Cidr& block, const Allocation& freed) {
  ++counters.released;
  // Handles of this node's own making do not exist; others are kept true, in the background.
  if (made_here.erase({freed.address, freed.sequence}) == 0 && !freed.handle_id.empty())
    ledger.count(freed.handle_id, block, -1, {});
}

void AddressClaims::Impl::complete_releases(Slot& slot) {
  std::vector<FlyingRelease> flying = std::move(slot.flying_releases);
  slot.flying_releases.clear();
  for (const FlyingRelease& each : flying) {
    for (const Allocation& freed : each.freed) account_release(slot.cidr, freed);
    release_done(each.op, {});
  }
}

void AddressClaims::Impl::uncount(Part& part, const std::string& handle_id) {
  if (!part.counted) return;
  ledger.count(handle_id, *part.counted, -1, {});
  part.counted.reset();
}

}  // namespace caracal::ipam
