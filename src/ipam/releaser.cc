#include "ipam/releaser.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "ipam/block_json.h"
#include "ipam/block_return.h"

namespace caracal::ipam {

struct Releaser::Impl : std::enable_shared_from_this<Releaser::Impl> {
  Impl(Datastore& d, ReleaserOptions o) : datastore(d), options(std::move(o)) {
    if (!options.now) {
      options.now = [] { return std::chrono::floor<std::chrono::seconds>(WallClock::now()); };
    }
  }

  // One plan being carried out: its steps, some at a time. Handles and blocks come after addresses,
  // which they depend on.
  struct Job {
    CollectionPlan plan;
    Recheck recheck;
    OnDone done;
    ReleaseReport report;
    std::shared_ptr<Impl> keep;
    using Step = std::function<void(const std::shared_ptr<Job>&, std::function<void()>)>;
    std::deque<Step> steps;
    std::deque<Step> after;
    int running = 0;
  };
  using JobPtr = std::shared_ptr<Job>;
  using Next = std::function<void()>;

  void run(const JobPtr& job) {
    if (ended) return;
    while (job->running < options.parallel && !job->steps.empty()) {
      auto step = std::move(job->steps.front());
      job->steps.pop_front();
      ++job->running;
      step(job, [this, job] {
        --job->running;
        run(job);
      });
    }
    if (job->running > 0) return;
    if (!job->after.empty()) {
      job->steps.swap(job->after);
      return run(job);
    }
    if (const auto done = std::exchange(job->done, nullptr)) done(std::move(job->report));
  }

  void carry_out(CollectionPlan plan, Recheck recheck, OnDone done) {
    auto job = std::make_shared<Job>();
    job->keep = shared_from_this();
    job->plan = std::move(plan);
    job->recheck = std::move(recheck);
    job->done = std::move(done);
    std::map<net::Cidr, std::vector<Leak>> by_block;
    for (const net::Cidr& cidr : job->plan.cooled) by_block[cidr];
    for (const Leak& leak : job->plan.leaks) by_block[leak.block].push_back(leak);
    for (auto& [cidr, leaks] : by_block) {
      job->steps.push_back(
          [this, cidr = cidr, leaks = std::move(leaks)](const JobPtr& of, Next next) {
            free_addresses(of, cidr, leaks, options.attempts, std::move(next));
          });
    }
    for (const AffinityRepair& repair : job->plan.affinities) {
      job->steps.push_back(
          [this, &repair](const JobPtr& of, Next next) { mend(of, repair, std::move(next)); });
    }
    for (const BlockReturn& block : job->plan.blocks) {
      job->after.push_back(
          [this, &block](const JobPtr& of, Next next) { give_back(of, block, std::move(next)); });
    }
    for (const HandleRemoval& handle : job->plan.handles) {
      job->after.push_back([this, &handle](const JobPtr& of, const Next& next) {
        ++of->report.writes;
        datastore.remove(Kind::kHandle, handle.name, {handle.uid, handle.resource_version},
                         [job = of, &handle, next](const Status& removed) {
                           if (removed) {
                             ++job->report.handles_removed;
                           } else if (removed.error().code != Errc::kNotFound &&
                                      removed.error().code != Errc::kConflict) {
                             failed(job, fmt::format("handle {}", handle.name), removed.error());
                           }
                           next();
                         });
      });
    }
    run(job);
  }

  static void failed(const JobPtr& job, std::string_view what, const Error& error) {
    job->report.errors.push_back(fmt::format("{}: {}", what, error.message));
  }

