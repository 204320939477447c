// Options: how one agent is to run. Made by cmd/agent from flags and environment.
#pragma once

#include <cstdint>
#include <string>

namespace caracal::agent {

struct Options {
  std::string node_name;
  std::string kubeconfig;  // empty: KUBECONFIG, the pod's own files, ~/.kube/config
  std::string socket = "/run/caracal/agent.sock";
  std::string state_dir = "/var/lib/caracal";
  std::string metrics_listen = "127.0.0.1:9091";  // empty: no HTTP
  std::string interface_prefix = "cali";
  uint32_t mtu = 0;  // of pods; 0: the smallest of the node's links
  std::string version;
};

}  // namespace caracal::agent
