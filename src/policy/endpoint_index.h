// EndpointIndex: everything of the cluster that holds addresses and can be selected, in the form
// the calculation reads: pods, host endpoints, network sets (their labels; the addresses are
// NetworkSetTable's) and the endpoints of services that a rule names.
//
// Holders of one kind and namespace with the same labels, named ports and service account are one
// *class*: no selector can tell them apart, so selectors are evaluated once a class (a Deployment),
// not once a pod. Finished and host-network pods are not in here. Addresses map back to the
// holders; usually one. Laid out for hundreds of thousands: label lists are shared over namespaces,
// names and addresses are one block a holder, the lists of a class go through its members.
//
// Fed by the engine (objects, and the addresses that workload interfaces add), read by the
// predicate registry and the identity table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/endpoint_slice.h"
#include "model/host_endpoint.h"
#include "model/pod.h"
#include "policy/flat_index.h"
#include "policy/label_lists.h"
#include "policy/list_table.h"
#include "policy/postings.h"

namespace caracal::policy {

using HolderIndex = uint32_t;  // 1..
using ClassId = uint32_t;      // 1..; 0 is none

enum class HolderKind : uint8_t { kPod, kHost, kSet, kService };

struct ClassPort {
  StringId name = 0;
  uint16_t port = 0;  // of a service 0: every port
  net::Protocol protocol = net::kTcp;
  auto operator<=>(const ClassPort&) const = default;
};

struct EndpointClass {
  StringId ns = 0;       // 0: of no namespace
  StringId account = 0;  // the pods' service account; 0: none
  ListId labels = 0;
  ListId ports = 0;
  ListId predicates = 0;  // set by the engine: which endpoint predicates hold, sorted
  HolderIndex first = 0;  // its holders
  uint32_t size = 0;      // 0: the class is gone
  HolderKind kind = HolderKind::kPod;
  // Neighbours among the classes with the same labels, ports and namespace.
  struct Link {
    ClassId previous = 0;
    ClassId next = 0;
  };
  Link by_labels, by_ports, by_ns;
};

class EndpointIndex {
 public:
  // The key of the label that the endpoints of a service have, with its name as value; no object's
  // label can be called so.
  static constexpr std::string_view kServiceKey = "\x01service";

  EndpointIndex(StringTable& strings, LabelLists& labels) : strings_(strings), labels_(labels) {}
  EndpointIndex(const EndpointIndex&) = delete;
  EndpointIndex& operator=(const EndpointIndex&) = delete;

  // What a set... changed.
  struct Change {
    ClassId before = 0;
    ClassId after = 0;
    bool addresses = false;
    HolderIndex holder = 0;  // 0: there is none
  };
  // Adds, changes or removes (nullptr).
  Change set_pod(const model::ObjectName& name, const model::Pod* pod);
  Change set_host(const std::string& name, const model::HostEndpoint* host);
  Change set_network_set(const model::ObjectName& name, const model::Labels* labels);
  Change set_slice(const model::ObjectName& name, const model::EndpointSlice* slice);
  // Addresses a pod holds beyond its status. Remembered also while the pod does not exist.
  void set_extra_addresses(const model::ObjectName& pod, std::vector<net::IpAddr> addresses);

  // 0 when there is no such networked pod.
  ClassId class_of(const model::ObjectName& pod) const;
  ClassId class_of_host(std::string_view name) const;
  ClassId class_of_holder(HolderIndex holder) const { return holders_[holder].cls; }
  const EndpointClass& at(ClassId id) const { return classes_[id]; }
  EndpointClass& at(ClassId id) { return classes_[id]; }
  bool alive(ClassId id) const { return classes_[id].size > 0; }
  LabelSpan labels(const EndpointClass& c) const { return labels_.at(c.labels); }
  std::vector<ClassPort> ports(const EndpointClass& c) const;

  // Classes with an own label, with a named port, of a namespace, and all; how many at most.
  template <typename Visit>
  void for_each_with_label(const Label& label, const Visit& visit) const {
    for (const ListId list : label_postings_.items(label)) {
      walk(label_heads_, list, &EndpointClass::by_labels, visit);
    }
  }
  size_t count_with_label(const Label& label) const;
  template <typename Visit>
  void for_each_with_port(net::Protocol protocol, StringId name, const Visit& visit) const {
    for (const ListId list : port_postings_.items(port_label(protocol, name))) {
      walk(port_heads_, list, &EndpointClass::by_ports, visit);
    }
  }
  size_t count_with_port(net::Protocol protocol, StringId name) const;
  template <typename Visit>
  void for_each_in(StringId ns, const Visit& visit) const {
    walk(ns_heads_, ns, &EndpointClass::by_ns, visit);
  }
  size_t count_in(StringId ns) const { return ns < ns_heads_.size() ? ns_heads_[ns].count : 0; }
  template <typename Visit>
  void for_each_class(const Visit& visit) const {
    for (ClassId id = 1; id < classes_.size(); ++id) {
      if (alive(id)) visit(id);
    }
  }
  // A port name as a label; its key is no text's.
  static Label port_label(net::Protocol protocol, StringId name) {
    return {~uint32_t{protocol.number}, name};
  }