  void free_addresses(const JobPtr& job, const net::Cidr& cidr, const std::vector<Leak>& leaks,
                      int attempts, Next next) {
    datastore.get(
        Kind::kBlock, block_name(cidr),
        [this, job, cidr, leaks, attempts, next](Result<json::value> object) {
          if (ended) return;
          const std::string what = fmt::format("block {}", cidr.to_string());
          const auto spare = [&] {
            job->report.spared.insert(job->report.spared.end(), leaks.begin(), leaks.end());
            next();
          };
          if (!object && object.error().code == Errc::kNotFound) return spare();
          if (!object) {
            failed(job, what, object.error());
            return next();
          }
          auto stored = decode_block(std::move(*object));
          if (!stored) {
            failed(job, what, stored.error());
            return next();
          }
          Block& block = stored->value;
          const Time now = options.now();
          const bool cooled = block.cool(now, options.cooldown_seconds);
          std::vector<Leak> freed;
          std::vector<Leak> spared;
          for (const Leak& leak : leaks) {
            const bool left_over = !job->recheck || job->recheck(leak);
            if (left_over &&
                block.release(leak.allocation.address, leak.allocation.handle_id,
                              leak.allocation.sequence, now, options.cooldown_seconds)) {
              freed.push_back(leak);
            } else {
              spared.push_back(leak);
            }
          }
          if (freed.empty() && !cooled) return spare();
          block.next_sequence();
          const auto done = [this, job, cidr, leaks, attempts, next, freed, spared,
                             what](const std::optional<Error>& error) {
            if (error && (error->code == Errc::kConflict || error->code == Errc::kNotFound) &&
                attempts > 1) {
              return free_addresses(job, cidr, leaks, attempts - 1, next);
            }
            if (error) {
              failed(job, what, *error);
              return next();
            }
            auto& report = job->report;
            report.released.insert(report.released.end(), freed.begin(), freed.end());
            report.spared.insert(report.spared.end(), spared.begin(), spared.end());
            std::map<std::string, uint32_t> counts;
            for (const Leak& leak : freed) {
              if (!leak.allocation.handle_id.empty()) ++counts[leak.allocation.handle_id];
            }
            for (const auto& [handle, count] : counts) {
              job->after.push_back(
                  [this, handle = handle, cidr, count = count](const JobPtr& of, Next then) {
                    uncount(of, handle, cidr, count, options.attempts, std::move(then));
                  });
            }
            next();
          };
          ++job->report.writes;
          if (block.empty() && !block.affinity()) {
            datastore.remove(Kind::kBlock, stored->name(),
                             {stored->uid(), stored->resource_version()},
                             [done](const Status& removed) {
                               done(removed ? std::nullopt : std::optional(removed.error()));
                             });
          } else {
            datastore.update(Kind::kBlock, encode(*stored),
                             [done](const Result<json::value>& written) {
                               done(written ? std::nullopt : std::optional(written.error()));
                             });
          }
        });
  }

  // The handle object, where there is one, counts fewer addresses.
  void uncount(const JobPtr& job, const std::string& handle, const net::Cidr& cidr, uint32_t count,
               int attempts, Next next) {
    datastore.get(
        Kind::kHandle, handle_name(handle),
        [this, job, handle, cidr, count, attempts, next](Result<json::value> object) {
          if (!object) {
            if (object.error().code != Errc::kNotFound)
              failed(job, fmt::format("handle {}", handle), object.error());
            return next();
          }
          auto stored = decode_handle(std::move(*object));
          if (!stored) {
            failed(job, fmt::format("handle {}", handle), stored.error());
            return next();
          }
          auto& blocks = stored->value.blocks;
          const auto at = blocks.find(cidr);
          if (at != blocks.end() && at->second > count) {
            at->second -= count;
          } else if (at != blocks.end()) {
            blocks.erase(at);
          } else if (!blocks.empty()) {
            return next();
          }
          const auto done = [this, job, handle, cidr, count, attempts,
                             next](const std::optional<Error>& error) {
            if (error && error->code == Errc::kConflict && attempts > 1)
              return uncount(job, handle, cidr, count, attempts - 1, next);
            if (error && error->code != Errc::kNotFound)
              failed(job, fmt::format("handle {}", handle), *error);
            next();
          };
          ++job->report.writes;
          if (blocks.empty()) {
            datastore.remove(Kind::kHandle, stored->name(),
                             {stored->uid(), stored->resource_version()},
                             [job, done](const Status& removed) {
                               if (removed) ++job->report.handles_removed;
                               done(removed ? std::nullopt : std::optional(removed.error()));
                             });
          } else {
            datastore.update(Kind::kHandle, encode(*stored),
                             [done](const Result<json::value>& written) {
                               done(written ? std::nullopt : std::optional(written.error()));
                             });
          }
        });
  }

