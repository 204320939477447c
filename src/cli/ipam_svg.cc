#include "cli/ipam_svg.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/xml.h"
#include "cli/ipam_draw.h"
#include "ipam/usage.h"

namespace caracal::cli {
namespace {

using ipam::AddressState;

constexpr double kMargin = 20;
constexpr double kMapWidth = 900;
constexpr double kMapHeight = 30;
constexpr double kLabel = 330;  // range and node of a block
constexpr double kCell = 8;     // width of an address
constexpr size_t kRow = 64;     // addresses in a row of a block
constexpr double kCellHeight = 12;
constexpr size_t kMostBlocks = 400;  // more make no picture
constexpr size_t kLegendColumn = 180;
constexpr size_t kMostLegend = 60;

constexpr std::string_view kStyle = R"svg(<style>
text{font:12px ui-monospace,'DejaVu Sans Mono',monospace;fill:#24292f}
.title{font-size:15px;font-weight:600}
.note{fill:#57606a}
.frame{fill:#f6f8fa;stroke:#d0d7de}
.free{fill:#eef1f4}
rect:hover{stroke:#0969da;stroke-width:1.5}
</style>
<defs>
<pattern id="stripes" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="2" height="4" fill="#fff" fill-opacity="0.65"/></pattern>
<pattern id="reserved" width="5" height="5" patternUnits="userSpaceOnUse">
<path d="M0 0L5 5M5 0L0 5" stroke="#afb8c1" stroke-width="0.8"/></pattern>
</defs>
)svg";

std::string number(uint64_t value) {
  return value == UINT64_MAX ? "> 2^63" : std::to_string(value);
}

class Picture {
 public:
  Picture(const ipam::AddressWorld& world, const PictureOptions& options)
      : world_(world), options_(options), colours_(world) {}

  std::string draw() {
    for (const ipam::PoolUsage& pool : ipam::pool_usages(world_)) {
      if (options_.pool.empty() || options_.pool == pool.pool.name) draw_pool(pool);
    }
    if (options_.pool.empty()) draw_strays();
    draw_legend();
    const double width = std::max(kMargin * 2 + kMapWidth,
                                  kMargin * 2 + kLabel + kCell * static_cast<double>(kRow) + 90);
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\">\n{2}<rect width=\"100%\" height=\"100%\" "
        "fill=\"#fff\"/>\n{3}</svg>\n",
        width, y_ + kMargin, kStyle, out_);
  }

 private:
  void text(double x, double y, std::string_view style, std::string_view value,
            std::string_view anchor = "start") {
    out_ +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\">{}</text>\n",
                    x, y, style, anchor, xml_escape(value));
  }
  void rect(double x, double y, double width, double height, const std::string& attributes,
            std::string_view tip) {
    out_ += fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" {}", x,
                        y, width, height, attributes);
    out_ += tip.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", xml_escape(tip));
  }
  std::string fill(std::string_view node) const {
    return fmt::format("fill=\"{}\"", NodeColours::hex(colours_.index(node)));
  }

  void draw_pool(const ipam::PoolUsage& pool) {
    y_ += kMargin + 6;
    text(kMargin, y_, "title",
         fmt::format("{}  {}{}", pool.pool.name, pool.pool.cidr.to_string(),
                     pool.pool.disabled ? "  (disabled)" : ""));
    y_ += 18;
    text(kMargin, y_, "note",
         fmt::format("{} of {} addresses used, {} of {} blocks of /{}; {} borrowed, {} of tunnels, "
                     "{} reserved",
                     pool.used, number(pool.capacity), pool.blocks, number(pool.block_capacity),
                     pool.pool.block_bits, pool.borrowed, pool.tunnels, number(pool.reserved)));
    y_ += 10;
    rect(kMargin, y_, kMapWidth, kMapHeight, "class=\"frame\"", "");
    draw_reservations(pool.pool);
    for (const auto& [cidr, stored] : world_.records.blocks) {
      if (pool.pool.cidr.contains(cidr)) draw_on_map(pool.pool, stored.value);
    }
    y_ += kMapHeight + 14;
    text(kMargin, y_, "note", pool.pool.cidr.address().to_string());
    text(kMargin + kMapWidth, y_, "note", pool.pool.cidr.last().to_string(), "end");
    y_ += 8;
    if (options_.blocks) draw_blocks(&pool.pool);
  }

  void draw_reservations(const model::IpPool& pool) {
    for (const auto& [name, reservation] : world_.reservations) {
      for (const net::Cidr& cidr : reservation.cidrs) {
        const bool all = cidr.contains(pool.cidr);
        if (!all && !pool.cidr.contains(cidr)) continue;
        const Stretch stretch = all ? Stretch{0, 1} : stretch_of(pool.cidr, cidr);
        rect(kMargin + stretch.begin * kMapWidth, y_, std::max(stretch.width * kMapWidth, 1.0),
             kMapHeight, "fill=\"url(#reserved)\"",
             fmt::format("{} reserved by {}", cidr.to_string(), name));
      }
    }
  }

  // The frame's height is a full block; at least a line shows that it is taken.
  void draw_on_map(const model::IpPool& pool, const ipam::Block& block) {
    const Stretch stretch = stretch_of(pool.cidr, block.cidr());
    const uint32_t used = block.size() - block.free_count();
    const double height =
        std::max(kMapHeight * static_cast<double>(used) / static_cast<double>(block.size()), 3.0);
    const std::string owner = block.affinity() ? block.affinity()->name : std::string();
    const double x = kMargin + stretch.begin * kMapWidth;
    const double width = std::max(stretch.width * kMapWidth, 1.5);
    const std::string tip = fmt::format("{} {}: {} of {} used", block.cidr().to_string(),
                                        owner.empty() ? "nobody's" : owner, used, block.size());
    rect(x, y_, width, kMapHeight, fill(owner) + " fill-opacity=\"0.25\"", tip);
    rect(x, y_ + kMapHeight - height, width, height, fill(owner), tip);
  }

  void draw_blocks(const model::IpPool* pool) {
    size_t drawn = 0;
    size_t left = 0;
    for (const auto& [cidr, stored] : world_.records.blocks) {
      if (pool != nullptr ? !pool->cidr.contains(cidr) : !is_stray(cidr)) continue;
      if (++drawn > kMostBlocks) {
        ++left;
        continue;
      }
      draw_block(stored.value);
    }
    if (left == 0) return;
    y_ += 16;
    text(kMargin, y_, "note", fmt::format("and {} more blocks", left));
  }

  void draw_block(const ipam::Block& block) {
    const std::vector<AddressCell> cells = address_cells(world_, block);
    y_ += 6;
    const std::string owner = block.affinity() ? block.affinity()->name : "(nobody)";
    text(kMargin, y_ + kCellHeight - 2, "", block.cidr().to_string());
    text(kMargin + 175, y_ + kCellHeight - 2, "", owner.substr(0, 20));
    const uint32_t used = block.size() - block.free_count();
    const size_t row = std::min(kRow, cells.size());
    text(kMargin + kLabel + kCell * static_cast<double>(row) + 10, y_ + kCellHeight - 2, "note",
         fmt::format("{}/{}", used, block.size()));
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0 && i % kRow == 0) y_ += kCellHeight + 1;
      draw_address(block, static_cast<uint32_t>(i), cells[i],
                   kMargin + kLabel + kCell * static_cast<double>(i % kRow));
    }
    y_ += kCellHeight;
  }

