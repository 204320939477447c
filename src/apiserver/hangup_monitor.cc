#include "apiserver/hangup_monitor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace caracal::apiserver {

Status HangupMonitor::start() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno(errno, "epoll_create1");
  stop_event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event_) return fail_errno(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_event_.get(), &event) != 0)
    return fail_errno(errno, "epoll_ctl");
  thread_ = std::thread([this] { run(); });
  return {};
}

HangupMonitor::~HangupMonitor() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_event_.get(), &one, sizeof one);
  thread_.join();
}

uint64_t HangupMonitor::add(int socket, std::function<void()> gone) {
  const std::lock_guard lock(mutex_);
  const uint64_t handle = next_++;
  entries_[handle] = Entry{socket, std::move(gone)};
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLONESHOT;  // EPOLLHUP and EPOLLERR are always reported
  event.data.u64 = handle;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event);
  return handle;
}

void HangupMonitor::remove(uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(handle);
  if (entry == entries_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry->second.socket, nullptr);
  entries_.erase(entry);
}

void HangupMonitor::run() {
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t handle = events[static_cast<size_t>(i)].data.u64;
      if (handle == 0) return;
      std::function<void()> gone;
      {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(handle);
        if (entry != entries_.end()) gone = entry->second.gone;
      }
      if (gone) gone();
    }
  }
}

}  // namespace caracal::apiserver
