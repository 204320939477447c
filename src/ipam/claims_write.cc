// A block's writes, one at a time, and what became of them.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

using net::Cidr;

AddressClaims::Impl::Slot& AddressClaims::Impl::add_slot(const Cidr& cidr, Phase phase) {
  auto slot = std::make_unique<Slot>();
  slot->cidr = cidr;
  slot->id = next_slot_id++;
  slot->phase = phase;
  slot->backoff = event::Backoff(options.backoff, options.random);
  Slot& out = *slot;
  slots[cidr] = std::move(slot);
  return out;
}

AddressClaims::Impl::Slot* AddressClaims::Impl::find_slot(const Cidr& cidr) {
  const auto at = slots.find(cidr);
  return at == slots.end() ? nullptr : at->second.get();
}

void AddressClaims::Impl::return_to_waiting(const PartRef& ref) {
  if (ref.job->over || ref.part().done) return;
  uncount(ref.part(), ref.job->ask.handle_id);
  ref.part().survey = surveys_begun;  // what was seen before did not hold
  waiting.push_back(ref);
}

void AddressClaims::Impl::drop_slot(Slot& slot) {
  for (const Flight& flight : slot.flight) return_to_waiting(flight.ref);
  for (const PartRef& ref : slot.parts) return_to_waiting(ref);
  // The block does not exist, or nothing of this node is in it: there is nothing left to release.
  for (const FlyingRelease& flying : slot.flying_releases) release_done(flying.op, {});
  for (const ReleaseOp& op : slot.releases) release_done(op, {});
  if (slot.at_start) start_slot_read();
  slots.erase(slot.cidr);
  wake();
}

event::Clock::time_point AddressClaims::Impl::due(const Slot& slot,
                                                  event::Clock::time_point now) const {
  Gather::Waiting these;
  these.count = slot.parts.size() + slot.releases.size();
  these.first = now;
  for (const PartRef& ref : slot.parts) these.first = std::min(these.first, ref.job->came);
  for (const ReleaseOp& op : slot.releases) these.first = std::min(these.first, op.came);
  these.full = !slot.parts.empty() && slot.room() <= 0;
  these.written = slot.written;
  return gather.due(now, these);
}

void AddressClaims::Impl::flush(Slot& slot) {
  if (slot.phase == Phase::kUnread) return read(slot, event::Duration(0));
  const bool something = !slot.parts.empty() || !slot.releases.empty();
  if (!(slot.phase == Phase::kClaiming && slot.to_be_made) &&
      !(slot.phase == Phase::kIdle && something)) {
    return;
  }
  const auto now = schedule.now();
  if (const auto when = due(slot, now); when > now) {
    if (std::exchange(slot.timer, true)) return;
    return slot_after(slot, std::chrono::ceil<event::Duration>(when - now),
                      [](Impl& self, Slot& which) {
                        which.timer = false;
                        self.flush(which);
                      });
  }
  if (slot.phase == Phase::kClaiming) return make_block(slot);
  write(slot);
}

