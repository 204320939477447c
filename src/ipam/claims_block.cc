// New blocks claimed, confirmed, given back. See the picture in docs/design/ipam.md.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "ipam/block_return.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

using net::Cidr;

AddressClaims::Impl::Slot& AddressClaims::Impl::claim(const Cidr& cidr) {
  Slot& slot = add_slot(cidr, Phase::kClaiming);
  slot.own = true;
  slot.usable = usable_in(Block(cidr, std::nullopt, 0));
  claim_affinity(slot);
  return slot;
}

void AddressClaims::Impl::reclaim(const Surveyed& surveyed) {
  const Block& block = surveyed.stored.value;
  Slot& slot = add_slot(block.cidr(), Phase::kClaiming);
  slot.own = true;
  slot.usable = usable_in(Block(block.cidr(), std::nullopt, 0));
  BlockReturnRequest request;
  request.block = block.cidr();
  request.owner = block.affinity().value_or(Owner::host(options.node));
  request.sequence = block.sequence();
  return_block(datastore, request,
               for_slot(slot, [](Impl& self, Slot& which, const Result<uint32_t>& taken) {
                 if (!taken) return self.drop_slot(which);
                 self.counters.affinity_writes += *taken;
                 self.claim_affinity(which);
               }));
}

// A step of a claim failed; it is done again, or the claim given up.
void AddressClaims::Impl::claim_retry(Slot& slot, const Error& error, void (Impl::*step)(Slot&)) {
  note_problem(error);
  if (error.code == Errc::kConflict) {
    return slot_after(slot, event::Duration(0),
                      [step](Impl& self, Slot& which) { (self.*step)(which); });
  }
  if (outcome_unknown(error.code) || error.code == Errc::kNotFound) {
    return slot_after(slot, slot.backoff.next(),
                      [step](Impl& self, Slot& which) { (self.*step)(which); });
  }
  log::error("an address block cannot be claimed",
             {{"block", slot.cidr.to_string()}, {"error", error.message}});
  refuse_all(slot, error.within(fmt::format("block {} cannot be claimed", slot.cidr.to_string())));
  drop_slot(slot);
}

void AddressClaims::Impl::claim_affinity(Slot& slot) {
  StoredAffinity wanted;
  wanted.value = {Owner::host(options.node), slot.cidr, ClaimState::kPending, false};
  ++counters.affinity_writes;
  datastore.create(Kind::kAffinity, encode(wanted),
                   for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
                     if (!object && object.error().code == Errc::kExists)
                       return self.claim_existing_affinity(which);
                     if (!object)
                       return self.claim_retry(which, object.error(), &Impl::claim_affinity);
                     auto stored = decode_affinity(std::move(*object));
                     if (!stored)
                       return self.claim_retry(which, stored.error(), &Impl::claim_affinity);
                     which.affinity = std::move(*stored);
                     self.claim_block(which);
                   }));
}

// Left by a former claim of this node, of our own or of a run before.
void AddressClaims::Impl::claim_existing_affinity(Slot& slot) {
  ++counters.reads;
  datastore.get(
      Kind::kAffinity, affinity_name(Owner::host(options.node), slot.cidr),
      for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
        if (!object) return self.claim_retry(which, object.error(), &Impl::claim_affinity);
        auto stored = decode_affinity(std::move(*object));
        if (!stored) return self.claim_retry(which, stored.error(), &Impl::claim_affinity);
        which.affinity = std::move(*stored);
        BlockAffinity& value = which.affinity->value;
        if (value.deleted) {
          ++self.counters.affinity_writes;
          return self.datastore.remove(
              Kind::kAffinity, which.affinity->name(),
              {which.affinity->uid(), which.affinity->resource_version()},
              self.for_slot(which, [](Impl& claims, Slot& gone, const Status& status) {
                const Error again{Errc::kConflict, "the affinity was being deleted"};
                claims.claim_retry(gone, status ? again : status.error(), &Impl::claim_affinity);
              }));
        }
        if (value.state != ClaimState::kPendingDeletion) return self.claim_block(which);
        value.state = ClaimState::kPending;
        ++self.counters.affinity_writes;
        self.datastore.update(
            Kind::kAffinity, encode(*which.affinity),
            self.for_slot(which, [](Impl& claims, Slot& marked, Result<json::value> written) {
              if (!written)
                return claims.claim_retry(marked, written.error(), &Impl::claim_affinity);
              auto again = decode_affinity(std::move(*written));
              if (!again) return claims.claim_retry(marked, again.error(), &Impl::claim_affinity);
              marked.affinity = std::move(*again);
              claims.claim_block(marked);
            }));
      }));
}

