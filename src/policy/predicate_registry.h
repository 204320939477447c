// PredicateRegistry: the peer predicates that active policies use, and which endpoint classes
// satisfy them, kept up as endpoints, namespaces and policies change.
//
// Three kinds share one number space (PredicateId, 1..):
//  * peer: "the endpoint matches this EndpointPeer", or is one of a service;
//  * family: the same, and the endpoint has a port of a given name (of a service: any port). Never
//    satisfied itself;
//  * resolved: a family, and on this endpoint it stands for port N. Made when a class first needs
//    it, gone with the last class.
// Equal predicates are one, counted by their users. A class that changes is looked at only against
// the predicates that its labels, ports or namespace lead to; a predicate that comes or goes only
// against the classes that it can concern.
//
// Fed by the policy compiler (acquire, release) and the engine (update); read by the group table.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/policy.h"
#include "policy/endpoint_index.h"
#include "policy/namespace_table.h"
#include "policy/number_list.h"
#include "policy/selector_table.h"

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
                    const NamespaceTable& namespaces, const AccountTable& accounts,
                    ListTable& sets);
  ~PredicateRegistry();
  PredicateRegistry(const PredicateRegistry&) = delete;
  PredicateRegistry& operator=(const PredicateRegistry&) = delete;

  PredicateId acquire_peer(const model::EndpointPeer& peer);
  PredicateId acquire_family(const model::EndpointPeer& peer, const PortName& port);
  PredicateId acquire_service(const model::ServicePeer& peer);
  PredicateId acquire_service_family(const model::ServicePeer& peer);
  void release(PredicateId id);

  // Which hold for the class; sorted.
  std::span<const PredicateId> held_by(const EndpointClass& c) const {
    return sets_.list(c.predicates);
  }
  bool is_resolved(PredicateId id) const { return predicates_[id].family != 0; }
  PredicateId family_of(PredicateId resolved) const { return predicates_[resolved].family; }
  // Protocol and ports of a resolved predicate.
  net::Protocol protocol_of(PredicateId resolved) const {
    return predicates_[resolved].port.protocol;
  }
  net::PortRange ports_of(PredicateId resolved) const { return predicates_[resolved].range; }
  const NumberList& resolved_of(PredicateId family) const { return predicates_[family].resolved; }
  // Families whose resolved predicates are others than at the last call. May repeat.
  std::vector<PredicateId> take_changed_families() { return std::exchange(changed_families_, {}); }

  // Labels of a namespace, or of a service account, changed: its classes are looked at anew by the
  // next update().
  void namespace_changed(StringId ns);
  void account_changed(StringId ns, StringId name);
  // Brings EndpointClass::predicates of all classes up to date, and marks the addresses of classes
  // that changed as dirty in the endpoint index.
  void update();
  // Classes of network sets whose predicates the last update() changed.
  std::vector<ClassId> take_changed_sets() { return std::exchange(changed_sets_, {}); }
  // Frees the numbers of predicates that are gone. Call when nothing refers to them any more.
  void free_retired();

  // What an inherited selector sees of the class.
  EndpointLabels seen(const EndpointClass& c) const;

 private:
  // What a predicate asks for.
  struct Question {
    const selector::Selector& pods;
    const selector::Selector& namespaces;
    const std::optional<std::string>& in_namespace;
    bool inherited = false;
    bool service = false;
    bool any_port = false;
    PortName port;
  };
  struct Predicate {
    // peer and family
    SelectorId pods = 0;
    SelectorId namespaces = 0;
    StringId in_namespace = 0;
    bool alive = false;  // may be found by what it asks for
    bool inherited = false;
    bool service = false;   // endpoints of services, nothing else
    bool any_port = false;  // a family of every port
    bool installed = false;
    PortName port;        // name 0 and not any_port: a peer predicate
    NumberList resolved;  // of a family
    // resolved
    PredicateId family = 0;
    net::PortRange range;
    // Users: rules for peers and families, classes for resolved ones.
    uint32_t users = 0;
    bool is_family() const { return port.name != 0 || any_port; }
    uint64_t hash() const;
    bool asks_the_same(const Predicate& other) const;
  };
  // Where a predicate is looked for: by namespace (or 0) and by a label, by a key alone (value 0),
  // or by neither.
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

  // How many buckets there are of a label key: with a value and for the key alone, without a
  // namespace and of one. Tells most labels of most endpoints to lead nowhere.
  struct KeyUses {
    struct Count {
      uint32_t anywhere = 0;
      uint32_t in_namespace = 0;
    };
    Count with_value;
    Count alone;
    bool empty() const {
      return with_value.anywhere + with_value.in_namespace + alone.anywhere + alone.in_namespace ==
             0;
    }
  };

  PredicateId acquire(const Question& question);
  PredicateId new_id();
  void mark_dirty(ClassId cls);
  bool is_dirty(ClassId cls) const { return cls < is_dirty_.size() && is_dirty_[cls]; }
  const CompiledSelector& pods_of(const Predicate& p) const { return selectors_.at(p.pods); }
  void release_parts(const Predicate& predicate);
  std::vector<Bucket> buckets_of(const Predicate& predicate) const;
  bool is_loose(const Predicate& predicate) const;
  void count_uses(const Predicate& predicate, bool add);
  void count_bucket(const Bucket& bucket, bool add);
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
  SelectorTable selectors_;
  EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  const AccountTable& accounts_;
  ListTable& sets_;
  // Keys of what is inherited, held for good.
  const StringId namespace_key_, namespace_name_key_;
  std::vector<Predicate> predicates_ = std::vector<Predicate>(1);
  std::vector<PredicateId> free_;
  FlatIndex by_content_;
  std::unordered_map<Bucket, NumberList, BucketHash> buckets_;  // of PredicateId
  std::unordered_map<StringId, KeyUses> bucket_keys_;
  // Keys of namespaces that buckets of inherited predicates stand for: with prefix, and by how
  // many.
  struct InheritedKey {
    StringId full = 0;
    uint32_t users = 0;
  };
  std::unordered_map<StringId, InheritedKey> inherited_keys_;
  size_t inherited_ = 0;            // installed predicates that see inherited labels
  size_t uses_accounts_ = 0;        // of them, those that ask for labels of service accounts
  std::vector<PredicateId> loose_;  // no namespace, no label leads to them
  std::unordered_map<StringId, std::vector<PredicateId>>
      loose_cache_;  // those that match a namespace
  std::vector<PredicateId> new_;
  std::vector<PredicateId> unused_;
  std::vector<PredicateId> unused_resolved_;
  std::vector<PredicateId> retired_;
  std::vector<PredicateId> changed_families_;
  std::vector<ClassId> changed_sets_;
  std::vector<ClassId> dirty_classes_;  // without repeats
  std::vector<bool> is_dirty_;          // by class
};

}  // namespace caracal::policy
