#include "cli/ipam_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace caracal::cli {
namespace {

using ipam::AddressState;

struct Colour {
  std::string_view hex;
  int terminal;
};
// Told apart also by most who see colours differently; neighbours differ in lightness, too.
constexpr std::array<Colour, NodeColours::kColours + 1> kPalette = {{{"#4e79a7", 67},
                                                                     {"#f28e2b", 208},
                                                                     {"#59a14f", 71},
                                                                     {"#b07aa1", 139},
                                                                     {"#76b7b2", 109},
                                                                     {"#e15759", 167},
                                                                     {"#9c755f", 137},
                                                                     {"#edc948", 221},
                                                                     {"#2f4b7c", 24},
                                                                     {"#ff9da7", 217},
                                                                     {"#86bc5b", 107},
                                                                     {"#6a3d9a", 61},
                                                                     {"#8c959f", 245}}};

constexpr std::array<std::string_view, 9> kHeights = {
    "\u2581", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};

std::string_view glyph_of(AddressState state) {
  switch (state) {
    case AddressState::kFree:
      return "\u00b7";  // middle dot
    case AddressState::kUsed:
      return "\u2588";  // full block
    case AddressState::kBorrowed:
      return "\u2593";  // dark shade
    case AddressState::kTunnel:
      return "\u25c6";  // diamond
    case AddressState::kCooling:
      return "\u2591";  // light shade
    case AddressState::kReserved:
      return "-";
  }
  return "?";
}

bool bit_of(const net::IpAddr& address, int bit) {
  return ((address.data()[bit / 8] >> (7 - bit % 8)) & 1) != 0;
}

std::string_view node_of(const ipam::AllocationAttributes* attributes) {
  return attributes == nullptr ? std::string_view() : attributes->get(ipam::kNodeAttribute);
}

// Which of several addresses stands for all of them in a narrow bar: what takes an address goes
// before what does not.
int weight_of(AddressState state) {
  switch (state) {
    case AddressState::kTunnel:
      return 5;
    case AddressState::kBorrowed:
      return 4;
    case AddressState::kUsed:
      return 3;
    case AddressState::kCooling:
      return 2;
    case AddressState::kReserved:
      return 1;
    case AddressState::kFree:
      return 0;
  }
  return 0;
}

// Neighbours of one colour share an escape sequence.
class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}
  void put(std::string_view text, size_t index) {
    const int now = index > NodeColours::kColours ? -1 : NodeColours::terminal(index);
    if (colour_ && now != last_) {
      out_ += now < 0 ? std::string("\x1b[0m") : fmt::format("\x1b[38;5;{}m", now);
      last_ = now;
    }
    out_ += text;
  }
  std::string take() {
    if (colour_ && last_ >= 0) out_ += "\x1b[0m";
    return std::move(out_);
  }
  static constexpr size_t kPlain = NodeColours::kColours + 1;

 private:
  bool colour_;
  int last_ = -1;
  std::string out_;
};

}  // namespace

NodeColours::NodeColours(const ipam::AddressWorld& world) {
  std::set<std::string, std::less<>> names(world.nodes);
  for (const auto& [cidr, stored] : world.records.blocks) {
    const auto& owner = stored.value.affinity();
    if (owner && owner->kind == ipam::Owner::Kind::kHost) names.insert(owner->name);
  }
  nodes_.assign(names.begin(), names.end());
}

size_t NodeColours::index(std::string_view node) const {
  const auto it = std::lower_bound(nodes_.begin(), nodes_.end(), node);
  if (node.empty() || it == nodes_.end() || *it != node) return kColours;
  return static_cast<size_t>(it - nodes_.begin()) % kColours;
}

std::string_view NodeColours::hex(size_t index) { return kPalette[std::min(index, kColours)].hex; }
int NodeColours::terminal(size_t index) { return kPalette[std::min(index, kColours)].terminal; }

std::vector<AddressCell> address_cells(const ipam::AddressWorld& world, const ipam::Block& block) {
  const ipam::BlockUsage usage = ipam::block_usage(world, block);
  std::vector<AddressCell> out(usage.states.size());
  for (uint32_t i = 0; i < out.size(); ++i) {
    out[i].state = usage.states[i];
    if (out[i].state == AddressState::kFree || out[i].state == AddressState::kReserved) continue;
    out[i].node = node_of(block.attributes_of(i));
    if (out[i].node.empty() && block.affinity()) out[i].node = block.affinity()->name;
  }
  return out;
}