void AddressClaims::Impl::fill(Slot& slot, Block& next) {
  const Time now = time_now();
  std::deque<ReleaseOp> releases;
  releases.swap(slot.releases);
  for (ReleaseOp& op : releases) {
    FlyingRelease flying{std::move(op), {}};
    const ReleaseOp& wanted = flying.op;
    if (wanted.address) {
      const auto held = next.allocation_of(*wanted.address);
      if (held && next.release(*wanted.address, wanted.handle_id, wanted.sequence, now,
                               settings.cooldown_seconds)) {
        flying.freed.push_back(*held);
      }
    } else {
      flying.freed = next.allocations_of(wanted.handle_id);
      next.release_handle(wanted.handle_id, now, settings.cooldown_seconds);
    }
    slot.flying_releases.push_back(std::move(flying));
  }
  std::deque<PartRef> parts;
  parts.swap(slot.parts);
  const bool borrowing_forbidden = !slot.own && settings.strict_affinity;
  for (const PartRef& ref : parts) {
    Part& part = ref.part();
    const AssignRequest& ask = ref.job->ask;
    if (ref.job->over || part.done) {
      if (!part.done) uncount(part, ask.handle_id);
      continue;
    }
    if (part.wanted) {
      if (borrowing_forbidden) {
        const auto& owner = next.affinity();
        job_failed(ref.job,
                   {Errc::kInvalid,
                    fmt::format("requested address {} is in block {} of {}, and strictAffinity of "
                                "IPAMConfig forbids borrowing",
                                part.wanted->to_string(), slot.cidr.to_string(),
                                owner ? owner->to_string() : "nobody")});
        uncount(part, ask.handle_id);
        continue;
      }
      if (Status taken = next.assign_address(*part.wanted, ask.handle_id, ask.attributes); !taken) {
        job_failed(ref.job, taken.error());
        uncount(part, ask.handle_id);
        continue;
      }
      slot.flight.push_back({ref, *part.wanted, next.sequence()});
      continue;
    }
    const auto addresses =
        borrowing_forbidden
            ? std::vector<net::IpAddr>{}
            : next.assign(1, ask.handle_id, ask.attributes,
                          [&](const net::IpAddr& address) { return !pools.reserved(address); });
    if (addresses.empty()) {
      return_to_waiting(ref);
    } else {
      slot.flight.push_back({ref, addresses.front(), next.sequence()});
    }
  }
}

void AddressClaims::Impl::write(Slot& slot) {
  StoredBlock next{slot.stored.value, slot.stored.object};
  next.value.cool(time_now(), settings.cooldown_seconds);
  fill(slot, next.value);
  const bool frees = std::any_of(slot.flying_releases.begin(), slot.flying_releases.end(),
                                 [](const FlyingRelease& f) { return !f.freed.empty(); });
  if (slot.flight.empty() && !frees) {
    complete_releases(slot);
    return tidy(slot);
  }
  slot.phase = Phase::kWriting;
  ++counters.block_writes;
  if (next.value.empty() && !next.value.affinity()) {
    datastore.remove(Kind::kBlock, next.name(), {next.uid(), next.resource_version()},
                     for_slot(slot, [](Impl& self, Slot& which, const Status& status) {
                       self.removed(which, status);
                     }));
    return;
  }
  next.value.next_sequence();
  datastore.update(Kind::kBlock, encode(next),
                   for_slot(slot, [](Impl& self, Slot& which, Result<json::value> object) {
                     self.written(which, std::move(object));
                   }));
}

void AddressClaims::Impl::written(Slot& slot, Result<json::value> object) {
  slot.written = schedule.now();
  if (!object) return write_failed(slot, object.error());
  auto stored = decode_block(std::move(*object));
  if (!stored) return write_failed(slot, {Errc::kUnavailable, stored.error().message});
  slot.backoff.reset();
  // The content before is gone, and with it what was written on it without answer.
  slot.ghosts.clear();
  adopt(slot, std::move(*stored));
  complete_flight(slot);
  complete_releases(slot);
  tidy(slot);
}

void AddressClaims::Impl::removed(Slot& slot, const Status& status) {
  slot.written = schedule.now();
  if (!status && status.error().code != Errc::kNotFound) return write_failed(slot, status.error());
  complete_releases(slot);
  vanished(slot);
}

void AddressClaims::Impl::write_failed(Slot& slot, const Error& error) {
  note_problem(error);
  if (error.code == Errc::kNotFound) return vanished(slot);
  if (error.code == Errc::kConflict) {
    ++counters.conflicts;
    return read(slot, event::Duration(0));
  }
  if (outcome_unknown(error.code)) {
    ++counters.lost_answers;
    return read(slot, slot.backoff.next());
  }
  log::error("an address block cannot be written",
             {{"block", slot.cidr.to_string()}, {"error", error.message}});
  refuse_all(slot, error.within(fmt::format("block {} cannot be written", slot.cidr.to_string())));
}

