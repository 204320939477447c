// The inside of AddressClaims, shared by its source files:
//
//   address_claims.cc   requests in, answers out, what the watches tell
//   claims_start.cc     the node's blocks, read at the start
//   claims_plan.cc      which block serves which part of a request; all blocks looked at
//   claims_write.cc     a block's writes, one at a time, and what became of them
//   claims_block.cc     new blocks claimed, confirmed, given back
//   claims_release.cc   addresses given back
//
// A request has a *part* for each family. A part waits until plan() has placed it in a *slot*, a
// block that is held in memory; the slot's next write takes all parts and releases that have
// gathered in it. What the slot holds is the last acknowledged content, never a guess.
//
//   slot: unread -> reading -> idle <-> writing -> (conflict, no answer) reading
//         claiming -> idle;  idle -> returning -> gone
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "event/backoff.h"
#include "ipam/address_claims.h"
#include "ipam/block_json.h"
#include "ipam/gather.h"
#include "ipam/handle_ledger.h"
#include "ipam/records.h"

namespace caracal::ipam {

struct AddressClaims::Impl : std::enable_shared_from_this<AddressClaims::Impl> {
  struct Part {
    net::Family family = net::Family::kIPv4;
    std::optional<net::IpAddr> wanted;
    bool done = false;
    bool reused = false;  // was the handle's before
    net::IpAddr address;
    uint64_t sequence = 0;
    net::Cidr block;
    std::optional<net::Cidr> counted;  // the handle counts this part in this block
    uint64_t survey = 0;               // surveys begun when it came
    int tries = 0;
  };
  struct AssignJob {
    AssignRequest ask;
    OnAssigned done;
    std::vector<Part> parts;
    event::Clock::time_point came{};
    bool over = false;  // answered
  };
  using JobPtr = std::shared_ptr<AssignJob>;
  struct PartRef {
    JobPtr job;
    size_t index = 0;
    Part& part() const { return job->parts[index]; }
  };
  struct ReleaseJob {
    std::string handle_id;
    OnDone done;
    size_t open = 0;
    std::optional<Error> error;
    bool over = false;
  };
  struct ReleaseOp {
    std::shared_ptr<ReleaseJob> job;  // may be nullptr: nobody waits for it
    std::string handle_id;
    std::optional<net::IpAddr> address;  // none: all of the handle
    std::optional<uint64_t> sequence;
    event::Clock::time_point came{};
  };
  // A part as it was written; not known to be acknowledged.
  struct Flight {
    PartRef ref;
    net::IpAddr address;
    uint64_t sequence = 0;
  };
  struct FlyingRelease {
    ReleaseOp op;
    std::vector<Allocation> freed;  // by this write; none: it had nothing to free
  };
  enum class Phase : uint8_t { kUnread, kReading, kIdle, kClaiming, kWriting, kReturning };
  struct Slot {
    net::Cidr cidr;
    uint64_t id = 0;
    Phase phase = Phase::kUnread;
    bool own = false;  // affine to this node, or being claimed for it
    StoredBlock stored;
    uint32_t usable = 0;   // free and not reserved, in `stored`
    bool cooling = false;  // some become free by themselves
    std::deque<PartRef> parts;
    size_t promised = 0;  // parts that wait for their handle to be counted
    std::deque<ReleaseOp> releases;
    std::vector<Flight> flight;
    std::vector<FlyingRelease> flying_releases;
    // Written without answer, on the content that is still there: may come true until that changes.
    std::vector<Flight> ghosts;
    event::Clock::time_point written{};  // when the last write was answered
    bool timer = false;                  // a flush is planned
    bool to_be_made = false;             // claiming, and only the block itself is missing
    event::Backoff backoff;
    std::optional<StoredAffinity> affinity;
    bool confirming = false;
    uint64_t claim_sequence = 0;            // of the block that is being made
    event::Clock::time_point keep_until{};  // not to be given back before
    bool at_start = false;

    bool busy() const {
      return !parts.empty() || !releases.empty() || !flight.empty() || promised != 0 ||
             !flying_releases.empty() || !ghosts.empty();
    }
    int64_t room() const {
      return int64_t{usable} - static_cast<int64_t>(parts.size() + flight.size() + promised);
    }
  };
  // A block as a survey saw it.
  struct Surveyed {
    StoredBlock stored;
    uint32_t usable = 0;
    bool tried = false;
  };

  Impl(Schedule& schedule, Datastore& datastore, ClaimsOptions options);

  // --- address_claims.cc
  void update(const model::NetworkUpdate& update);
  void assign(AssignRequest request, OnAssigned done);
  void wake();
  void turn();
  void expire(const JobPtr& job);
  void part_done(const PartRef& ref, const Slot& slot, const net::IpAddr& address,
                 uint64_t sequence);
  void job_failed(const JobPtr& job, Error error);
  void later(std::function<void()> fn);  // answers: never inside a call of the caller
  Time time_now() const;
  void note_problem(const Error& error) { problem = error.message; }

  // --- claims_start.cc
  void start();
  void start_slots(const std::vector<StoredAffinity>& affinities);
  void start_slot_read();

