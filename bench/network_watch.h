// NetworkWatch: what agent::ClusterWatch does, for the collections alone that the pod network
// depends on. The agent holds a watch for each collection of each API group, half a hundred in all,
// and over HTTP/1.1 each is a connection: 500 agents' would not fit one server's descriptors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/served_collections.h"
#include "calico/decode.h"
#include "kube/reflector.h"

namespace caracal::bench {

class NetworkWatch {
 public:
  using OnDecoded = std::function<void(const calico::Decoded&)>;

  NetworkWatch(kube::Client& client, const std::string& node, OnDecoded on_decoded,
               std::function<void()> on_synced);
  void start();

 private:
  void follow(const calico::Collection& collection);
  void tell_synced();

  kube::Client& client_;
  calico::ObjectDecoder decoder_;
  OnDecoded on_decoded_;
  std::function<void()> on_synced_;
  bool told_ = false;
  std::map<const calico::Collection*, std::unique_ptr<kube::Reflector>> followed_;
  agent::ServedCollections served_;
};

}  // namespace caracal::bench
