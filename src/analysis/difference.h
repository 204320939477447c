// What opens and what closes between two worlds, as connections.
#pragma once

#include <string>
#include <vector>

#include "analysis/connectivity.h"
#include "analysis/matrix_render.h"
#include "jsonio/json.h"

namespace caracal::analysis {

struct Change {
  std::string from;
  std::string to;
  policy::PortSet opened;
  policy::PortSet closed;
  // Set where an end is in one of the worlds only: its connections come or go with it.
  bool end_is_new = false;
  bool end_is_gone = false;
};

struct Difference {
  std::vector<Change> changes;
  bool opens() const;
  bool closes() const;
};

// REQUIRES: both were made with the same external parts (external_parts of both worlds). With a
// port chosen, only what changes there.
Difference compare(const Connectivity& before, const Connectivity& after, const PortChoice& choice);

// "+ dev/a -> dev/b: TCP 80" for what opens, "-" for what closes, and a count.
std::string to_text(const Difference& difference);
json::value to_json(const Difference& difference);

}  // namespace caracal::analysis