// The block is made with the first addresses in it, which gather as those of any write.
void AddressClaims::Impl::claim_block(Slot& slot) {
  slot.to_be_made = true;
  flush(slot);
}

void AddressClaims::Impl::make_block(Slot& slot) {
  slot.to_be_made = false;
  const auto now = schedule.wall_clock();
  if (slot.claim_sequence == 0) {
    slot.claim_sequence = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
  }
  StoredBlock made;
  made.value = Block(slot.cidr, Owner::host(options.node), slot.claim_sequence);
  made.value.set_affinity(Owner::host(options.node), time_now());
  fill(slot, made.value);
  made.value.next_sequence();
  ++counters.block_writes;
  datastore.create(Kind::kBlock, encode(made),
                   for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
                     which.written = self.schedule.now();
                     if (!object && object.error().code == Errc::kExists) {
                       ++self.counters.conflicts;
                       return self.claim_read(which);
                     }
                     if (!object && outcome_unknown(object.error().code)) {
                       ++self.counters.lost_answers;
                       return self.claim_retry(which, object.error(), &Impl::claim_read);
                     }
                     if (!object)
                       return self.claim_retry(which, object.error(), &Impl::claim_block);
                     auto stored = decode_block(std::move(*object));
                     if (!stored) return self.claim_read(which);
                     which.backoff.reset();
                     which.ghosts.clear();
                     self.adopt(which, std::move(*stored));
                     self.complete_flight(which);
                     self.complete_releases(which);
                     self.confirm(which);
                     self.flush(which);
                   }));
}

// The block exists, or nobody knows.
void AddressClaims::Impl::claim_read(Slot& slot) {
  ++counters.reads;
  datastore.get(
      Kind::kBlock, block_name(slot.cidr),
      for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
        if (!object && object.error().code == Errc::kNotFound) {
          // Not made, or not yet: making it again shows which.
          self.settle(which, false);
          for (auto at = which.flight.rbegin(); at != which.flight.rend(); ++at)
            which.parts.push_front(at->ref);
          which.flight.clear();
          for (auto at = which.flying_releases.rbegin(); at != which.flying_releases.rend(); ++at)
            which.releases.push_front(at->op);
          which.flying_releases.clear();
          return self.claim_block(which);
        }
        if (!object) return self.claim_retry(which, object.error(), &Impl::claim_read);
        const auto stored = decode_block(*object);
        if (!stored) return self.claim_retry(which, stored.error(), &Impl::claim_read);
        if (stored->value.deleted()) return self.finish_deletion(which, *stored);
        if (!stored->value.affine_to_host(self.options.node)) return self.claim_lost(which);
        self.got(which, std::move(*object));
        if (Slot* still = self.find_slot(stored->value.cidr());
            still != nullptr && still->own &&
            (!still->affinity || still->affinity->value.state != ClaimState::kConfirmed)) {
          self.confirm(*still);
        }
      }));
}

void AddressClaims::Impl::claim_lost(Slot& slot) {
  log::debug("another node was quicker to claim a block", {{"block", slot.cidr.to_string()}});
  known.try_emplace(slot.cidr);
  if (slot.affinity && slot.affinity->value.state != ClaimState::kConfirmed) {
    remove_affinity(*slot.affinity);
  }
  drop_slot(slot);
}

