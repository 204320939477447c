#include "ipam/handle_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "ipam/block_json.h"

namespace caracal::ipam {

namespace {
bool try_again(Errc code) {
  return outcome_unknown(code) || code == Errc::kConflict || code == Errc::kExists ||
         code == Errc::kNotFound;
}
}  // namespace

struct HandleLedger::Impl : std::enable_shared_from_this<HandleLedger::Impl> {
  struct Account {
    std::map<net::Cidr, int> open;  // not yet taken up
    std::vector<OnDone> open_done;
    std::map<net::Cidr, int> under_way;
    std::vector<OnDone> under_way_done;
    // A write was without answer: if what it would have made is seen, it has happened.
    bool unknown = false;
    std::optional<std::map<net::Cidr, uint32_t>> target;
    event::Backoff backoff;
    bool busy = false;
  };

  Impl(Schedule& s, Datastore& d, event::BackoffOptions b, event::Random r)
      : schedule(s), datastore(d), backoff(b), random(std::move(r)) {}

  void begin(const std::string& id) {
    Account& account = accounts.at(id);
    if (account.busy) return;
    if (account.open.empty()) {
      accounts.erase(id);
      return;
    }
    account.busy = true;
    account.under_way = std::move(account.open);
    account.under_way_done = std::move(account.open_done);
    account.open.clear();
    account.open_done.clear();
    read(id);
  }

  template <typename Fn>
  auto guarded(const std::string& id, Fn fn) {
    return [weak = weak_from_this(), id, fn](auto result) {
      if (const auto self = weak.lock()) fn(*self, id, std::move(result));
    };
  }

  void read(const std::string& id) {
    const Account& account = accounts.at(id);
    // A handle is new more often than not.
    const bool grows = std::all_of(account.under_way.begin(), account.under_way.end(),
                                   [](const auto& entry) { return entry.second > 0; });
    if (grows && account.backoff.failures() == 0) return write(id, {});
    ++reads;
    datastore.get(Kind::kHandle, handle_name(id),
                  guarded(id, [](Impl& self, const std::string& which, Result<json::value> object) {
                    if (!object && object.error().code == Errc::kNotFound)
                      return self.write(which, {});
                    if (!object) return self.failed(which, object.error());
                    auto stored = decode_handle(std::move(*object));
                    if (!stored) return self.finish(which, fail(stored.error()));
                    self.write(which, std::move(*stored));
                  }));
  }

  // `stored` without an object: there is none yet.
  void write(const std::string& id, StoredHandle stored) {
    Account& account = accounts.at(id);
    const bool exists = !stored.resource_version().empty();
    stored.value.id = id;
    if (account.unknown && account.target && !stored.value.deleted &&
        stored.value.blocks == *account.target)
      return finish(id, {});
    if (stored.value.deleted) {
      // Somebody began to delete it: that is ended first, then it is made anew.
      stored.value.blocks.clear();
    } else {
      for (const auto& [cidr, change] : account.under_way) {
        const int64_t now = int64_t{stored.value.blocks[cidr]} + change;
        if (now > 0) {
          stored.value.blocks[cidr] = static_cast<uint32_t>(now);
        } else {
          stored.value.blocks.erase(cidr);
        }
      }
    }
    account.target = stored.value.blocks;
    if (stored.value.blocks.empty()) {
      if (!exists) return finish(id, {});
      const bool again = stored.value.deleted;
      ++writes;
      datastore.remove(
          Kind::kHandle, stored.name(), {stored.uid(), stored.resource_version()},
          guarded(id, [again](Impl& self, const std::string& which, const Status& removed) {
            if (!removed && removed.error().code != Errc::kNotFound)
              return self.failed(which, removed.error());
            if (again) return self.write(which, {});
            self.finish(which, {});
          }));
      return;
    }
    ++writes;
    const auto written =
        guarded(id, [](Impl& self, const std::string& which, const Result<json::value>& object) {
          if (!object) return self.failed(which, object.error());
          self.finish(which, {});
        });
    if (exists) {
      datastore.update(Kind::kHandle, encode(stored), written);
    } else {
      datastore.create(Kind::kHandle, encode(stored), written);
    }
  }

  void failed(const std::string& id, const Error& error) {
    if (!try_again(error.code)) return finish(id, fail(error));
    Account& account = accounts.at(id);
    if (outcome_unknown(error.code)) account.unknown = true;
    const event::Duration wait = account.backoff.next();
    // A conflict is no reason to wait; a lost answer is read back.
    const bool soon = error.code == Errc::kConflict || error.code == Errc::kExists;
    schedule.after(soon ? event::Duration(0) : wait, [weak = weak_from_this(), id] {
      if (const auto self = weak.lock()) self->read(id);
    });
  }

  void finish(const std::string& id, const Status& status) {
    Account& account = accounts.at(id);
    const std::vector<OnDone> done = std::move(account.under_way_done);
    account.under_way.clear();
    account.under_way_done.clear();
    account.target.reset();
    account.unknown = false;
    account.backoff.reset();
    account.busy = false;
    begin(id);
    const std::weak_ptr<Impl> alive = weak_from_this();
    for (const OnDone& fn : done) {
      if (alive.expired()) return;
      if (fn) fn(status);
    }
  }

  Schedule& schedule;
  Datastore& datastore;
  event::BackoffOptions backoff;
  event::Random random;
  std::map<std::string, Account> accounts;
  uint64_t writes = 0;
  uint64_t reads = 0;
};

HandleLedger::HandleLedger(Schedule& schedule, Datastore& datastore, event::BackoffOptions backoff,
                           event::Random random)
    : impl_(std::make_shared<Impl>(schedule, datastore, backoff, std::move(random))) {}
HandleLedger::~HandleLedger() = default;

void HandleLedger::count(const std::string& handle_id, const net::Cidr& block, int change,
                         OnDone done) {
  auto [at, added] = impl_->accounts.try_emplace(handle_id);
  if (added) at->second.backoff = event::Backoff(impl_->backoff, impl_->random);
  at->second.open[block] += change;
  at->second.open_done.push_back(std::move(done));
  impl_->begin(handle_id);
}

uint64_t HandleLedger::writes() const { return impl_->writes; }
uint64_t HandleLedger::reads() const { return impl_->reads; }

}  // namespace caracal::ipam
