// What is always true of PolicyTables, whatever the world. For differential tests.
#pragma once

#include <string>

#include "desired/policy_tables.h"

namespace caracal::policy_testing {

// The first invariant of desired/policy_tables.h that does not hold, as text; empty when all do.
std::string broken_invariant(const desired::PolicyTables& tables);

// Sizes of all tables and the count of numbers in use: equal for tables that say the same.
std::string size_text(const desired::PolicyTables& tables);

}  // namespace caracal::policy_testing
