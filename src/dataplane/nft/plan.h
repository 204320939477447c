// ElementChange: which elements to take out and put in for a PolicyDelta. Pure.
//
// nftables has no replace: a changed value is a removal and an insertion, and what is removed must
// be there. So the plan needs the tables as they were, and drops what changes nothing.
#pragma once

#include <vector>

#include "dataplane/nft/element.h"
#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

struct ElementChange {
  std::vector<Element> remove;  // by set; the ends of an interval follow its start
  std::vector<Element> insert;
  bool empty() const { return remove.empty() && insert.empty(); }
};

struct Plan {
  ElementChange change;
  desired::PolicyDelta undo;  // applied to the tables after the delta gives the tables before
};

// Applies `delta` to `tables` and tells what that means for the kernel.
Plan plan_and_apply(desired::PolicyTables& tables, const desired::PolicyDelta& delta);

// What makes `present` equal to `wanted`, set by set, and how the two compare. Interval sets are
// compared by intervals; one that holds something that is no interval is emptied and filled again.
struct Comparison {
  ElementChange change;
  std::vector<SetId> flush;  // to be emptied; `change` then holds insertions only for them
  size_t right = 0, wrong = 0, orphan = 0, missing = 0;
};
Comparison compare(std::vector<Element> present, std::vector<Element> wanted);

}  // namespace caracal::dataplane::nft
