// HollowNode: the agent of one node, without pods: the same list, watch, decoding, calculation and
// kernel programming (policy, routes, tunnels, address rules), over its own connections to the API
// server and in a network namespace of its own. What is left out: the CNI plugin's socket, BIRD,
// flow records, metrics over HTTP, the node's condition.
//
// Two threads, as the agent has: the calculation loop, in the process's own namespace (where the
// API server is), and the dataplane loop, in the node's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "kube/cluster_access.h"
#include "netlink/network_namespace.h"

namespace caracal::bench {

class HollowNode {
 public:
  // Makes the namespace with one interface that has `address` ("10.0.0.7/16"). Errors: of the
  // kernel.
  static Result<std::unique_ptr<HollowNode>> create(std::string name, const std::string& address);
  ~HollowNode();

  // Connects and follows the cluster from now on: all collections, or those of the network.
  void start(const kube::ClusterAccess& access, bool all);
  // Everything is listed and was given to the kernel; `problem` says what went wrong.
  bool synced() const { return synced_.load(); }
  bool failed() const { return failed_.load(); }

  const netlink::NetworkNamespace& ns() const { return ns_; }

 private:
  HollowNode(std::string name, netlink::NetworkNamespace ns)
      : name_(std::move(name)), ns_(std::move(ns)) {}
  Status run(const kube::ClusterAccess& access, bool all);

  std::string name_;
  netlink::NetworkNamespace ns_;
  std::atomic<bool> synced_ = false;
  std::atomic<bool> failed_ = false;
  std::thread thread_;
};

}  // namespace caracal::bench
