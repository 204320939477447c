// Routes to and from rtnetlink messages (RTM_NEWROUTE and friends, rtnetlink(7)). Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "dataplane/fib/route.h"
#include "netlink/message.h"

namespace caracal::dataplane::fib {

// A route as the kernel lists it. The device is an index: names are the driver's concern.
struct KernelRoute {
  RouteKey key;
  Route route;  // `device` is empty
  uint32_t device_index = 0;
  uint8_t protocol = 0;
  bool plain = true;  // nothing in it that Route cannot say (several next hops, ...)
};

// nullopt: no unicast-like route of a family we know (local, broadcast, multicast, cached, ...).
std::optional<KernelRoute> parse_route(const nlmsghdr* message);

// Neither asks for an acknowledgement: thousands would not fit the socket; refusals come anyway.
// Appends RTM_NEWROUTE with `flags` (NLM_F_CREATE, NLM_F_REPLACE, NLM_F_EXCL).
void put_new_route(netlink::MessageBatch& batch, uint32_t sequence, uint16_t flags,
                   const RouteKey& key, const Route& route, uint32_t device_index,
                   uint8_t protocol);
// Appends RTM_DELROUTE that matches key, type and protocol, so that it can only hit a route of
// ours.
void put_delete_route(netlink::MessageBatch& batch, uint32_t sequence, const RouteKey& key,
                      const Route& route, uint32_t device_index, uint8_t protocol);

// kInvalid with field and value when the kernel could not hold it.
Status validate(const RouteKey& key, const Route& route);

}  // namespace caracal::dataplane::fib
