#include "dataplane/fib/route_driver.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <unordered_map>

#include "dataplane/fib/route_message.h"
#include "netlink/attributes.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::dataplane::fib {
namespace {

constexpr int kAttempts = 20;

// What one message of a batch was for.
struct Pending {
  uint32_t sequence;
  RouteKey key;
  bool removal;
};

}  // namespace

struct RouteDriver::State {
  State(RouteOptions o, netlink::Socket s, netlink::Socket w)
      : options(std::move(o)), socket(std::move(s)), watch(std::move(w)) {}

  bool looks_at(uint32_t table) const {
    return std::find(options.tables.begin(), options.tables.end(), table) != options.tables.end();
  }
  bool ours(const KernelRoute& route) const { return route.protocol == options.protocol; }

  Status load_links();
  Result<std::vector<KernelRoute>> dump();
  // 0 when the device is not there.
  uint32_t index_of(const std::string& device) const {
    const auto found = indexes.find(device);
    return found == indexes.end() ? 0 : found->second;
  }
  // Adds or replaces; a missing device is a problem at once.
  void put(netlink::MessageBatch& batch, std::vector<Pending>& pending, const RouteKey& key,
           const Route& route, uint16_t flags, RouteReport& report);
  void take(netlink::MessageBatch& batch, std::vector<Pending>& pending, const KernelRoute& route);
  // Sends; moves what was refused into the report's problems. Returns the keys that failed.
  Result<std::set<RouteKey>> send(const netlink::MessageBatch& batch,
                                  const std::vector<Pending>& pending, RouteReport& report);

  RouteOptions options;
  netlink::Socket socket;
  netlink::Socket watch;
  RouteTable wanted;
  // What we put in, by what the kernel needs to find it again.
  bool in_sync = false;
  std::unordered_map<std::string, uint32_t> indexes;
  std::unordered_map<uint32_t, std::string> names;
  RouteTable installed;  // of `wanted`, those the kernel took
};

Status RouteDriver::State::load_links() {
  CARACAL_ASSIGN(const std::vector<netlink::Link> links, netlink::list_links(socket));
  indexes.clear();
  names.clear();
  for (const netlink::Link& link : links) {
    indexes.emplace(link.name, link.index);
    names.emplace(link.index, link.name);
  }
  return {};
}

Result<std::vector<KernelRoute>> RouteDriver::State::dump() {
  for (int attempt = 1;; ++attempt) {
    std::vector<KernelRoute> out;
    Status asked;
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
      rtmsg header{};
      header.rtm_family = family;
      netlink::Message message(RTM_GETROUTE, NLM_F_DUMP, header);
      asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
        if (answer->nlmsg_type != RTM_NEWROUTE) return {};
        auto route = parse_route(answer);
        if (!route || !looks_at(route->key.table)) return {};
        if (const auto name = names.find(route->device_index); name != names.end())
          route->route.device = name->second;
        out.push_back(std::move(*route));
        return {};
      });
      if (!asked) break;
    }
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list routes"));
  }
}

void RouteDriver::State::put(netlink::MessageBatch& batch, std::vector<Pending>& pending,
                             const RouteKey& key, const Route& route, uint16_t flags,
                             RouteReport& report) {
  if (auto valid = validate(key, route); !valid) {
    report.problems.push_back({key, valid.error()});
    return;
  }
  const uint32_t index = route.device.empty() ? 0 : index_of(route.device);
  if (!route.device.empty() && index == 0) {
    report.problems.push_back(
        {key, Error{Errc::kNotFound,
                    fmt::format("route {}: no interface \"{}\"", key.to_string(), route.device)}});
    return;
  }
  pending.push_back({socket.next_sequence(), key, false});
  put_new_route(batch, pending.back().sequence, flags, key, route, index, options.protocol);
}

void RouteDriver::State::take(netlink::MessageBatch& batch, std::vector<Pending>& pending,
                              const KernelRoute& route) {
  pending.push_back({socket.next_sequence(), route.key, true});
  put_delete_route(batch, pending.back().sequence, route.key, route.route, route.device_index,
                   options.protocol);
}

