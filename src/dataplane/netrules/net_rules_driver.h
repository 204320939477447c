// NetRulesDriver: keeps the nftables table `inet caracal_network` equal to desired::NetworkRules:
// address translation for what leaves the pools, and the guard of the tunnels.
//
// A table of its own, apart from policy's: neither transaction touches the other, and a host that
// needs none of this has no table. Fed by the agent's dataplane loop (its only thread). Every
// change is one transaction; nodes and pools that come and go change members of sets only, other
// settings the rules, in place. Connections that are translated stay so. Belongs to the network
// namespace it was opened in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "desired/network.h"

namespace caracal::netlink {
class NetworkNamespace;
}

namespace caracal::dataplane::netrules {

struct NetRulesOptions {
  std::string table = "caracal_network";
};

struct NetRulesReport {
  size_t right = 0;      // members found as wanted (sync only)
  size_t added = 0;      // members
  size_t removed = 0;    // members
  bool rebuilt = false;  // rules, chains or sets were not as wanted
  std::string reason;    // why, when rebuilt
  size_t messages = 0;   // sent to change something; 0 when all was right
};

class NetRulesDriver {
 public:
  // Errors: kPermission, kUnsupported (kernel without nf_tables), kKernel. Changes nothing.
  static Result<NetRulesDriver> open(NetRulesOptions options = {});
  static Result<NetRulesDriver> open_in(const netlink::NetworkNamespace& ns,
                                        NetRulesOptions options = {});
  NetRulesDriver(NetRulesDriver&&) noexcept;
  NetRulesDriver& operator=(NetRulesDriver&&) noexcept;
  ~NetRulesDriver();

  // Reads back, touches only what is not right; sends nothing when all is. On error the kernel
  // keeps what it had. Errors: kInvalid names field and value.
  Result<NetRulesReport> sync(const desired::NetworkRules& rules);
  // The difference to the last rules, without reading. REQUIRES: sync() succeeded before.
  Result<NetRulesReport> apply(const desired::NetworkRules& rules);
  // What is wanted since the last success.
  const desired::NetworkRules& rules() const;

  // Drift, for a timer: reads the table only when the kernel's nftables generation has moved since
  // our last look, and tells whether it is not as we left it. Then call sync(rules()).
  Result<bool> changed();
  Result<uint32_t> generation();

  // Takes the table away. Fine when it is not there.
  Status remove();

 private:
  struct State;
  explicit NetRulesDriver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace caracal::dataplane::netrules
