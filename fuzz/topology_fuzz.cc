// Files a user writes for a lab: topologies and walk-throughs. Whatever comes: a topology that is
// taken is the same after writing and reading.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "jsonio/json.h"
#include "lab/end_ref.h"
#include "lab/plan.h"
#include "lab/topology.h"
#include "lab/walkthrough.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto topology = lab::parse_topology(text, "f")) {
    const auto again = lab::parse_topology(jsonio::to_string(lab::to_json(*topology)), "f");
    CARACAL_CHECK(again && *again == *topology);
  }
  (void)lab::parse_walkthrough(text, "f");
  (void)lab::parse_plan(text, "f");
  (void)lab::parse_end(text);
  return 0;
}