Result<std::set<RouteKey>> RouteDriver::State::send(const netlink::MessageBatch& batch,
                                                    const std::vector<Pending>& pending,
                                                    RouteReport& report) {
  std::set<RouteKey> failed;
  if (batch.empty()) return failed;
  CARACAL_ASSIGN(const std::vector<netlink::Refusal> refusals, socket.exchange(batch.bytes()));
  for (const netlink::Refusal& refusal : refusals) {
    const auto found = std::find_if(pending.begin(), pending.end(), [&](const Pending& p) {
      return p.sequence == refusal.sequence;
    });
    if (found == pending.end()) continue;
    // Gone already (with its link, say): as wanted.
    if (found->removal && refusal.error_number == ESRCH) continue;
    Error error =
        fail_errno(refusal.error_number, fmt::format("route {}", found->key.to_string())).value();
    if (!refusal.text.empty()) error.message += fmt::format(" ({})", refusal.text);
    if (refusal.error_number == EEXIST) {
      error.code = Errc::kConflict;
      error.message =
          fmt::format("route {}: a route of another owner is there", found->key.to_string());
    }
    report.problems.push_back({found->key, std::move(error)});
    failed.insert(found->key);
  }
  return failed;
}

RouteDriver::RouteDriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
RouteDriver::RouteDriver(RouteDriver&&) noexcept = default;
RouteDriver& RouteDriver::operator=(RouteDriver&&) noexcept = default;
RouteDriver::~RouteDriver() = default;

Result<RouteDriver> RouteDriver::open(RouteOptions options) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(netlink::Socket watch, netlink::Socket::open(NETLINK_ROUTE));
  for (const unsigned group : {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK})
    CARACAL_TRY(watch.subscribe(group));
  return RouteDriver(
      std::make_unique<State>(std::move(options), std::move(socket), std::move(watch)));
}

Result<RouteDriver> RouteDriver::open_in(const netlink::NetworkNamespace& ns,
                                         RouteOptions options) {
  return ns.run([&] { return open(std::move(options)); });
}

Result<RouteReport> RouteDriver::sync(const RouteTable& wanted) {
  State& s = *state_;
  CARACAL_TRY(s.load_links());
  CARACAL_ASSIGN(const std::vector<KernelRoute> present, s.dump());
  RouteReport report;
  netlink::MessageBatch removals;
  std::vector<Pending> removals_pending;
  netlink::MessageBatch additions;
  std::vector<Pending> additions_pending;
  std::set<RouteKey> right;
  std::set<RouteKey> changed;
  std::set<RouteKey> foreign;
  for (const KernelRoute& route : present) {
    if (!s.ours(route)) {
      foreign.insert(route.key);
      continue;
    }
    const auto found = wanted.find(route.key);
    if (found == wanted.end()) {
      s.take(removals, removals_pending, route);
      ++report.removed;
      continue;
    }
    Route as_listed = route.route;
    if (found->second.device.empty()) as_listed.device.clear();
    if (route.key.destination.family() == net::Family::kIPv6) as_listed.scope = found->second.scope;
    if (route.plain && as_listed == found->second && !right.contains(route.key)) {
      right.insert(route.key);
      continue;
    }
    // Taken out first and put in after: a replacement could hit another owner's route.
    s.take(removals, removals_pending, route);
    changed.insert(route.key);
  }
  report.right = right.size();
  CARACAL_TRY(s.send(removals, removals_pending, report));
  for (const auto& [key, route] : wanted) {
    if (right.contains(key)) continue;
    if (foreign.contains(key)) {
      report.problems.push_back(
          {key, Error{Errc::kConflict, fmt::format("route {}: a route of another owner is there",
                                                   key.to_string())}});
      continue;
    }
    s.put(additions, additions_pending, key, route, NLM_F_CREATE | NLM_F_EXCL, report);
  }
  CARACAL_ASSIGN(const std::set<RouteKey> failed, s.send(additions, additions_pending, report));
  s.installed.clear();
  for (const Pending& done : additions_pending) {
    if (failed.contains(done.key)) continue;
    changed.contains(done.key) ? ++report.changed : ++report.added;
    s.installed.emplace(done.key, wanted.at(done.key));
  }
  for (const RouteKey& key : right) s.installed.emplace(key, wanted.at(key));
  s.wanted = wanted;
  s.in_sync = true;
  return report;
}

