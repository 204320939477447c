#include "dataplane/nft/derived.h"

#include <fmt/format.h>
#include <linux/netfilter.h>

#include <algorithm>
#include <map>
#include <set>

#include "dataplane/nft/key_bytes.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::FailsafeKey;
using desired::GroupId;
using desired::HostHook;
using desired::PortSpace;
using net::IpAddr;

constexpr std::array kSplitSpaces = {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp};

// ---- address intervals to numbers: failsafe_net4/6

void put_interval(SetId set, const IpAddr& first, const std::optional<IpAddr>& behind,
                  uint32_t value, std::vector<Element>& out) {
  Element& start = out.emplace_back();
  start.set = set;
  start.value = value;
  put_address(start, first);
  if (!behind) return;
  Element& end = out.emplace_back();
  end.set = set;
  end.end = true;
  put_address(end, *behind);
}

std::optional<IpAddr> behind(const IpAddr& last) {
  if (last == IpAddr::last(last.family())) return std::nullopt;
  return last.next();
}

// ---- splits

// `entries`: what the last word that matters leads to, by its bytes as the tree compares them.
// Total over that word, gaps lead to the group itself.
void put_total(std::map<Element, GroupId>& points, const Element& first, GroupId group,
               size_t prefix, std::vector<Element>& out) {
  // Point by point: each holds one key, [key, key + 1).
  const std::optional<Element> all_end = behind_prefix(first, prefix);
  const auto put = [&](Element start, std::optional<Element> end, GroupId value) {
    start.value = value;
    out.push_back(start);
    if (end) out.push_back(*end);
  };
  std::optional<Element> cursor = first;
  for (const auto& [point, target] : points) {
    if (cursor->key != point.key) {
      Element end = point;
      end.end = true;
      put(*cursor, end, group);
    }
    std::optional<Element> next = behind_prefix(point, prefix + kWord);
    put(point, next, target);
    cursor = next;
    cursor->end = false;
  }
  if (!all_end || cursor->key != all_end->key) put(*cursor, all_end, group);
}

// Groups that rules look up in own_split: they have splits or belong to a host endpoint.
std::set<GroupId> split_groups(const desired::PolicyTables& tables) {
  std::set<GroupId> out;
  for (const auto& [key, target] : tables.own_splits) out.insert(key.group);
  for (const auto& [key, target] : tables.port_splits) out.insert(key.group);
  for (const auto& [key, policy] : tables.hosts)
    if (policy.disposition == Disposition::kPoliced) out.insert(policy.group);
  return out;
}

void encode_splits(const desired::PolicyTables& tables, std::vector<Element>& out) {
  const std::set<GroupId> groups = split_groups(tables);
  if (groups.empty()) return;
  std::set<GroupId> reached = groups;
  for (const GroupId group : groups) {
    std::map<Element, GroupId> points;
    Element first;
    first.set = SetId::kOwnSplit;
    put_number(first, 0, group);
    for (auto at = tables.own_splits.lower_bound({group, 0});
         at != tables.own_splits.end() && at->first.group == group; ++at) {
      Element point = first;
      put_number(point, kWord, at->first.identity);
      points.emplace(point, at->second);
      reached.insert(at->second);
    }
    put_total(points, first, group, kWord, out);
  }

  for (const GroupId group : reached) {
    for (const PortSpace space : kSplitSpaces) {
      const Element first = packed_port(SetId::kPortSplit, group, space, 0);
      const std::optional<Element> all_end = behind_prefix(first, 2 * kWord);
      const auto put = [&](Element start, GroupId target, std::optional<Element> end) {
        start.value = target;
        out.push_back(start);
        if (!end) return;
        end->end = true;
        end->value = 0;
        out.push_back(*end);
      };
      auto at = tables.port_splits.lower_bound({group, space, 0});
      const auto ours = [&] {
        return at != tables.port_splits.end() && at->first.group == group &&
               at->first.space == space;
      };
      if (!ours() || at->first.first != 0)
        put(first, group,
            ours() ? packed_port(SetId::kPortSplit, group, space, at->first.first) : all_end);
      while (ours()) {
        const Element start = packed_port(SetId::kPortSplit, group, space, at->first.first);
        const GroupId target = at->second;
        ++at;
        put(start, target,
            ours() ? packed_port(SetId::kPortSplit, group, space, at->first.first) : all_end);
      }
    }
  }
}

Status decode_splits(std::span<const Element> elements, desired::PolicyTables& tables) {
  for (const Element& e : elements) {
    if (e.end || (e.set != SetId::kOwnSplit && e.set != SetId::kPortSplit)) continue;
    const GroupId group = get_number(e, 0);
    if (e.value == group) continue;  // a gap
    if (e.set == SetId::kOwnSplit) {
      tables.own_splits[{group, get_number(e, kWord)}] = e.value;
    } else {
      const uint32_t space = get_number(e, kWord) - 1;
      if (space >= kSplitSpaces.size())
        return fail(Errc::kConflict, "port_split: " + to_string(e) + ": no such port space");
      tables.port_splits[{group, static_cast<PortSpace>(space), get_port(e, 2 * kWord)}] = e.value;
    }
  }
  return {};
}

