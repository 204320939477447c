#include "policy/local_endpoints.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::policy {
namespace {

desired::Direction desired_of(model::Direction direction) {
  return direction == model::Direction::kIngress ? desired::Direction::kIngress
                                                 : desired::Direction::kEgress;
}

}  // namespace

void LocalEndpoints::release(Record& record) {
  selector_.drop(record.selection);
  for (Assignment& assignment : record.groups) groups_.release(assignment);
}

// Enters the record where its pod leads.
void LocalEndpoints::enter(Record& record) {
  if (free_numbers_.empty()) {
    record.number = static_cast<uint32_t>(numbered_.size());
    numbered_.push_back(&record);
  } else {
    record.number = free_numbers_.back();
    free_numbers_.pop_back();
    numbered_[record.number] = &record;
  }
  by_pod_.insert(hash_of(record.endpoint.pod), record.number);
}
void LocalEndpoints::leave(Record& record) {
  by_pod_.erase(hash_of(record.endpoint.pod), record.number);
  numbered_[record.number] = nullptr;
  free_numbers_.push_back(record.number);
}

void LocalEndpoints::set(const model::LocalEndpointUpdate& update) {
  // Interfaces often come in order.
  const bool last = records_.empty() || records_.rbegin()->first < update.key;
  const auto it = last ? records_.end() : records_.find(update.key);
  if (it != records_.end()) {
    Record& record = it->second;
    if (update.value && *update.value == record.endpoint) return;
    for (const net::IpAddr& address : record.endpoint.addresses) {
      tables_.sources.erase({update.key, address});
    }
    const model::ObjectName pod = record.endpoint.pod;
    leave(record);
    if (!update.value) {
      for (const model::Direction direction : kDirections) {
        tables_.interfaces.erase({desired_of(direction), update.key});
      }
      release(record);
      asking_.erase(update.key);
      records_.erase(it);
    }
    update_extra_addresses(pod);
  }
  if (!update.value) return;
  Record& record =
      last ? records_.try_emplace(records_.end(), update.key)->second : records_[update.key];
  record.endpoint = *update.value;
  record.endpoint.interface = update.key;
  record.selection.dirty = true;
  record.regroup = true;
  any_dirty_ = true;
  enter(record);
  update_extra_addresses(record.endpoint.pod);
  for (const net::IpAddr& address : record.endpoint.addresses) {
    tables_.sources.add({update.key, address});
  }
}

void LocalEndpoints::update_extra_addresses(const model::ObjectName& pod) {
  std::vector<net::IpAddr> addresses;
  for_each_of(pod, [&](const Record& record) {
    const auto& list = record.endpoint.addresses;
    addresses.insert(addresses.end(), list.begin(), list.end());
  });
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  endpoints_.set_extra_addresses(pod, std::move(addresses));
}

void LocalEndpoints::pod_changed(const model::ObjectName& pod) {
  for_each_of(pod, [&](Record& record) {
    record.selection.dirty = true;
    record.regroup = true;
    any_dirty_ = true;
  });
}

void LocalEndpoints::namespace_changed(const std::string& ns) {
  if (!records_.empty()) changed_namespaces_.push_back(ns);
}

void LocalEndpoints::order_changed() {
  for (auto& [interface, record] : records_) record.selection.dirty = true;
  any_dirty_ = true;
}

void LocalEndpoints::select() {
  if (!changed_namespaces_.empty()) {
    bool sorted = false;  // not needed at first, when every record is dirty
    for (auto& [interface, record] : records_) {
      if (record.selection.dirty) continue;
      if (!std::exchange(sorted, true))
        std::sort(changed_namespaces_.begin(), changed_namespaces_.end());
      if (!std::binary_search(changed_namespaces_.begin(), changed_namespaces_.end(),
                              record.endpoint.pod.ns))
        continue;
      record.selection.dirty = true;
      any_dirty_ = true;
    }
    changed_namespaces_.clear();
  }
  if (!any_dirty_ && policies_.changed().empty()) return;
  for (auto& [interface, record] : records_) {
    const bool was_dirty = record.selection.dirty;
    const ClassId cls = was_dirty ? endpoints_.class_of(record.endpoint.pod) : record.selection.cls;
    if (selector_.refresh(record.selection, cls)) record.regroup = true;
    if (was_dirty) {
      const bool known = cls != 0 && namespaces_.knows(endpoints_.at(cls).ns);
      if (std::exchange(record.namespace_known, known) != known) record.regroup = true;
    }
    any_dirty_ = any_dirty_ || record.regroup;
  }
}

