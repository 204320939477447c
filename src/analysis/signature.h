// Signature: what tells sets of numbered members apart without listing them: the exclusive or of a
// 128-bit pseudo-random word for each member. A sweep over ranges keeps it up to date by one
// operation at each end of a range. Two different sets have equal signatures with a chance of
// 2^-128.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caracal::analysis {

struct Signature {
  uint64_t high = 0;
  uint64_t low = 0;

  void toggle(uint64_t member) {
    high ^= mix(2 * member + 1);
    low ^= mix(2 * member + 2);
  }
  bool operator==(const Signature&) const = default;

 private:
  // The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
  // generators, 2014).
  static constexpr uint64_t mix(uint64_t value) {
    uint64_t z = value * 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
};

struct SignatureHash {
  size_t operator()(const Signature& signature) const noexcept { return signature.low; }
};

}  // namespace caracal::analysis