  // --- claims_plan.cc
  void plan();
  // true: placed or done; false: it waits. Errors: nothing can be done for it.
  Result<bool> place(const PartRef& ref);
  Result<bool> place_wanted(const PartRef& ref);
  bool reuse(const PartRef& ref);
  void put(const PartRef& ref, Slot& slot);
  Slot* own_slot_with_room(const std::vector<const model::IpPool*>& pools);
  Slot* borrowed_slot_with_room(const std::vector<const model::IpPool*>& pools);
  std::optional<net::Cidr> next_candidate(const model::IpPool& pool) const;
  bool may_claim(net::Family family) const;
  size_t own_count(net::Family family) const;
  uint32_t max_blocks() const;
  uint32_t usable_in(const Block& block) const;
  void count_usable(Slot& slot);
  Slot* from_survey(const std::vector<const model::IpPool*>& pools, net::Family family);
  void start_survey();
  void surveyed(Result<std::vector<json::value>> objects);
  Error exhausted(const PartRef& ref, const std::vector<const model::IpPool*>& pools) const;

  // --- claims_write.cc
  Slot& add_slot(const net::Cidr& cidr, Phase phase);
  Slot* find_slot(const net::Cidr& cidr);
  void drop_slot(Slot& slot);  // what waits in it is planned anew
  void flush(Slot& slot);
  // When the slot is to be written, not before `now`. The caller compares with that same `now`: the
  // clock goes on meanwhile.
  event::Clock::time_point due(const Slot& slot, event::Clock::time_point now) const;
  void write(Slot& slot);
  // Puts the waiting parts and releases of the slot into `next`, and into flight.
  void fill(Slot& slot, Block& next);
  void written(Slot& slot, Result<json::value> object);
  void removed(Slot& slot, const Status& status);
  void write_failed(Slot& slot, const Error& error);
  void read(Slot& slot, event::Duration delay);
  void got(Slot& slot, Result<json::value> object);
  void settle(Slot& slot, bool changed);
  void adopt(Slot& slot, StoredBlock stored);
  void complete_flight(Slot& slot);
  void return_to_waiting(const PartRef& ref);
  void vanished(Slot& slot);
  void refuse_all(Slot& slot, const Error& error);
  void tidy(Slot& slot);

  // --- claims_block.cc
  Slot& claim(const net::Cidr& cidr);
  void reclaim(const Surveyed& surveyed);
  void claim_affinity(Slot& slot);
  void claim_existing_affinity(Slot& slot);
  void claim_block(Slot& slot);
  void make_block(Slot& slot);
  void claim_read(Slot& slot);
  void claim_lost(Slot& slot);  // the block is another's
  void claim_retry(Slot& slot, const Error& error, void (Impl::*step)(Slot&));
  void confirm(Slot& slot);
  void confirm_read(Slot& slot);
  void give_back(Slot& slot);
  void remove_affinity(const StoredAffinity& affinity);
  void finish_deletion(Slot& slot, const StoredBlock& stored);  // somebody began it

  // --- claims_release.cc
  void release(std::string handle_id, std::vector<net::IpAddr> addresses, OnDone done);
  void release_all_of(std::string handle_id, OnDone done);
  void release_pinned(const net::Cidr& block, const Allocation& allocation);
  std::optional<net::Cidr> block_holding(const net::IpAddr& address) const;
  void add_release(const net::Cidr& block, ReleaseOp op);
  void release_done(const ReleaseOp& op, const Status& status);
  void complete_releases(Slot& slot);
  void account_release(const net::Cidr& block, const Allocation& freed);
  void uncount(Part& part, const std::string& handle_id);
  void request_came();

  // Wraps a callback of the datastore: fn(Impl&, Slot&, result), while both are there.
  template <typename Fn>
  auto for_slot(const Slot& slot, Fn fn) {
    return [weak = weak_from_this(), cidr = slot.cidr, id = slot.id, fn](auto result) {
      const auto self = weak.lock();
      if (!self) return;
      Slot* found = self->find_slot(cidr);
      if (found != nullptr && found->id == id) fn(*self, *found, std::move(result));
      self->wake();
    };
  }
  template <typename Fn>
  void slot_after(const Slot& slot, event::Duration delay, Fn fn) {
    schedule.after(delay, [weak = weak_from_this(), cidr = slot.cidr, id = slot.id, fn] {
      const auto self = weak.lock();
      if (!self) return;
      Slot* found = self->find_slot(cidr);
      if (found != nullptr && found->id == id) fn(*self, *found);
      self->wake();
    });
  }

  Schedule& schedule;
  Datastore& datastore;
  ClaimsOptions options;
  ClaimsCounters counters;
  HandleLedger ledger;
  Gather gather;

  PoolSet pools;
  model::IpamSettings settings;
  bool datastore_ready = true;
  // Blocks that exist, as the watch and our own conflicts tell, with their node ("": nobody).
  std::map<net::Cidr, std::string> known;
  // Blocks of others in which the watch sees addresses of this node.
  std::set<net::Cidr> borrowed_known;
  bool pools_changed = false;

  bool synced = false;
  bool started = false;
  size_t start_reads = 0;

  std::map<net::Cidr, std::unique_ptr<Slot>> slots;
  uint64_t next_slot_id = 1;
  std::deque<PartRef> waiting;
  std::unordered_set<JobPtr> jobs;
  size_t open_releases = 0;                              // that somebody waits for
  std::set<std::pair<net::IpAddr, uint64_t>> made_here;  // allocations without handle object

  uint64_t surveys_begun = 0;
  uint64_t survey_done = 0;  // number of the last one that was answered
  bool surveying = false;
  event::Clock::time_point last_survey{};
  std::map<net::Cidr, Surveyed> survey;

  bool turn_planned = false;
  std::vector<std::function<void()>> answers;
  bool answers_planned = false;
  std::string problem;
};

}  // namespace caracal::ipam
