// Work split over a few threads, where it shares nothing but what it reads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace caracal::analysis {

// Calls work(thread) for each number below `threads` (at least 0),
// 0 on the calling thread; returns when all have.
template <typename Work>
void run_parallel(unsigned threads, const Work& work) {
  std::vector<std::jthread> others;
  for (unsigned thread = 1; thread < threads; ++thread)
    others.emplace_back([&work, thread] { work(thread); });
  work(0);
}

// Calls work(i) for each number below `count`, in any order.
template <typename Work>
void run_parallel(unsigned threads, size_t count, const Work& work) {
  constexpr size_t kChunk = 64;
  const auto most = static_cast<unsigned>(std::min<size_t>((count + kChunk - 1) / kChunk, 64));
  std::atomic<size_t> taken = 0;
  run_parallel(std::clamp(threads, 1U, std::max(most, 1U)), [&](unsigned) {
    while (true) {
      const size_t begin = taken.fetch_add(kChunk);
      if (begin >= count) return;
      for (size_t i = begin; i < std::min(begin + kChunk, count); ++i) work(i);
    }
  });
}

}  // namespace caracal::analysis
