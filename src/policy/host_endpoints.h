// HostEndpoints: the host endpoints of this node, on which interfaces they are, which policies
// apply in each hook, and the groups they are in there.
//
// Fed by the engine (host endpoints of all nodes, interfaces of this one, settings); writes the
// tables `hosts` and `failsafes`. A node has few host endpoints: when one, an interface or a policy
// of one changes, all of them are assigned anew. See model/host_endpoint.h for what holds where.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/endpoint_status.h"
#include "policy/group_assigner.h"
#include "policy/policy_selection.h"

namespace caracal::policy {

class HostEndpoints {
 public:
  struct Tables {
    TrackedMap<desired::HostKey, desired::InterfacePolicy>& hosts;
    TrackedSet<desired::FailsafeKey>& failsafes;
    TrackedMap<desired::Setting, uint32_t>& settings;
  };
  // All outlive this. `node`: the name of this one.
  HostEndpoints(std::string node, EndpointIndex& endpoints, const NamespaceTable& namespaces,
                StringTable& strings, const PolicyTable& policies, PolicySelector& selector,
                GroupAssigner& groups, const Tables& tables)
      : node_(std::move(node)),
        endpoints_(endpoints),
        namespaces_(namespaces),
        strings_(strings),
        policies_(policies),
        selector_(selector),
        groups_(groups),
        tables_(tables) {}

  void set(const model::HostEndpointUpdate& update);
  void set(const model::HostInterfaceUpdate& update);
  void set(const model::PolicySettingsUpdate& update);
  void namespace_changed(const std::string& ns);
  void order_changed();

  // As LocalEndpoints. `born`, `gone`: identities that came into use and went out of it.
  void select();
  void assign(const std::vector<IdentityId>& born, const std::vector<IdentityId>& gone);

  std::map<std::string, HostEndpointStatus> statuses() const;

 private:
  struct Record {
    model::HostEndpoint endpoint;
    Selection selection;
  };
  struct Entry {
    HostAssignment host;
    desired::InterfacePolicy policy;
  };
  using Owners = std::map<std::string, const Record*>;  // by interface
  using Entries = std::map<desired::HostKey, Entry>;

  Owners owners() const;
  NumberList policies_in(const Record& record, desired::HostHook hook) const;
  // Why the host endpoint speaks for no interface.
  std::string nowhere(const Record& record, const Owners& owners) const;
  bool profile_allows(const model::HostEndpoint& endpoint) const;
  void enter(const std::string& interface, const Record& record, desired::HostHook hook,
             Entries& out);
  void write_failsafes();

  const std::string node_;
  EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  StringTable& strings_;
  const PolicyTable& policies_;
  PolicySelector& selector_;
  GroupAssigner& groups_;
  Tables tables_;
  model::PolicySettings settings_;
  std::map<std::string, Record> records_;  // of this node
  std::map<std::string, model::HostInterface> interfaces_;
  Entries entries_;
  bool changed_ = false;
};

}  // namespace caracal::policy
