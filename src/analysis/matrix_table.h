// MatrixTable: a matrix of connections as rows and columns, whatever it will be drawn as. Internal
// to the renderers.
#pragma once

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
  // Row after row. A null pointer: not asked (a pod and itself).
  std::vector<std::optional<PairPorts>> cells;

  const std::optional<PairPorts>& at(size_t row, size_t column) const {
    return cells[row * columns.size() + column];
  }
};

// "10.0.0.0/8", "10.0.0.0/8 +3" when there are more ranges.
std::string part_label(const ExternalPart& part);
MatrixTable make_table(const Connectivity& matrix);

}  // namespace caracal::analysis
