// Gather: how long the requests for a block wait for one another, so that a burst costs few writes
// and a request that comes alone waits for nobody.
//
// A request is of a crowd when `crowd` or more are under way, itself among them. From then on,
// until nobody has come for a while, a block's write waits for more: until nobody has come for
// quiet(), `enough` wait, or the first has waited `most`. Otherwise it is written at once, but for
// the least time between two writes of one block, which lets those share a write that came during
// the one before.
//
// Pure; one an AddressClaims, told of each request, asked for each block.
#pragma once

#include <cstddef>

#include "event/loop.h"

namespace caracal::ipam {

struct GatherOptions {
  event::Duration least{5};        // from the answer to a block's write to its next write
  size_t crowd = 4;                // fewer are no burst
  event::Duration quiet{8};        // without a request: the burst is over; longer where they
  event::Duration most_quiet{40};  // come more slowly, up to this
  event::Duration most{100};       // no request waits longer than that for others
  size_t enough = 32;              // so many are written without waiting for more
};

class Gather {
 public:
  using TimePoint = event::Clock::time_point;

  explicit Gather(GatherOptions options = {}) : options_(options), gap_(options.quiet / kGaps) {}

  // A request has come, and is the `open`th that is under way.
  void came(TimePoint now, size_t open);

  struct Waiting {
    size_t count = 0;     // requests that wait for the block's next write
    TimePoint first{};    // when the first of them came
    bool full = false;    // no other could join
    TimePoint written{};  // when the block's last write was answered; zero: there was none
  };
  // When the block is to be written; `now` or before: now.
  TimePoint due(TimePoint now, const Waiting& waiting) const;

  // In a burst?
  bool crowded(TimePoint now) const;
  // So long after the last request a burst is over: some gaps between requests as they come now.
  event::Clock::duration quiet() const;

 private:
  static constexpr int kGaps = 4;    // that quiet() spans: by chance one gap is rarely so long
  static constexpr int kMemory = 8;  // gaps that the mean remembers, about

  GatherOptions options_;
  event::Clock::duration gap_;  // mean time between requests of a burst
  TimePoint last_{};            // when the last request came
  TimePoint crowd_{};           // and the last one of a crowd
  bool any_crowd_ = false;
};

}  // namespace caracal::ipam
