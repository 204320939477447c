// PackedPods: the pods of the cluster in few bytes, of which single ones are unpacked again.
//
// What the pods of a Deployment have in common (labels, named ports, service account) is kept once
// for all of them, packed to one text; the names of nodes likewise. A pod unpacked is the pod that
// came, but for its uid. Fed and read by WorldIndex, on its thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "flowlog/shared_texts.h"
#include "model/update.h"

namespace caracal::flowlog {

class PackedPods {
 public:
  void apply(const model::PodUpdate& update);

  std::optional<model::Pod> find(const model::ObjectName& name) const;
  // The names of the pods that have the address, sorted.
  std::vector<const model::ObjectName*> at(const net::IpAddr& address) const;
  // Is it there, with a network of its own?
  bool networked(const model::ObjectName& name) const;
  size_t size() const { return pods_.size(); }

 private:
  struct Packed {
    const std::string* common = nullptr;  // labels, ports, service account
    const std::string* node = nullptr;
    std::vector<net::IpAddr> addresses;
    bool host_network = false;
    bool finished = false;
  };
  void remove(const model::ObjectName& name);

  std::map<model::ObjectName, Packed> pods_;
  std::unordered_multimap<net::IpAddr, const model::ObjectName*> by_address_;  // keys of pods_
  SharedTexts texts_;
};

}  // namespace caracal::flowlog
