// Matrix: who reaches whom on one port, by live packets, beside what the oracle says.
// Measuring is blocking; for the command line. What it gives is a value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/output.h"
#include "jsonio/json.h"
#include "lab/lab_view.h"
#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::lab {

// One source, destination and address family.
struct MatrixCell {
  std::string from;
  std::string to;
  net::Family family = net::Family::kIPv4;
  net::IpAddr destination;
  policy::oracle::Verdict oracle = policy::oracle::Verdict::kAllowed;
  Observation observed;

  // Allowed packets get through (nobody needs to listen there), denied ones meet silence.
  bool agrees() const;
};

struct Matrix {
  net::Protocol protocol = net::kTcp;
  uint16_t port = 80;
  std::vector<std::string> sources;
  std::vector<std::string> destinations;
  std::vector<MatrixCell> cells;

  size_t disagreements() const;
};

// Every source to every destination but itself, every address family both have; all at once.
// Blocking, a little longer than one probe.
Matrix measure_matrix(const model::World& world, const std::vector<ResolvedEnd>& sources,
                      const std::vector<ResolvedEnd>& destinations, net::Protocol protocol,
                      uint16_t port);

std::string matrix_text(const Matrix& matrix, const cli::Style& style);
json::value to_json(const Matrix& matrix);

}  // namespace caracal::lab
