// Which block serves which part of a request, in this order: own blocks, a new block, (all blocks
// looked at:) an empty block of another node, a borrowed address.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "ipam/block_order.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

using model::IpPool;
using net::Cidr;
using net::Family;

namespace {

// Of a pool, at most so many blocks are tried before all are listed.
constexpr uint64_t kCandidates = 1 << 16;

bool usable_pool(const IpPool& pool) {
  const int bits = net::address_bits(pool.cidr.family());
  return pool.block_bits >= pool.cidr.bits() && pool.block_bits <= bits &&
         bits - pool.block_bits <= 16;
}

}  // namespace

void AddressClaims::Impl::plan() {
  std::deque<PartRef> now;
  now.swap(waiting);
  for (const auto& [cidr, slot] : slots) {
    if (slot->cooling && !now.empty()) count_usable(*slot);
  }
  bool unserved = false;
  for (const PartRef& ref : now) {
    if (ref.job->over || ref.part().done) continue;
    const Result<bool> placed = place(ref);
    if (!placed) {
      job_failed(ref.job, placed.error());
    } else if (!*placed) {
      waiting.push_back(ref);
      unserved = true;
    }
  }
  if (unserved) {
    start_survey();
  } else if (!surveying) {
    survey.clear();
  }
}

Result<bool> AddressClaims::Impl::place(const PartRef& ref) {
  if (!datastore_ready) {
    return fail(
        Errc::kUnavailable,
        "addresses are not given out now: the cluster is locked (ClusterInformation default: "
        "spec.datastoreReady is false)");
  }
  Part& part = ref.part();
  if (part.tries > 100) {
    return fail(
        Errc::kUnavailable,
        fmt::format("no address for handle {} after 100 tries: other nodes were quicker each "
                    "time",
                    ref.job->ask.handle_id));
  }
  if (ref.job->ask.reuse && reuse(ref)) return true;
  if (part.wanted) return place_wanted(ref);
  PoolQuery query;
  query.family = part.family;
  query.use = ref.job->ask.use;
  query.pools = part.family == Family::kIPv4 ? ref.job->ask.pools_v4 : ref.job->ask.pools_v6;
  query.namespace_labels = ref.job->ask.namespace_labels;
  CARACAL_ASSIGN(const auto chosen, pools.choose(query));
  for (const IpPool* pool : chosen) {
    if (usable_pool(*pool)) continue;
    return fail(Errc::kInvalid,
                fmt::format("IPPool {}: blockSize: {} does not fit {}: must be from {} to {}",
                            pool->name, pool->block_bits, pool->cidr.to_string(), pool->cidr.bits(),
                            net::address_bits(pool->cidr.family())));
  }
  if (Slot* slot = own_slot_with_room(chosen)) {
    put(ref, *slot);
    return true;
  }
  if (may_claim(part.family)) {
    for (const IpPool* pool : chosen) {
      if (const auto candidate = next_candidate(*pool)) {
        put(ref, claim(*candidate));
        return true;
      }
    }
  }
  // All blocks were looked at a moment ago, or no block may be claimed: from where it borrows now.
  if (!may_claim(part.family) ||
      (counters.surveys > 0 && schedule.now() - last_survey < std::chrono::seconds(5))) {
    if (Slot* slot = borrowed_slot_with_room(chosen)) {
      put(ref, *slot);
      return true;
    }
  }
  if (Slot* slot = from_survey(chosen, part.family)) {
    put(ref, *slot);
    return true;
  }
  if (survey_done > part.survey) return fail(exhausted(ref, chosen));
  return false;
}

