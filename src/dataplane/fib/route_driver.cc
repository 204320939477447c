#include "dataplane/fib/route_driver.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>

#include "dataplane/fib/route_message.h"
#include "netlink/attributes.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::dataplane::fib {
namespace {

constexpr int kAttempts = 20;
// Refusals are answers, and answers wait in the socket until all is sent: never more at once.
constexpr size_t kBatchMessages = 1000;
constexpr int kReceiveBuffer = 4 * 1024 * 1024;

enum class Purpose : uint8_t { kRemove, kAdd, kReplace };

// What one message of a batch was for.
struct Pending {
  uint32_t sequence;
  RouteKey key;
  Purpose purpose;
  size_t end;  // of the message in the batch
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
  // Messages and what they are for.
  struct Batch {
    netlink::MessageBatch messages;
    std::vector<Pending> pending;
  };
  // Adds or replaces in one operation: a packet finds the old route or the new one. False: the
  // kernel was not asked (it could not hold the route, or the device is missing), see the report.
  bool put(Batch& batch, const RouteKey& key, const Route& route, Purpose purpose,
           RouteReport& report);
  void take(Batch& batch, const KernelRoute& route);
  // As take(), of what we put in; false: nothing of ours is there.
  bool take_installed(Batch& batch, const RouteKey& key);
  // Sends; moves what was refused into the report's problems. Returns the keys that failed.
  Result<std::set<RouteKey>> send(const Batch& batch, RouteReport& report);
  // Takes out what a refused replacement left: better no route than one that leads elsewhere.
  Status take_out_failed(const Batch& batch, const std::set<RouteKey>& failed, RouteReport& report);
  // Looks at what the watch socket has; sets `drift`.
  Status read_watch();
  bool link_matters(const netlink::Link& link, bool gone) const;
  bool has_routes(uint32_t index, const std::string& name) const;
  // Remembers which device the kernel chose for a route that names none.
  void note_device(const KernelRoute& route) {
    if (route.device_index != 0 && wanted.contains(route.key) &&
        wanted.at(route.key).device.empty())
      through.insert_or_assign(route.key, route.device_index);
  }

