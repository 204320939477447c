#include "analysis/verdict_rows.h"

#include <algorithm>

#include "analysis/signature.h"

namespace caracal::analysis {
namespace {

using policy::PortSet;

// One cell in the order of evaluation.
struct Step {
  model::Action action = model::Action::kAllow;
  const Cell* cell = nullptr;
};

struct Edge {
  Place at = 0;
  uint32_t step = 0;
};

// The steps that hold the place of the sweep, in order: a bitmap, walked by its set bits.
class ActiveSteps {
 public:
  explicit ActiveSteps(size_t count) : words_((count + 63) / 64) {}
  void toggle(uint32_t step) {
    words_[step / 64] ^= uint64_t{1} << (step % 64);
    signature_.toggle(step);
  }
  const Signature& signature() const { return signature_; }
  // Calls visit(step) for those in [begin, end) until it returns false.
  template <typename Visit>
  void each(uint32_t begin, uint32_t end, const Visit& visit) const {
    for (uint32_t word = begin / 64; word * 64 < end; ++word) {
      uint64_t bits = words_[word];
      if (word == begin / 64) bits &= ~uint64_t{0} << (begin % 64);
      while (bits != 0) {
        const uint32_t step = word * 64 + static_cast<uint32_t>(__builtin_ctzll(bits));
        if (step >= end || !visit(step)) return;
        bits &= bits - 1;
      }
    }
  }

 private:
  std::vector<uint64_t> words_;
  Signature signature_;
};

struct TierSteps {
  bool deny_at_end = true;
  uint32_t begin = 0;
  uint32_t end = 0;
};

PortSet evaluate(const std::vector<TierSteps>& tiers, const std::vector<Step>& steps,
                 const ActiveSteps& active, bool allow_behind_tiers) {
  PortSet allowed;
  PortSet open = PortSet::everything();  // not decided yet
  for (const TierSteps& tier : tiers) {
    PortSet passed;
    active.each(tier.begin, tier.end, [&](uint32_t index) {
      const Step& step = steps[index];
      if (step.action == model::Action::kLog) return true;
      PortSet matched = step.cell->what;
      matched.intersect(open);
      if (step.action == model::Action::kAllow) allowed.add(matched);
      if (step.action == model::Action::kPass) passed.add(matched);
      open.subtract(matched);
      return !open.empty();
    });
    if (tier.deny_at_end) {
      open = std::move(passed);
    } else {
      open.add(passed);
    }
    if (open.empty()) return allowed;
  }
  if (allow_behind_tiers) allowed.add(open);
  return allowed;
}

}  // namespace

PortSetPool::PortSetPool() {
  add(PortSet());
  add(PortSet::everything());
}

PortSetId PortSetPool::add(const PortSet& set) {
  const auto numbers = set.numbers();
  const auto [it, fresh] = ids_.try_emplace(std::vector<uint32_t>(numbers.begin(), numbers.end()),
                                            static_cast<PortSetId>(sets_.size()));
  if (fresh) sets_.push_back(set);
  return it->second;
}

PortSetId Row::at(Place place) const {
  const auto after = std::upper_bound(begins.begin(), begins.end(), place);
  return ports[static_cast<size_t>(after - begins.begin()) - 1];
}

Row make_row(const RowInput& input, Place line_end, PortSetPool& pool) {
  std::vector<Step> steps;
  std::vector<TierSteps> tiers;
  std::vector<Edge> edges;
  for (const RowInput::Tier& tier : input.tiers) {
    TierSteps& out = tiers.emplace_back();
    out.deny_at_end = tier.deny_at_end;
    out.begin = static_cast<uint32_t>(steps.size());
    for (const CompiledRule* rule : tier.rules) {
      for (const Cell& cell : rule->cells) {
        const auto step = static_cast<uint32_t>(steps.size());
        steps.push_back({rule->action, &cell});
        for (const RangeSet::Range& range : cell.where.ranges()) {
          edges.push_back({range.begin, step});
          edges.push_back({range.end, step});
        }
      }
    }
    out.end = static_cast<uint32_t>(steps.size());
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  Row row;
  ActiveSteps active(steps.size());
  std::unordered_map<Signature, PortSetId, SignatureHash> known;
  size_t next = 0;
  Place place = 0;
  while (true) {
    for (; next < edges.size() && edges[next].at == place; ++next) active.toggle(edges[next].step);
    const auto [it, fresh] = known.try_emplace(active.signature(), kNoPorts);
    if (fresh) it->second = pool.add(evaluate(tiers, steps, active, input.allow_behind_tiers));
    if (row.ports.empty() || row.ports.back() != it->second) {
      row.begins.push_back(place);
      row.ports.push_back(it->second);
    }
    if (next == edges.size() || edges[next].at >= line_end) break;
    place = edges[next].at;
  }
  row.begins.shrink_to_fit();
  row.ports.shrink_to_fit();
  return row;
}

}  // namespace caracal::analysis
