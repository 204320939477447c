#include "ipam/address_claims.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

using net::Family;
using net::IpAddr;

AddressClaims::Impl::Impl(Schedule& s, Datastore& d, ClaimsOptions o)
    : schedule(s),
      datastore(d),
      options(std::move(o)),
      ledger(s, d, options.backoff, options.random),
      gather(options.gather) {}

AddressClaims::AddressClaims(Schedule& schedule, Datastore& datastore, ClaimsOptions options)
    : impl_(std::make_shared<Impl>(schedule, datastore, std::move(options))) {}
AddressClaims::~AddressClaims() = default;

void AddressClaims::update(const model::NetworkUpdate& update) { impl_->update(update); }
void AddressClaims::in_sync() {
  if (impl_->synced) return;
  impl_->synced = true;
  impl_->start();
}
bool AddressClaims::ready() const { return impl_->started; }
void AddressClaims::assign(AssignRequest request, OnAssigned done) {
  impl_->assign(std::move(request), std::move(done));
}
void AddressClaims::release(std::string handle_id, std::vector<IpAddr> addresses, OnDone done) {
  impl_->release(std::move(handle_id), std::move(addresses), std::move(done));
}
void AddressClaims::release_all_of(std::string handle_id, OnDone done) {
  impl_->release_all_of(std::move(handle_id), std::move(done));
}

std::vector<net::Cidr> AddressClaims::own_blocks() const {
  std::vector<net::Cidr> out;
  for (const auto& [cidr, slot] : impl_->slots) {
    if (slot->own && slot->phase != Impl::Phase::kClaiming) out.push_back(cidr);
  }
  return out;
}

std::vector<HeldAddress> AddressClaims::held() const {
  std::vector<HeldAddress> out;
  for (const auto& [cidr, slot] : impl_->slots) {
    const Block& block = slot->stored.value;
    for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
      const AllocationAttributes* attributes = block.attributes_of(ordinal);
      if (attributes == nullptr || attributes->released_at) continue;
      if (attributes->get(kNodeAttribute) != impl_->options.node) continue;
      out.push_back(
          {*block.allocation_of(block.address_of(ordinal)), attributes->owner, cidr, !slot->own});
    }
  }
  return out;
}

const ClaimsCounters& AddressClaims::counters() const {
  impl_->counters.handle_writes = impl_->ledger.writes();
  return impl_->counters;
}
std::string AddressClaims::problem() const { return impl_->problem; }

void AddressClaims::Impl::update(const model::NetworkUpdate& update) {
  std::visit(
      [this](const auto& u) {
        using T = std::decay_t<decltype(u)>;
        if constexpr (std::is_same_v<T, model::IpPoolUpdate>) {
          if (u.value) {
            pools.pools.insert_or_assign(u.key, *u.value);
          } else {
            pools.pools.erase(u.key);
          }
          pools_changed = true;
        } else if constexpr (std::is_same_v<T, model::IpReservationUpdate>) {
          if (u.value) {
            pools.reservations.insert_or_assign(u.key, *u.value);
          } else {
            pools.reservations.erase(u.key);
          }
          for (const auto& [cidr, slot] : slots) count_usable(*slot);
        } else if constexpr (std::is_same_v<T, model::IpamSettingsUpdate>) {
          settings = u.value.value_or(model::IpamSettings{});
        } else if constexpr (std::is_same_v<T, model::NodeNetworkUpdate>) {
          if (u.key != options.node || !u.value) return;
          pools.node_labels = u.value->labels;
          pools_changed = true;
        } else if constexpr (std::is_same_v<T, model::DatastoreReadyUpdate>) {
          datastore_ready = u.ready;
        } else if constexpr (std::is_same_v<T, model::AddressBlockUpdate>) {
          borrowed_known.erase(u.key);
          if (!u.value) {
            known.erase(u.key);
            return;
          }
          known[u.key] = u.value->node;
          for (const auto& [address, node] : u.value->elsewhere) {
            if (node == options.node) borrowed_known.insert(u.key);
          }
          return;
        } else {
          return;
        }
        wake();
      },
      update);
}

