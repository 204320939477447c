// Options: how one controller is to run. Made by cmd/controller from flags and environment.
#pragma once

#include <chrono>
#include <string>

#include "controller/lease.h"

namespace caracal::controller {

struct Options {
  std::string kubeconfig;  // empty: KUBECONFIG, the pod's own files, ~/.kube/config
  std::string context;
  std::string metrics_listen = "127.0.0.1:9094";  // empty: no HTTP
  bool elect = true;                              // false: it acts at once, and is the only one
  std::string lease_namespace = "kube-system";
  std::string lease_name = "caracal-controller";
  std::string identity;  // empty: HOST_RANDOM
  LeaseTimings timings;
  // What KubeControllersConfiguration says otherwise; 0: as it says.
  std::chrono::milliseconds period{0};
  std::chrono::milliseconds leak_grace{-1};  // below 0: as it says
  bool log_level_given = false;
  bool once = false;  // every pass once, then the end
  std::chrono::milliseconds once_timeout{60'000};
  std::string version;
};

}  // namespace caracal::controller