  RouteOptions options;
  netlink::Socket socket;
  netlink::Socket watch;
  RouteTable wanted;
  bool in_sync = false;
  bool drift = false;  // seen on the watch socket, and not yet told by changed()
  std::unordered_map<std::string, uint32_t> indexes;
  std::unordered_map<uint32_t, std::string> names;
  RouteTable installed;                  // of `wanted`, those the kernel took
  std::set<RouteKey> absent;             // of `wanted`, those it did not
  std::map<RouteKey, uint32_t> through;  // of those without a device, the kernel's choice
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

bool RouteDriver::State::put(Batch& batch, const RouteKey& key, const Route& route, Purpose purpose,
                             RouteReport& report) {
  if (auto valid = validate(key, route); !valid) {
    report.problems.push_back({key, valid.error()});
    return false;
  }
  const uint32_t index = route.device.empty() ? 0 : index_of(route.device);
  if (!route.device.empty() && index == 0) {
    report.problems.push_back(
        {key, Error{Errc::kNotFound,
                    fmt::format("route {}: no interface \"{}\"", key.to_string(), route.device)}});
    return false;
  }
  const uint32_t sequence = socket.next_sequence();
  const uint16_t flags = purpose == Purpose::kReplace ? NLM_F_REPLACE : NLM_F_EXCL;
  put_new_route(batch.messages, sequence, static_cast<uint16_t>(NLM_F_CREATE | flags), key, route,
                index, options.protocol);
  batch.pending.push_back({sequence, key, purpose, batch.messages.size()});
  return true;
}

void RouteDriver::State::take(Batch& batch, const KernelRoute& route) {
  const uint32_t sequence = socket.next_sequence();
  put_delete_route(batch.messages, sequence, route.key, route.route, route.device_index,
                   options.protocol);
  batch.pending.push_back({sequence, route.key, Purpose::kRemove, batch.messages.size()});
}

bool RouteDriver::State::take_installed(Batch& batch, const RouteKey& key) {
  const auto found = installed.find(key);
  if (found == installed.end()) return false;
  KernelRoute route;
  route.key = key;
  route.route = found->second;
  take(batch, route);
  installed.erase(found);
  return true;
}

Result<std::set<RouteKey>> RouteDriver::State::send(const Batch& batch, RouteReport& report) {
  std::set<RouteKey> failed;
  std::vector<netlink::Refusal> refusals;
  const std::span<const std::byte> bytes = batch.messages.bytes();
  size_t sent = 0;
  for (size_t i = 0; i < batch.pending.size();) {
    i = std::min(i + kBatchMessages, batch.pending.size());
    const size_t end = batch.pending[i - 1].end;
    CARACAL_ASSIGN(const std::vector<netlink::Refusal> part,
                   socket.exchange(bytes.subspan(sent, end - sent)));
    refusals.insert(refusals.end(), part.begin(), part.end());
    sent = end;
  }
  for (const netlink::Refusal& refusal : refusals) {
    // Sequence numbers grow along the batch.
    const auto found =
        std::lower_bound(batch.pending.begin(), batch.pending.end(), refusal.sequence,
                         [](const Pending& p, uint32_t sequence) { return p.sequence < sequence; });
    if (found == batch.pending.end() || found->sequence != refusal.sequence) continue;
    // Gone already (with its link, say): as wanted.
    if (found->purpose == Purpose::kRemove && refusal.error_number == ESRCH) continue;
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

Status RouteDriver::State::take_out_failed(const Batch& batch, const std::set<RouteKey>& failed,
                                           RouteReport& report) {
  Batch removals;
  for (const Pending& done : batch.pending)
    if (done.purpose == Purpose::kReplace && failed.contains(done.key))
      take_installed(removals, done.key);
  CARACAL_TRY(send(removals, report));
  return {};
}

RouteDriver::RouteDriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
RouteDriver::RouteDriver(RouteDriver&&) noexcept = default;
RouteDriver& RouteDriver::operator=(RouteDriver&&) noexcept = default;
RouteDriver::~RouteDriver() = default;

Result<RouteDriver> RouteDriver::open(RouteOptions options) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
  (void)::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
                     sizeof kReceiveBuffer);
  CARACAL_ASSIGN(netlink::Socket watch, netlink::Socket::open(NETLINK_ROUTE));
  for (const unsigned group :
       {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR})
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
  std::map<RouteKey, std::vector<const KernelRoute*>> ours;
  std::set<RouteKey> foreign;
  for (const KernelRoute& route : present) {
    if (s.ours(route))
      ours[route.key].push_back(&route);
    else
      foreign.insert(route.key);
  }
  State::Batch removals;
  std::set<RouteKey> right;
  std::set<RouteKey> changed;
  std::set<RouteKey> replaceable;
  s.installed.clear();
  for (const auto& [key, routes] : ours) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) {
      for (const KernelRoute* route : routes) s.take(removals, *route);
      report.removed += routes.size();
      continue;
    }
    const auto as_wanted = [&](const KernelRoute& route) {
      Route as_listed = route.route;
      if (found->second.device.empty()) as_listed.device.clear();
      if (key.destination.family() == net::Family::kIPv6) as_listed.scope = found->second.scope;
      return route.plain && as_listed == found->second;
    };
    // One route alone is replaced where it stands. Where there are several under the key (IPv4
    // allows that), a replacement could hit another owner's: ours are taken out first.
    if (routes.size() == 1 && routes.front()->plain && !foreign.contains(key) &&
        !as_wanted(*routes.front())) {
      replaceable.insert(key);
      changed.insert(key);
      s.installed.emplace(key, routes.front()->route);
      continue;
    }
    for (const KernelRoute* route : routes) {
      if (as_wanted(*route) && right.insert(key).second) continue;
      s.take(removals, *route);
      changed.insert(key);
    }
  }
  report.right = right.size();
  CARACAL_TRY(s.send(removals, report));
  State::Batch additions;
  State::Batch leftovers;
  s.absent.clear();
  for (const auto& [key, route] : wanted) {
    if (right.contains(key)) continue;
    s.absent.insert(key);
    if (foreign.contains(key)) {
      report.problems.push_back(
          {key, Error{Errc::kConflict, fmt::format("route {}: a route of another owner is there",
                                                   key.to_string())}});
      continue;
    }
    const Purpose purpose = replaceable.contains(key) ? Purpose::kReplace : Purpose::kAdd;
    if (!s.put(additions, key, route, purpose, report)) s.take_installed(leftovers, key);
  }
  CARACAL_ASSIGN(const std::set<RouteKey> failed, s.send(additions, report));
  CARACAL_TRY(s.take_out_failed(additions, failed, report));
  CARACAL_TRY(s.send(leftovers, report));
  for (const Pending& done : additions.pending) {
    if (failed.contains(done.key)) continue;
    changed.contains(done.key) ? ++report.changed : ++report.added;
    s.installed.insert_or_assign(done.key, wanted.at(done.key));
    s.absent.erase(done.key);
  }
  for (const RouteKey& key : right) s.installed.emplace(key, wanted.at(key));
  s.wanted = wanted;
  s.through.clear();
  for (const RouteKey& key : right) s.note_device(*ours.at(key).front());
  s.in_sync = true;
  return report;
}