  // Calls `visit(address)` for each address of each holder of a class; sets have none here.
  template <typename Visit>
  void for_each_address(ClassId id, const Visit& visit) const {
    for (HolderIndex h = classes_[id].first; h != 0; h = holders_[h].next) {
      for_each_held(h, visit);
    }
  }
  template <typename Visit>
  void for_each_member(ClassId id, const Visit& visit) const {
    for (HolderIndex h = classes_[id].first; h != 0; h = holders_[h].next) visit(h);
  }
  // Calls `visit(class)` for each holder of the address.
  template <typename Visit>
  void for_each_holder(const net::IpAddr& address, const Visit& visit) const {
    by_address_.for_each(hash_of(address), [&](HolderIndex h) {
      if (holds(h, address)) visit(holders_[h].cls);
    });
  }

  // Addresses whose holders or holders' class changed since the last call. May repeat.
  std::vector<net::IpAddr> take_dirty_addresses() { return std::exchange(dirty_, {}); }
  void mark_dirty(const net::IpAddr& address) { dirty_.push_back(address); }
  // Classes that came to be since the last call, and still are.
  std::vector<ClassId> take_new_classes();
  // Classes that went away: `predicates` is what they had. Their ids may be in use again.
  std::vector<ListId> take_dropped_predicates() { return std::exchange(dropped_, {}); }

  size_t pod_count() const { return pods_; }

 private:
  struct Holder {
    // kind, numbers of addresses, length of the name, addresses (its own, extra ones), name
    std::unique_ptr<char[]> block;
    StringId ns = 0;
    ClassId cls = 0;
    HolderIndex previous = 0;
    HolderIndex next = 0;
  };
  struct Head {
    ClassId first = 0;
    uint32_t count = 0;
  };
  // A holder as its object says it is.
  struct Form {
    const model::Labels* labels = nullptr;
    std::vector<ClassPort> ports;  // texts held
    StringId account = 0;          // held
    std::span<const net::IpAddr> addresses;
  };

  template <typename Visit>
  void walk(const std::vector<Head>& heads, uint32_t number,
            EndpointClass::Link EndpointClass::*link, const Visit& visit) const {
    if (number >= heads.size()) return;
    for (ClassId id = heads[number].first; id != 0;) {
      const ClassId next = (classes_[id].*link).next;
      visit(id);
      id = next;
    }
  }
  static uint64_t hash_of(const net::IpAddr& address);
  static uint64_t hash_of(HolderKind kind, StringId ns, std::string_view name);
  static uint64_t hash_of(const EndpointClass& c);
  HolderKind kind_of(HolderIndex h) const;
  std::string_view name_of(HolderIndex h) const;
  std::span<const net::IpAddr> addresses(HolderIndex h) const;
  std::span<const net::IpAddr> extra(HolderIndex h) const;
  // Calls `visit(address)` for its own addresses and those extra ones that are not among them.
  template <typename Visit>
  void for_each_held(HolderIndex h, const Visit& visit) const {
    const auto own = addresses(h);
    for (const net::IpAddr& address : own) visit(address);
    for (const net::IpAddr& address : extra(h)) {
      if (std::find(own.begin(), own.end(), address) == own.end()) visit(address);
    }
  }
  bool holds(HolderIndex h, const net::IpAddr& address) const;
  HolderIndex find(HolderKind kind, const model::ObjectName& name) const;

  Change set(HolderKind kind, const model::ObjectName& name, Form* form);
  Change remove(HolderKind kind, const model::ObjectName& name);
  // `name` and the addresses may be those of the block it has.
  void set_block(HolderIndex h, HolderKind kind, std::string_view name,
                 std::span<const net::IpAddr> addresses, std::span<const net::IpAddr> extra);
  ClassId enter_class(HolderIndex h, HolderKind kind, Form& form);
  void leave_class(HolderIndex h);
  void link(ClassId id);
  void unlink(ClassId id);
  static void push(std::vector<Head>& heads, uint32_t number, std::vector<EndpointClass>& classes,
                   ClassId id, EndpointClass::Link EndpointClass::*link);
  static void pull(std::vector<Head>& heads, uint32_t number, std::vector<EndpointClass>& classes,
                   ClassId id, EndpointClass::Link EndpointClass::*link);
  ListId acquire_ports(std::vector<ClassPort>& ports);
  void release_ports(ListId list);
  void hold_all(HolderIndex h);
  void drop_all(HolderIndex h);

  StringTable& strings_;
  LabelLists& labels_;
  std::vector<Holder> holders_ = std::vector<Holder>(1);
  std::vector<HolderIndex> free_holders_;
  FlatIndex by_name_;
  FlatIndex by_address_;
  // Extra addresses of pods that do not exist (yet); those of others are in their blocks.
  std::unordered_map<model::ObjectName, std::vector<net::IpAddr>> waiting_;
  size_t pods_ = 0;

  std::vector<EndpointClass> classes_ = std::vector<EndpointClass>(1);
  std::vector<ClassId> free_classes_;
  FlatIndex class_index_;
  ListTable port_lists_;
  Postings label_postings_, port_postings_;                // of lists
  std::vector<Head> label_heads_, port_heads_, ns_heads_;  // by list, list and namespace
  std::vector<net::IpAddr> dirty_;
  std::vector<ClassId> new_classes_;
  std::vector<ListId> dropped_;
};

}  // namespace caracal::policy
