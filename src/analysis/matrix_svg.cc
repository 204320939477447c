#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "analysis/matrix_render.h"
#include "analysis/matrix_table.h"
#include "analysis/port_text.h"
#include "base/xml.h"

namespace caracal::analysis {
namespace {

constexpr size_t kMargin = 16;
constexpr size_t kCell = 16;        // side of a cell that shows a letter at most
constexpr size_t kWideCell = 104;   // width of a cell with ports written in it
constexpr size_t kWideHeight = 26;  // its height
constexpr size_t kWideColumns = 8;  // up to so many columns, ports are written
constexpr size_t kWideText = 15;    // characters that fit
constexpr size_t kLine = 18;        // height of a line of the legend
constexpr size_t kLegendText = 120;
constexpr size_t kMostLetters = 26;
constexpr size_t kBand = 5;  // without namespaces to part them, every fifth line guides the eye

// The width of some characters of 12 px monospace type.
size_t width_of(size_t characters) { return characters * 73 / 10 + 1; }

size_t longest(const std::vector<TableEnd>& ends) {
  size_t out = 0;
  for (const TableEnd& end : ends) out = std::max(out, end.label.size());
  return out;
}

// A namespace of one end each parts nothing.
bool grouped(const std::vector<TableEnd>& ends) {
  for (size_t i = 1; i < ends.size(); ++i) {
    if (ends[i].group == ends[i - 1].group && ends[i].group != "outside") return true;
  }
  return false;
}

std::string_view class_of(Openness open) {
  switch (open) {
    case Openness::kAll:
      return "all";
    case Openness::kSome:
      return "some";
    case Openness::kNone:
      return "none";
  }
  return {};
}

constexpr std::string_view kStyle = R"(<style>
text{font:12px ui-monospace,'DejaVu Sans Mono',monospace;fill:#24292f}
.title{font-size:15px;font-weight:600}
.note{fill:#57606a}
.in{font-size:11px;text-anchor:middle;pointer-events:none}
.all{fill:#2c974b}.some{fill:#f2cc60}.none{fill:#eef1f4}.self{fill:#fff;stroke:#d0d7de}
.on{fill:#fff}
.group{stroke:#57606a}.band{stroke:#afb8c1}
rect:hover{stroke:#0969da;stroke-width:2}
</style>
)";

class Drawing {
 public:
  Drawing(const Connectivity& matrix, const PortChoice& choice)
      : table_(make_table(matrix)),
        choice_(choice),
        wide_(table_.columns.size() <= kWideColumns && !choice.number),
        cell_width_(wide_ ? kWideCell : kCell),
        cell_height_(wide_ ? kWideHeight : kCell),
        upright_(!wide_ || width_of(longest(table_.columns)) > kWideCell - 8),
        left_(kMargin + width_of(std::max<size_t>(longest(table_.rows), 6)) + 8),
        top_(kMargin + 66 + (upright_ ? width_of(longest(table_.columns)) : 14)) {}

  std::string draw() {
    labels();
    for (size_t row = 0; row < table_.rows.size(); ++row) {
      for (size_t column = 0; column < table_.columns.size(); ++column) cell(row, column);
    }
    const bool groups = grouped(table_.rows);
    lines(table_.columns, groups, true);
    lines(table_.rows, groups, false);
    legend();
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
               "height=\"{1}\">\n{2}<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
               std::max({right() + kMargin, widest_, size_t{520}}), bottom_, kStyle) +
           out_ + "</svg>\n";
  }

 private:
  size_t right() const { return left_ + table_.columns.size() * cell_width_; }
  size_t below() const { return top_ + table_.rows.size() * cell_height_; }

  void text(size_t x, size_t y, std::string_view style, std::string_view text) {
    out_ += fmt::format("<text{} x=\"{}\" y=\"{}\">{}</text>\n", style, x, y, xml_escape(text));
  }

  void labels() {
    text(kMargin, kMargin + 12, " class=\"title\"",
         "Who may connect to whom" + (choice_.number ? " on " + choice_.name : std::string()));
    text(kMargin, kMargin + 32, " class=\"note\"",
         "a row is who connects, a column to whom; a cell tells its ports when pointed at");
    text(left_ - 8, top_ - 6, " class=\"note\" text-anchor=\"end\"", "from \\ to");
    for (size_t column = 0; column < table_.columns.size(); ++column) {
      const size_t middle = left_ + column * cell_width_ + cell_width_ / 2;
      const std::string& label = table_.columns[column].label;
      if (upright_) {
        out_ += fmt::format("<text transform=\"translate({},{}) rotate(-90)\">{}</text>\n",
                            middle + 4, top_ - 6, xml_escape(label));
      } else {
        text(middle, top_ - 6, " text-anchor=\"middle\"", label);
      }
    }
    for (size_t row = 0; row < table_.rows.size(); ++row) {
      text(left_ - 8, top_ + row * cell_height_ + cell_height_ / 2 + 4, " text-anchor=\"end\"",
           table_.rows[row].label);
    }
  }

  void cell(size_t row, size_t column) {
    const auto& ports = table_.at(row, column);
    const TableEnd& from = table_.rows[row];
    const TableEnd& to = table_.columns[column];
    if (!ports && from.group == "outside" && to.group == "outside") return;
    const Openness open = ports ? openness(*ports, choice_) : Openness::kNone;
    const size_t x = left_ + column * cell_width_;
    const size_t y = top_ + row * cell_height_;
    out_ += fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} → {}: "
        "{}</title></rect>\n",
        ports ? class_of(open) : "self", x + 1, y + 1, cell_width_ - 2, cell_height_ - 2,
        xml_escape(from.label), xml_escape(to.label),
        ports ? xml_escape(describe(*ports)) : "the same");
    seen_[ports ? static_cast<size_t>(open) : 3] = true;
    const std::string sign = ports ? sign_of(*ports, open) : std::string();
    if (sign.empty()) return;
    text(x + cell_width_ / 2, y + cell_height_ / 2 + 4,
         open == Openness::kAll ? " class=\"in on\"" : " class=\"in\"", sign);
  }

  // What stands in a cell: the ports where they fit, else a letter that the legend explains.
  std::string sign_of(const PairPorts& ports, Openness open) {
    if (choice_.number || open == Openness::kNone) return {};
    if (open == Openness::kAll) return wide_ ? "all" : "";
    if (wide_) {
      std::string ports_text = short_port_text(ports.any);
      if (ports.any != ports.all) ports_text += " *";
      if (ports_text.size() <= kWideText) {
        starred_ |= ports.any != ports.all;
        return ports_text;
      }
    }
    const std::string meaning = describe(ports);
    if (const auto it = letter_of_.find(meaning); it != letter_of_.end()) return it->second;
    if (legend_.size() == kMostLetters) return {};
    legend_.push_back(meaning);
    return letter_of_[meaning] = letters(legend_.size() - 1);
  }

  // Where a namespace ends, where the addresses outside begin.
  void lines(const std::vector<TableEnd>& ends, bool groups, bool columns) {
    for (size_t i = 1; i < ends.size(); ++i) {
      const bool outside = ends[i].group == "outside" && ends[i - 1].group != "outside";
      const bool group = outside || (groups && ends[i].group != ends[i - 1].group);
      const bool band = !groups && ends.size() > 2 * kBand && i % kBand == 0;
      if (!group && !band) continue;
      const size_t at = columns ? left_ + i * cell_width_ : top_ + i * cell_height_;
      out_ += fmt::format("<path class=\"{}\" d=\"M{} {}{}{}\"/>\n", group ? "group" : "band",
                          columns ? at : left_, columns ? top_ : at, columns ? 'V' : 'H',
                          columns ? below() : right());
    }
  }

  void legend() {
    size_t y = below() + 16;
    size_t x = kMargin;
    const std::array<std::pair<std::string_view, std::string_view>, 4> kinds = {
        std::pair("none", choice_.number ? "closed" : "nothing"),
        std::pair("some", choice_.number ? "open for some of the pods" : "some ports or pods"),
        std::pair("all", choice_.number ? "open" : "everything"),
        std::pair("self", "the same pod")};
    for (const size_t kind : {2, 1, 0, 3}) {
      if (!seen_[kind]) continue;
      const auto& [style, meaning] = kinds[kind];
      out_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\"/>\n",
                          style, x, y);
      text(x + 18, y + 10, "", meaning);
      x += 40 + width_of(meaning.size());
    }
    widest_ = x;
    y += kLine + 4;
    for (size_t i = 0; i < legend_.size(); ++i) {
      std::string line = letters(i) + "  " + legend_[i];
      if (line.size() > kLegendText) line = line.substr(0, kLegendText - 3) + "...";
      text(kMargin, y + 10, "", line);
      widest_ = std::max(widest_, kMargin + width_of(line.size()) + kMargin);
      y += kLine;
    }
    if (starred_) {
      text(kMargin, y + 10, "", "*  some of the pods only");
      y += kLine;
    }
    bottom_ = y + kMargin;
  }

  const MatrixTable table_;
  const PortChoice& choice_;
  const bool wide_;
  const size_t cell_width_;
  const size_t cell_height_;
  const bool upright_;  // labels of columns
  const size_t left_;
  const size_t top_;
  std::string out_;
  std::map<std::string, std::string> letter_of_;
  std::vector<std::string> legend_;
  std::array<bool, 4> seen_{};  // by Openness, then the same pod
  bool starred_ = false;
  size_t widest_ = 0;
  size_t bottom_ = 0;
};

}  // namespace

std::string matrix_svg(const Connectivity& matrix, const PortChoice& choice) {
  return Drawing(matrix, choice).draw();
}

}  // namespace caracal::analysis
