#include "analysis/all_pairs.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <thread>
#include <unordered_map>

#include "analysis/port_text.h"

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

// What port sets do to each other. With a port asked for they are two: it is in, or it is not.
class Meets {
 public:
  Meets(const PortSetPool& pool, std::optional<uint32_t> port) : pool_(pool), port_(port) {
    kind_of_.resize(pool.size());
    std::unordered_map<PortSetId, uint32_t> kinds;
    for (PortSetId id = 0; id < pool.size(); ++id) {
      const bool useful = port ? contains(pool[id], *port) : !pool[id].empty();
      if (!useful) {
        kind_of_[id] = kNothing;
        continue;
      }
      const PortSetId representative = port ? kEveryPort : id;
      const auto [it, fresh] =
          kinds.try_emplace(representative, static_cast<uint32_t>(sample_.size()));
      if (fresh) sample_.push_back(representative);
      kind_of_[id] = it->second;
    }
    const size_t n = sample_.size();
    meets_.assign(n * n, true);
    for (size_t a = 0; a < n && !port; ++a) {
      for (size_t b = 0; b < n; ++b) {
        PortSet both = pool[sample_[a]];
        both.intersect(pool[sample_[b]]);
        meets_[a * n + b] = !both.empty();
      }
    }
  }
  static constexpr uint32_t kNothing = 0xffffffff;
  uint32_t kind(PortSetId id) const { return kind_of_[id]; }
  size_t kinds() const { return sample_.size(); }
  bool meet(uint32_t a, uint32_t b) const { return meets_[a * sample_.size() + b]; }

 private:
  const PortSetPool& pool_;
  std::optional<uint32_t> port_;
  std::vector<uint32_t> kind_of_;
  std::vector<PortSetId> sample_;
  std::vector<bool> meets_;
};

// A group of sources changes what it allows at a place.
struct Turn {
  Place at = 0;
  uint32_t group = 0;
  PortSetId now = kNoPorts;
};

// One walk over the places [begin, end).
class Walk {
 public:
  Walk(const Reachability& reachability, const Layout& layout, const Meets& meets,
       const std::vector<Turn>& turns)
      : reachability_(reachability),
        layout_(layout),
        meets_(meets),
        turns_(turns),
        open_(meets.kinds(), Bitmap((layout.pods.size() + 63) / 64)),
        used_(meets.kinds()),
        present_(layout.members.size(), Meets::kNothing) {}

  uint64_t run(Place begin, Place end) {
    // What each group allows where the walk begins.
    const auto& groups = reachability_.groups(Direction::kEgress);
    for (uint32_t g = 0; g < groups.size(); ++g) {
      if (!layout_.members[g].empty()) turn(g, meets_.kind(groups[g].row.at(begin)));
    }
    size_t next = static_cast<size_t>(
        std::upper_bound(turns_.begin(), turns_.end(), begin,
                         [](Place place, const Turn& t) { return place < t.at; }) -
        turns_.begin());
    uint64_t total = 0;
    for (Place place = begin; place < end; ++place) {
      for (; next < turns_.size() && turns_[next].at <= place; ++next)
        turn(turns_[next].group, meets_.kind(turns_[next].now));
      uint32_t i = layout_.first_at[place];
      const uint32_t past = layout_.first_at[place + 1];
      while (i < past) {  // pods of one place and one group are alike
        const Place self = layout_.pods[i].self;
        uint32_t same = i;
        while (same < past && layout_.pods[same].self == self) ++same;
        const uint32_t group = reachability_.group_of(Direction::kIngress, self);
        const auto [count, itself] =
            sources(reachability_.groups(Direction::kIngress)[group].row, i);
        total += (same - i) * (count - (itself ? 1 : 0));
        i = same;
      }
    }
    return total;
  }

 private:
  void turn(uint32_t group, uint32_t kind) {
    const uint32_t before = present_[group];
    if (before == kind) return;
    present_[group] = kind;
    for (const RangeSet::Range& range : layout_.members[group]) {
      each_word(range.begin, range.end, [&](uint32_t word, uint64_t mask) {
        if (before != Meets::kNothing) open_[before][word] &= ~mask;
        if (kind != Meets::kNothing) open_[kind][word] |= mask;
      });
      const uint64_t size = range.end - range.begin;
      if (before != Meets::kNothing) used_[before] -= size;
      if (kind != Meets::kNothing) used_[kind] += size;
    }
  }

  // How many pods reach an endpoint with this ingress row, and whether pod `self` is one of them.
  std::pair<uint64_t, bool> sources(const Row& row, uint32_t self) const {
    uint64_t count = 0;
    bool itself = false;
    for (size_t piece = 0; piece < row.size(); ++piece) {
      const uint32_t in = meets_.kind(row.ports[piece]);
      if (in == Meets::kNothing) continue;
      const uint32_t begin = layout_.first_at[row.begins[piece]];
      const uint32_t end = layout_.first_at[row.end(piece, reachability_.line().size())];
      each_word(begin, end, [&](uint32_t word, uint64_t mask) {
        uint64_t bits = 0;
        for (uint32_t out = 0; out < open_.size(); ++out) {
          if (used_[out] != 0 && meets_.meet(in, out)) bits |= open_[out][word];
        }
        bits &= mask;
        count += static_cast<uint64_t>(std::popcount(bits));
        if (self / 64 == word && (bits >> (self % 64) & 1) != 0) itself = true;
      });
    }
    return {count, itself};
  }

  const Reachability& reachability_;
  const Layout& layout_;
  const Meets& meets_;
  const std::vector<Turn>& turns_;
  std::vector<Bitmap> open_;       // by kind: the pods that allow it towards the present place
  std::vector<uint64_t> used_;     // bits set in each
  std::vector<uint32_t> present_;  // by egress group
};

}  // namespace

AllPairs count_pairs(const Reachability& reachability, net::Family family,
                     std::optional<uint32_t> port, unsigned threads) {
  const Layout layout = lay_out(reachability, family);
  const Meets meets(reachability.port_sets(), port);
  std::vector<Turn> turns;
  const auto& groups = reachability.groups(Direction::kEgress);
  for (uint32_t g = 0; g < groups.size(); ++g) {
    if (layout.members[g].empty()) continue;
    const Row& row = groups[g].row;
    for (size_t piece = 1; piece < row.size(); ++piece)
      turns.push_back({row.begins[piece], g, row.ports[piece]});
  }
  std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) { return a.at < b.at; });

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
    totals[thread] = Walk(reachability, layout, meets, turns)
                         .run(thread == 0 ? 0 : cut(thread), cut(thread + 1));
  };
  {
    std::vector<std::jthread> others;
    for (unsigned thread = 1; thread < threads; ++thread) others.emplace_back(walk, thread);
    walk(0);
  }
  out.connected = std::accumulate(totals.begin(), totals.end(), uint64_t{0});
  return out;
}

}  // namespace caracal::analysis