  void draw_address(const ipam::Block& block, uint32_t ordinal, const AddressCell& cell, double x) {
    const std::string address = block.address_of(ordinal).to_string();
    const double width = kCell - 1;
    if (cell.state == AddressState::kFree || cell.state == AddressState::kReserved) {
      rect(x, y_, width, kCellHeight, "class=\"free\"", "");
      if (cell.state == AddressState::kReserved)
        rect(x, y_, width, kCellHeight, "fill=\"url(#reserved)\"", address + " reserved");
      return;
    }
    const ipam::AllocationAttributes* owner = block.attributes_of(ordinal);
    std::string tip = fmt::format("{} {}", address, to_string(cell.state));
    if (owner != nullptr && !owner->get(ipam::kPodAttribute).empty()) {
      tip += fmt::format(" by pod {}/{}", owner->get(ipam::kNamespaceAttribute),
                         owner->get(ipam::kPodAttribute));
    } else if (owner != nullptr && !owner->get(ipam::kTypeAttribute).empty()) {
      tip += fmt::format(", {}", owner->get(ipam::kTypeAttribute));
    }
    if (!cell.node.empty()) tip += " on " + cell.node;
    const bool pale = cell.state == AddressState::kCooling;
    rect(x, y_, width, kCellHeight, fill(cell.node) + (pale ? " fill-opacity=\"0.3\"" : ""), tip);
    if (cell.state == AddressState::kBorrowed)
      rect(x, y_, width, kCellHeight, "fill=\"url(#stripes)\"", tip);
    if (cell.state == AddressState::kTunnel) {
      out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.2\" fill=\"#fff\"/>\n",
                          x + width / 2, y_ + kCellHeight / 2);
    }
  }

  bool is_stray(const net::Cidr& block) const {
    return std::none_of(world_.pools.begin(), world_.pools.end(),
                        [&](const auto& entry) { return entry.second.cidr.contains(block); });
  }
  void draw_strays() {
    const auto& blocks = world_.records.blocks;
    if (std::none_of(blocks.begin(), blocks.end(),
                     [this](const auto& entry) { return is_stray(entry.first); }))
      return;
    y_ += kMargin + 6;
    text(kMargin, y_, "title", "Blocks of no pool");
    y_ += 6;
    draw_blocks(nullptr);
  }

  void draw_legend() {
    y_ += kMargin + 10;
    double x = kMargin;
    const auto entry = [&](const std::string& attributes, std::string_view name, bool stripes,
                           bool dot) {
      if (x + static_cast<double>(kLegendColumn) > kMargin + kMapWidth) {
        x = kMargin;
        y_ += 20;
      }
      rect(x, y_ - 10, 12, 12, attributes, "");
      if (stripes) rect(x, y_ - 10, 12, 12, "fill=\"url(#stripes)\"", "");
      if (dot)
        out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"#fff\"/>\n",
                            x + 6, y_ - 4);
      text(x + 18, y_, "", name.substr(0, 22));
      x += static_cast<double>(kLegendColumn);
    };
    const std::string grey = "fill=\"#57606a\"";
    entry(grey, "used", false, false);
    entry(grey, "borrowed", true, false);
    entry(grey, "tunnel", false, true);
    entry(grey + " fill-opacity=\"0.3\"", "cooling", false, false);
    entry("fill=\"url(#reserved)\"", "reserved", false, false);
    entry("class=\"free\"", "free", false, false);
    x = kMargin + kMapWidth;  // a new line
    for (size_t i = 0; i < std::min(colours_.nodes().size(), kMostLegend); ++i)
      entry(fill(colours_.nodes()[i]), colours_.nodes()[i], false, false);
    y_ += 4;
  }

  const ipam::AddressWorld& world_;
  const PictureOptions& options_;
  NodeColours colours_;
  std::string out_;
  double y_ = 0;
};

}  // namespace

std::string ipam_svg(const ipam::AddressWorld& world, const PictureOptions& options) {
  return Picture(world, options).draw();
}

}  // namespace caracal::cli