Stretch stretch_of(const net::Cidr& pool, const net::Cidr& part) {
  Stretch out;
  double weight = 0.5;
  for (int bit = pool.bits(); bit < part.bits(); ++bit, weight /= 2) {
    if (bit_of(part.address(), bit)) out.begin += weight;
  }
  out.width = std::ldexp(1.0, pool.bits() - part.bits());
  return out;
}

std::vector<PoolCell> pool_cells(const ipam::AddressWorld& world, const model::IpPool& pool,
                                 size_t cells) {
  std::vector<PoolCell> out(cells);
  std::vector<std::map<std::string, uint32_t>> owners(cells);
  const auto count = static_cast<double>(cells);
  const auto each = [&](const net::Cidr& part, const auto& visit) {
    const Stretch stretch = stretch_of(pool.cidr, part);
    const auto first = static_cast<size_t>(stretch.begin * count);
    const double end = (stretch.begin + stretch.width) * count;
    for (size_t i = first; i < cells && (i == first || static_cast<double>(i) < end); ++i)
      visit(i,
            static_cast<double>(i) >= stretch.begin * count && static_cast<double>(i + 1) <= end);
  };
  for (const auto& [name, reservation] : world.reservations) {
    for (const net::Cidr& cidr : reservation.cidrs) {
      if (cidr.contains(pool.cidr)) {
        for (PoolCell& cell : out) cell.reserved = true;
      } else if (pool.cidr.contains(cidr)) {
        each(cidr, [&](size_t i, bool whole) { out[i].reserved = out[i].reserved || whole; });
      }
    }
  }
  for (const auto& [cidr, stored] : world.records.blocks) {
    if (!pool.cidr.contains(cidr)) continue;
    const ipam::Block& block = stored.value;
    const uint32_t used = block.size() - block.free_count();
    const std::string owner = block.affinity() ? block.affinity()->name : std::string();
    each(cidr, [&](size_t i, bool) {
      ++out[i].blocks;
      out[i].used += used;
      out[i].capacity += block.size();
      ++owners[i][owner];
    });
  }
  for (size_t i = 0; i < cells; ++i) {
    uint32_t most = 0;
    for (const auto& [owner, blocks] : owners[i]) {
      if (blocks <= most) continue;
      most = blocks;
      out[i].node = owner;
    }
  }
  return out;
}

std::string pool_bar(const std::vector<PoolCell>& cells, const NodeColours& colours, bool colour) {
  Painter painter(colour);
  for (const PoolCell& cell : cells) {
    if (cell.blocks == 0) {
      painter.put(glyph_of(cell.reserved ? AddressState::kReserved : AddressState::kFree),
                  Painter::kPlain);
      continue;
    }
    // A block that is taken shows, even when it is empty.
    const uint64_t eighths = (cell.used * 8 + cell.capacity - 1) / cell.capacity;
    painter.put(kHeights[std::min<uint64_t>(eighths, 8)], colours.index(cell.node));
  }
  return painter.take();
}

std::string block_bar(const std::vector<AddressCell>& cells, const NodeColours& colours,
                      size_t width, bool colour) {
  Painter painter(colour);
  const size_t shown = std::min(width, cells.size());
  for (size_t i = 0; i < shown; ++i) {
    const size_t begin = i * cells.size() / shown;
    const size_t end = (i + 1) * cells.size() / shown;
    const AddressCell* best = &cells[begin];
    for (size_t k = begin; k < end; ++k) {
      if (weight_of(cells[k].state) > weight_of(best->state)) best = &cells[k];
    }
    const bool plain = best->state == AddressState::kFree || best->state == AddressState::kReserved;
    painter.put(glyph_of(best->state), plain ? Painter::kPlain : colours.index(best->node));
  }
  return painter.take();
}

std::string bar_legend(bool colour) {
  std::string out;
  for (const AddressState state :
       {AddressState::kUsed, AddressState::kBorrowed, AddressState::kTunnel, AddressState::kCooling,
        AddressState::kReserved, AddressState::kFree}) {
    out += fmt::format("{}{} {}", out.empty() ? "" : "   ", glyph_of(state), to_string(state));
  }
  return out + (colour ? "; colours: nodes" : "");
}

std::string paint(std::string_view text, size_t colour_index) {
  Painter painter(true);
  painter.put(text, colour_index);
  return painter.take();
}

}  // namespace caracal::cli
