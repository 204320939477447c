// AddressWishes: what pods and namespaces ask for in their annotations (calico.md 6.4):
//
//   cni.projectcalico.org/ipv4pools, ipv6pools   pools by name or CIDR, a JSON list; the pod's goes
//                                                before the namespace's
//   cni.projectcalico.org/ipAddrs                exact addresses
//   cni.projectcalico.org/ipFamilies             ["IPv4", "IPv6"]
//   cni.projectcalico.org/hwAddr                 the MAC of the pod's interface
//
// On the calculation loop, fed by ClusterWatch with every pod of this node and every namespace;
// keeps only those that ask for something, and the labels of namespaces (a pool may choose by
// them).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/object.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"

namespace caracal::agent {

struct AddressWish {
  std::vector<std::string> pools_v4;
  std::vector<std::string> pools_v6;
  std::vector<net::IpAddr> addresses;  // at most one a family
  std::vector<net::Family> families;   // empty: all
  std::optional<net::MacAddr> mac;
  model::Labels namespace_labels;
};

class AddressWishes {
 public:
  explicit AddressWishes(std::string node) : node_(std::move(node)) {}

  // The object as it is now; nullptr: gone.
  void pod(const model::ObjectName& name, const json::value* object);
  void ns(const std::string& name, const json::value* object);

  // What holds for the pod. Errors: kInvalid, naming object, annotation, value and what is valid.
  Result<AddressWish> of(const model::ObjectName& pod) const;

 private:
  using Annotations = std::map<std::string, std::string, std::less<>>;  // the part behind the /
  struct Namespace {
    Annotations annotations;
    model::Labels labels;
  };
  std::string node_;
  std::map<model::ObjectName, Annotations> pods_;
  std::map<std::string, Namespace> namespaces_;
};

}  // namespace caracal::agent
