// The nftables ruleset of a namespace in a form that can be compared: what changes by itself
// (handles, counters, the order of elements) is taken out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::lab {

// Of `nft -j list ruleset`: one line for each table, chain, rule, and for each element of each set
// and map; sorted. Pure.
std::vector<std::string> normalize_ruleset(const json::value& ruleset);

// Of the namespace (a path). Blocking; runs `nft`.
Result<std::vector<std::string>> list_kernel(const std::string& netns_path);

// Lines of one and not of the other, "- " and "+ " before them; at most `limit`, then how many
// more.
std::vector<std::string> compare_listings(const std::vector<std::string>& before,
                                          const std::vector<std::string>& after, size_t limit);

}  // namespace caracal::lab
