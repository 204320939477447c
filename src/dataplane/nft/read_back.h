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
};

// The structure; nullopt when there is no such table.
Result<std::optional<KernelTable>> read_structure(netlink::Socket& socket,
                                                  const std::string& table);

// All elements of all our sets. REQUIRES: the structure is as make_ruleset() makes it.
// An element that cannot be ours (a verdict we do not write, a time-out) gets a value that equals
// none of ours, so that it compares as wrong.
Result<std::vector<Element>> read_elements(netlink::Socket& socket, const std::string& table);

Result<uint32_t> read_generation(netlink::Socket& socket);

}  // namespace caracal::dataplane::nft