Result<bool> AddressClaims::Impl::place_wanted(const PartRef& ref) {
  Part& part = ref.part();
  PoolQuery query;
  query.family = part.family;
  query.use = ref.job->ask.use;
  query.address = part.wanted;
  CARACAL_ASSIGN(const auto chosen, pools.choose(query));
  const IpPool& pool = *chosen.front();
  if (!usable_pool(pool)) {
    return fail(Errc::kInvalid, fmt::format("IPPool {}: blockSize {} does not fit its CIDR",
                                            pool.name, pool.block_bits));
  }
  // An existing block may be of another size: then it has the address.
  const Cidr cidr = block_holding(*part.wanted).value_or(Cidr(*part.wanted, pool.block_bits));
  if (Slot* slot = find_slot(cidr)) {
    if (slot->phase == Phase::kReturning) return false;
    put(ref, *slot);
    return true;
  }
  // A block nobody has is claimed, beyond maxBlocksPerHost if need be: it alone has this address.
  put(ref, known.contains(cidr) ? add_slot(cidr, Phase::kUnread) : claim(cidr));
  return true;
}

bool AddressClaims::Impl::reuse(const PartRef& ref) {
  Part& part = ref.part();
  for (const auto& [cidr, slot] : slots) {
    if (cidr.family() != part.family || slot->phase == Phase::kClaiming) continue;
    for (const Allocation& held : slot->stored.value.allocations_of(ref.job->ask.handle_id)) {
      if (part.wanted && *part.wanted != held.address) continue;
      const bool leaving = std::any_of(
          slot->flying_releases.begin(), slot->flying_releases.end(), [&](const FlyingRelease& f) {
            return std::find(f.freed.begin(), f.freed.end(), held) != f.freed.end();
          });
      const bool asked_to =
          std::any_of(slot->releases.begin(), slot->releases.end(),
                      [&](const ReleaseOp& op) { return op.handle_id == ref.job->ask.handle_id; });
      if (leaving || asked_to) continue;
      part.reused = true;
      part_done(ref, *slot, held.address, held.sequence);
      return true;
    }
  }
  return false;
}

void AddressClaims::Impl::put(const PartRef& ref, Slot& slot) {
  ++ref.part().tries;
  if (!options.write_handles) {
    slot.parts.push_back(ref);
    return;
  }
  // Calico's order: the handle says where its addresses may be before they are there.
  ++slot.promised;
  ledger.count(
      ref.job->ask.handle_id, slot.cidr, 1,
      [weak = weak_from_this(), cidr = slot.cidr, id = slot.id, ref](const Status& counted) {
        const auto self = weak.lock();
        if (!self) return;
        if (counted) ref.part().counted = cidr;
        Slot* found = self->find_slot(cidr);
        const bool there = found != nullptr && found->id == id;
        if (there) --found->promised;
        if (!counted) {
          self->job_failed(ref.job, counted.error().within("the handle cannot be written"));
        } else if (ref.job->over) {
          self->uncount(ref.part(), ref.job->ask.handle_id);
        } else if (there) {
          found->parts.push_back(ref);
        } else {
          self->return_to_waiting(ref);
        }
        self->wake();
      });
}

AddressClaims::Impl::Slot* AddressClaims::Impl::own_slot_with_room(
    const std::vector<const IpPool*>& chosen) {
  for (const IpPool* pool : chosen) {
    for (const auto& [cidr, slot] : slots) {
      if (slot->own && slot->phase != Phase::kReturning && slot->phase != Phase::kUnread &&
          pool->cidr.contains(cidr) && slot->room() > 0) {
        return slot.get();
      }
    }
  }
  return nullptr;
}

AddressClaims::Impl::Slot* AddressClaims::Impl::borrowed_slot_with_room(
    const std::vector<const IpPool*>& chosen) {
  if (settings.strict_affinity) return nullptr;
  for (const IpPool* pool : chosen) {
    for (const auto& [cidr, slot] : slots) {
      const auto& owner = slot->stored.value.affinity();
      if (!slot->own && slot->phase != Phase::kUnread && slot->phase != Phase::kReturning &&
          slot->phase != Phase::kClaiming && pool->cidr.contains(cidr) && slot->room() > 0 &&
          (!owner || owner->kind == Owner::Kind::kHost)) {
        return slot.get();
      }
    }
  }
  return nullptr;
}

uint32_t AddressClaims::Impl::max_blocks() const {
  return settings.max_blocks_per_host != 0 ? settings.max_blocks_per_host
                                           : options.default_max_blocks;
}

