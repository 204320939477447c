// Tables to begin with, for tests and benchmarks of the driver.
#pragma once

#include <string_view>

#include "desired/policy_tables.h"

namespace caracal::dataplane::nft_testing {

net::IpAddr ip(std::string_view text);

// Total maps with one interval each, as the policy calculation makes them for an empty world:
// every address has identity 1, every port class 1.
desired::PolicyTables empty_tables();

// `policies` groups of one pod each, every one with a peer identity and a row of its own, and
// `addresses` addresses (11.0.0.0 and up) spread over the identities. cali1 (10.0.0.1) is policed
// by the last group and may be reached by anyone in 172.16.0.0/16 on UDP 53, which the last look-up
// of the chain finds.
desired::PolicyTables big_tables(uint32_t policies, uint32_t addresses);

}  // namespace caracal::dataplane::nft_testing