Result<RouteReport> RouteDriver::apply(const RouteDelta& delta) {
  State& s = *state_;
  if (!s.in_sync) return fail(Errc::kConflict, "routes: apply() before a successful sync()");
  RouteReport report;
  CARACAL_TRY(s.load_links());
  netlink::MessageBatch batch;
  std::vector<Pending> pending;
  const auto take_installed = [&](const RouteKey& key) {
    const auto found = s.installed.find(key);
    if (found == s.installed.end()) return false;
    KernelRoute route;
    route.key = key;
    route.route = found->second;
    s.take(batch, pending, route);
    s.installed.erase(found);
    return true;
  };
  for (const RouteKey& key : delta.erase) {
    if (take_installed(key)) ++report.removed;
    s.wanted.erase(key);
  }
  std::set<RouteKey> replaced;
  for (const auto& [key, route] : delta.set) {
    if (const auto found = s.installed.find(key);
        found != s.installed.end() && found->second == route)
      continue;
    if (take_installed(key)) replaced.insert(key);
    s.wanted.insert_or_assign(key, route);
    s.put(batch, pending, key, route, NLM_F_CREATE | NLM_F_EXCL, report);
  }
  CARACAL_ASSIGN(const std::set<RouteKey> failed, s.send(batch, pending, report));
  if (std::any_of(report.problems.begin(), report.problems.end(),
                  [](const RouteProblem& p) { return p.error.code == Errc::kConflict; })) {
    // Something stands there: a foreign route, or one with our mark (of a new pod link). sync()
    // tells them apart.
    for (const Pending& done : pending)
      if (!done.removal && !failed.contains(done.key))
        s.installed.emplace(done.key, delta.set.at(done.key));
    return sync(RouteTable(s.wanted));
  }
  for (const Pending& done : pending) {
    if (done.removal || failed.contains(done.key)) continue;
    replaced.contains(done.key) ? ++report.changed : ++report.added;
    s.installed.emplace(done.key, delta.set.at(done.key));
  }
  return report;
}

Result<RouteTable> RouteDriver::read_back() {
  State& s = *state_;
  CARACAL_TRY(s.load_links());
  CARACAL_ASSIGN(const std::vector<KernelRoute> present, s.dump());
  RouteTable out;
  for (const KernelRoute& route : present)
    if (s.ours(route)) out.emplace(route.key, route.route);
  return out;
}

const RouteTable& RouteDriver::wanted() const { return state_->wanted; }

Status RouteDriver::remove() {
  CARACAL_ASSIGN(const RouteReport report, sync({}));
  if (!report.problems.empty()) return fail(report.problems.front().error);
  state_->in_sync = false;
  return {};
}

int RouteDriver::watch_fd() const { return state_->watch.fd(); }

Result<bool> RouteDriver::changed() {
  State& s = *state_;
  bool drift = false;
  auto drained = s.watch.drain([&](const nlmsghdr* message) -> Status {
    if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK) {
      // A link that comes may make room for a route that found no device; one that goes took its
      // routes.
      const auto link = netlink::parse_link(message);
      if (!link) return {};
      for (const auto& [key, route] : s.wanted)
        if (route.device == link->name &&
            s.installed.contains(key) != (message->nlmsg_type == RTM_NEWLINK))
          drift = true;
      return {};
    }
    if (message->nlmsg_pid == s.socket.port()) return {};  // our own doing
    const auto route = parse_route(message);
    if (!route || !s.looks_at(route->key.table)) return {};
    const auto found = s.wanted.find(route->key);
    if (message->nlmsg_type == RTM_DELROUTE) {
      // Ours went, or a foreign one that stood in the way.
      if (found != s.wanted.end() && s.ours(*route) == s.installed.contains(route->key))
        drift = true;
    } else if (message->nlmsg_type == RTM_NEWROUTE) {
      // Overwritten. (An orphan with our mark is no drift: it may be the route of a pod link that
      // is just being made; the next sync() takes it away if nobody wants it.)
      if (found != s.wanted.end() && !s.ours(*route)) drift = true;
    }
    return {};
  });
  if (!drained) {
    if (drained.error().code != Errc::kExhausted) return fail(std::move(drained).error());
    drift = true;
  }
  return drift;
}

}  // namespace caracal::dataplane::fib
