// Pictures of pools and blocks: bars of characters for a terminal, and the shapes that ipam_svg.h
// draws. Pure.
//
// A pool is drawn as a map: its range from the first address to the last in cells of equal width;
// a cell tells which node has the blocks there and how full they are. A block is drawn address by
// address.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address_world.h"
#include "ipam/usage.h"

namespace caracal::cli {

// The same colours for a node wherever it is drawn: by its place among the nodes that have blocks
// or addresses.
class NodeColours {
 public:
  explicit NodeColours(const ipam::AddressWorld& world);
  const std::vector<std::string>& nodes() const { return nodes_; }
  // 0 to kColours - 1; unknown and nobody: kColours.
  size_t index(std::string_view node) const;
  static constexpr size_t kColours = 12;
  static std::string_view hex(size_t index);  // "#4e79a7"
  static int terminal(size_t index);          // of the 256 colours

 private:
  std::vector<std::string> nodes_;
};

struct AddressCell {
  ipam::AddressState state = ipam::AddressState::kFree;
  std::string node;  // who has it; empty: nobody, or not known
};
std::vector<AddressCell> address_cells(const ipam::AddressWorld& world, const ipam::Block& block);

struct PoolCell {
  uint32_t blocks = 0;
  uint64_t used = 0;      // addresses
  uint64_t capacity = 0;  // of these blocks
  bool reserved = false;  // all of it
  std::string node;       // which has most of the blocks here
};
std::vector<PoolCell> pool_cells(const ipam::AddressWorld& world, const model::IpPool& pool,
                                 size_t cells);
// Where in the pool a range begins, and how much of it that is: both 0 to 1.
struct Stretch {
  double begin = 0;
  double width = 0;
};
Stretch stretch_of(const net::Cidr& pool, const net::Cidr& part);

// For a terminal. `colour`: with escape sequences.
std::string pool_bar(const std::vector<PoolCell>& cells, const NodeColours& colours, bool colour);
// At most `width` characters: then each stands for several addresses.
std::string block_bar(const std::vector<AddressCell>& cells, const NodeColours& colours,
                      size_t width, bool colour);
std::string bar_legend(bool colour);
std::string paint(std::string_view text, size_t colour_index);  // an escape sequence around it

}  // namespace caracal::cli
