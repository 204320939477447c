#include "ipam/block_order.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace caracal::ipam {

namespace {

// FNV-1a, then mixed (splitmix64's last step), so that names that differ in one letter differ all
// over.
uint64_t hash(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
  h = (h ^ h >> 27) * 0x94d049bb133111eb;
  return h ^ h >> 31;
}

}  // namespace

BlockOrder::BlockOrder(const net::Cidr& pool, int block_bits, std::string_view host)
    : pool_(pool), block_bits_(block_bits) {
  CARACAL_CHECK(pool.bits() <= block_bits && block_bits <= net::address_bits(pool.family()));
  count_ = uint64_t{1} << std::min(block_bits - pool.bits(), 48);
  const uint64_t h = hash(host);
  start_ = h & (count_ - 1);
  jump_ = (h >> 20 | 1) & (count_ - 1);
  if (jump_ == 0) jump_ = 1;  // one block
}

net::Cidr BlockOrder::at(uint64_t step) const {
  return nth_block(pool_, block_bits_, (start_ + step * jump_) & (count_ - 1));
}

net::Cidr nth_block(const net::Cidr& pool, int block_bits, uint64_t index) {
  const int shift = net::address_bits(pool.family()) - block_bits;
  const net::IpAddr& base = pool.address();
  const size_t size = base.size();
  std::array<uint8_t, 16> bytes{};
  std::copy_n(base.data(), size, bytes.begin());
  // index << shift, added from the last byte on; the bits below pool's prefix are zero.
  for (size_t i = 0; i < size; ++i) {
    const int low = static_cast<int>(8 * i) - shift;  // which bits of the index this byte holds
    uint64_t part = 0;
    if (low >= 64) break;
    if (low >= 0) {
      part = index >> low;
    } else if (low > -8) {
      part = index << -low;
    }
    bytes[size - 1 - i] = static_cast<uint8_t>(bytes[size - 1 - i] | (part & 0xff));
  }
  return net::Cidr(net::IpAddr::from_bytes(bytes.data(), size), block_bits);
}

}  // namespace caracal::ipam
