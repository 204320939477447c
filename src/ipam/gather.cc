#include "ipam/gather.h"

#include <algorithm>

namespace caracal::ipam {

void Gather::came(TimePoint now, size_t open) {
  const event::Clock::duration shortest = options_.quiet / kGaps;
  if (crowded(now) || open > 1) {
    const auto gap = std::min<event::Clock::duration>(now - last_, options_.most_quiet);
    gap_ += (gap - gap_) / kMemory;
  } else {
    gap_ = shortest;  // what came alone says nothing of a burst
  }
  last_ = now;
  if (open < options_.crowd) return;
  crowd_ = now;
  any_crowd_ = true;
}

event::Clock::duration Gather::quiet() const {
  return std::clamp<event::Clock::duration>(gap_ * kGaps, options_.quiet, options_.most_quiet);
}

bool Gather::crowded(TimePoint now) const { return any_crowd_ && now - crowd_ < quiet(); }

Gather::TimePoint Gather::due(TimePoint now, const Waiting& waiting) const {
  const bool first_write = waiting.written == TimePoint{};
  const TimePoint soonest = first_write ? TimePoint{} : waiting.written + options_.least;
  if (waiting.full || waiting.count >= options_.enough || !crowded(now)) return soonest;
  return std::max(soonest, std::min(waiting.first + options_.most, last_ + quiet()));
}

}  // namespace caracal::ipam
