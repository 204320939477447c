// VerdictRows: what endpoints with the same policies may do with every place on the line: a row of
// pieces, each with the set of ports that is allowed there.
//
// A row is made by one sweep over the line: at each place where a cell of a rule begins or ends the
// rules that matter change, and only for sets of rules not met before are tiers and actions
// evaluated.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "analysis/peer_line.h"
#include "analysis/rule_compiler.h"
#include "policy/port_set.h"

namespace caracal::analysis {

using PortSetId = uint32_t;
inline constexpr PortSetId kNoPorts = 0;
inline constexpr PortSetId kEveryPort = 1;

// Equal port sets under one number.
class PortSetPool {
 public:
  PortSetPool();
  PortSetId add(const policy::PortSet& set);
  const policy::PortSet& operator[](PortSetId id) const { return sets_[id]; }
  size_t size() const { return sets_.size(); }

 private:
  std::vector<policy::PortSet> sets_;
  std::map<std::vector<uint32_t>, PortSetId> ids_;
};

// Piece i goes from begins[i] to the next one's begin; begins[0] is 0.
struct Row {
  std::vector<Place> begins;
  std::vector<PortSetId> ports;

  PortSetId at(Place place) const;
  size_t size() const { return begins.size(); }
  Place end(size_t piece, Place line_end) const {
    return piece + 1 < begins.size() ? begins[piece + 1] : line_end;
  }
};

// The rules of the policies that apply to an endpoint in one direction, by tier.
struct RowInput {
  struct Tier {
    bool deny_at_end = true;  // else: on to the next tier
    std::vector<const CompiledRule*> rules;
  };
  std::vector<Tier> tiers;
  bool allow_behind_tiers = true;
};

Row make_row(const RowInput& input, Place line_end, PortSetPool& pool);

}  // namespace caracal::analysis
