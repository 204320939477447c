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
  std::string run_dir = "/run/caracal";           // what may go with a reboot: BIRD's files
  std::string metrics_listen = "127.0.0.1:9091";  // empty: no HTTP
  std::string interface_prefix = "cali";
  uint32_t mtu = 0;  // of pods; 0: of the node's links less encapsulation, followed as it changes
  // A change of policy ends the connections that it no longer allows. The cluster's settings may
  // say no, too.
  bool end_connections = true;

  // The pod network (docs/design/network.md).
  bool pools = true;           // addresses from the cluster's pools; else from the node's pod CIDRs
  bool write_handles = false;  // IPAMHandle objects as well (docs/design/ipam.md)
  bool bgp = true;             // where something needs it; else never
  std::string bird = "bird";   // program
  std::string secret_namespace = "kube-system";  // where BGP passwords are
  std::string ip = "autodetect";                 // the node's address: that, an address, or none
  std::string ip6 = "autodetect";
  std::string detection = "first-found";  // node_address.h
  std::string detection6 = "first-found";
  // Made when there is no pool of the family.
  std::string default_pool = "192.168.0.0/16";  // or none
  std::string default_pool6 = "none";
  std::string default_encapsulation = "vxlan-cross-subnet";
  bool default_nat_outgoing = true;

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
