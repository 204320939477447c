// DefaultPools: makes the IPPool of a family when the cluster has none, as Calico's nodes do
// (default-ipv4-ippool, default-ipv6-ippool).
//
// On the calculation loop. Every agent of a new cluster tries at the same moment; the name is the
// same, so one of them succeeds and the others take what it made. Tries again with backoff.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/options.h"
#include "base/result.h"
#include "event/backoff.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "net/cidr.h"

namespace caracal::agent {

// The object for projectcalico.org/v3 (or crd.projectcalico.org/v1, which takes the same spec).
// Errors: kInvalid, naming flag, value and what is valid; `pool` "none" is not asked for.
Result<json::object> default_pool_object(const Options& options, net::Family family);

class DefaultPools {
 public:
  DefaultPools(kube::Client& client, const Options& options);

  // The world is in sync, and these families have no pool.
  void make(const std::vector<net::Family>& missing);
  const std::string& error() const { return error_; }

 private:
  void create(net::Family family, bool stored_group);

  kube::Client& client_;
  const Options& options_;
  std::string error_;
  event::Backoff backoff_;
  std::map<net::Family, kube::Call> calls_;
  std::map<net::Family, event::Handle> timers_;
};

}  // namespace caracal::agent