// Notes what is asked of the local end where a rule asks for it. True when it is other than before.
bool LocalEndpoints::own_changed(Record& record) const {
  std::vector<uint32_t> now;
  if (record.asks_self) {
    const auto predicates = groups_.predicates_of(record.selection.cls);
    now.assign(predicates.begin(), predicates.end());
    for (const net::IpAddr& address : record.endpoint.addresses) {
      now.push_back(groups_.facts().identity_of(address));
    }
  }
  return now != std::exchange(record.own, now);
}

GroupForm LocalEndpoints::form_of(const Record& record, model::Direction direction) const {
  GroupForm form;
  form.direction = direction;
  form.undecided = record.namespace_known ? Undecided::kAllowed : Undecided::kDenied;
  for (const PolicyIndex index : record.selection.of(direction)) {
    if (!policies_.at(index).staged) form.policies.push_back(index);
  }
  return form;
}

void LocalEndpoints::assign() {
  std::vector<uint32_t> changed;
  if (std::exchange(any_dirty_, false)) {
    for (auto& [interface, record] : records_) {
      if (!std::exchange(record.regroup, false)) continue;
      assign(interface, record);
      changed.push_back(record.number);
    }
  }
  for (const std::string& interface : std::set<std::string>(asking_)) {
    Record& record = records_.at(interface);
    if (!own_changed(record)) continue;
    assign(interface, record);
    changed.push_back(record.number);
  }
  // One direction after the other, as the table is sorted.
  for (const model::Direction direction : kDirections) {
    for (const uint32_t number : changed)
      write(numbered_[number]->endpoint.interface, *numbered_[number], direction);
  }
}

void LocalEndpoints::assign(const std::string& interface, Record& record) {
  record.asks_self = false;
  for (const model::Direction direction : kDirections) {
    GroupForm form = form_of(record, direction);
    record.asks_self = record.asks_self || groups_.asks_self(form.policies, direction);
    Assignment& assignment = record.groups[place_of(direction)];
    if (form.policies.empty()) {
      groups_.release(assignment);
    } else {
      groups_.assign(assignment, std::move(form), record.selection.cls, record.endpoint.addresses);
    }
  }
  own_changed(record);
  if (record.asks_self) {
    asking_.insert(interface);
  } else {
    asking_.erase(interface);
  }
}

void LocalEndpoints::write(const std::string& interface, const Record& record,
                           model::Direction direction) {
  desired::InterfacePolicy policy;  // closed
  if (record.selection.cls != 0) {
    const GroupId group = record.groups[place_of(direction)].group;
    if (group != 0) {
      policy = {desired::Disposition::kPoliced, group};
    } else if (record.namespace_known) {
      policy.disposition = desired::Disposition::kOpen;
    }
  }
  tables_.interfaces.set({desired_of(direction), interface}, policy);
}

std::map<std::string, EndpointStatus> LocalEndpoints::statuses() const {
  std::map<std::string, EndpointStatus> out;
  for (const auto& [interface, record] : records_) {
    EndpointStatus& status = out[interface];
    status.pod = record.endpoint.pod;
    const auto disposition = [this, &name = interface](model::Direction direction) {
      const auto it = tables_.interfaces.live().find({desired_of(direction), name});
      return it == tables_.interfaces.live().end() ? desired::Disposition::kClosed
                                                   : it->second.disposition;
    };
    status.ingress = disposition(model::Direction::kIngress);
    status.egress = disposition(model::Direction::kEgress);
    if (record.selection.cls == 0) {
      status.errors.push_back(fmt::format(
          "pod {} is not known as a running pod with its own network: nothing passes {}",
          record.endpoint.pod.to_string(), interface));
    } else if (!record.namespace_known) {
      status.errors.push_back(
          fmt::format("namespace {} is not known: what no policy of pod {} decides is denied",
                      record.endpoint.pod.ns, record.endpoint.pod.to_string()));
    }
    std::set<PolicyIndex> told;
    for (const model::Direction direction : kDirections) {
      auto& names = direction == model::Direction::kIngress ? status.ingress_policies
                                                            : status.egress_policies;
      for (const PolicyIndex index : record.selection.of(direction)) {
        const PolicyRecord& policy = policies_.at(index);
        names.push_back(policies_.id(index));
        if (policy.invalid && told.insert(index).second) {
          status.errors.push_back(
              fmt::format("{} is invalid, it isolates the pod and allows nothing: {}",
                          names.back().to_string(), *policy.invalid));
        }
      }
    }
  }
  return out;
}

}  // namespace caracal::policy
