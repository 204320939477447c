// Loop: a single-threaded event loop; timers, file descriptors, child processes, signals, work on
// other threads, and functions posted from other threads.
//
// Everything on a loop runs on the one thread that calls run(), so what lives on a loop needs no
// lock. Only post() and stop() may be called from any thread; everything else, and the end of every
// Handle, happens on the loop's thread (or on the thread that builds the loop, before run()). libuv
// is behind it and shows in loop.cc only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace caracal::event {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::milliseconds;
using Callback = std::function<void()>;

namespace detail {
class Source;
}

// Owns one timer or watch. When it ends, the callback does not run again; ending it inside its own
// callback is fine, and so is outliving the loop.
class [[nodiscard]] Handle {
 public:
  Handle() = default;
  explicit Handle(std::shared_ptr<detail::Source> source) : source_(std::move(source)) {}
  Handle(Handle&& other) noexcept = default;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle() { reset(); }
  void reset();
  // Has it been set, and has a one-shot timer or a child watch not fired yet?
  bool active() const;

 private:
  friend class Loop;
  std::shared_ptr<detail::Source> source_;
};

// Which readiness of a file descriptor is wanted, or came. An error or hang-up comes as readable,
// so that the next read tells.
struct Ready {
  bool read = false;
  bool write = false;
};

class Loop {
 public:
  Loop();
  ~Loop();  // waits for work() that has begun; its `done` does not run, nor do posted functions
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(). A stop() that came before run() counts. May be called again.
  void run();
  void stop();  // any thread
  // Runs until the condition holds (asked after every round of events) or the limit is over;
  // returns whether it holds. For tests and tools that wait for something.
  bool run_until(const std::function<bool()>& condition, Duration limit);

  Clock::time_point now() const { return Clock::now(); }

  // Runs fn on the loop, in the order of posting. Any thread; never blocks on the loop.
  void post(Callback fn);

  Handle after(Duration delay, Callback fn);   // once
  Handle every(Duration period, Callback fn);  // first after one period

  // Level-triggered readiness of a descriptor that pollable; it must outlive the watch, and is set
  // non-blocking. Errors: a descriptor that cannot be polled (a plain file).
  Result<Handle> watch_fd(int fd, Ready interest, std::function<void(Ready)> fn);
  // Changes what a watch_fd() handle waits for. Nothing wanted: it stays, silent.
  static void set_interest(Handle& watch, Ready interest);

  // Reaps a child of this process: fn gets its exit code, 128 + n when signal n ended it. Once.
  Result<Handle> watch_child(pid_t pid, std::function<void(int)> fn);

  // fn runs on the loop each time the process gets the signal.
  Result<Handle> watch_signal(int signal_number, Callback fn);

  // Runs fn on a thread of the shared pool (4 threads), then done on the loop with what fn
  // returned.
  template <typename Fn, typename Done>
  void work(Fn fn, Done done) {
    using Value = std::invoke_result_t<Fn&>;
    if constexpr (std::is_void_v<Value>) {
      queue_work(std::move(fn), std::move(done));
    } else {
      auto value = std::make_shared<std::unique_ptr<Value>>();
      queue_work([value, fn = std::move(fn)]() mutable { *value = std::make_unique<Value>(fn()); },
                 [value, done = std::move(done)]() mutable { done(std::move(**value)); });
    }
  }

 private:
  void queue_work(Callback fn, Callback done);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::event