// ---- host endpoints: names in byte order, and "*" in the gaps between them

constexpr const char* kEvery = "*";

void put_host(HostHook hook, const Element& start, const std::optional<Element>& end,
              const desired::InterfacePolicy& policy, std::vector<Element>& out) {
  const auto put = [&](SetId set, uint32_t value) {
    Element& s = out.emplace_back(start);
    s.set = set;
    s.value = value;
    if (!end) return;
    Element& e = out.emplace_back(*end);
    e.set = set;
    e.end = true;
  };
  const SetId verdicts = of_hook(SetId::kHostPolicy, hook);
  switch (policy.disposition) {
    case Disposition::kOpen:
      return put(verdicts, kReturn);
    case Disposition::kClosed:
      return put(verdicts, kDrop);
    case Disposition::kPoliced:
      put(verdicts, kContinue);
      put(of_hook(SetId::kHostGroup, hook), policy.group);
  }
}

void encode_hosts(const desired::PolicyTables& tables, std::vector<Element>& out) {
  for (uint8_t i = 0; i < kHostHooks; ++i) {
    const auto hook = static_cast<HostHook>(i);
    const auto every = tables.hosts.find({hook, kEvery});
    std::optional<Element> cursor = Element();
    for (auto at = tables.hosts.lower_bound({hook, ""});
         at != tables.hosts.end() && at->first.hook == hook; ++at) {
      if (at == every) continue;
      Element name;
      put_name(name, at->first.interface);
      if (every != tables.hosts.end() && cursor->key != name.key)
        put_host(hook, *cursor, name, every->second, out);
      const std::optional<Element> next = behind_prefix(name, kNameSize);
      put_host(hook, name, next, at->second, out);
      cursor = next;
      cursor->end = false;
    }
    if (every != tables.hosts.end()) put_host(hook, *cursor, std::nullopt, every->second, out);
  }
}

Status decode_hosts(std::span<const Element> elements, desired::PolicyTables& tables) {
  for (const bool groups : {false, true}) {
    const SetId base = groups ? SetId::kHostGroup : SetId::kHostPolicy;
    for (const Element& e : elements) {
      if (e.end || e.set < of_hook(base, HostHook::kUntrackedIngress) ||
          e.set > of_hook(base, HostHook::kUntrackedEgress))
        continue;
      const auto hook =
          static_cast<HostHook>(static_cast<uint8_t>(e.set) - static_cast<uint8_t>(base));
      // A gap starts at the lowest key or right behind a name.
      const bool gap = e.key[0] == 0 || e.key[kNameSize - 1] != 0;
      desired::InterfacePolicy& policy = tables.hosts[{hook, gap ? kEvery : get_name(e)}];
      if (groups)
        policy.group = e.value;
      else if (e.value == kReturn)
        policy.disposition = Disposition::kOpen;
      else if (e.value == kContinue)
        policy.disposition = Disposition::kPoliced;
      else if (e.value != kDrop)
        return fail(Errc::kConflict, spec_of(e.set).name + ": " + to_string(e));
    }
  }
  return {};
}

// ---- failsafes

// As the set's key has them; a protocol without ports has port 0 there.
uint8_t protocol_of(PortSpace space) {
  switch (space) {
    case PortSpace::kUdp:
      return net::kUdp.number;
    case PortSpace::kSctp:
      return net::kSctp.number;
    default:
      return net::kTcp.number;
  }
}

struct Cell {
  IpAddr first;
  IpAddr last;
};

// The addresses of all failsafes cut into pieces that no failsafe divides; pieces of none left out.
std::vector<Cell> cells_of(const std::set<FailsafeKey>& failsafes) {
  std::vector<Cell> out;
  for (const net::Family family : net::kFamilies) {
    std::set<net::Cidr> nets;
    std::set<IpAddr> starts;
    for (const FailsafeKey& key : failsafes)
      if (key.net.family() == family) nets.insert(key.net);
    for (const net::Cidr& net : nets) {
      starts.insert(net.first());
      if (const auto next = behind(net.last())) starts.insert(*next);
    }
    for (auto at = starts.begin(); at != starts.end(); ++at) {
      if (std::none_of(nets.begin(), nets.end(),
                       [&](const net::Cidr& net) { return net.contains(*at); }))
        continue;
      const auto next = std::next(at);
      out.push_back({*at, next == starts.end() ? IpAddr::last(family) : next->previous()});
    }
  }
  return out;
}

void encode_failsafes(const desired::PolicyTables& tables, std::vector<Element>& out) {
  const std::vector<Cell> cells = cells_of(tables.failsafes);
  uint32_t number = 0;
  std::set<Element> keys;
  for (const Cell& cell : cells) {
    const bool v4 = cell.first.is_v4();
    put_interval(v4 ? SetId::kFailsafeNet4 : SetId::kFailsafeNet6, cell.first, behind(cell.last),
                 ++number, out);
    for (const FailsafeKey& key : tables.failsafes) {
      if (!key.net.contains(cell.first)) continue;
      Element element;
      element.set =
          key.direction == Direction::kIngress ? SetId::kFailsafeIngress : SetId::kFailsafeEgress;
      put_number(element, 0, number);
      const bool whole = key.space == PortSpace::kOther;
      element.key[kWord] = whole ? static_cast<uint8_t>(key.port) : protocol_of(key.space);
      put_port(element, 2 * kWord, whole ? 0 : key.port);
      keys.insert(element);
    }
  }
  out.insert(out.end(), keys.begin(), keys.end());
}