// The datastore says no, and would again: who waits is told. What was refused has not happened.
void AddressClaims::Impl::refuse_all(Slot& slot, const Error& error) {
  std::vector<Flight> flight = std::move(slot.flight);
  std::deque<PartRef> parts = std::move(slot.parts);
  std::vector<FlyingRelease> flying = std::move(slot.flying_releases);
  std::deque<ReleaseOp> releases = std::move(slot.releases);
  slot.flight.clear();
  slot.parts.clear();
  slot.flying_releases.clear();
  slot.releases.clear();
  if (slot.phase == Phase::kWriting) slot.phase = Phase::kIdle;
  for (const Flight& each : flight) {
    uncount(each.ref.part(), each.ref.job->ask.handle_id);
    job_failed(each.ref.job, error);
  }
  for (const PartRef& ref : parts) {
    uncount(ref.part(), ref.job->ask.handle_id);
    job_failed(ref.job, error);
  }
  for (const FlyingRelease& each : flying) release_done(each.op, fail(error));
  for (const ReleaseOp& op : releases) release_done(op, fail(error));
}

void AddressClaims::Impl::read(Slot& slot, event::Duration delay) {
  slot.phase = Phase::kReading;
  slot_after(slot, delay, [](Impl& self, Slot& which) {
    ++self.counters.reads;
    self.datastore.get(
        Kind::kBlock, block_name(which.cidr),
        self.for_slot(which, [](Impl& claims, Slot& read, Result<json::value> object) {
          claims.got(read, std::move(object));
        }));
  });
}

void AddressClaims::Impl::got(Slot& slot, Result<json::value> object) {
  if (!object && object.error().code == Errc::kNotFound) return vanished(slot);
  if (!object) {
    note_problem(object.error());
    if (outcome_unknown(object.error().code)) return read(slot, slot.backoff.next());
    refuse_all(slot, object.error());
    return read(slot, options.backoff.longest);
  }
  auto stored = decode_block(std::move(*object));
  if (!stored) {
    log::error("an address block cannot be read", {{"error", stored.error().message}});
    note_problem(stored.error());
    refuse_all(slot, stored.error());
    return drop_slot(slot);
  }
  if (stored->value.deleted()) return finish_deletion(slot, *stored);
  slot.backoff.reset();
  const bool changed = slot.stored.resource_version().empty() ||
                       stored->resource_version() != slot.stored.resource_version();
  const bool was_own = slot.own;
  adopt(slot, std::move(*stored));
  settle(slot, changed);
  // What was written and is not there goes out again.
  for (auto at = slot.flight.rbegin(); at != slot.flight.rend(); ++at) {
    if (at->ref.job->over || at->ref.part().done) {
      if (!at->ref.part().done) uncount(at->ref.part(), at->ref.job->ask.handle_id);
      continue;
    }
    if (++at->ref.part().tries > 100) {
      return_to_waiting(at->ref);  // which gives up
    } else {
      slot.parts.push_front(at->ref);
    }
  }
  slot.flight.clear();
  std::vector<FlyingRelease> flying = std::move(slot.flying_releases);
  slot.flying_releases.clear();
  for (FlyingRelease& each : flying) {
    if (each.freed.empty()) {
      slot.releases.push_front(std::move(each.op));
      continue;
    }
    for (const Allocation& freed : each.freed) {
      if (slot.stored.value.allocation_of(freed.address) != freed) {
        account_release(slot.cidr, freed);
        continue;
      }
      // Pinned now: should the handle get an address again in the same write, that one stays.
      ReleaseOp again = each.op;
      again.address = freed.address;
      again.sequence = freed.sequence;
      if (again.job) ++again.job->open;
      slot.releases.push_front(std::move(again));
    }
    release_done(each.op, {});
  }
  if (std::exchange(slot.at_start, false)) {
    if (!slot.own && slot.affinity) {
      // Claimed, but another was quicker, or it has been taken away.
      remove_affinity(*slot.affinity);
      slot.affinity.reset();
    }
    if (slot.own && (!slot.affinity || slot.affinity->value.state != ClaimState::kConfirmed))
      confirm(slot);
    start_slot_read();
  } else if (slot.own && !was_own) {
    confirm(slot);
  }
  if (was_own && !slot.own) {
    log::warn("a block of this node has been taken away", {{"block", slot.cidr.to_string()}});
    slot.affinity.reset();
  }
  if (slot.busy()) return flush(slot);
  tidy(slot);
}

