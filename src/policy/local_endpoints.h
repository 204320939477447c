// LocalEndpoints: the workload interfaces of this node, which policies apply to each, and the
// groups they are in.
//
// Fed by the engine; writes the tables `interfaces` and `sources`.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "policy/endpoint_status.h"
#include "policy/flat_index.h"
#include "policy/group_assigner.h"
#include "policy/policy_selection.h"

namespace caracal::policy {

class LocalEndpoints {
 public:
  struct Tables {
    TrackedMap<desired::InterfaceKey, desired::InterfacePolicy>& interfaces;
    TrackedSet<desired::SourceKey>& sources;
  };
  // All outlive this.
  LocalEndpoints(EndpointIndex& endpoints, const NamespaceTable& namespaces,
                 const PolicyTable& policies, PolicySelector& selector, GroupAssigner& groups,
                 const Tables& tables)
      : endpoints_(endpoints),
        namespaces_(namespaces),
        policies_(policies),
        selector_(selector),
        groups_(groups),
        tables_(tables) {}

  void set(const model::LocalEndpointUpdate& update);
  // The pod's labels, ports or existence changed.
  void pod_changed(const model::ObjectName& pod);
  // The labels of the namespace, or of a service account in it, changed.
  void namespace_changed(const std::string& ns);
  // The order of policies may be another.
  void order_changed();

  // Finds out anew which policies apply where that may have changed.
  void select();
  // Puts endpoints into their groups and writes the tables. REQUIRES: policies in use are compiled,
  // the addresses have their identities.
  void assign();

  std::map<std::string, EndpointStatus> statuses() const;
  size_t size() const { return records_.size(); }

 private:
  struct Record {
    model::LocalEndpoint endpoint;
    uint32_t number = 0;           // in `numbered_`
    bool regroup = true;           // the groups are not known yet
    bool namespace_known = false;  // so that its profile allows
    bool asks_self = false;        // a rule asks for the own address
    Selection selection;
    // Predicates of its class and identities of its addresses, where a rule asks for them.
    std::vector<uint32_t> own;
    std::array<Assignment, 2> groups;
  };

  template <typename Visit>
  void for_each_of(const model::ObjectName& pod, const Visit& visit) const {
    by_pod_.for_each(hash_of(pod), [&](uint32_t number) {
      if (numbered_[number]->endpoint.pod == pod) visit(*numbered_[number]);
    });
  }
  static uint64_t hash_of(const model::ObjectName& pod) {
    return std::hash<model::ObjectName>{}(pod);
  }
  void enter(Record& record);
  void leave(Record& record);
  void release(Record& record);
  bool own_changed(Record& record) const;
  GroupForm form_of(const Record& record, model::Direction direction) const;
  void assign(const std::string& interface, Record& record);
  void write(const std::string& interface, const Record& record, model::Direction direction);
  void update_extra_addresses(const model::ObjectName& pod);

  EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  const PolicyTable& policies_;
  PolicySelector& selector_;
  GroupAssigner& groups_;
  Tables tables_;
  std::map<std::string, Record> records_;
  std::vector<Record*> numbered_ = std::vector<Record*>(1);
  std::vector<uint32_t> free_numbers_;
  FlatIndex by_pod_;                             // of numbers
  std::vector<std::string> changed_namespaces_;  // since the last select(); may repeat
  bool any_dirty_ = false;        // a record whose policies, or groups, are not known
  std::set<std::string> asking_;  // interfaces of records with `asks_self`
};

}  // namespace caracal::policy
