// Findings about addresses as JSON, and back: the report that `caracal ipam check -o FILE` writes
// and `caracal ipam release --from-report FILE` reads. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipam/address_world.h"
#include "ipam/check.h"
#include "ipam/collector.h"
#include "jsonio/json.h"

namespace caracal::cli {

// Every taken address for which nobody can be found, sorted by address.
std::vector<ipam::Leak> find_leaks(const ipam::AddressWorld& world);

struct ReportHead {
  std::string cluster_guid;
  std::string cluster_revision;  // resourceVersion of ClusterInformation
  bool locked = false;           // while it was made
  std::string time;
};
// "leaks": the addresses that may be released, pinned by handle and sequence number. "problems":
// all that check found. `all`: also every taken address, as "allocations" by address.
json::object make_report(const ipam::AddressWorld& world, const ReportHead& head,
                         const std::vector<ipam::Inconsistency>& problems, bool all);

// The leaks that are in all of these reports (texts of files; `names` for messages). Errors:
// kInvalid names the file and what it lacks, or that they are of different clusters.
Result<std::vector<ipam::Leak>> leaks_of_reports(const std::vector<std::string>& names,
                                                 const std::vector<std::string>& texts,
                                                 const std::string& cluster_guid);

// Pools and blocks for `caracal ipam show -o json`.
json::object usage_json(const ipam::AddressWorld& world, bool blocks);

}  // namespace caracal::cli
