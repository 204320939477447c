// Attribution: from a flow the kernel told of to a record with the rule that decided.
//
// The kernel counts nothing and marks nothing for this: what decided is found afterwards, by the
// evaluator that `caracal policy explain` uses, on the world as it is then. When policy has changed
// in between, the record says so. Pure.
#pragma once

#include <optional>
#include <string>

#include "flowlog/flow.h"
#include "flowlog/record.h"
#include "model/world.h"

namespace caracal::flowlog {

// A flow and whom it concerns here.
struct Subject {
  Flow flow;
  std::string node;
  std::string interface;                 // that was judged
  std::optional<model::ObjectName> pod;  // whose it is; unset for interfaces of the host
  std::string source_name;
  std::string destination_name;
};

// `world` may be an excerpt (world_index.h).
Record attribute(const Subject& subject, const model::World& world);

}  // namespace caracal::flowlog
