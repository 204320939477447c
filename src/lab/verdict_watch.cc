#include "lab/verdict_watch.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kInterval{1};
// An answer comes within a fraction of a millisecond; a busy machine needs more. Below the 1 s
// after which the kernel would send its SYN again.
constexpr std::chrono::milliseconds kGiveUp{250};

struct Sent {
  Clock::time_point at;
  std::optional<bool> open;  // unset: under way
};

}  // namespace

struct VerdictWatch::Impl {
  Probe probe;
  std::mutex mutex;  // guards history
  std::vector<Sent> history;
  std::atomic<bool> stop{false};
  std::thread thread;

  void run();
};

void VerdictWatch::Impl::run() {
  struct Open {
    Attempt attempt;
    size_t index;
  };
  std::deque<Open> open;
  auto next = Clock::now();
  const auto conclude = [this](size_t index, bool answered) {
    const std::lock_guard lock(mutex);
    history[index].open = answered;
  };
  while (!stop.load()) {
    const auto now = Clock::now();
    if (now >= next) {
      next = std::max(next + kInterval, now);
      auto attempt = begin_attempt(probe);
      size_t index;
      {
        const std::lock_guard lock(mutex);
        index = history.size();
        history.push_back({now, std::nullopt});
      }
      if (attempt && attempt->error == 0) {
        open.push_back({std::move(*attempt), index});
      } else {
        conclude(index, false);
      }
    }
    std::vector<pollfd> fds;
    for (const Open& o : open) fds.push_back({o.attempt.fd.get(), POLLOUT, 0});
    const auto wait =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(next - Clock::now()));
    const timespec time{0, static_cast<long>(wait.count())};
    ::ppoll(fds.data(), fds.size(), &time, nullptr);
    const auto expired = Clock::now() - kGiveUp;
    size_t k = 0;
    for (auto it = open.begin(); it != open.end(); ++k) {
      bool done = false;
      if (fds[k].revents != 0) {
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(it->attempt.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
        conclude(it->index, error == 0);
        done = true;
      } else {
        const std::lock_guard lock(mutex);
        if (history[it->index].at < expired) {
          history[it->index].open = false;
          done = true;
        }
      }
      it = done ? open.erase(it) : std::next(it);
    }
  }
}

VerdictWatch::VerdictWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

VerdictWatch::~VerdictWatch() {
  impl_->stop.store(true);
  impl_->thread.join();
}

std::unique_ptr<VerdictWatch> VerdictWatch::start(Probe probe) {
  auto impl = std::make_unique<Impl>();
  impl->probe = std::move(probe);
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<VerdictWatch>(new VerdictWatch(std::move(impl)));
}

Result<VerdictWatch::Change> VerdictWatch::wait_for(Outcome expected,
                                                    std::chrono::milliseconds limit) {
  const bool open = expected == Outcome::kOpen;
  const auto called = Clock::now();
  for (;;) {
    {
      const std::lock_guard lock(impl_->mutex);
      // The longest tail of concluded attempts with this verdict; those under way follow it.
      size_t end = impl_->history.size();
      while (end > 0 && !impl_->history[end - 1].open) --end;
      // An attempt that is answered at once may be concluded before an older one that is not.
      for (size_t i = 0; i < end; ++i) {
        if (!impl_->history[i].open) {
          end = i;
          break;
        }
      }
      size_t begin = end;
      while (begin > 0 && *impl_->history[begin - 1].open == open) --begin;
      // A few attempts sent after this call must be among them.
      if (begin < end && impl_->history[end - 1].at > called + std::chrono::milliseconds(10)) {
        return Change{impl_->history[begin].at, begin > 0};
      }
    }
    if (Clock::now() > called + limit) {
      return fail(Errc::kTimeout, "packets did not become " + std::string(to_string(expected)) +
                                      " within " + std::to_string(limit.count()) + " ms");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace caracal::lab