size_t AddressClaims::Impl::own_count(Family family) const {
  return static_cast<size_t>(std::count_if(slots.begin(), slots.end(), [&](const auto& entry) {
    return entry.second->own && entry.first.family() == family;
  }));
}

bool AddressClaims::Impl::may_claim(Family family) const {
  return settings.auto_allocate_blocks && own_count(family) < max_blocks();
}

std::optional<Cidr> AddressClaims::Impl::next_candidate(const IpPool& pool) const {
  const BlockOrder order(pool.cidr, pool.block_bits, options.node);
  const uint64_t steps = std::min(order.count(), kCandidates);
  for (uint64_t step = 0; step < steps; ++step) {
    const Cidr cidr = order.at(step);
    if (known.contains(cidr) || slots.contains(cidr) || pools.all_reserved(cidr)) continue;
    if (pools.any_reserved(cidr) && usable_in(Block(cidr, std::nullopt, 0)) == 0) continue;
    return cidr;
  }
  return std::nullopt;
}

uint32_t AddressClaims::Impl::usable_in(const Block& block) const {
  if (block.size() == 0 || !pools.any_reserved(block.cidr())) return block.free_count();
  const auto& queue = block.queue();
  return static_cast<uint32_t>(std::count_if(queue.begin(), queue.end(), [&](uint32_t ordinal) {
    return !pools.reserved(block.address_of(ordinal));
  }));
}

// What has cooled counts as free: the next write frees it.
void AddressClaims::Impl::count_usable(Slot& slot) {
  const Block& block = slot.stored.value;
  if (block.size() == 0) return;  // not read, or not made yet
  slot.cooling = false;
  for (uint32_t ordinal = 0; ordinal < block.size() && !slot.cooling; ++ordinal)
    slot.cooling = block.is_cooling(ordinal);
  if (!slot.cooling) {
    slot.usable = usable_in(block);
    return;
  }
  Block cooled = block;
  (void)cooled.cool(time_now(), settings.cooldown_seconds);
  slot.usable = usable_in(cooled);
}

AddressClaims::Impl::Slot* AddressClaims::Impl::from_survey(
    const std::vector<const IpPool*>& chosen, Family family) {
  const auto in_pools = [&](const Cidr& cidr) {
    return std::any_of(chosen.begin(), chosen.end(),
                       [&](const IpPool* pool) { return pool->cidr.contains(cidr); });
  };
  std::vector<Surveyed*> found;
  for (auto& [cidr, block] : survey) {
    const auto& owner = block.stored.value.affinity();
    if (!block.tried && block.usable > 0 && in_pools(cidr) && !slots.contains(cidr) &&
        (!owner || owner->kind == Owner::Kind::kHost)) {
      found.push_back(&block);
    }
  }
  if (found.empty()) return nullptr;
  // Hosts begin at different places, so that they do not all want the same block.
  const uint64_t spread =
      BlockOrder(Cidr(net::IpAddr(), 0), 32, options.node).at(0).address().v4_host_order();
  std::rotate(found.begin(), found.begin() + static_cast<ptrdiff_t>(spread % found.size()),
              found.end());
  if (may_claim(family)) {
    for (Surveyed* block : found) {
      const Block& value = block->stored.value;
      const auto claimed = value.claimed_at();
      const bool settled = !claimed || *claimed + options.reclaim_age <= time_now();
      if (!value.empty() || value.affine_to_host(options.node) || !settled) continue;
      block->tried = true;
      const Cidr cidr = value.cidr();
      reclaim(*block);
      return find_slot(cidr);
    }
  }
  if (settings.strict_affinity) return nullptr;
  for (Surveyed* block : found) {
    if (block->stored.value.affine_to_host(options.node)) continue;
    block->tried = true;
    Slot& slot = add_slot(block->stored.value.cidr(), Phase::kIdle);
    adopt(slot, std::move(block->stored));
    return &slot;
  }
  return nullptr;
}

