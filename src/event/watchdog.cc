#include "event/watchdog.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace caracal::event {

namespace {
// Written by the loop, read by the watchdog.
struct Heartbeat {
  std::string name;
  std::atomic<Clock::rep> last;
  std::atomic<bool> ended{false};
  bool stuck = false;  // guarded by the watchdog's mutex

  void beat() { last.store(Clock::now().time_since_epoch().count()); }
  Duration silent(Clock::time_point now) const {
    const Clock::time_point then{Clock::duration(last.load())};
    return std::max(Duration(0), std::chrono::duration_cast<Duration>(now - then));
  }
};

// Lives in the loop's timer; its end (with the handle) takes the loop off the list.
struct Beating {
  explicit Beating(std::shared_ptr<Heartbeat> h) : heartbeat(std::move(h)) {}
  Beating(const Beating&) = delete;
  Beating& operator=(const Beating&) = delete;
  ~Beating() { heartbeat->ended.store(true); }
  std::shared_ptr<Heartbeat> heartbeat;
};

void log_and_abort(const LoopHealth& loop) {
  log::error("event loop is stuck, ending the process",
             {{"loop", loop.name}, {"silent_ms", loop.silent.count()}});
  std::abort();
}
}  // namespace

struct Watchdog::Impl {
  WatchdogOptions options;
  Report report;
  Abort on_abort;

  mutable std::mutex mutex;
  std::condition_variable wake;
  bool ending = false;
  std::vector<std::shared_ptr<Heartbeat>> heartbeats;
  std::thread thread;
};

Watchdog::Watchdog(WatchdogOptions options, Report report, Abort on_abort)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->report = std::move(report);
  impl_->on_abort = on_abort ? std::move(on_abort) : log_and_abort;
  impl_->thread = std::thread([this] {
    std::unique_lock lock(impl_->mutex);
    while (
        !impl_->wake.wait_for(lock, impl_->options.check_every, [this] { return impl_->ending; })) {
      lock.unlock();
      check(Clock::now());
      lock.lock();
    }
  });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

Handle Watchdog::watch(Loop& loop, std::string name) {
  auto heartbeat = std::make_shared<Heartbeat>();
  heartbeat->name = std::move(name);
  heartbeat->beat();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->heartbeats.push_back(heartbeat);
  }
  return loop.every(impl_->options.check_every, [beating = std::make_shared<Beating>(heartbeat)] {
    beating->heartbeat->beat();
  });
}

std::vector<LoopHealth> Watchdog::health() const {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock(impl_->mutex);
  std::vector<LoopHealth> all;
  for (const auto& heartbeat : impl_->heartbeats) {
    if (heartbeat->ended.load()) continue;
    const Duration silent = heartbeat->silent(now);
    all.push_back({heartbeat->name, silent, silent >= impl_->options.report_after});
  }
  return all;
}

void Watchdog::check(Clock::time_point now) {
  std::vector<LoopHealth> changed;
  std::vector<LoopHealth> dead;
  {
    const std::lock_guard lock(impl_->mutex);
    std::erase_if(impl_->heartbeats, [](const auto& h) { return h->ended.load(); });
    for (const auto& heartbeat : impl_->heartbeats) {
      const Duration silent = heartbeat->silent(now);
      const LoopHealth health{heartbeat->name, silent, silent >= impl_->options.report_after};
      if (health.stuck != heartbeat->stuck) {
        heartbeat->stuck = health.stuck;
        changed.push_back(health);
      }
      if (impl_->options.abort_after.count() > 0 && silent >= impl_->options.abort_after) {
        dead.push_back(health);
      }
    }
  }
  // Outside the lock: a report may ask for health().
  for (const LoopHealth& loop : changed) {
    if (loop.stuck) {
      log::warn("event loop does not turn",
                {{"loop", loop.name}, {"silent_ms", loop.silent.count()}});
    } else {
      log::info("event loop turns again", {{"loop", loop.name}});
    }
    if (impl_->report) impl_->report(loop);
  }
  for (const LoopHealth& loop : dead) impl_->on_abort(loop);
}

}  // namespace caracal::event
