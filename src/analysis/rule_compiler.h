// RuleCompiler: rules as sets: which places on the line a rule holds, with which ports.
//
// What a rule says of source ports is left out of the picture: a rule that looks at them matches
// where it does whatever the source port is. Read-only once built (from any thread).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/peer_line.h"
#include "analysis/peer_table.h"
#include "model/policy.h"
#include "policy/port_set.h"

namespace caracal::analysis {

// A rule matches a connection when one of its cells holds the peer's place and the port.
struct Cell {
  RangeSet where;
  policy::PortSet what;
};

struct CompiledRule {
  model::Action action = model::Action::kAllow;
  std::vector<Cell> cells;
};

// A rule's ends by the numbers of their peers.
struct PreparedEnd {
  std::vector<std::vector<PeerId>> all_of;
  std::vector<PeerId> none_of;
};
struct PreparedRule {
  const model::Rule* rule = nullptr;
  PreparedEnd peer;
  PreparedEnd self;
  // What else than the policy decides the cells: the ports of the endpoint itself, or its place.
  bool needs_own_ports = false;
  bool needs_own_place = false;
};

class RuleCompiler {
 public:
  RuleCompiler(const PodClasses& classes, const PeerLine& line, const PeerTable& peers)
      : classes_(classes), line_(line), peers_(peers) {}

  // The first step, before the line is there.
  static PreparedRule prepare(const model::Rule& rule, model::Direction direction,
                              PeerTable& peers);
  // Looks up the named ports that egress rules use. REQUIRES: called for every rule before
  // compile().
  void learn_names(const PreparedRule& rule, model::Direction direction);
  void set_families();

  // `self`: the endpoint's place; looked at only by rules that need it.
  CompiledRule compile(const PreparedRule& rule, model::Direction direction, Place self) const;

 private:
  using PortName = std::pair<std::string, net::Protocol>;
  // Numbers for each name, in the order of the names asked for.
  using Resolution = std::map<PortName, std::vector<uint16_t>>;

  std::vector<PeerPart> parts(const PreparedEnd& end, model::Direction direction) const;
  bool holds(const PreparedEnd& end, Place place) const;
  // `excluded`: what the names of not_ports mean.
  policy::PortSet ports(const model::Rule& rule, const Resolution& names,
                        const Resolution& excluded) const;
  // Where a name is resolved by the pod that is there: it is itself what the rule names.
  RangeSet naming_places(const PreparedEnd& end) const;
  void add_cells(const PreparedRule& rule, const PeerPart& part, CompiledRule& out) const;
  void add_shared_cells(const PreparedRule& rule, const PeerPart& part, const RangeSet& naming,
                        const std::map<PodClass, Resolution>& by_class, CompiledRule& out) const;
  void add_cell(const PreparedRule& rule, const PeerPart& part, RangeSet where,
                const Resolution& names, const Resolution& excluded, CompiledRule& out) const;

  const PodClasses& classes_;
  const PeerLine& line_;
  const PeerTable& peers_;
  std::map<PortName, std::map<PodClass, std::vector<uint16_t>>> named_;
  RangeSet v4_;
  RangeSet v6_;
};

}  // namespace caracal::analysis
