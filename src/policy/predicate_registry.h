// PredicateRegistry: the peer predicates that active policies use, and which endpoint classes
// satisfy them, kept up as pods, namespaces and policies change.
//
// Three kinds share one number space (PredicateId, 1..):
//  * peer: "the endpoint matches this EndpointPeer";
//  * family: the same, and the endpoint has a port of a given name. Never satisfied itself;
//  * resolved: a family, and its name stands for port N on this endpoint. Made when a class first
//    needs it, gone with the last class.
// Equal predicates are one, counted by their users. A class that changes is looked at only against
// the predicates that its labels, ports or namespace lead to; a predicate that comes or goes only
// against the classes that it can concern.
//
// Fed by the policy compiler (acquire, release) and the engine (update); read by the group table.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/policy.h"
#include "policy/endpoint_index.h"
#include "policy/namespace_table.h"

namespace caracal::policy {

using PredicateId = uint32_t;

struct PortName {
  StringId name = 0;
  net::Protocol protocol = net::kTcp;
  auto operator<=>(const PortName&) const = default;
};

class PredicateRegistry {
 public:
  // All outlive this. `sets` holds EndpointClass::predicates.
  PredicateRegistry(StringTable& strings, EndpointIndex& endpoints,
                    const NamespaceTable& namespaces, ListTable& sets)
      : strings_(strings), endpoints_(endpoints), namespaces_(namespaces), sets_(sets) {}

  PredicateId acquire_peer(const model::EndpointPeer& peer);
  PredicateId acquire_family(const model::EndpointPeer& peer, const PortName& port);
  void release(PredicateId id);

  bool is_resolved(PredicateId id) const { return predicates_[id].family != 0; }
  PredicateId family_of(PredicateId resolved) const { return predicates_[resolved].family; }
  // Protocol and port of a resolved predicate.
  net::Protocol protocol_of(PredicateId resolved) const {
    return predicates_[resolved].port.protocol;
  }
  uint16_t port_of(PredicateId resolved) const { return predicates_[resolved].number; }
  const std::vector<PredicateId>& resolved_of(PredicateId family) const {
    return predicates_[family].resolved;
  }
  PredicateId limit() const {
    return static_cast<PredicateId>(predicates_.size());
  }  // ids are below

  // A namespace's labels changed: its classes are looked at anew by the next update().
  void namespace_changed(StringId ns);
  // Brings EndpointClass::predicates of all classes up to date, and marks the addresses of classes
  // that changed as dirty in the endpoint index.
  void update();
  // Frees the numbers of predicates that are gone. Call when nothing refers to them any more.
  void free_retired();

 private:
  struct Predicate {
    // peer and family
    std::string key;
    CompiledSelector pods;
    CompiledSelector namespaces;
    StringId in_namespace = 0;
    PortName port;  // name 0: a peer predicate
    bool installed = false;
    std::vector<PredicateId> resolved;  // of a family
    // resolved
    PredicateId family = 0;
    uint16_t number = 0;
    // Users: rules for peers and families, classes for resolved ones.
    uint32_t users = 0;
  };
  // Where a predicate is looked for: by namespace (or 0) and by a label (or {}).
  struct Bucket {
    StringId ns = 0;
    Label label;
    bool operator==(const Bucket&) const = default;
  };
  struct BucketHash {
    size_t operator()(const Bucket& b) const {
      return (b.ns * 0x9e3779b97f4a7c15ull) ^ (b.label.key * 0xff51afd7ed558ccdull) ^
             (b.label.value * 0xc4ceb9fe1a85ec53ull);
    }
  };
  struct ClassChange {
    ClassId cls;
    PredicateId predicate;
    bool added;
  };

  PredicateId acquire(const model::EndpointPeer& peer, const PortName& port);
  PredicateId new_id();
  std::vector<Bucket> buckets_of(const Predicate& predicate) const;
  bool is_loose(const Predicate& predicate) const;
  void install(PredicateId id);
  void uninstall(PredicateId id);
  template <typename Visit>
  void for_each_candidate(const Predicate& predicate, const Visit& visit);
  bool matches(const Predicate& predicate, const EndpointClass& c) const;
  const std::vector<PredicateId>& loose_for(StringId ns);
  // Appends what predicate `id` contributes to a class that matches it.
  void contribute(PredicateId id, const EndpointClass& c, std::vector<uint32_t>& out);
  void evaluate(const EndpointClass& c, std::vector<uint32_t>& out);
  void assign(ClassId cls, const std::vector<uint32_t>& list);
  void use_resolved(ListId list, bool take);

  StringTable& strings_;
  EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  ListTable& sets_;
  std::vector<Predicate> predicates_ = std::vector<Predicate>(1);
  std::vector<PredicateId> free_;
  std::unordered_map<std::string, PredicateId> by_key_;
  std::unordered_map<Bucket, std::vector<PredicateId>, BucketHash> buckets_;
  std::vector<PredicateId> loose_;  // no namespace, no label leads to them
  std::unordered_map<StringId, std::vector<PredicateId>>
      loose_cache_;  // those that match a namespace
  std::vector<PredicateId> new_;
  std::vector<PredicateId> unused_;
  std::vector<PredicateId> unused_resolved_;
  std::vector<PredicateId> retired_;
  std::unordered_set<ClassId> dirty_classes_;
};

}  // namespace caracal::policy
