#include "analysis/all_pairs.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>

#include "analysis/parallel.h"
#include "analysis/port_text.h"

// Counting bits is one instruction where the processor has it; the choice is made at load time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CARACAL_POPCNT __attribute__((target_clones("popcnt", "default")))
#else
#define CARACAL_POPCNT
#endif

namespace caracal::analysis {
namespace {

using model::Direction;
using policy::PortSet;

using Bitmap = std::vector<uint64_t>;

// Calls visit(word index, mask) for each word that [begin, end) touches.
template <typename Visit>
void each_word(uint32_t begin, uint32_t end, const Visit& visit) {
  if (begin >= end) return;
  const uint32_t first = begin / 64;
  const uint32_t last = (end - 1) / 64;
  for (uint32_t word = first; word <= last; ++word) {
    uint64_t mask = ~uint64_t{0};
    if (word == first) mask &= ~uint64_t{0} << (begin % 64);
    if (word == last && end % 64 != 0) mask &= ~uint64_t{0} >> (64 - end % 64);
    visit(word, mask);
  }
}

// Pods of one family as numbers that rise with their places, as peers and as endpoints.
struct Layout {
  struct Entry {
    Place self = 0;
    Place peer = 0;
  };
  std::vector<Entry> pods;         // by peer place
  std::vector<uint32_t> first_at;  // by place as a peer, and one past the last
  // The pods of each egress group, as ranges of numbers.
  std::vector<std::vector<RangeSet::Range>> members;
};

Layout lay_out(const Reachability& reachability, net::Family family) {
  Layout out;
  for (PodNumber pod = 0; pod < reachability.pod_count(); ++pod) {
    if (!reachability.networked(pod, family)) continue;
    out.pods.push_back(
        {reachability.self_place(pod, family), reachability.peer_place(pod, family)});
  }
  std::sort(out.pods.begin(), out.pods.end(), [](const auto& a, const auto& b) {
    return std::pair(a.peer, a.self) < std::pair(b.peer, b.self);
  });
  out.first_at.assign(reachability.line().size() + 1, 0);
  for (const Layout::Entry& pod : out.pods) ++out.first_at[pod.peer + 1];
  std::partial_sum(out.first_at.begin(), out.first_at.end(), out.first_at.begin());
  out.members.resize(reachability.groups(Direction::kEgress).size());
  for (uint32_t i = 0; i < out.pods.size(); ++i) {
    auto& ranges = out.members[reachability.group_of(Direction::kEgress, out.pods[i].self)];
    if (!ranges.empty() && ranges.back().end == i) {
      ranges.back().end = i + 1;
    } else {
      ranges.push_back({i, i + 1});
    }
  }
  return out;
}

// What port sets do to each other. What a source allows at a place is an *offer*, what a
// destination allows of it a *demand*; sets that meet the same sets of the other side are one. With
// a port asked for there is one of each: it is in, or it is not.
class Meets {
 public:
  static constexpr uint32_t kNothing = 0xffffffff;

  Meets(const Reachability& reachability, std::optional<uint32_t> port)
      : offer_of_(reachability.port_sets().size(), kNothing),
        demand_of_(reachability.port_sets().size(), kNothing) {
    const PortSetPool& pool = reachability.port_sets();
    const auto used = [&](Direction direction) {
      std::vector<PortSetId> out;
      std::vector<bool> seen(pool.size());
      for (const auto& group : reachability.groups(direction)) {
        for (const PortSetId id : group.row.ports) {
          if (seen[id] || (port ? !contains(pool[id], *port) : pool[id].empty())) continue;
          seen[id] = true;
          out.push_back(id);
        }
      }
      return out;
    };
    const std::vector<PortSetId> out_sets = used(Direction::kEgress);
    const std::vector<PortSetId> in_sets = used(Direction::kIngress);
    // Which offers each demand meets, as a list of bits.
    std::map<std::vector<bool>, uint32_t> demands;
    std::vector<std::vector<bool>> meets;
    for (const PortSetId in : in_sets) {
      std::vector<bool> met(out_sets.size(), true);
      for (size_t o = 0; o < out_sets.size() && !port; ++o) {
        PortSet both = pool[in];
        both.intersect(pool[out_sets[o]]);
        met[o] = !both.empty();
      }
      const auto [it, fresh] = demands.try_emplace(met, static_cast<uint32_t>(meets.size()));
      if (fresh) meets.push_back(std::move(met));
      demand_of_[in] = it->second;
    }
    demands_ = meets.size();
    // The other way round.
    std::map<std::vector<uint32_t>, uint32_t> offers;
    for (size_t o = 0; o < out_sets.size(); ++o) {
      std::vector<uint32_t> met;
      for (uint32_t demand = 0; demand < meets.size(); ++demand) {
        if (meets[demand][o]) met.push_back(demand);
      }
      const auto [it, fresh] = offers.try_emplace(met, static_cast<uint32_t>(demands_of_.size()));
      if (fresh) demands_of_.push_back(std::move(met));
      offer_of_[out_sets[o]] = it->second;
    }
  }

