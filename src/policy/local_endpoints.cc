#include "policy/local_endpoints.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::policy {
namespace {

size_t at(model::Direction direction) { return static_cast<size_t>(direction); }

desired::Direction desired_of(model::Direction direction) {
  return direction == model::Direction::kIngress ? desired::Direction::kIngress
                                                 : desired::Direction::kEgress;
}

}  // namespace

void LocalEndpoints::set(const model::LocalEndpointUpdate& update) {
  const auto it = records_.find(update.key);
  if (it != records_.end()) {
    Record& record = it->second;
    if (update.value && *update.value == record.endpoint) return;
    for (const net::IpAddr& address : record.endpoint.addresses)
      sources_.erase({update.key, address});
    const model::ObjectName pod = record.endpoint.pod;
    by_pod_[pod].erase(update.key);
    if (by_pod_[pod].empty()) by_pod_.erase(pod);
    if (!update.value) {
      for (const model::Direction direction : kDirections) {
        interfaces_.erase({desired_of(direction), update.key});
        const auto& list = record.policies[at(direction)];
        orphaned_policies_.insert(orphaned_policies_.end(), list.begin(), list.end());
        if (record.groups[at(direction)] != 0)
          orphaned_groups_.push_back(record.groups[at(direction)]);
      }
      records_.erase(it);
    }
    update_extra_addresses(pod);
  }
  if (!update.value) return;
  Record& record = records_[update.key];
  record.endpoint = *update.value;
  record.dirty = true;
  record.regroup = true;
  by_pod_[record.endpoint.pod].insert(update.key);
  update_extra_addresses(record.endpoint.pod);
  for (const net::IpAddr& address : record.endpoint.addresses) sources_.add({update.key, address});
}

void LocalEndpoints::update_extra_addresses(const model::ObjectName& pod) {
  std::vector<net::IpAddr> addresses;
  if (const auto it = by_pod_.find(pod); it != by_pod_.end()) {
    for (const std::string& interface : it->second) {
      const auto& list = records_.at(interface).endpoint.addresses;
      addresses.insert(addresses.end(), list.begin(), list.end());
    }
  }
  endpoints_.set_extra_addresses(pod, std::move(addresses));
}

void LocalEndpoints::pod_changed(const model::ObjectName& pod) {
  const auto it = by_pod_.find(pod);
  if (it == by_pod_.end()) return;
  for (const std::string& interface : it->second) {
    records_.at(interface).dirty = true;
    records_.at(interface).regroup = true;
  }
}

void LocalEndpoints::namespace_changed(const std::string& ns) {
  for (auto& [interface, record] : records_) {
    if (record.endpoint.pod.ns == ns) record.dirty = true;
  }
}

bool LocalEndpoints::names(const model::Policy& policy, model::Direction direction) {
  return direction == model::Direction::kIngress ? policy.applies_ingress : policy.applies_egress;
}

bool LocalEndpoints::selects(const PolicyRecord& policy, const Record& record) const {
  if (!policy.exists || record.cls == 0) return false;
  const model::EndpointPeer& peer = policy.policy.selects;
  if (peer.in_namespace && *peer.in_namespace != record.endpoint.pod.ns) return false;
  const auto in = [&](const std::vector<Label>& labels) {
    return [this, &labels](std::string_view key) -> std::optional<std::string_view> {
      for (const Label& label : labels) {
        if (strings_.text(label.key) == key) return strings_.text(label.value);
      }
      return std::nullopt;
    };
  };
  const EndpointClass& c = endpoints_.at(record.cls);
  if (!peer.pods.matches_everything() && !peer.pods.matches(in(c.labels))) return false;
  if (peer.namespaces.matches_everything()) return true;
  const auto ns = namespaces_.all().find(c.ns);
  return ns != namespaces_.all().end() && peer.namespaces.matches(in(ns->second));
}

void LocalEndpoints::select_all(Record& record) {
  for (auto& list : record.policies) list.clear();
  if (record.cls == 0) return;
  policies_.for_each_candidate(record.endpoint.pod.ns, [&](PolicyIndex index) {
    const PolicyRecord& policy = policies_.at(index);
    if (!selects(policy, record)) return;
    for (const model::Direction direction : kDirections) {
      if (names(policy.policy, direction)) record.policies[at(direction)].push_back(index);
    }
  });
}

void LocalEndpoints::select_changed(Record& record, const std::vector<PolicyIndex>& changed) {
  for (auto& list : record.policies) {
    std::erase_if(list, [&](PolicyIndex p) { return policies_.at(p).changed; });
  }
  for (const PolicyIndex index : changed) {
    const PolicyRecord& policy = policies_.at(index);
    if (!selects(policy, record)) continue;
    for (const model::Direction direction : kDirections) {
      if (!names(policy.policy, direction)) continue;
      auto& list = record.policies[at(direction)];
      const auto place =
          std::lower_bound(list.begin(), list.end(), index,
                           [&](PolicyIndex a, PolicyIndex b) { return policies_.before(a, b); });
      list.insert(place, index);
    }
  }
}

