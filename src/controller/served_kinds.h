// ServedKinds: which of Calico's kinds the API server has, in which of the two groups; asked again
// from time to time, since CRDs come after the server.
//
// On the client's loop. Reports the set at first, and whenever it grows or shrinks. While the
// server is away, what was known stays.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "event/loop.h"
#include "kube/client.h"

namespace caracal::controller {

class ServedKinds {
 public:
  using Served = std::set<std::pair<std::string, std::string>>;  // group version, plural
  using OnChange = std::function<void(const Served&)>;

  ServedKinds(kube::Client& client, event::Duration period, OnChange on_change);
  void start() { ask(); }
  // Asks soon: something that was served has failed.
  void hurry();
  bool known() const { return known_; }
  const Served& served() const { return told_; }
  const std::string& error() const { return error_; }

 private:
  void ask();
  void take(const std::string& group_version, const Result<kube::Response>& response);
  void finish();

  kube::Client& client_;
  event::Duration period_;
  OnChange on_change_;
  std::map<std::string, kube::Call> calls_;  // by group version
  std::map<std::string, Served> by_group_;
  size_t under_way_ = 0;
  Served told_;
  bool known_ = false;
  std::string error_;
  event::Handle timer_;
};

}  // namespace caracal::controller