  // kNothing where nothing of interest is allowed.
  uint32_t offer(PortSetId id) const { return offer_of_[id]; }
  uint32_t demand(PortSetId id) const { return demand_of_[id]; }
  size_t demands() const { return demands_; }
  // The demands that an offer meets, sorted.
  const std::vector<uint32_t>& met_by(uint32_t offer) const {
    static const std::vector<uint32_t> kNone;
    return offer == kNothing ? kNone : demands_of_[offer];
  }

 private:
  std::vector<uint32_t> offer_of_;
  std::vector<uint32_t> demand_of_;
  std::vector<std::vector<uint32_t>> demands_of_;
  size_t demands_ = 0;
};

// A group of sources changes what it allows at a place.
struct Turn {
  Place at = 0;
  uint32_t group = 0;
  uint32_t now = Meets::kNothing;  // an offer
};

// What an ingress group demands of the pods [begin, end); what it demands nothing of is left out.
struct Stretch {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t demand = 0;
};

std::vector<Stretch> stretches(const Reachability& reachability, const Layout& layout,
                               const Meets& meets, const Row& row) {
  std::vector<Stretch> out;
  for (size_t piece = 0; piece < row.size(); ++piece) {
    const uint32_t demand = meets.demand(row.ports[piece]);
    const uint32_t begin = layout.first_at[row.begins[piece]];
    const uint32_t end = layout.first_at[row.end(piece, reachability.line().size())];
    if (demand == Meets::kNothing || begin == end) continue;
    if (!out.empty() && out.back().end == begin && out.back().demand == demand) {
      out.back().end = end;
    } else {
      out.push_back({begin, end, demand});
    }
  }
  return out;
}

// The bits set in [begin, end).
CARACAL_POPCNT uint64_t count_bits(const uint64_t* words, uint32_t begin, uint32_t end) {
  const uint32_t first = begin / 64;
  const uint32_t last = (end - 1) / 64;
  const uint64_t from = ~uint64_t{0} << (begin % 64);
  const uint64_t to = ~uint64_t{0} >> ((64 - end % 64) % 64);
  if (first == last) return static_cast<uint64_t>(__builtin_popcountll(words[first] & from & to));
  auto count = static_cast<uint64_t>(__builtin_popcountll(words[first] & from) +
                                     __builtin_popcountll(words[last] & to));
  for (uint32_t word = first + 1; word < last; ++word)
    count += static_cast<uint64_t>(__builtin_popcountll(words[word]));
  return count;
}

// One walk over the places [begin, end).
class Walk {
 public:
  Walk(const Reachability& reachability, const Layout& layout, const Meets& meets,
       const std::vector<Turn>& turns, const std::vector<std::vector<Stretch>>& demands)
      : reachability_(reachability),
        layout_(layout),
        meets_(meets),
        turns_(turns),
        demands_(demands),
        open_(meets.demands(), Bitmap((layout.pods.size() + 63) / 64)),
        present_(layout.members.size(), Meets::kNothing) {}

