// Agent: the node agent, put together. agent.cc is the wiring, to be read from top to bottom.
#pragma once

#include <memory>

#include "agent/options.h"
#include "base/result.h"

namespace caracal::agent {

// Runs until SIGTERM or SIGINT. Errors are of the start: what could not be opened and why. After an
// orderly end the kernel keeps policy, routes and links: pods do not notice.
Status run(const Options& options);

// Computes what run() would do to policy and routes, prints it in nft's and iproute2's language,
// and changes nothing.
Status dry_run(const Options& options);

}  // namespace caracal::agent
