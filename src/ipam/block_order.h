// BlockOrder: in which order a host tries the blocks of a pool. Pure.
//
// A walk over all of them that begins and jumps as the host's name says, so that hosts rarely try
// the same block, and one host always tries the same ones. Calico begins by the name, too, and then
// goes on one by one; the order is not part of what must be compatible.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/cidr.h"

namespace caracal::ipam {

class BlockOrder {
 public:
  // REQUIRES: pool.bits() <= block_bits <= bits of the family.
  BlockOrder(const net::Cidr& pool, int block_bits, std::string_view host);

  uint64_t count() const { return count_; }  // of blocks; at most 2^48 are walked
  net::Cidr at(uint64_t step) const;         // REQUIRES: step < count()

 private:
  net::Cidr pool_;
  int block_bits_;
  uint64_t count_;
  uint64_t start_;
  uint64_t jump_;  // odd, and the count is a power of two: each block comes once
};

// The block with this number in the pool.
net::Cidr nth_block(const net::Cidr& pool, int block_bits, uint64_t index);

}  // namespace caracal::ipam
