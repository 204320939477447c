// A matrix of connections as text, as a list, as JSON and as a drawing.
#pragma once

#include <optional>
#include <string>

#include "analysis/connectivity.h"
#include "jsonio/json.h"

namespace caracal::analysis {

// What of the ports is looked at: one (its number on the line of policy/port_set.h and its name),
// or all.
struct PortChoice {
  std::optional<uint32_t> number;
  std::string name;  // "TCP/80"
};

// How much of what is asked may pass between two ends.
enum class Openness : uint8_t {
  kNone,
  kSome,  // some ports, or only some of the pods
  kAll,
};
Openness openness(const PairPorts& ports, const PortChoice& choice);

// One row a source, one column a destination, addresses outside last. Many columns get numbers.
// Sets of ports that are neither everything nor nothing have letters, told below.
std::string matrix_text(const Connectivity& matrix, const PortChoice& choice);
// "dev/a -> dev/b: TCP 80", a line a pair that may connect; ranges of addresses with the same ports
// are joined.
std::string matrix_list(const Connectivity& matrix, const PortChoice& choice);
// {"ends": [...], "connections": [{"from", "to", "ports", "somePodsOnly"}]}
json::value matrix_json(const Connectivity& matrix, const PortChoice& choice);
// A drawing for a browser, readable for 50 ends and more; hovering tells the ports.
std::string matrix_svg(const Connectivity& matrix, const PortChoice& choice);

}  // namespace caracal::analysis
