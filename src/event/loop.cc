#include "event/loop.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/fd.h"

namespace caracal::event {

namespace {
tl::unexpected<Error> fail_uv(int code, const std::string& what) { return fail_errno(-code, what); }
}  // namespace

namespace detail {

// One libuv handle with its callback. It keeps itself alive (self_) from the start until libuv has
// let go of the handle, which is always later than close().
class Source : public std::enable_shared_from_this<Source> {
 public:
  enum class Kind { kTimer, kPoll, kSignal };

  Source(Kind kind, bool once) : kind_(kind), once_(once) {}

  void begin() {
    handle()->data = this;
    self_ = shared_from_this();
    open_ = true;
  }

  void close() {
    if (!open_) return;
    open_ = false;
    uv_close(handle(), [](uv_handle_t* handle) {
      auto* source = static_cast<Source*>(handle->data);
      const std::shared_ptr<Source> last = std::move(source->self_);
      last->fn_ = nullptr;
      last->child_.reset();
    });
    // What the callback holds on to is freed now, unless it is running.
    if (!running_) fn_ = nullptr;
  }

  void fire(Ready ready) {
    if (!open_ || running_) return;
    const std::shared_ptr<Source> keep = shared_from_this();
    running_ = true;
    if (once_) close();
    fn_(ready);
    running_ = false;
    if (!open_) fn_ = nullptr;
  }

  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&uv_); }

  const Kind kind_;
  const bool once_;
  bool open_ = false;
  bool running_ = false;
  union {
    uv_timer_t timer;
    uv_poll_t poll;
    uv_signal_t signal;
  } uv_{};
  std::function<void(Ready)> fn_;
  UniqueFd child_;  // pidfd, when a child is watched
  std::shared_ptr<Source> self_;
};

}  // namespace detail

using detail::Source;

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    reset();
    source_ = std::move(other.source_);
  }
  return *this;
}

void Handle::reset() {
  if (source_) std::exchange(source_, nullptr)->close();
}

bool Handle::active() const { return source_ && source_->open_; }

struct Loop::Impl {
  uv_loop_t loop;
  uv_async_t wake;
  std::atomic<bool> stop{false};

  std::mutex mutex;
  std::vector<Callback> posted;

  // Turned on by the destructor: no callback of ours may run any more.
  bool ending = false;

  void run_posted() {
    std::vector<Callback> batch;
    {
      const std::lock_guard lock(mutex);
      batch.swap(posted);
    }
    for (Callback& fn : batch) {
      fn();
      fn = nullptr;
    }
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  CARACAL_CHECK(uv_loop_init(&impl_->loop) == 0);
  const int made = uv_async_init(&impl_->loop, &impl_->wake, [](uv_async_t* async) {
    auto* impl = static_cast<Impl*>(async->data);
    if (impl->ending) return;
    impl->run_posted();
    if (impl->stop.load()) uv_stop(async->loop);
  });
  CARACAL_CHECK(made == 0);
  impl_->wake.data = impl_.get();
}

Loop::~Loop() {
  impl_->ending = true;
  uv_walk(
      &impl_->loop,
      [](uv_handle_t* handle, void* wake) {
        if (handle == wake) {
          uv_close(handle, nullptr);
        } else if (!uv_is_closing(handle)) {
          static_cast<Source*>(handle->data)->close();
        }
      },
      &impl_->wake);
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  CARACAL_CHECK(uv_loop_close(&impl_->loop) == 0);
}

void Loop::run() {
  while (!impl_->stop.load()) uv_run(&impl_->loop, UV_RUN_DEFAULT);
  impl_->stop.store(false);
}

void Loop::stop() {
  impl_->stop.store(true);
  uv_async_send(&impl_->wake);
}

bool Loop::run_until(const std::function<bool()>& condition, Duration limit) {
  // The timer itself says when the time is over: libuv's clock counts milliseconds and may ring a
  // little before another clock reaches the limit, and after that nothing would end the wait for
  // events.
  bool expired = false;
  const Handle timer = after(limit, [&expired] { expired = true; });
  while (!condition()) {
    if (expired) return false;
    uv_run(&impl_->loop, UV_RUN_ONCE);
  }
  return true;
}

void Loop::post(Callback fn) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(fn));
    if (impl_->posted.size() > 1) return;  // woken already
  }
  uv_async_send(&impl_->wake);
}