void AddressClaims::Impl::start_survey() {
  if (surveying) return;
  surveying = true;
  ++surveys_begun;
  const auto due = last_survey + options.survey_interval;
  const auto now = schedule.now();
  const auto wait = counters.surveys == 0 || due <= now
                        ? event::Duration(0)
                        : std::chrono::duration_cast<event::Duration>(due - now);
  ++counters.surveys;
  schedule.after(wait, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->last_survey = self->schedule.now();
    // Whoever came while it waited is served by it, too.
    ++self->surveys_begun;
    ++self->counters.reads;
    self->datastore.list(Kind::kBlock, {}, [weak](Result<std::vector<json::value>> objects) {
      if (const auto again = weak.lock()) again->surveyed(std::move(objects));
    });
  });
}

void AddressClaims::Impl::surveyed(Result<std::vector<json::value>> objects) {
  surveying = false;
  if (!objects) {
    note_problem(objects.error().within("the blocks of the cluster cannot be listed"));
    schedule.after(options.survey_interval, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    });
    return;
  }
  survey_done = surveys_begun;
  survey.clear();
  known.clear();
  for (json::value& object : *objects) {
    auto stored = decode_block(std::move(object));
    if (!stored) {
      log::warn("a block cannot be read", {{"error", stored.error().message}});
      continue;
    }
    const Block& block = stored->value;
    const Cidr cidr = block.cidr();
    known[cidr] = block.affinity() && block.affinity()->kind == Owner::Kind::kHost
                      ? block.affinity()->name
                      : std::string();
    if (block.deleted()) continue;
    if (block.affine_to_host(options.node) && !slots.contains(cidr)) {
      Slot& slot = add_slot(cidr, Phase::kIdle);
      adopt(slot, std::move(*stored));
      confirm(slot);
      continue;
    }
    // What has cooled is given out by the next write.
    Block cooled = block;
    cooled.cool(time_now(), settings.cooldown_seconds);
    const uint32_t usable = usable_in(cooled);
    survey.emplace(cidr, Surveyed{std::move(*stored), usable});
  }
  wake();
}

Error AddressClaims::Impl::exhausted(const PartRef& ref,
                                     const std::vector<const IpPool*>& chosen) const {
  const Part& part = ref.part();
  const size_t own = own_count(part.family);
  uint64_t blocks = 0;
  for (const auto& [cidr, node] : known) {
    for (const IpPool* pool : chosen) blocks += pool->cidr.contains(cidr) ? 1 : 0;
  }
  std::vector<std::string> reasons;
  std::vector<std::string> remedies;
  bool fully_claimed = true;
  for (const IpPool* pool : chosen) fully_claimed = fully_claimed && !next_candidate(*pool);
  if (!fully_claimed && !settings.auto_allocate_blocks) {
    reasons.emplace_back("this node may not claim more blocks (autoAllocateBlocks is false)");
    remedies.emplace_back("set autoAllocateBlocks to true in IPAMConfig");
  } else if (!fully_claimed && own >= max_blocks()) {
    reasons.push_back(fmt::format("this node has {} blocks and may have {}", own, max_blocks()));
    remedies.emplace_back("raise maxBlocksPerHost in IPAMConfig");
  } else {
    reasons.push_back(fmt::format("all {} blocks are claimed, and those of this node ({}) are full",
                                  blocks, own));
    remedies.emplace_back("add an IPPool");
  }
  if (settings.strict_affinity) {
    reasons.emplace_back("borrowing from other nodes' blocks is forbidden (strictAffinity)");
    remedies.emplace_back("set strictAffinity to false in IPAMConfig");
  } else {
    reasons.emplace_back("no block of another node has a free address");
  }
  if (!pools.reservations.empty()) reasons.emplace_back("reserved addresses are not given out");
  if (settings.cooldown_seconds > 0) {
    reasons.push_back(
        fmt::format("released addresses cool down for {} s", settings.cooldown_seconds));
  }
  remedies.emplace_back("look for left-over addresses with `caracal ipam check`");
  return {Errc::kExhausted,
          fmt::format("no free {} address for {} use in IPPool {}: {}. Remedy: {}",
                      net::to_string(part.family), to_string(ref.job->ask.use), describe(chosen),
                      join(reasons, "; "), join(remedies, ", or "))};
}

}  // namespace caracal::ipam
