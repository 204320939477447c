// Settings under /proc/sys/net of a pod link's two ends. /proc/sys/net shows the network namespace
// of the reading thread. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace caracal::dataplane::link {

struct PodLinkSpec;

struct Sysctl {
  std::string path;
  std::string value;
};

std::vector<Sysctl> host_sysctls(const PodLinkSpec& spec);
std::vector<Sysctl> pod_sysctls(const PodLinkSpec& spec);

// Writes when it has another value.
Status set_sysctl(const Sysctl& setting);
Result<bool> sysctl_is_set(const Sysctl& setting);

}  // namespace caracal::dataplane::link
