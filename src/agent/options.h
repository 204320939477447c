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
  uint32_t mtu = 0;  // of pods; 0: the smallest of the node's links, followed as it changes
  // A change of policy ends the connections that it no longer allows. The cluster's settings may
  // say no, too.
  bool end_connections = true;

  bool flow_log = true;          // records of denied and logged flows
  uint32_t flow_records = 1000;  // kept for `caracal flows`
  uint32_t flow_rate = 100;      // records a second, at most
  std::string flow_file;         // JSON lines; empty: no file
  uint32_t flow_file_mib = 10;   // a file is full then
  uint32_t flow_files = 5;       // kept, the present one included
  bool flow_journal = false;     // also as lines of the agent's own log

  std::string version;
};

}  // namespace caracal::agent