Result<RouteReport> RouteDriver::apply(const RouteDelta& delta) {
  State& s = *state_;
  if (!s.in_sync) return fail(Errc::kConflict, "routes: apply() before a successful sync()");
  RouteReport report;
  CARACAL_TRY(s.load_links());
  for (const RouteKey& key : delta.erase) {
    s.wanted.erase(key);
    s.absent.erase(key);
  }
  for (const auto& [key, route] : delta.set) s.wanted.insert_or_assign(key, route);
  // A replacement takes the first route under the key: it must be ours. What others did before is
  // on the watch socket.
  const bool replaces = std::any_of(delta.set.begin(), delta.set.end(), [&](const auto& entry) {
    const auto found = s.installed.find(entry.first);
    return found != s.installed.end() && found->second != entry.second;
  });
  if (replaces) CARACAL_TRY(s.read_watch());
  if (replaces && s.drift) return sync(RouteTable(s.wanted));

  State::Batch batch;
  for (const RouteKey& key : delta.erase) {
    if (s.take_installed(batch, key)) ++report.removed;
  }
  for (const auto& [key, route] : delta.set) {
    const auto found = s.installed.find(key);
    const bool there = found != s.installed.end();
    if (there && found->second == route) continue;
    s.absent.insert(key);
    if (!s.put(batch, key, route, there ? Purpose::kReplace : Purpose::kAdd, report))
      s.take_installed(batch, key);
  }
  CARACAL_ASSIGN(const std::set<RouteKey> failed, s.send(batch, report));
  const bool conflict =
      std::any_of(report.problems.begin(), report.problems.end(),
                  [](const RouteProblem& p) { return p.error.code == Errc::kConflict; });
  CARACAL_TRY(s.take_out_failed(batch, failed, report));
  for (const Pending& done : batch.pending) {
    if (done.purpose == Purpose::kRemove || failed.contains(done.key)) continue;
    done.purpose == Purpose::kReplace ? ++report.changed : ++report.added;
    s.installed.insert_or_assign(done.key, delta.set.at(done.key));
    s.absent.erase(done.key);
    s.through.erase(done.key);
  }
  // Something stands there: a foreign route, or one with our mark (of a new pod link). sync()
  // tells them apart.
  if (conflict) return sync(RouteTable(s.wanted));
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

bool RouteDriver::State::link_matters(const netlink::Link& link, bool gone) const {
  // One that comes may make room for a route that found no device.
  if (!gone && link.up())
    return std::any_of(absent.begin(), absent.end(),
                       [&](const RouteKey& key) { return wanted.at(key).device == link.name; });
  // A link that goes, or goes down, takes its routes with it, those of IPv4 without a word.
  return has_routes(link.index, link.name);
}

bool RouteDriver::State::has_routes(uint32_t index, const std::string& name) const {
  const bool by_name = std::any_of(installed.begin(), installed.end(), [&](const auto& entry) {
    const auto& [key, route] = entry;
    return route.device == name && !name.empty() && wanted.contains(key);
  });
  return by_name || std::any_of(through.begin(), through.end(), [&](const auto& entry) {
           return entry.second == index && installed.contains(entry.first) &&
                  wanted.contains(entry.first);
         });
}

Status RouteDriver::State::read_watch() {
  auto drained = watch.drain([&](const nlmsghdr* message) -> Status {
    if (drift) return {};
    if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK) {
      if (const auto link = netlink::parse_link(message))
        drift = link_matters(*link, message->nlmsg_type == RTM_DELLINK);
      return {};
    }
    if (message->nlmsg_type == RTM_DELADDR) {
      // With a link's last IPv4 address its routes go, and those with the address as source.
      const auto* header = netlink::header_of<ifaddrmsg>(message);
      if (header == nullptr) return {};
      const auto name = names.find(header->ifa_index);
      drift = has_routes(header->ifa_index, name == names.end() ? std::string() : name->second);
      return {};
    }
    const auto route = parse_route(message);
    if (!route || !looks_at(route->key.table)) return {};
    const auto found = wanted.find(route->key);
    if (message->nlmsg_pid == socket.port()) {  // our own doing
      if (message->nlmsg_type == RTM_NEWROUTE && found != wanted.end()) note_device(*route);
      return {};
    }
    if (message->nlmsg_type == RTM_DELROUTE) {
      // Ours went, or a foreign one that stood in the way.
      if (found != wanted.end() && ours(*route) == installed.contains(route->key)) drift = true;
    } else if (message->nlmsg_type == RTM_NEWROUTE && !ours(*route)) {
      // Overwritten; or the way to a next hop that could not be reached before. (An orphan with
      // our mark is no drift: it may be the route of a pod link that is just being made; the next
      // sync() takes it away if nobody wants it.)
      if (found != wanted.end()) drift = true;
      for (const RouteKey& key : absent)
        if (const auto& via = wanted.at(key).via; via && route->key.destination.contains(*via))
          drift = true;
    }
    return {};
  });
  if (!drained) {
    if (drained.error().code != Errc::kExhausted) return fail(std::move(drained).error());
    drift = true;
  }
  return {};
}

Result<bool> RouteDriver::changed() {
  CARACAL_TRY(state_->read_watch());
  return std::exchange(state_->drift, false);
}

}  // namespace caracal::dataplane::fib