  uint64_t run(Place begin, Place end) {
    // What each group allows where the walk begins.
    const auto& groups = reachability_.groups(Direction::kEgress);
    for (uint32_t g = 0; g < groups.size(); ++g) {
      if (!layout_.members[g].empty()) turn(g, meets_.offer(groups[g].row.at(begin)));
    }
    size_t next = static_cast<size_t>(
        std::upper_bound(turns_.begin(), turns_.end(), begin,
                         [](Place place, const Turn& t) { return place < t.at; }) -
        turns_.begin());
    uint64_t total = 0;
    for (Place place = begin; place < end; ++place) {
      for (; next < turns_.size() && turns_[next].at <= place; ++next)
        turn(turns_[next].group, turns_[next].now);
      uint32_t i = layout_.first_at[place];
      const uint32_t past = layout_.first_at[place + 1];
      while (i < past) {  // pods of one place and one group are alike
        const Place self = layout_.pods[i].self;
        uint32_t same = i;
        while (same < past && layout_.pods[same].self == self) ++same;
        const uint32_t group = reachability_.group_of(Direction::kIngress, self);
        const auto [count, itself] = sources(demands_[group], i);
        total += (same - i) * (count - (itself ? 1 : 0));
        i = same;
      }
    }
    return total;
  }

 private:
  void turn(uint32_t group, uint32_t now) {
    const std::vector<uint32_t>& before = meets_.met_by(present_[group]);
    const std::vector<uint32_t>& after = meets_.met_by(now);
    present_[group] = now;
    // Only where the answer to a demand is another one.
    changed_.clear();
    std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                  std::back_inserter(changed_));
    for (const uint32_t demand : changed_) {
      Bitmap& open = open_[demand];
      for (const RangeSet::Range& range : layout_.members[group]) {
        each_word(range.begin, range.end,
                  [&](uint32_t word, uint64_t mask) { open[word] ^= mask; });
      }
    }
  }

  // How many pods reach an endpoint with these demands, and whether pod `self` is one of them.
  std::pair<uint64_t, bool> sources(const std::vector<Stretch>& demands, uint32_t self) const {
    uint64_t count = 0;
    bool itself = false;
    for (const Stretch& stretch : demands) {
      const Bitmap& open = open_[stretch.demand];
      count += count_bits(open.data(), stretch.begin, stretch.end);
      if (self >= stretch.begin && self < stretch.end)
        itself = (open[self / 64] >> (self % 64) & 1) != 0;
    }
    return {count, itself};
  }

  const Reachability& reachability_;
  const Layout& layout_;
  const Meets& meets_;
  const std::vector<Turn>& turns_;
  const std::vector<std::vector<Stretch>>& demands_;  // by ingress group
  std::vector<Bitmap> open_;       // by demand: the pods that meet it towards the present place
  std::vector<uint32_t> present_;  // the offer of each egress group
  std::vector<uint32_t> changed_;
};

}  // namespace

AllPairs count_pairs(const Reachability& reachability, net::Family family,
                     std::optional<uint32_t> port, unsigned threads) {
  const Layout layout = lay_out(reachability, family);
  const Meets meets(reachability, port);
  std::vector<Turn> turns;
  const auto& groups = reachability.groups(Direction::kEgress);
  for (uint32_t g = 0; g < groups.size(); ++g) {
    if (layout.members[g].empty()) continue;
    const Row& row = groups[g].row;
    uint32_t last = meets.offer(row.ports[0]);
    for (size_t piece = 1; piece < row.size(); ++piece) {
      const uint32_t now = meets.offer(row.ports[piece]);
      if (now != last) turns.push_back({row.begins[piece], g, now});
      last = now;
    }
  }
  std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) { return a.at < b.at; });

  std::vector<std::vector<Stretch>> demands;
  for (const auto& group : reachability.groups(Direction::kIngress))
    demands.push_back(stretches(reachability, layout, meets, group.row));

  AllPairs out;
  out.pods = layout.pods.size();
  out.pairs = out.pods * (out.pods == 0 ? 0 : out.pods - 1);
  threads = std::max(1U, threads);
  std::vector<uint64_t> totals(threads);
  const Place line_end = reachability.line().size();
  const auto walk = [&](unsigned thread) {
    // As many pods for each.
    const auto cut = [&](unsigned t) {
      if (t == threads) return line_end;
      const auto wanted = static_cast<uint32_t>(out.pods * t / threads);
      return static_cast<Place>(
          std::lower_bound(layout.first_at.begin(), layout.first_at.end() - 1, wanted) -
          layout.first_at.begin());
    };
    totals[thread] = Walk(reachability, layout, meets, turns, demands)
                         .run(thread == 0 ? 0 : cut(thread), cut(thread + 1));
  };
  run_parallel(threads, walk);
  out.connected = std::accumulate(totals.begin(), totals.end(), uint64_t{0});
  return out;
}

}  // namespace caracal::analysis
