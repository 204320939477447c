#include "analysis/rule_compiler.h"

#include <algorithm>
#include <set>

namespace caracal::analysis {
namespace {

using model::Direction;
using policy::PortSet;

PreparedEnd prepare_end(const model::EndMatch& end, PeerTable& peers) {
  PreparedEnd out;
  for (const auto& list : end.all_of) {
    std::vector<PeerId>& ids = out.all_of.emplace_back();
    for (const model::Peer& peer : list) ids.push_back(peers.add(peer));
  }
  for (const model::Peer& peer : end.none_of) out.none_of.push_back(peers.add(peer));
  return out;
}

// Names in a rule's destination ports, wanted and excluded.
std::set<std::pair<std::string, net::Protocol>> names_in(const model::Rule& rule) {
  std::set<std::pair<std::string, net::Protocol>> out;
  const auto add = [&](const model::PortMatch& match) {
    if (const auto* name = std::get_if<std::string>(&match.port))
      out.insert({*name, match.protocol});
  };
  if (rule.ports) std::for_each(rule.ports->begin(), rule.ports->end(), add);
  std::for_each(rule.not_ports.begin(), rule.not_ports.end(), add);
  return out;
}

// What entries of source ports hold whatever the source port is: whole protocols.
PortSet whole_protocols(const std::vector<model::PortMatch>& list) {
  PortSet out;
  for (const model::PortMatch& match : list) {
    const auto* range = std::get_if<net::PortRange>(&match.port);
    if (range != nullptr && range->all()) out.add(match.protocol, *range);
  }
  return out;
}

RangeSet united(const PeerTable& peers, const std::vector<PeerId>& ids) {
  RangeSet out;
  for (const PeerId id : ids) out = unite(out, peers.places(id));
  return out;
}

}  // namespace

PreparedRule RuleCompiler::prepare(const model::Rule& rule, Direction direction, PeerTable& peers) {
  PreparedRule out;
  out.rule = &rule;
  out.peer = prepare_end(rule.peer, peers);
  out.self = prepare_end(rule.self, peers);
  out.needs_own_place = !rule.self.any();
  const auto names = names_in(rule);
  for (const auto& [name, protocol] : names) peers.questions().ask_port(name, protocol);
  out.needs_own_ports = direction == Direction::kIngress && !names.empty();
  return out;
}

void RuleCompiler::learn_names(const PreparedRule& rule, Direction direction) {
  if (direction == Direction::kIngress) return;
  for (const PortName& name : names_in(*rule.rule)) {
    const auto [it, fresh] = named_.try_emplace(name);
    if (!fresh) continue;
    for (auto& entry : classes_.with_port(name.first, name.second))
      it->second.emplace(entry.pod_class, std::move(entry.ports));
  }
}

void RuleCompiler::set_families() {
  v4_ = line_.of_family(net::Family::kIPv4);
  v6_ = line_.of_family(net::Family::kIPv6);
}

bool RuleCompiler::holds(const PreparedEnd& end, Place place) const {
  const auto has = [&](PeerId id) { return peers_.places(id).contains(place); };
  for (const auto& list : end.all_of) {
    if (std::none_of(list.begin(), list.end(), has)) return false;
  }
  return std::none_of(end.none_of.begin(), end.none_of.end(), has);
}

std::vector<PeerPart> RuleCompiler::parts(const PreparedEnd& end, Direction direction) const {
  std::vector<PeerPart> out{{line_.every_place(), true, {}}};
  for (const auto& list : end.all_of) {
    // Peers that mean every port make one part together.
    std::vector<PeerPart> wanted;
    if (direction == Direction::kIngress) {
      wanted.push_back({united(peers_, list), true, {}});
    } else {
      PeerPart plain;
      for (const PeerId id : list) {
        for (PeerPart& part : peers_.destination_parts(id)) {
          if (part.every_port) {
            plain.where = unite(plain.where, part.where);
          } else {
            wanted.push_back(std::move(part));
          }
        }
      }
      wanted.push_back(std::move(plain));
    }
    std::vector<PeerPart> both;
    for (const PeerPart& a : out) {
      for (const PeerPart& b : wanted) {
        PeerPart part{intersect(a.where, b.where), a.every_port && b.every_port, {}};
        if (part.where.empty()) continue;
        if (!part.every_port) {
          part.ports = a.every_port ? b.ports : a.ports;
          if (!a.every_port && !b.every_port) part.ports.intersect(b.ports);
        }
        both.push_back(std::move(part));
      }
    }
    out = std::move(both);
  }
  if (end.none_of.empty()) return out;
  for (const PeerId id : end.none_of) {
    if (direction == Direction::kIngress) {
      for (PeerPart& part : out) part.where = subtract(part.where, peers_.places(id));
      continue;
    }
    for (const PeerPart& unwanted : peers_.destination_parts(id)) {
      std::vector<PeerPart> rest;
      for (PeerPart& part : out) {
        if (!unwanted.every_port) {  // there, every port but those
          PeerPart inside{intersect(part.where, unwanted.where), false, {}};
          inside.ports = part.every_port ? PortSet::everything() : part.ports;
          inside.ports.subtract(unwanted.ports);
          if (!inside.where.empty()) rest.push_back(std::move(inside));
        }
        part.where = subtract(part.where, unwanted.where);
        if (!part.where.empty()) rest.push_back(std::move(part));
      }
      out = std::move(rest);
    }
  }
  return out;
}

PortSet RuleCompiler::ports(const model::Rule& rule, const Resolution& wanted,
                            const Resolution& excluded) const {
  const auto add = [&](PortSet& set, const model::PortMatch& match, const Resolution& names) {
    if (!std::holds_alternative<std::string>(match.port)) {
      set.add(match);
    } else {
      const auto it = names.find({std::get<std::string>(match.port), match.protocol});
      if (it == names.end()) return;
      for (const uint16_t port : it->second) set.add(match.protocol, {port, port});
    }
  };
  PortSet out;
  if (rule.ports) {
    for (const model::PortMatch& match : *rule.ports) add(out, match, wanted);
  } else {
    out = PortSet::everything();
  }
  PortSet without;
  for (const model::PortMatch& match : rule.not_ports) add(without, match, excluded);
  out.subtract(without);
  if (rule.source_ports) out.intersect(whole_protocols(*rule.source_ports));
  out.subtract(whole_protocols(rule.not_source_ports));
  return out;
}

RangeSet RuleCompiler::naming_places(const PreparedEnd& end) const {
  for (const auto& list : end.all_of) {
    if (std::none_of(list.begin(), list.end(), [&](PeerId id) { return peers_.selects_pods(id); }))
      continue;
    RangeSet out;
    for (const PeerId id : list) out = unite(out, peers_.pod_places(id));
    return out;
  }
  return line_.every_place();
}

void RuleCompiler::add_cell(const PreparedRule& rule, const PeerPart& part, RangeSet where,
                            const Resolution& names, const Resolution& excluded,
                            CompiledRule& out) const {
  if (where.empty()) return;
  PortSet what = ports(*rule.rule, names, excluded);
  if (!part.every_port) what.intersect(part.ports);
  if (!what.empty()) out.cells.push_back({std::move(where), std::move(what)});
}

// Cuts a part by what the names mean at its places.
void RuleCompiler::add_cells(const PreparedRule& rule, const PeerPart& part,
                             CompiledRule& out) const {
  const auto names = names_in(*rule.rule);
  if (names.empty()) {
    add_cell(rule, part, part.where, {}, {}, out);
    return;
  }
  std::map<PodClass, Resolution> by_class;
  for (const PortName& name : names) {
    const auto it = named_.find(name);
    if (it == named_.end()) continue;
    for (const auto& [pod_class, numbers] : it->second) by_class[pod_class][name] = numbers;
  }
  std::map<Resolution, std::vector<RangeSet::Range>> alike;
  for (const auto& [pod_class, resolution] : by_class)
    alike[resolution].push_back({pod_class, pod_class + 1});
  RangeSet shared;
  for (const PeerLine::Shared& each : line_.shared()) shared.append(each.place, each.place + 1);
  const RangeSet naming = naming_places(rule.peer);
  RangeSet rest = subtract(part.where, shared);
  for (auto& [resolution, classes] : alike) {
    const RangeSet places =
        intersect(rest, line_.of_classes(RangeSet::from_ranges(std::move(classes))));
    add_cell(rule, part, intersect(places, naming), resolution, resolution, out);
    add_cell(rule, part, subtract(places, naming), {}, resolution, out);
    rest = subtract(rest, places);
  }
  add_cell(rule, part, std::move(rest), {}, {}, out);
  add_shared_cells(rule, part, naming, by_class, out);
}

// Where several pods are, a name means what it means to any of them that the rule names.
void RuleCompiler::add_shared_cells(const PreparedRule& rule, const PeerPart& part,
                                    const RangeSet& naming,
                                    const std::map<PodClass, Resolution>& by_class,
                                    CompiledRule& out) const {
  for (const PeerLine::Shared& shared : line_.shared()) {
    if (!part.where.contains(shared.place)) continue;
    Resolution wanted;
    Resolution excluded;
    for (const Place member : shared.members) {
      const auto it = by_class.find(line_.pod_class(member));
      if (it == by_class.end()) continue;
      for (const auto& [name, numbers] : it->second) {
        auto& all = excluded[name];
        all.insert(all.end(), numbers.begin(), numbers.end());
        if (!naming.contains(member)) continue;
        auto& some = wanted[name];
        some.insert(some.end(), numbers.begin(), numbers.end());
      }
    }
    add_cell(rule, part, RangeSet::of(shared.place, shared.place + 1), wanted, excluded, out);
  }
}

CompiledRule RuleCompiler::compile(const PreparedRule& rule, Direction direction,
                                   Place self) const {
  CompiledRule out;
  out.action = rule.rule->action;
  if (rule.needs_own_place && !holds(rule.self, self)) return out;
  for (PeerPart& part : parts(rule.peer, direction)) {
    if (rule.rule->family) {
      part.where = intersect(part.where, *rule.rule->family == net::Family::kIPv4 ? v4_ : v6_);
    }
    if (direction == Direction::kEgress) {
      add_cells(rule, part, out);
      continue;
    }
    Resolution names;
    if (rule.needs_own_ports) {
      for (const model::NamedPort& port : classes_.sample(line_.pod_class(self)).ports)
        names[{port.name, port.protocol}].push_back(port.port);
    }
    // A policy's own end resolves names by the endpoint itself, in both lists; the wanted ones only
    // where the rule names the endpoint, and not something else that has its address.
    const bool named = !rule.needs_own_ports || naming_places(rule.self).contains(self);
    add_cell(rule, part, part.where, named ? names : Resolution(), names, out);
  }
  return out;
}

}  // namespace caracal::analysis