// The affinity is made to say what the block says. In the background: who has the block is decided
// by the block.
void AddressClaims::Impl::confirm(Slot& slot) {
  slot.confirming = true;
  if (!slot.affinity) return confirm_read(slot);
  if (slot.affinity->value.state == ClaimState::kConfirmed && !slot.affinity->value.deleted) {
    slot.confirming = false;
    return;
  }
  StoredAffinity next = *slot.affinity;
  next.value.state = ClaimState::kConfirmed;
  next.value.deleted = false;
  ++counters.affinity_writes;
  const auto done = for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
    if (object) {
      auto stored = decode_affinity(std::move(*object));
      if (stored) {
        which.affinity = std::move(*stored);
        which.confirming = false;
        return self.tidy(which);
      }
    }
    const bool at_once =
        !object && (object.error().code == Errc::kConflict || object.error().code == Errc::kExists);
    if (!object && !at_once) self.note_problem(object.error());
    const auto wait = at_once ? event::Duration(0) : which.backoff.next();
    self.slot_after(which, wait, [](Impl& claims, Slot& open) { claims.confirm_read(open); });
  });
  if (next.resource_version().empty()) {
    datastore.create(Kind::kAffinity, encode(next), done);
  } else {
    datastore.update(Kind::kAffinity, encode(next), done);
  }
}

void AddressClaims::Impl::confirm_read(Slot& slot) {
  if (!slot.own) {
    slot.confirming = false;
    return;
  }
  ++counters.reads;
  datastore.get(
      Kind::kAffinity, affinity_name(Owner::host(options.node), slot.cidr),
      for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
        if (!object && object.error().code != Errc::kNotFound) {
          self.note_problem(object.error());
          return self.slot_after(which, which.backoff.next(),
                                 [](Impl& claims, Slot& open) { claims.confirm_read(open); });
        }
        StoredAffinity fresh;
        fresh.value = {Owner::host(self.options.node), which.cidr, ClaimState::kPending, false};
        which.affinity = std::move(fresh);
        if (object) {
          auto stored = decode_affinity(std::move(*object));
          if (stored) which.affinity = std::move(*stored);
        }
        self.confirm(which);
      }));
}

void AddressClaims::Impl::give_back(Slot& slot) {
  slot.phase = Phase::kReturning;
  BlockReturnRequest request;
  request.block = slot.cidr;
  request.owner = Owner::host(options.node);
  request.sequence = slot.stored.value.sequence();
  return_block(datastore, request,
               for_slot(slot, [](Impl& self, Slot& which, const Result<uint32_t>& given) {
                 if (given) {
                   self.counters.affinity_writes += *given;
                   log::info("an empty block was given back", {{"block", which.cidr.to_string()}});
                   return self.vanished(which);
                 }
                 // Looked at again later, when something is done with it or pools change.
                 which.keep_until = self.schedule.now() + self.options.backoff.longest;
                 which.affinity.reset();
                 self.read(which, which.backoff.next());
                 self.confirm(which);
               }));
}

void AddressClaims::Impl::remove_affinity(const StoredAffinity& affinity) {
  ++counters.affinity_writes;
  // Best effort: what stays is found by Collector.
  datastore.remove(Kind::kAffinity, affinity.name(), {affinity.uid(), affinity.resource_version()},
                   [](const Status&) {});
}

void AddressClaims::Impl::finish_deletion(Slot& slot, const StoredBlock& stored) {
  const bool claiming = slot.phase == Phase::kClaiming;
  ++counters.block_writes;
  datastore.remove(Kind::kBlock, stored.name(), {stored.uid(), stored.resource_version()},
                   for_slot(slot, [claiming](Impl& self, Slot& which, const Status& status) {
                     if (!status && status.error().code != Errc::kNotFound) {
                       if (claiming)
                         return self.claim_retry(which, status.error(), &Impl::claim_read);
                       return self.read(which, which.backoff.next());
                     }
                     if (claiming) return self.claim_read(which);
                     self.vanished(which);
                   }));
}

}  // namespace caracal::ipam
