// Elements that follow from several entries of the tables together: splits, host endpoints,
// failsafes, settings. Private to element.cc, decode.cc and plan.cc.
//
// All of them are few and change seldom, so a change encodes them anew and compares. Where rules
// read `own_split` and `port_split` they must find something, so these are total for every group
// that is looked up there: groups with splits, what own_splits lead to, groups of host endpoints;
// a group without an entry of its own leads to itself.
#pragma once

#include <span>
#include <vector>

#include "dataplane/nft/element.h"

namespace caracal::dataplane::nft {

void encode_derived(const desired::PolicyTables& tables, std::vector<Element>& out);
bool touches_derived(const desired::PolicyDelta& delta);

// The inverse, from all elements. Errors: kConflict.
Status decode_derived(std::span<const Element> elements, desired::PolicyTables& tables);

}  // namespace caracal::dataplane::nft
