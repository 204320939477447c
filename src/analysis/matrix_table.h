// MatrixTable: a matrix of connections as rows and columns, whatever it will be drawn as. Internal
// to the renderers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/matrix_render.h"

namespace caracal::analysis {

// An end, or one group of address ranges outside, or the ingress controller.
struct TableEnd {
  std::string label;
  std::string group;  // a namespace, "outside"
};

struct MatrixTable {
  std::vector<TableEnd> rows;     // sources
  std::vector<TableEnd> columns;  // destinations
  // Row after row. None: not asked (a pod and itself, from outside to outside).
  std::vector<std::optional<PairPorts>> cells;

  const std::optional<PairPorts>& at(size_t row, size_t column) const {
    return cells[row * columns.size() + column];
  }
};

// What a cell is in a legend: the ports, and whether for some pods only.
std::string describe(const PairPorts& ports);
// The sign of an entry of a legend: a, b, ... z, aa, ...
std::string letters(size_t index);
// "10.0.0.0/8", "10.0.0.0/8 +3" when there are more ranges.
std::string part_label(const ExternalPart& part);
MatrixTable make_table(const Connectivity& matrix);

}  // namespace caracal::analysis