// The fewest CIDRs that cover [first, last] and nothing else.
void cover(IpAddr first, const IpAddr& last, std::vector<net::Cidr>& out) {
  const int all = net::address_bits(first.family());
  for (;;) {
    int bits = all;
    while (bits > 0 && first.masked(bits - 1) == first && !(last < first.last_of(bits - 1))) --bits;
    out.emplace_back(first, bits);
    const IpAddr end = first.last_of(bits);
    if (!(end < last)) return;
    first = end.next();
  }
}

Status decode_failsafes(std::span<const Element> elements, desired::PolicyTables& tables) {
  std::map<uint32_t, Cell> cells;
  for (const SetId set : {SetId::kFailsafeNet4, SetId::kFailsafeNet6}) {
    std::vector<Element> own;
    for (const Element& e : elements)
      if (e.set == set) own.push_back(e);
    const auto pairs = pairs_of(own);
    if (!pairs) return fail(Errc::kConflict, spec_of(set).name + " holds what is no interval");
    for (const ElementPair& pair : *pairs) {
      const IpAddr first = get_address(pair.start, 0);
      cells[pair.start.value] = {
          first, pair.end ? get_address(*pair.end, 0).previous() : IpAddr::last(first.family())};
    }
  }
  std::map<std::tuple<Direction, PortSpace, uint16_t>, std::vector<Cell>> covered;
  for (const Element& e : elements) {
    if (e.set != SetId::kFailsafeIngress && e.set != SetId::kFailsafeEgress) continue;
    const auto cell = cells.find(get_number(e, 0));
    const auto space = std::find_if(kSplitSpaces.begin(), kSplitSpaces.end(),
                                    [&](PortSpace s) { return protocol_of(s) == e.key[kWord]; });
    const uint16_t port = get_port(e, 2 * kWord);
    const bool whole = space == kSplitSpaces.end();
    if (cell == cells.end() || (whole && port != 0))
      return fail(Errc::kConflict, spec_of(e.set).name + ": " + to_string(e));
    const auto direction =
        e.set == SetId::kFailsafeIngress ? Direction::kIngress : Direction::kEgress;
    if (whole) {
      covered[{direction, PortSpace::kOther, e.key[kWord]}].push_back(cell->second);
    } else {
      covered[{direction, *space, port}].push_back(cell->second);
    }
  }
  for (auto& [key, parts] : covered) {
    std::sort(parts.begin(), parts.end(),
              [](const Cell& a, const Cell& b) { return a.first < b.first; });
    std::vector<net::Cidr> nets;
    for (auto at = parts.begin(); at != parts.end();) {
      Cell joined = *at++;
      for (; at != parts.end() && behind(joined.last) == at->first; ++at) joined.last = at->last;
      cover(joined.first, joined.last, nets);
    }
    const auto& [direction, space, port] = key;
    for (const net::Cidr& net : nets) tables.failsafes.insert({direction, space, port, net});
  }
  return {};
}

// ---- settings

void encode_settings(const desired::PolicyTables& tables, std::vector<Element>& out) {
  const auto to_host = tables.settings.find(desired::Setting::kToHost);
  if (to_host == tables.settings.end()) return;
  for (const uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    Element& element = out.emplace_back();
    element.set = SetId::kToHost;
    element.key[0] = family;
    element.value = to_host->second == 0 ? kContinue : to_host->second == 2 ? kAccept : kReturn;
  }
}

void decode_settings(std::span<const Element> elements, desired::PolicyTables& tables) {
  for (const Element& e : elements)
    if (e.set == SetId::kToHost)
      tables.settings[desired::Setting::kToHost] = e.value == kContinue ? 0
                                                   : e.value == kAccept ? 2
                                                                        : 1;
}

}  // namespace

void encode_derived(const desired::PolicyTables& tables, std::vector<Element>& out) {
  encode_splits(tables, out);
  encode_hosts(tables, out);
  encode_failsafes(tables, out);
  encode_settings(tables, out);
}

bool touches_derived(const desired::PolicyDelta& delta) {
  return !delta.own_splits.empty() || !delta.port_splits.empty() || !delta.hosts.empty() ||
         !delta.failsafes.empty() || !delta.settings.empty();
}

Status decode_derived(std::span<const Element> elements, desired::PolicyTables& tables) {
  CARACAL_TRY(decode_splits(elements, tables));
  CARACAL_TRY(decode_hosts(elements, tables));
  CARACAL_TRY(decode_failsafes(elements, tables));
  decode_settings(elements, tables);
  return {};
}

}  // namespace caracal::dataplane::nft
