#include "analysis/matrix_table.h"

#include <fmt/format.h>

#include "analysis/port_text.h"

namespace caracal::analysis {

std::string describe(const PairPorts& ports) {
  if (ports.any == ports.all) return port_text(ports.any);
  if (ports.all.empty()) return port_text(ports.any) + " (some pods only)";
  return fmt::format("{} (some pods only; all: {})", port_text(ports.any), port_text(ports.all));
}

std::string letters(size_t index) {
  std::string out;
  for (size_t i = index + 1; i > 0; i = (i - 1) / 26)
    out.insert(out.begin(), static_cast<char>('a' + (i - 1) % 26));
  return out;
}

std::string part_label(const ExternalPart& part) {
  const std::string first = range_text(part.ranges.front());
  if (part.ranges.size() == 1) return first;
  return fmt::format("{} +{}", first, part.ranges.size() - 1);
}

MatrixTable make_table(const Connectivity& matrix) {
  MatrixTable out;
  bool controller = false;
  for (size_t i = 0; i < matrix.ends().size(); ++i) {
    out.rows.push_back({matrix.ends()[i].label, matrix.ends()[i].ns});
    controller = controller || !matrix.from_ingress_controller(i).empty();
  }
  for (const ExternalPart& part : matrix.externals())
    out.rows.push_back({part_label(part), "outside"});
  out.columns = out.rows;
  if (controller) out.rows.push_back({std::string(kIngressController), "outside"});

  const size_t ends = matrix.ends().size();
  const size_t parts = matrix.externals().size();
  for (size_t row = 0; row < out.rows.size(); ++row) {
    for (size_t column = 0; column < out.columns.size(); ++column) {
      std::optional<PairPorts>& cell = out.cells.emplace_back();
      if (row < ends && column < ends) {
        const End& end = matrix.ends()[row];
        const bool alone = end.pods.size() == 1 && end.pods[0].count == 1;
        if (row != column || !alone) cell = matrix.between(row, column);
      } else if (row < ends) {
        cell = matrix.to_external(row, column - ends);
      } else if (column < ends && row < ends + parts) {
        cell = matrix.from_external(row - ends, column);
      } else if (column < ends) {
        const policy::PortSet& ports = matrix.from_ingress_controller(column);
        cell = PairPorts{ports, ports};
      }
    }
  }
  return out;
}

}  // namespace caracal::analysis
