// render_bird(): a Config in the language of BIRD 2 (2.0.8 and later): one daemon, both families.
// Pure; the same Config gives the same text, so texts are compared to see whether BIRD needs a
// reload. docs/design/bgp.md walks through an example.
#pragma once

#include <string>

#include "bgp/config.h"

namespace caracal::bgp {

struct RenderOptions {
  std::string log_file;          // empty: standard error
  size_t log_bytes = 1'000'000;  // then the file is moved aside (FILE.1)
  // Prefix of the host's side of pod interfaces, whose routes the agent makes.
  std::string pod_interface_prefix = "cali";
  // Longest time a BIRD that starts again leaves the kernel's routes as they are while it waits for
  // its peers.
  uint32_t recovery_seconds = 30;
  // For the end: every route of BIRD leaves the kernel, no session stays.
  bool withdraw = false;
};

std::string render_bird(const Config& config, const RenderOptions& options);

}  // namespace caracal::bgp
