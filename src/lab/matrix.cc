#include "lab/matrix.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/oracle/oracle.h"

namespace caracal::lab {
namespace {

using policy::oracle::Verdict;

std::string mark(const MatrixCell& cell, const cli::Style& style) {
  std::string_view text;
  std::string_view color = style.red;
  switch (cell.observed.outcome) {
    case Outcome::kOpen:
      text = "✓";
      color = style.green;
      break;
    case Outcome::kSilent:
      text = "·";
      color = style.dim;
      break;
    case Outcome::kRefused:
      text = "refused";
      break;
    case Outcome::kUnreachable:
      text = "unreachable";
      break;
    case Outcome::kUnsupported:
      text = "unsupported";
      break;
    case Outcome::kFailed:
      text = "failed";
      break;
  }
  if (cell.agrees()) return fmt::format("{}{}{}", color, text, style.reset);
  return fmt::format("{}{}{} !{}{}", style.bold, style.red, text,
                     cell.oracle == Verdict::kAllowed ? "allowed" : "denied", style.reset);
}

}  // namespace

bool MatrixCell::agrees() const {
  if (oracle == Verdict::kDenied) return observed.outcome == Outcome::kSilent;
  return observed.outcome == Outcome::kOpen || observed.outcome == Outcome::kRefused;
}

size_t Matrix::disagreements() const {
  return static_cast<size_t>(
      std::count_if(cells.begin(), cells.end(), [](const auto& c) { return !c.agrees(); }));
}

Matrix measure_matrix(const model::World& world, const std::vector<ResolvedEnd>& sources,
                      const std::vector<ResolvedEnd>& destinations, net::Protocol protocol,
                      uint16_t port) {
  Matrix out;
  out.protocol = protocol;
  out.port = port;
  for (const ResolvedEnd& end : sources) out.sources.push_back(end.label);
  for (const ResolvedEnd& end : destinations) out.destinations.push_back(end.label);
  std::vector<Probe> probes;
  for (const ResolvedEnd& from : sources) {
    for (const ResolvedEnd& to : destinations) {
      if (from.label == to.label) continue;
      for (Probe& probe : make_probes(from, to, protocol, port)) {
        const auto source = std::find_if(
            from.addresses.begin(), from.addresses.end(),
            [&](const net::IpAddr& a) { return a.family() == probe.destination.family(); });
        MatrixCell cell;
        cell.from = from.label;
        cell.to = to.label;
        cell.family = probe.destination.family();
        cell.destination = probe.destination;
        cell.oracle = policy::oracle::evaluate(
            world, {*source, probe.destination, protocol, port, from.pod, to.pod});
        out.cells.push_back(std::move(cell));
        probes.push_back(std::move(probe));
      }
    }
  }
  std::vector<Observation> observed = run_probes(probes);
  for (size_t i = 0; i < observed.size(); ++i) out.cells[i].observed = std::move(observed[i]);
  return out;
}

std::string matrix_text(const Matrix& matrix, const cli::Style& style) {
  cli::Table table;
  table.header = {fmt::format("FROM \\ TO {}/{}", matrix.protocol.to_string(), matrix.port)};
  for (const std::string& to : matrix.destinations) table.header.push_back(to);
  for (const std::string& from : matrix.sources) {
    std::vector<std::string> row{from};
    for (const std::string& to : matrix.destinations) {
      std::vector<std::string> marks;
      for (const MatrixCell& cell : matrix.cells) {
        if (cell.from == from && cell.to == to) marks.push_back(mark(cell, style));
      }
      // Both families alike, as nearly always: one mark.
      if (marks.size() == 2 && marks[0] == marks[1]) marks.pop_back();
      row.push_back(from == to ? "-" : fmt::format("{}", fmt::join(marks, "/")));
    }
    table.rows.push_back(std::move(row));
  }
  std::string out = table.to_string();
  out +=
      "\n✓ open   · silent (dropped)   !allowed / !denied: packets and policy disagree; IPv4/IPv6 "
      "where they differ\n";
  const size_t wrong = matrix.disagreements();
  out += wrong == 0
             ? fmt::format("{} connections tried, all as the policies say.\n", matrix.cells.size())
             : fmt::format("{}{} of {} connections differ from what the policies say.{}\n",
                           style.red, wrong, matrix.cells.size(), style.reset);
  for (const MatrixCell& cell : matrix.cells) {
    if (cell.agrees()) continue;
    out += fmt::format("  {} -> {} ({}): {}{}{}, the policies say {}\n", cell.from, cell.to,
                       cell.destination.to_string(), to_string(cell.observed.outcome),
                       cell.observed.detail.empty() ? "" : ", ", cell.observed.detail,
                       policy::oracle::to_string(cell.oracle));
  }
  return out;
}

json::value to_json(const Matrix& matrix) {
  json::array cells;
  for (const MatrixCell& cell : matrix.cells) {
    cells.push_back(json::object{{"from", cell.from},
                                 {"to", cell.to},
                                 {"family", net::to_string(cell.family)},
                                 {"address", cell.destination.to_string()},
                                 {"policy", policy::oracle::to_string(cell.oracle)},
                                 {"observed", to_string(cell.observed.outcome)},
                                 {"microseconds", cell.observed.time.count()},
                                 {"detail", cell.observed.detail},
                                 {"agrees", cell.agrees()}});
  }
  return {{"protocol", matrix.protocol.to_string()},
          {"port", matrix.port},
          {"disagreements", matrix.disagreements()},
          {"cells", cells}};
}

}  // namespace caracal::lab
