#include "kernel_observer.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <chrono>

#include "netlink/attributes.h"
#include "netlink/rtnetlink.h"

namespace caracal::bench {
namespace {

std::string text_of(int family, const netlink::Attribute& attribute) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, attribute.payload.data(), text, sizeof text);
  return text;
}

}  // namespace

KernelObserver::KernelObserver() : thread_([this] { loop_.run(); }) {}

KernelObserver::~KernelObserver() {
  loop_.stop();
  thread_.join();
}

Status KernelObserver::add(const netlink::NetworkNamespace& ns) {
  CARACAL_ASSIGN(auto socket, netlink::Socket::open_in(ns, NETLINK_ROUTE));
  CARACAL_TRY(socket.subscribe(RTNLGRP_IPV4_ROUTE));
  CARACAL_TRY(socket.subscribe(RTNLGRP_NEIGH));
  constexpr int kBuffer = 8 << 20;  // all routes at once
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer) != 0)
    return fail_errno(errno, "SO_RCVBUFFORCE");
  const std::lock_guard lock(mutex_);
  const size_t index = watched_.size();
  watched_.push_back(std::make_unique<Watched>(Watched{std::move(socket), {}, 0}));
  const int fd = watched_.back()->socket.fd();
  loop_.post([this, index, fd] {
    auto watch = loop_.watch_fd(fd, {.read = true, .write = false},
                                [this, index](event::Ready) { read(index); });
    const std::lock_guard inner(mutex_);
    if (watch) {
      watched_[index]->watch = std::move(*watch);
    } else {
      lost_ = true;
    }
  });
  return {};
}

void KernelObserver::read(size_t index) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::lock_guard lock(mutex_);
  const Status drained = watched_[index]->socket.drain([&](const nlmsghdr* message) -> Status {
    take(index, message, std::chrono::nanoseconds(now).count());
    return {};
  });
  if (!drained) lost_ = true;
}

void KernelObserver::take(size_t index, const nlmsghdr* message, int64_t now) {
  const uint16_t type = message->nlmsg_type;
  if (type == RTM_NEWNEIGH) {
    const auto* header = netlink::header_of<ndmsg>(message);
    if (header == nullptr || header->ndm_family != AF_BRIDGE) return;
    for (const netlink::Attribute& one : netlink::Attributes(message, sizeof(ndmsg))) {
      if (one.type == NDA_DST && one.payload.size() == 4)
        note(index, "fdb " + text_of(AF_INET, one), now);
    }
    return;
  }
  if (type != RTM_NEWROUTE && type != RTM_DELROUTE) return;
  const auto* header = netlink::header_of<rtmsg>(message);
  if (header == nullptr || header->rtm_family != AF_INET ||
      header->rtm_protocol != netlink::kRouteProtocol)
    return;
  std::string destination;
  std::string gateway;
  for (const netlink::Attribute& one : netlink::Attributes(message, sizeof(rtmsg))) {
    if (one.type == RTA_DST && one.payload.size() == 4)
      destination = text_of(AF_INET, one) + "/" + std::to_string(header->rtm_dst_len);
    if (one.type == RTA_GATEWAY && one.payload.size() == 4) gateway = text_of(AF_INET, one);
  }
  const bool replaced = (message->nlmsg_flags & NLM_F_REPLACE) != 0;
  if (type == RTM_DELROUTE) {
    --watched_[index]->routes;
    return note(index, "route- " + destination, now);
  }
  if (!replaced) ++watched_[index]->routes;
  note(index, "route+ " + destination, now);
  if (!gateway.empty()) note(index, "via " + destination + " " + gateway, now);
}

void KernelObserver::note(size_t index, const std::string& change, int64_t now) {
  const auto found = expected_.find(change);
  if (found != expected_.end()) found->second.emplace(index, now);
}

void KernelObserver::expect(const std::string& change) {
  const std::lock_guard lock(mutex_);
  expected_[change].clear();
}

std::vector<int64_t> KernelObserver::seen(const std::string& change) const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> out;
  if (const auto found = expected_.find(change); found != expected_.end()) {
    for (const auto& [index, time] : found->second) out.push_back(time);
  }
  return out;
}

std::vector<int64_t> KernelObserver::routes() const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> out;
  for (const auto& one : watched_) out.push_back(one->routes);
  return out;
}

bool KernelObserver::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace caracal::bench
