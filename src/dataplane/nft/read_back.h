// What the kernel holds of a table: its structure and its elements, asked by dumps.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/nft/element.h"
#include "netlink/socket.h"

namespace caracal::dataplane::nft {

struct KernelTable {
  std::vector<std::string> signatures;  // as signatures() of ruleset.h makes them
  std::vector<std::string> chains;      // their names
};

// The structure; nullopt when there is no such table.
Result<std::optional<KernelTable>> read_structure(netlink::Socket& socket,
                                                  const std::string& table);

// All elements of all our sets. REQUIRES: the structure is as make_ruleset() makes it.
// An element that cannot be ours (a verdict we do not write, a time-out) gets a value that equals
// none of ours, so that it compares as wrong.
//
// A hash set that the kernel is resizing in the background (lib/rhashtable.c) may leave elements
// out of a dump, or tell them twice. So one reading is believed only when it equals `expected`, and
// else when the reading before it told the same. Returns sorted, each element once. Errors:
// kConflict when the readings go on differing.
Result<std::vector<Element>> read_elements(netlink::Socket& socket, const std::string& table,
                                           std::vector<Element> expected = {});

Result<uint32_t> read_generation(netlink::Socket& socket);

}  // namespace caracal::dataplane::nft