// What is in flight, or was written without answer before, and is in the block: it has happened.
// `changed`: the content it was written on is gone, so that what has not happened never will.
void AddressClaims::Impl::settle(Slot& slot, bool changed) {
  const Block& block = slot.stored.value;
  const auto landed = [&](const Flight& flight) {
    const auto held = block.allocation_of(flight.address);
    return held && held->sequence == flight.sequence &&
           held->handle_id == flight.ref.job->ask.handle_id;
  };
  std::vector<Flight> open;
  // Older ones first: a later write of the same part has then not happened.
  std::vector<Flight> all = std::move(slot.ghosts);
  slot.ghosts.clear();
  const size_t old = all.size();
  all.insert(all.end(), slot.flight.begin(), slot.flight.end());
  slot.flight.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    const Flight& flight = all[i];
    const Part& part = flight.ref.part();
    if (!landed(flight)) {
      if (!changed) slot.ghosts.push_back(flight);
      if (i >= old) open.push_back(flight);
      continue;
    }
    if (part.done && part.block == slot.cidr && part.address == flight.address &&
        part.sequence == flight.sequence) {
      continue;  // a ghost of what landed, seen again
    }
    if (flight.ref.job->over || part.done) {
      release_pinned(slot.cidr, {flight.address, flight.ref.job->ask.handle_id, flight.sequence});
      continue;
    }
    part_done(flight.ref, slot, flight.address, flight.sequence);
    std::erase_if(slot.parts, [&](const PartRef& ref) {
      return ref.job == flight.ref.job && ref.index == flight.ref.index;
    });
  }
  slot.flight = std::move(open);
}

void AddressClaims::Impl::adopt(Slot& slot, StoredBlock stored) {
  slot.own = stored.value.affine_to_host(options.node);
  known[slot.cidr] = stored.value.affinity() && stored.value.affinity()->kind == Owner::Kind::kHost
                         ? stored.value.affinity()->name
                         : std::string();
  slot.stored = std::move(stored);
  count_usable(slot);
  slot.phase = Phase::kIdle;
}

void AddressClaims::Impl::complete_flight(Slot& slot) {
  std::vector<Flight> flight = std::move(slot.flight);
  slot.flight.clear();
  for (const Flight& each : flight) {
    if (each.ref.job->over || each.ref.part().done) {
      // Nobody wants it any more.
      release_pinned(slot.cidr, {each.address, each.ref.job->ask.handle_id, each.sequence});
    } else {
      part_done(each.ref, slot, each.address, each.sequence);
    }
  }
}

// The block is not there: deleted by another, or by our own write.
void AddressClaims::Impl::vanished(Slot& slot) {
  known.erase(slot.cidr);
  if (slot.at_start && slot.affinity) remove_affinity(*slot.affinity);
  drop_slot(slot);
}

// After something has been done: is the block still of use?
void AddressClaims::Impl::tidy(Slot& slot) {
  if (slot.phase != Phase::kIdle || slot.busy() || slot.confirming) return;
  const Block& block = slot.stored.value;
  if (slot.own) {
    if (block.empty() && !pools.node_keeps(slot.cidr) && schedule.now() >= slot.keep_until)
      give_back(slot);
    return;
  }
  for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
    const AllocationAttributes* attributes = block.attributes_of(ordinal);
    if (attributes != nullptr && attributes->get(kNodeAttribute) == options.node) return;
  }
  drop_slot(slot);
}

}  // namespace caracal::ipam