std::vector<PolicyIndex> LocalEndpoints::select() {
  std::vector<PolicyIndex> touched;
  const auto take = [&](PolicyIndex index) {
    if (policies_.at(index).users++ == 0) touched.push_back(index);
  };
  const auto drop = [&](PolicyIndex index) {
    if (--policies_.at(index).users == 0) touched.push_back(index);
  };
  const std::vector<PolicyIndex>& changed = policies_.changed();
  for (auto& [interface, record] : records_) {
    if (!record.dirty && changed.empty()) continue;
    const auto before = record.policies;
    if (std::exchange(record.dirty, false)) {
      record.cls = endpoints_.class_of(record.endpoint.pod);
      select_all(record);
    } else {
      select_changed(record, changed);
    }
    // A changed policy may use other port names than it did.
    const auto is_changed = [&](PolicyIndex p) { return policies_.at(p).changed; };
    const auto& ingress = record.policies[at(model::Direction::kIngress)];
    if (record.policies == before) {
      record.regroup = record.regroup || std::any_of(ingress.begin(), ingress.end(), is_changed);
      continue;
    }
    record.regroup = true;
    for (const auto& list : record.policies) std::for_each(list.begin(), list.end(), take);
    for (const auto& list : before) std::for_each(list.begin(), list.end(), drop);
  }
  for (const PolicyIndex index : std::exchange(orphaned_policies_, {})) drop(index);
  return touched;
}

std::vector<ClassPort> LocalEndpoints::own_ports(const Record& record) const {
  std::vector<ClassPort> out;
  for (const PolicyIndex index : record.policies[at(model::Direction::kIngress)]) {
    for (const PortName& name : policies_.at(index).compiled->ingress_names) {
      for (const ClassPort& port : endpoints_.at(record.cls).ports) {
        if (port.name == name.name && port.protocol == name.protocol) out.push_back(port);
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void LocalEndpoints::assign(GroupTable& groups) {
  for (auto& [interface, record] : records_) {
    if (!std::exchange(record.regroup, false)) continue;
    for (const model::Direction direction : kDirections) {
      const auto& list = record.policies[at(direction)];
      GroupId now = 0;
      if (!list.empty()) {
        now = groups.acquire(
            direction, list,
            direction == model::Direction::kIngress ? own_ports(record) : std::vector<ClassPort>());
      }
      if (GroupId& group = record.groups[at(direction)]; group != 0) groups.release(group);
      record.groups[at(direction)] = now;
    }
    write(interface, record);
  }
  for (const GroupId id : std::exchange(orphaned_groups_, {})) groups.release(id);
}

void LocalEndpoints::write(const std::string& interface, const Record& record) {
  for (const model::Direction direction : kDirections) {
    desired::InterfacePolicy policy;  // closed
    if (record.cls != 0) {
      const GroupId group = record.groups[at(direction)];
      policy.disposition =
          group == 0 ? desired::Disposition::kOpen : desired::Disposition::kPoliced;
      policy.group = group;
    }
    interfaces_.set({desired_of(direction), interface}, policy);
  }
}

std::map<std::string, EndpointStatus> LocalEndpoints::statuses() const {
  std::map<std::string, EndpointStatus> out;
  for (const auto& [interface, record] : records_) {
    EndpointStatus& status = out[interface];
    status.pod = record.endpoint.pod;
    const auto disposition = [&](model::Direction direction) {
      const auto it = interfaces_.live().find({desired_of(direction), interface});
      return it == interfaces_.live().end() ? desired::Disposition::kClosed
                                            : it->second.disposition;
    };
    status.ingress = disposition(model::Direction::kIngress);
    status.egress = disposition(model::Direction::kEgress);
    if (record.cls == 0) {
      status.errors.push_back(fmt::format(
          "pod {} is not known as a running pod with its own network: nothing passes {}",
          record.endpoint.pod.to_string(), interface));
    }
    std::set<PolicyIndex> told;
    for (const model::Direction direction : kDirections) {
      auto& names = direction == model::Direction::kIngress ? status.ingress_policies
                                                            : status.egress_policies;
      for (const PolicyIndex index : record.policies[at(direction)]) {
        const PolicyRecord& policy = policies_.at(index);
        names.push_back(policy.policy.id);
        if (policy.invalid && told.insert(index).second) {
          status.errors.push_back(
              fmt::format("{} is invalid, it isolates the pod and allows nothing: {}",
                          policy.policy.id.to_string(), *policy.invalid));
        }
      }
    }
  }
  return out;
}

}  // namespace caracal::policy
