// NetworkSetTable: the network sets, and where those that an active selector matches are: single
// addresses are looked up exactly, wider nets are ranges of the CidrRegistry.
//
// Fed by the engine; the labels of the sets are in the EndpointIndex like those of pods. A set that
// no selector matches costs its storage; a changed net of one costs that net.
#pragma once

#include <unordered_map>
#include <vector>

#include "model/update.h"
#include "policy/cidr_registry.h"
#include "policy/endpoint_index.h"

namespace caracal::policy {

class NetworkSetTable {
 public:
  // Both outlive this.
  NetworkSetTable(EndpointIndex& endpoints, CidrRegistry& cidrs)
      : endpoints_(endpoints), cidrs_(cidrs) {}

  void set(const model::NetworkSetUpdate& update);
  // Makes addresses and ranges agree with what selectors match now. `changed`: classes of sets
  // whose predicates are others than before.
  void update(const std::vector<ClassId>& changed);

  // Calls `visit(class)` for each matched set that has the single address.
  template <typename Visit>
  void for_each_holder(const net::IpAddr& address, const Visit& visit) const {
    const net::Cidr host = net::Cidr::host(address);
    exact_.for_each(hash_of(address), [&](uint32_t number) {
      const std::vector<net::Cidr>& nets = sets_[number].nets;
      if (std::binary_search(nets.begin(), nets.end(), host)) visit(class_of(number));
    });
  }
  ClassId class_of(uint32_t set) const { return endpoints_.class_of_holder(sets_[set].holder); }

 private:
  struct Set {
    HolderIndex holder = 0;  // 0: there is no such set
    bool installed = false;
    std::vector<net::Cidr> nets;  // sorted
  };
  static uint64_t hash_of(const net::IpAddr& address) { return std::hash<net::IpAddr>{}(address); }
  void enter(uint32_t set, const net::Cidr& net);
  void leave(uint32_t set, const net::Cidr& net);

  EndpointIndex& endpoints_;
  CidrRegistry& cidrs_;
  std::vector<Set> sets_ = std::vector<Set>(1);
  std::vector<uint32_t> free_;
  std::unordered_map<model::ObjectName, uint32_t> by_name_;
  std::unordered_map<HolderIndex, uint32_t> by_holder_;
  FlatIndex exact_;
  std::vector<uint32_t> touched_;  // their class changed since the last update()
};

}  // namespace caracal::policy