  void mend(const JobPtr& job, const AffinityRepair& repair, Next next) {
    const auto done = [job, &repair, next](const std::optional<Error>& error) {
      if (!error) {
        ++job->report.affinities_repaired;
      } else if (error->code != Errc::kConflict && error->code != Errc::kNotFound &&
                 error->code != Errc::kExists) {
        failed(job, fmt::format("affinity {}", repair.name), *error);
      }
      next();
    };
    const auto on_object = [done](const Result<json::value>& written) {
      done(written ? std::nullopt : std::optional(written.error()));
    };
    if (repair.action == AffinityRepair::Action::kRemove) {
      ++job->report.writes;
      datastore.remove(Kind::kAffinity, repair.name, {"", repair.resource_version},
                       [done](const Status& removed) {
                         done(removed ? std::nullopt : std::optional(removed.error()));
                       });
      return;
    }
    if (repair.action == AffinityRepair::Action::kCreate) {
      ++job->report.writes;
      StoredAffinity made;
      made.value = repair.affinity;
      return datastore.create(Kind::kAffinity, encode(made), on_object);
    }
    // What else is in the object stays: read, and written only if it is as it was seen.
    datastore.get(Kind::kAffinity, repair.name,
                  [this, job, &repair, done, on_object](Result<json::value> object) {
                    if (!object) return done(object.error());
                    auto stored = decode_affinity(std::move(*object));
                    if (!stored) return done(stored.error());
                    if (stored->resource_version() != repair.resource_version)
                      return done(Error{Errc::kConflict, "it has changed"});
                    stored->value = repair.affinity;
                    ++job->report.writes;
                    datastore.update(Kind::kAffinity, encode(*stored), on_object);
                  });
  }

  void give_back(const JobPtr& job, const BlockReturn& block, Next next) {
    return_block(datastore, {block.block, block.owner, block.sequence, block.only_empty},
                 [job, &block, next](const Result<uint32_t>& writes) {
                   if (writes) {
                     ++job->report.blocks_returned;
                     job->report.writes += *writes;
                   } else if (writes.error().code != Errc::kConflict) {
                     failed(job, fmt::format("block {}", block.block.to_string()), writes.error());
                   }
                   next();
                 });
  }

  Datastore& datastore;
  ReleaserOptions options;
  bool ended = false;  // the Releaser is gone: nothing more is begun, nothing told
};

Releaser::Releaser(Datastore& datastore, ReleaserOptions options)
    : impl_(std::make_shared<Impl>(datastore, std::move(options))) {}
Releaser::~Releaser() { impl_->ended = true; }

void Releaser::set_cooldown(uint32_t seconds) { impl_->options.cooldown_seconds = seconds; }

void Releaser::carry_out(CollectionPlan plan, Recheck recheck, OnDone done) {
  impl_->carry_out(std::move(plan), std::move(recheck), std::move(done));
}

Result<CollectionPlan> plan_release(const AddressWorld& world,
                                    const std::vector<net::IpAddr>& addresses) {
  CollectionPlan plan;
  for (const net::IpAddr& address : addresses) {
    const Block* block = world.block_of(address);
    if (block == nullptr) {
      return fail(Errc::kInvalid, fmt::format("address {} is in no block", address.to_string()));
    }
    const auto held = block->allocation_of(address);
    if (!held) {
      return fail(Errc::kNotFound, fmt::format("address {} is not taken", address.to_string()));
    }
    const AllocationAttributes& owner = *block->attributes_of(*block->ordinal_of(address));
    plan.leaks.push_back(
        {block->cidr(),
         *held,
         std::string(owner.get(kNodeAttribute)),
         {std::string(owner.get(kNamespaceAttribute)), std::string(owner.get(kPodAttribute))},
         "asked for"});
  }
  return plan;
}

}  // namespace caracal::ipam
