// AddressPass: gives back addresses, blocks and claims that nobody has any more.
//
//   ClusterCache --> ipam::Collector --> LiveCheck --> ipam::Releaser --> API server
//                    what looks left over  asks again    compare-and-swap
//
// On the loop of its client. Several looks are needed until something is judged to be left over, so
// the object lives as long as the controller acts, and a new leader begins anew.
#pragma once

#include <functional>
#include <memory>

#include "controller/cluster_cache.h"
#include "controller/controller_settings.h"
#include "controller/fenced_datastore.h"
#include "controller/live_check.h"
#include "controller/pass_runner.h"
#include "ipam/collector.h"
#include "ipam/kube_datastore.h"
#include "ipam/releaser.h"

namespace caracal::controller {

class AddressPass {
 public:
  AddressPass(kube::Client& client, const ClusterCache& cache, const Fence& fence,
              telemetry::Metrics& metrics);

  // One look. `settings` are those of now.
  void run(const ControllerSettings& settings, PassDone done);
  // Gives back empty blocks, for pools that are being deleted.
  void give_back(std::vector<ipam::BlockReturn> blocks, PassDone done);
  // Forgets what was seen: a new leader looks with its own eyes.
  void forget() { collector_.reset(); }

  size_t candidates() const { return candidates_; }

 private:
  void carry_out(ipam::CollectionPlan plan, ipam::AddressWorld live, PassDone done);
  PassReport report_of(const ipam::ReleaseReport& report) const;
  std::string missing() const;
  void measure();

  kube::Client& client_;
  const ClusterCache& cache_;
  telemetry::Metrics& metrics_;
  telemetry::Counter& released_;
  telemetry::Counter& spared_;
  telemetry::Gauge& candidate_gauge_;
  ipam::KubeDatastore datastore_;
  FencedDatastore fenced_;
  ipam::Releaser releaser_;
  LiveCheck live_;
  std::unique_ptr<ipam::Collector> collector_;
  std::chrono::milliseconds leak_grace_{0};  // of collector_
  size_t candidates_ = 0;
};

}  // namespace caracal::controller
