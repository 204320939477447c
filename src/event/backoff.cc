#include "event/backoff.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace caracal::event {

Random system_random() {
  return [] {
    thread_local std::mt19937_64 engine{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
}

Backoff::Backoff(BackoffOptions options, Random random)
    : options_(options), random_(std::move(random)) {}

Duration Backoff::next() {
  const auto longest = static_cast<double>(options_.longest.count());
  // pow() of a large count is infinity, which min() turns into the longest wait.
  const double wait = std::min(
      longest, static_cast<double>(options_.first.count()) * std::pow(options_.factor, failures_));
  ++failures_;
  return Duration(static_cast<Duration::rep>(wait * (1.0 - options_.jitter * random_())));
}

}  // namespace caracal::event
