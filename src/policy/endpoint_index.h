// EndpointIndex: all pods of the cluster, in the form the calculation reads.
//
// Pods of one namespace with the same labels and named ports are one *class*: no selector can tell
// them apart, so selectors are evaluated once a class (a Deployment), not once a pod. Finished and
// host-network pods are not in here. Addresses map back to the pods that hold them; usually one.
//
// Fed by the engine (pods, and the addresses that workload interfaces add), read by the predicate
// registry and the identity table.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/pod.h"
#include "policy/compiled_selector.h"
#include "policy/list_table.h"
#include "policy/postings.h"

namespace caracal::policy {

using PodIndex = uint32_t;
using ClassId = uint32_t;  // 1..; 0 is none

struct ClassPort {
  StringId name = 0;
  uint16_t port = 0;
  net::Protocol protocol = net::kTcp;
  auto operator<=>(const ClassPort&) const = default;
};

struct EndpointClass {
  StringId ns = 0;
  std::vector<Label> labels;     // sorted by key
  std::vector<ClassPort> ports;  // sorted, no repeats
  std::vector<PodIndex> pods;    // empty: the class is gone
  ListId predicates = 0;         // set by the engine: which endpoint predicates hold, sorted
};

class EndpointIndex {
 public:
  explicit EndpointIndex(StringTable& strings) : strings_(strings) {}
  EndpointIndex(const EndpointIndex&) = delete;
  EndpointIndex& operator=(const EndpointIndex&) = delete;

  // What set_pod changed.
  struct Change {
    ClassId before = 0;
    ClassId after = 0;
    bool addresses = false;
  };
  // Adds, changes or removes (nullptr) a pod.
  Change set_pod(const model::ObjectName& name, const model::Pod* pod);
  // Addresses a pod holds beyond its status. Remembered also while the pod does not exist.
  void set_extra_addresses(const model::ObjectName& pod, std::vector<net::IpAddr> addresses);

  // 0 when there is no such networked pod.
  ClassId class_of(const model::ObjectName& pod) const;
  const EndpointClass& at(ClassId id) const { return classes_[id]; }
  EndpointClass& at(ClassId id) { return classes_[id]; }
  ClassId class_limit() const { return static_cast<ClassId>(classes_.size()); }  // ids are below
  // Classes by label, by port (see port_label) and by namespace (see ns_label).
  const Postings& postings() const { return postings_; }
  static Label ns_label(StringId ns) { return {0, ns}; }
  // The label that stands for having a port of this name; its key cannot be a label's.
  Label port_label(net::Protocol protocol, StringId name);

  // Calls `visit(address)` for each address of each pod of a class.
  template <typename Visit>
  void for_each_address(ClassId id, const Visit& visit) const {
    for (const PodIndex pod : classes_[id].pods) {
      for (const net::IpAddr& address : pods_[pod].addresses) visit(address);
      if (const auto it = extra_.find(pod_name(pod)); it != extra_.end()) {
        for (const net::IpAddr& address : it->second) visit(address);
      }
    }
  }
  // Calls `visit(class)` for each pod that holds the address.
  template <typename Visit>
  void for_each_holder(const net::IpAddr& address, const Visit& visit) const {
    const auto [first, last] = holders_.equal_range(address);
    for (auto it = first; it != last; ++it) visit(pods_[it->second].cls);
  }

  // Addresses whose holders or holders' class changed since the last call. May repeat.
  std::vector<net::IpAddr> take_dirty_addresses() { return std::exchange(dirty_, {}); }
  void mark_dirty(const net::IpAddr& address) { dirty_.push_back(address); }
  // Classes that came to be since the last call, and still are.
  std::vector<ClassId> take_new_classes();
  // Classes that went away: `predicates` is what they had. Their ids may be in use again.
  std::vector<ListId> take_dropped_predicates() { return std::exchange(dropped_, {}); }

  size_t pod_count() const { return names_.size(); }

 private:
  struct PodRecord {
    std::string name;
    StringId ns = 0;
    ClassId cls = 0;
    uint32_t position = 0;  // in EndpointClass::pods
    std::vector<net::IpAddr> addresses;
  };
  struct NameView {
    StringId ns;
    std::string_view name;
  };
  struct NameHash {
    using is_transparent = void;
    const std::vector<PodRecord>* pods;
    size_t operator()(const NameView& v) const {
      return std::hash<std::string_view>{}(v.name) * 31 + v.ns;
    }
    size_t operator()(PodIndex i) const {
      return (*this)(NameView{(*pods)[i].ns, (*pods)[i].name});
    }
  };
  struct NameEqual {
    using is_transparent = void;
    const std::vector<PodRecord>* pods;
    bool operator()(PodIndex a, PodIndex b) const { return a == b; }
    bool operator()(const NameView& v, PodIndex i) const {
      return v.ns == (*pods)[i].ns && v.name == (*pods)[i].name;
    }
    bool operator()(PodIndex i, const NameView& v) const { return (*this)(v, i); }
  };
  struct ClassHash {
    using is_transparent = void;
    const std::vector<EndpointClass>* classes;
    size_t operator()(const EndpointClass& c) const;
    size_t operator()(ClassId id) const { return (*this)((*classes)[id]); }
  };
  struct ClassEqual {
    using is_transparent = void;
    const std::vector<EndpointClass>* classes;
    bool operator()(ClassId a, ClassId b) const { return a == b; }
    bool operator()(const EndpointClass& c, ClassId id) const;
    bool operator()(ClassId id, const EndpointClass& c) const { return (*this)(c, id); }
  };

  model::ObjectName pod_name(PodIndex pod) const;
  PodIndex find_pod(const model::ObjectName& name) const;  // kNone when there is none
  ClassId enter_class(PodIndex pod, const model::Pod& value);
  void leave_class(PodIndex pod);
  void release_texts(const EndpointClass& c);
  void hold(PodIndex pod, const net::IpAddr& address);
  void drop(PodIndex pod, const net::IpAddr& address);
  void mark_all_dirty(PodIndex pod);

  static constexpr PodIndex kNone = ~PodIndex{0};
  StringTable& strings_;
  std::vector<PodRecord> pods_;
  std::vector<PodIndex> free_pods_;
  std::unordered_set<PodIndex, NameHash, NameEqual> names_{16, NameHash{&pods_}, NameEqual{&pods_}};
  std::unordered_map<model::ObjectName, std::vector<net::IpAddr>> extra_;
  std::unordered_multimap<net::IpAddr, PodIndex> holders_;

  std::vector<EndpointClass> classes_ = std::vector<EndpointClass>(1);
  std::vector<ClassId> free_classes_;
  std::unordered_set<ClassId, ClassHash, ClassEqual> class_index_{16, ClassHash{&classes_},
                                                                  ClassEqual{&classes_}};
  Postings postings_;
  std::array<StringId, 256> port_keys_{};  // by protocol number; held for good
  std::vector<net::IpAddr> dirty_;
  std::vector<ClassId> new_classes_;
  std::vector<ListId> dropped_;
};

}  // namespace caracal::policy
