// HostInterface: a network interface of this node that is no pod's, with its addresses. Fed by the
// agent from the kernel; decides where a HostEndpoint without interface name is.
#pragma once

#include <string>
#include <vector>

#include "net/ip_addr.h"

namespace caracal::model {

struct HostInterface {
  std::string name;
  std::vector<net::IpAddr> addresses;
  bool operator==(const HostInterface&) const = default;
};

}  // namespace caracal::model