void AddressClaims::Impl::assign(AssignRequest request, OnAssigned done) {
  auto job = std::make_shared<AssignJob>();
  std::string wrong;
  for (const Family family : request.families) {
    if (std::count(request.families.begin(), request.families.end(), family) > 1)
      wrong = fmt::format("families: {} is named twice", net::to_string(family));
  }
  for (const IpAddr& address : request.addresses) {
    const auto same =
        std::count_if(request.addresses.begin(), request.addresses.end(),
                      [&](const IpAddr& a) { return a.family() == address.family(); });
    if (same > 1) {
      wrong = fmt::format("{} {} addresses are asked for: must be at most one of a family", same,
                          net::to_string(address.family()));
    }
    if (std::find(request.families.begin(), request.families.end(), address.family()) ==
        request.families.end()) {
      request.families.push_back(address.family());
    }
  }
  if (request.families.empty()) wrong = "no address family is asked for";
  if (request.handle_id.empty()) wrong = "the handle must not be empty";
  if (!wrong.empty()) {
    ++counters.refused;
    return later([done = std::move(done), wrong] { done(fail(Errc::kInvalid, wrong)); });
  }
  request.attributes.try_emplace(std::string(kNodeAttribute), options.node);
  const auto now = schedule.wall_clock();
  request.attributes.try_emplace(
      std::string(kTimestampAttribute),
      fmt::format("{:%Y-%m-%d %H:%M:%S} +0000 UTC",
                  fmt::gmtime(std::chrono::time_point_cast<std::chrono::seconds>(now))));
  for (const Family family : request.families) {
    Part part;
    part.family = family;
    for (const IpAddr& address : request.addresses) {
      if (address.family() == family) part.wanted = address;
    }
    part.survey = surveys_begun;
    job->parts.push_back(part);
  }
  job->ask = std::move(request);
  job->done = std::move(done);
  job->came = schedule.now();
  jobs.insert(job);
  request_came();
  for (size_t i = 0; i < job->parts.size(); ++i) waiting.push_back({job, i});
  schedule.after(options.request_limit, [weak = weak_from_this(), weak_job = std::weak_ptr(job)] {
    const auto self = weak.lock();
    const JobPtr late = weak_job.lock();
    if (self && late) self->expire(late);
  });
  wake();
}

void AddressClaims::Impl::expire(const JobPtr& job) {
  if (job->over) return;
  std::string why = problem.empty() ? "the datastore is slow" : problem;
  if (!synced) why = "the pools are not known yet";
  job_failed(job, {Errc::kUnavailable,
                   fmt::format("no address within {} ms: {}", options.request_limit.count(), why)});
}

void AddressClaims::Impl::request_came() {
  gather.came(schedule.now(), jobs.size() + open_releases);
}

void AddressClaims::Impl::wake() {
  if (turn_planned) return;
  turn_planned = true;
  schedule.after(event::Duration(0), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->turn_planned = false;
    self->turn();
  });
}

void AddressClaims::Impl::turn() {
  if (!started) return;
  plan();
  // flush() may drop the slot it is given.
  std::vector<net::Cidr> busy;
  for (const auto& [cidr, slot] : slots) {
    if (slot->busy() || pools_changed) busy.push_back(cidr);
  }
  const bool look = std::exchange(pools_changed, false);
  for (const net::Cidr& cidr : busy) {
    if (Slot* slot = find_slot(cidr)) flush(*slot);
    if (!look) continue;
    if (Slot* slot = find_slot(cidr)) tidy(*slot);
  }
}

void AddressClaims::Impl::part_done(const PartRef& ref, const Slot& slot, const IpAddr& address,
                                    uint64_t sequence) {
  Part& part = ref.part();
  part.done = true;
  part.address = address;
  part.sequence = sequence;
  part.block = slot.cidr;
  if (!part.reused) {
    ++counters.assigned;
    if (!slot.own) ++counters.borrowed;
    if (!part.counted) made_here.emplace(address, sequence);
  }
  const JobPtr job = ref.job;
  if (std::any_of(job->parts.begin(), job->parts.end(), [](const Part& p) { return !p.done; }))
    return;
  job->over = true;
  jobs.erase(job);
  problem.clear();
  later([job] {
    std::vector<IpAddr> addresses;
    for (const Part& each : job->parts) addresses.push_back(each.address);
    job->done(std::move(addresses));
  });
}

void AddressClaims::Impl::job_failed(const JobPtr& job, Error error) {
  if (job->over) return;
  job->over = true;
  jobs.erase(job);
  ++counters.refused;
  // All or none: what a part has got already goes back. Parts on their way follow when they land.
  for (Part& part : job->parts) {
    if (part.done && !part.reused) {
      release_pinned(part.block, {part.address, job->ask.handle_id, part.sequence});
    }
  }
  later([job, error = std::move(error)] { job->done(fail(error)); });
  wake();
}

void AddressClaims::Impl::later(std::function<void()> fn) {
  answers.push_back(std::move(fn));
  if (std::exchange(answers_planned, true)) return;
  schedule.after(event::Duration(0), [weak = weak_from_this()] {
    std::vector<std::function<void()>> batch;
    if (const auto self = weak.lock()) {
      self->answers_planned = false;
      batch.swap(self->answers);
    }
    // Any of them may end the claims.
    for (const auto& answer : batch) {
      if (weak.expired()) return;
      answer();
    }
  });
}

Time AddressClaims::Impl::time_now() const {
  return std::chrono::floor<std::chrono::seconds>(schedule.wall_clock());
}

}  // namespace caracal::ipam
