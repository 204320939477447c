#include "analysis/matrix_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/matrix_table.h"
#include "analysis/port_text.h"

namespace caracal::analysis {
namespace {

using policy::PortSet;

// Beyond this, columns are numbered.
constexpr size_t kNamedColumns = 8;

// Columns that a text takes: one a character (the marks are the only ones not ASCII).
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 3, ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

// Calls visit(from, to, ports) for what may connect; ranges outside with equal ports as one end.
template <typename Visit>
void each_connection(const Connectivity& matrix, const Visit& visit) {
  const auto& ends = matrix.ends();
  const auto outside = [&](size_t end, bool in) {
    std::vector<std::pair<PairPorts, std::vector<AddressRange>>> alike;
    for (size_t part = 0; part < matrix.externals().size(); ++part) {
      const PairPorts& ports = in ? matrix.from_external(part, end) : matrix.to_external(end, part);
      if (ports.any.empty()) continue;
      auto it = std::find_if(alike.begin(), alike.end(),
                             [&](const auto& group) { return group.first == ports; });
      if (it == alike.end()) it = alike.insert(alike.end(), {ports, {}});
      const auto& ranges = matrix.externals()[part].ranges;
      it->second.insert(it->second.end(), ranges.begin(), ranges.end());
    }
    for (auto& [ports, ranges] : alike) {
      for (const AddressRange& range : join_ranges(std::move(ranges))) {
        if (in) {
          visit(range_text(range), ends[end].label, ports);
        } else {
          visit(ends[end].label, range_text(range), ports);
        }
      }
    }
  };
  for (size_t from = 0; from < ends.size(); ++from) {
    for (size_t to = 0; to < ends.size(); ++to) {
      const PairPorts& ports = matrix.between(from, to);
      if (!ports.any.empty()) visit(ends[from].label, ends[to].label, ports);
    }
    outside(from, false);
  }
  for (size_t to = 0; to < ends.size(); ++to) {
    outside(to, true);
    const PortSet& ports = matrix.from_ingress_controller(to);
    if (!ports.empty())
      visit(std::string(kIngressController), ends[to].label, PairPorts{ports, ports});
  }
}

}  // namespace

Openness openness(const PairPorts& ports, const PortChoice& choice) {
  if (choice.number) {
    if (contains(ports.all, *choice.number)) return Openness::kAll;
    return contains(ports.any, *choice.number) ? Openness::kSome : Openness::kNone;
  }
  if (ports.any.empty()) return Openness::kNone;
  return ports.all == PortSet::everything() ? Openness::kAll : Openness::kSome;
}

std::string matrix_text(const Connectivity& matrix, const PortChoice& choice) {
  const MatrixTable table = make_table(matrix);
  const bool numbered = table.columns.size() > kNamedColumns;
  std::vector<std::vector<std::string>> rows(1);
  rows[0].push_back(choice.number ? "FROM \\ TO " + choice.name : "FROM \\ TO");
  for (size_t column = 0; column < table.columns.size(); ++column)
    rows[0].push_back(numbered ? std::to_string(column + 1) : table.columns[column].label);
  std::map<std::string, std::string> legend;
  std::vector<std::string> order;
  for (size_t row = 0; row < table.rows.size(); ++row) {
    std::vector<std::string>& line = rows.emplace_back();
    line.push_back(numbered && row < table.columns.size()
                       ? fmt::format("{:>3} {}", row + 1, table.rows[row].label)
                   : numbered ? "    " + table.rows[row].label
                              : table.rows[row].label);
    for (size_t column = 0; column < table.columns.size(); ++column) {
      const auto& cell = table.at(row, column);
      if (!cell) {
        line.emplace_back("-");
        continue;
      }
      const Openness open = openness(*cell, choice);
      if (open != Openness::kSome) {
        line.emplace_back(open == Openness::kAll ? "✓" : "·");
      } else if (choice.number) {
        line.emplace_back("~");
      } else {
        const std::string text = describe(*cell);
        const auto [it, fresh] = legend.try_emplace(text, letters(legend.size()));
        if (fresh) order.push_back(text);
        line.push_back(it->second);
      }
    }
  }
  std::string out = table_text(rows);
  out += choice.number ? "\n✓ open   · closed   ~ open for some of the pods\n"
                       : "\n✓ everything   · nothing\n";
  for (const std::string& text : order) out += fmt::format("{} {}\n", legend[text], text);
  return out;
}

std::string matrix_list(const Connectivity& matrix, const PortChoice& choice) {
  std::string out;
  each_connection(matrix,
                  [&](const std::string& from, const std::string& to, const PairPorts& ports) {
                    if (!choice.number) {
                      out += fmt::format("{} -> {}: {}\n", from, to, describe(ports));
                      return;
                    }
                    const Openness open = openness(ports, choice);
                    if (open == Openness::kNone) return;
                    out += fmt::format("{} -> {}: {}{}\n", from, to, choice.name,
                                       open == Openness::kSome ? " (some pods only)" : "");
                  });
  return out;
}

json::value matrix_json(const Connectivity& matrix, const PortChoice& choice) {
  json::array ends;
  for (const End& end : matrix.ends()) {
    size_t pods = 0;
    for (const End::Alike& alike : end.pods) pods += alike.count;
    json::object object{{"name", end.label}, {"namespace", end.ns}, {"pods", pods}};
    if (!end.network.empty()) object["network"] = end.network;
    ends.push_back(std::move(object));
  }
  json::array connections;
  each_connection(
      matrix, [&](const std::string& from, const std::string& to, const PairPorts& ports) {
        if (choice.number && openness(ports, choice) == Openness::kNone) return;
        json::object object{{"from", from}, {"to", to}};
        object["ports"] = choice.number ? json::value(choice.name) : port_json(ports.any);
        const bool some =
            choice.number ? openness(ports, choice) == Openness::kSome : ports.any != ports.all;
        if (some) object["somePodsOnly"] = true;
        connections.push_back(std::move(object));
      });
  json::object out{{"ends", std::move(ends)}, {"connections", std::move(connections)}};
  if (choice.number) out["port"] = choice.name;
  return out;
}

}  // namespace caracal::analysis