namespace {
std::shared_ptr<Source> start_timer(uv_loop_t* loop, Duration delay, Duration period, Callback fn) {
  auto source = std::make_shared<Source>(Source::Kind::kTimer, period.count() == 0);
  CARACAL_CHECK(uv_timer_init(loop, &source->uv_.timer) == 0);
  source->begin();
  source->fn_ = [fn = std::move(fn)](Ready) { fn(); };
  uv_update_time(loop);  // libuv counts from the time it last looked, which may be long ago
  const auto milliseconds = [](Duration d) {
    return static_cast<uint64_t>(std::max<Duration::rep>(d.count(), 0));
  };
  const int started = uv_timer_start(
      &source->uv_.timer, [](uv_timer_t* timer) { static_cast<Source*>(timer->data)->fire({}); },
      milliseconds(delay), milliseconds(period));
  CARACAL_CHECK(started == 0);
  return source;
}

void poll_fired(uv_poll_t* poll, int status, int events) {
  auto* source = static_cast<Source*>(poll->data);
  if (status < 0) {
    source->fire({.read = true});
    return;
  }
  source->fire({.read = (events & (UV_READABLE | UV_DISCONNECT)) != 0,
                .write = (events & UV_WRITABLE) != 0});
}

int set_poll(Source& source, Ready interest) {
  const int events = (interest.read ? UV_READABLE | UV_DISCONNECT : 0) |
                     (interest.write ? static_cast<int>(UV_WRITABLE) : 0);
  if (events == 0) return uv_poll_stop(&source.uv_.poll);
  return uv_poll_start(&source.uv_.poll, events, poll_fired);
}

Result<std::shared_ptr<Source>> start_poll(uv_loop_t* loop, int fd, Ready interest, bool once,
                                           std::function<void(Ready)> fn) {
  auto source = std::make_shared<Source>(Source::Kind::kPoll, once);
  if (const int code = uv_poll_init(loop, &source->uv_.poll, fd); code != 0) {
    return fail_uv(code, "watch descriptor " + std::to_string(fd));
  }
  source->begin();
  source->fn_ = std::move(fn);
  if (const int code = set_poll(*source, interest); code != 0) {
    source->close();
    return fail_uv(code, "watch descriptor " + std::to_string(fd));
  }
  return source;
}
}  // namespace

Handle Loop::after(Duration delay, Callback fn) {
  return Handle(start_timer(&impl_->loop, delay, Duration(0), std::move(fn)));
}

Handle Loop::every(Duration period, Callback fn) {
  CARACAL_CHECK(period.count() > 0);
  return Handle(start_timer(&impl_->loop, period, period, std::move(fn)));
}

Result<Handle> Loop::watch_fd(int fd, Ready interest, std::function<void(Ready)> fn) {
  CARACAL_ASSIGN(auto source, start_poll(&impl_->loop, fd, interest, false, std::move(fn)));
  return Handle(std::move(source));
}

void Loop::set_interest(Handle& watch, Ready interest) {
  if (!watch.active()) return;
  CARACAL_CHECK(watch.source_->kind_ == Source::Kind::kPoll);
  CARACAL_CHECK(set_poll(*watch.source_, interest) == 0);
}

Result<Handle> Loop::watch_child(pid_t pid, std::function<void(int)> fn) {
  // A pidfd becomes readable when the process ends (pidfd_open(2), Linux 5.3). Unlike SIGCHLD it
  // concerns this one child only.
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return fail_errno(errno, "watch child process " + std::to_string(pid));
  const int fd = pidfd.get();
  CARACAL_ASSIGN(
      auto source,
      start_poll(&impl_->loop, fd, {.read = true}, true, [pid, fn = std::move(fn)](Ready) {
        int state = 0;
        pid_t reaped = -1;
        do {
          reaped = ::waitpid(pid, &state, 0);
        } while (reaped < 0 && errno == EINTR);
        // Somebody else reaped it: the code is lost, the end is not.
        if (reaped < 0) return fn(-1);
        fn(WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state));
      }));
  source->child_ = std::move(pidfd);
  return Handle(std::move(source));
}

Result<Handle> Loop::watch_signal(int signal_number, Callback fn) {
  auto source = std::make_shared<Source>(Source::Kind::kSignal, false);
  CARACAL_CHECK(uv_signal_init(&impl_->loop, &source->uv_.signal) == 0);
  source->begin();
  source->fn_ = [fn = std::move(fn)](Ready) { fn(); };
  const int code = uv_signal_start(
      &source->uv_.signal,
      [](uv_signal_t* signal, int) { static_cast<Source*>(signal->data)->fire({}); },
      signal_number);
  if (code != 0) {
    source->close();
    return fail_uv(code, "watch signal " + std::to_string(signal_number));
  }
  return Handle(std::move(source));
}

void Loop::queue_work(Callback fn, Callback done) {
  struct Work {
    uv_work_t request;
    Impl* impl;
    Callback fn;
    Callback done;
  };
  auto* work = new Work{{}, impl_.get(), std::move(fn), std::move(done)};
  work->request.data = work;
  const int queued = uv_queue_work(
      &impl_->loop, &work->request,
      [](uv_work_t* request) { static_cast<Work*>(request->data)->fn(); },
      [](uv_work_t* request, int) {
        const std::unique_ptr<Work> owned(static_cast<Work*>(request->data));
        owned->fn = nullptr;
        if (!owned->impl->ending) owned->done();
      });
  CARACAL_CHECK(queued == 0);
}

}  // namespace caracal::event
