#include <fmt/format.h>

#include <algorithm>

#include "analysis/matrix_render.h"
#include "analysis/matrix_table.h"
#include "analysis/port_text.h"

namespace caracal::analysis {
namespace {

constexpr size_t kMargin = 16;
constexpr size_t kLetter = 7;  // width of a character of 12 px monospace type, rounded up
constexpr size_t kSmallestCell = 14;
constexpr size_t kLargestCell = 26;
constexpr size_t kWantedWidth = 900;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

size_t longest(const std::vector<TableEnd>& ends) {
  size_t out = 0;
  for (const TableEnd& end : ends) out = std::max(out, end.label.size());
  return out;
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
text{font:12px ui-monospace,monospace;fill:#24292f}
.title{font-size:15px;font-weight:600}
.all{fill:#2da44e}.some{fill:#d4a72c}.none{fill:#eaeef2}.self{fill:#ffffff;stroke:#d0d7de}
.group{stroke:#57606a;stroke-width:1.2}
rect:hover{stroke:#0969da;stroke-width:2}
</style>
)";

}  // namespace

std::string matrix_svg(const Connectivity& matrix, const PortChoice& choice) {
  const MatrixTable table = make_table(matrix);
  const size_t columns = table.columns.size();
  const size_t rows = table.rows.size();
  const size_t cell =
      std::clamp(columns == 0 ? kLargestCell : kWantedWidth / columns, kSmallestCell, kLargestCell);
  const size_t left = kMargin + longest(table.rows) * kLetter + 8;
  const size_t top = kMargin + 40 + longest(table.columns) * kLetter;
  const size_t width = left + columns * cell + kMargin;
  const size_t height = top + rows * cell + 48;

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\">\n",
      std::max<size_t>(width, 480), height);
  out += kStyle;
  out += fmt::format("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
  out += fmt::format("<text class=\"title\" x=\"{}\" y=\"{}\">Who may connect to whom{}</text>\n",
                     kMargin, kMargin + 12,
                     choice.number ? " on " + escape(choice.name) : std::string());
  for (size_t column = 0; column < columns; ++column) {
    const size_t x = left + column * cell + cell / 2 + 4;
    out += fmt::format("<text transform=\"translate({},{}) rotate(-90)\">{}</text>\n", x, top - 6,
                       escape(table.columns[column].label));
  }
  for (size_t row = 0; row < rows; ++row) {
    const size_t y = top + row * cell;
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 6,
                       y + cell / 2 + 4, escape(table.rows[row].label));
    for (size_t column = 0; column < columns; ++column) {
      const auto& ports = table.at(row, column);
      const std::string text = !ports ? std::string("the same")
                               : ports->any == ports->all
                                   ? port_text(ports->any)
                                   : port_text(ports->any) + " (some pods only)";
      out += fmt::format(
          "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} → {}: "
          "{}</title></rect>\n",
          ports ? class_of(openness(*ports, choice)) : "self", left + column * cell + 1, y + 1,
          cell - 2, cell - 2, escape(table.rows[row].label), escape(table.columns[column].label),
          escape(text));
    }
  }
  // Lines where a namespace ends.
  for (size_t column = 1; column < columns; ++column) {
    if (table.columns[column].group == table.columns[column - 1].group) continue;
    const size_t x = left + column * cell;
    out += fmt::format("<line class=\"group\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>\n", x,
                       top, top + rows * cell);
  }
  for (size_t row = 1; row < rows; ++row) {
    if (table.rows[row].group == table.rows[row - 1].group) continue;
    const size_t y = top + row * cell;
    out += fmt::format("<line class=\"group\" x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\"/>\n",
                       left, y, left + columns * cell);
  }
  const size_t y = top + rows * cell + 20;
  size_t x = kMargin;
  for (const auto& [kind, text] :
       {std::pair("all", choice.number ? "open" : "everything"),
        std::pair("some", choice.number ? "open for some pods" : "some ports or pods"),
        std::pair("none", choice.number ? "closed" : "nothing")}) {
    out += fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\"/>"
        "<text x=\"{}\" y=\"{}\">{}</text>\n",
        kind, x, y, x + 18, y + 10, text);
    x += 40 + std::string_view(text).size() * kLetter;
  }
  return out + "</svg>\n";
}

}  // namespace caracal::analysis
