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
#include "policy/group_table.h"

namespace caracal::policy {

class LocalEndpoints {
 public:
  // All outlive this.
  LocalEndpoints(const StringTable& strings, EndpointIndex& endpoints,
                 const NamespaceTable& namespaces, PolicyTable& policies,
                 TrackedMap<desired::InterfaceKey, desired::InterfacePolicy>& interfaces,
                 TrackedSet<desired::SourceKey>& sources)
      : strings_(strings),
        endpoints_(endpoints),
        namespaces_(namespaces),
        policies_(policies),
        interfaces_(interfaces),
        sources_(sources) {}

  void set(const model::LocalEndpointUpdate& update);
  // The pod's labels, ports or existence changed.
  void pod_changed(const model::ObjectName& pod);
  void namespace_changed(const std::string& ns);

  // Finds out anew which policies apply where that may have changed. Returns the policies that got
  // their first user or lost their last.
  std::vector<PolicyIndex> select();
  // Puts endpoints into their groups and writes the tables. REQUIRES: policies in use are compiled.
  void assign(GroupTable& groups);

  std::map<std::string, EndpointStatus> statuses() const;

 private:
  struct Record {
    model::LocalEndpoint endpoint;
    bool dirty = true;    // the policies that apply are not known yet
    bool regroup = true;  // the groups are not
    ClassId cls = 0;
    std::array<std::vector<PolicyIndex>, 2> policies;  // by direction, in order of evaluation
    std::array<GroupId, 2> groups{};
  };
  static constexpr std::array kDirections = {model::Direction::kIngress, model::Direction::kEgress};

  bool selects(const PolicyRecord& policy, const Record& record) const;
  static bool names(const model::Policy& policy, model::Direction direction);
  void select_all(Record& record);
  void select_changed(Record& record, const std::vector<PolicyIndex>& changed);
  std::vector<ClassPort> own_ports(const Record& record) const;
  void write(const std::string& interface, const Record& record);
  void update_extra_addresses(const model::ObjectName& pod);

  const StringTable& strings_;
  EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  PolicyTable& policies_;
  TrackedMap<desired::InterfaceKey, desired::InterfacePolicy>& interfaces_;
  TrackedSet<desired::SourceKey>& sources_;
  std::map<std::string, Record> records_;
  std::map<model::ObjectName, std::set<std::string>> by_pod_;
  // What removed interfaces still hold, until the next select() and assign().
  std::vector<PolicyIndex> orphaned_policies_;
  std::vector<GroupId> orphaned_groups_;
};

}  // namespace caracal::policy
