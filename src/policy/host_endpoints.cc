#include "policy/host_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace caracal::policy {
namespace {

using desired::Disposition;
using desired::HostHook;

constexpr std::string_view kAllowProfile = "projectcalico-default-allow";
constexpr std::string_view kNamespaceProfile = "kns.";
constexpr std::string_view kEveryInterface = "*";

constexpr std::array kHooks = {HostHook::kUntrackedIngress, HostHook::kPreDnat,
                               HostHook::kIngress,          HostHook::kForwardIngress,
                               HostHook::kForwardEgress,    HostHook::kEgress,
                               HostHook::kUntrackedEgress};

model::Direction direction_of(HostHook hook) {
  const bool egress = hook == HostHook::kForwardEgress || hook == HostHook::kEgress ||
                      hook == HostHook::kUntrackedEgress;
  return egress ? model::Direction::kEgress : model::Direction::kIngress;
}

// Is a policy of `policy` looked at in `hook`?
bool counts_in(HostHook hook, model::Hook policy) {
  switch (hook) {
    case HostHook::kUntrackedIngress:
    case HostHook::kUntrackedEgress:
      return policy == model::Hook::kUntracked;
    case HostHook::kPreDnat:
      return policy == model::Hook::kPreDnat;
    case HostHook::kForwardIngress:
    case HostHook::kForwardEgress:
      return policy == model::Hook::kForward;
    case HostHook::kIngress:
    case HostHook::kEgress:
      return policy == model::Hook::kNormal || policy == model::Hook::kForward;
  }
  return false;
}

bool is_normal(HostHook hook) { return hook == HostHook::kIngress || hook == HostHook::kEgress; }
bool is_forward(HostHook hook) {
  return hook == HostHook::kForwardIngress || hook == HostHook::kForwardEgress;
}

}  // namespace

void HostEndpoints::set(const model::HostEndpointUpdate& update) {
  endpoints_.set_host(update.key, update.value ? &*update.value : nullptr);
  const bool here = update.value && update.value->node == node_;
  const auto it = records_.find(update.key);
  if (!here) {
    if (it == records_.end()) return;
    selector_.drop(it->second.selection);
    records_.erase(it);
    changed_ = true;
    return;
  }
  if (it != records_.end() && it->second.endpoint == *update.value) return;
  Record& record = records_[update.key];
  record.endpoint = *update.value;
  record.selection.host = true;
  record.selection.dirty = true;
  changed_ = true;
}

void HostEndpoints::set(const model::HostInterfaceUpdate& update) {
  const auto it = interfaces_.find(update.key);
  if (!update.value) {
    changed_ = interfaces_.erase(update.key) > 0 || changed_;
  } else if (it == interfaces_.end() || it->second != *update.value) {
    interfaces_.insert_or_assign(update.key, *update.value);
    changed_ = true;
  }
}

void HostEndpoints::set(const model::PolicySettingsUpdate& update) {
  settings_ = update.value.value_or(model::PolicySettings());
  changed_ = true;
}

void HostEndpoints::namespace_changed(const std::string& ns) {
  for (auto& [name, record] : records_) {
    for (const std::string& profile : record.endpoint.profiles) {
      if (profile == std::string(kNamespaceProfile) + ns) changed_ = true;
    }
  }
}

void HostEndpoints::order_changed() {
  for (auto& [name, record] : records_) record.selection.dirty = true;
}

void HostEndpoints::select() {
  for (auto& [name, record] : records_) {
    if (selector_.refresh(record.selection, endpoints_.class_of_host(name))) changed_ = true;
  }
}

// A named interface goes before addresses, these before "*"; among equals the first name.
HostEndpoints::Owners HostEndpoints::owners() const {
  Owners out;
  for (const auto& [name, record] : records_) {
    const std::string& interface = record.endpoint.interface;
    if (!interface.empty() && interface != kEveryInterface) out.try_emplace(interface, &record);
  }
  for (const auto& [name, record] : records_) {
    if (!record.endpoint.interface.empty()) continue;
    const auto& wanted = record.endpoint.addresses;
    for (const auto& [interface, value] : interfaces_) {
      if (std::find_first_of(value.addresses.begin(), value.addresses.end(), wanted.begin(),
                             wanted.end()) != value.addresses.end())
        out.try_emplace(interface, &record);
    }
  }
  for (const auto& [name, record] : records_) {
    if (record.endpoint.interface == kEveryInterface)
      out.try_emplace(std::string(kEveryInterface), &record);
  }
  return out;
}

// The first profile decides: each there is allows everything, and one that is not there denies.
bool HostEndpoints::profile_allows(const model::HostEndpoint& endpoint) const {
  if (endpoint.profiles.empty()) return false;
  const std::string& first = endpoint.profiles.front();
  if (first == kAllowProfile) return true;
  if (!first.starts_with(kNamespaceProfile)) return false;
  const StringId ns = strings_.find(std::string_view(first).substr(kNamespaceProfile.size()));
  return ns != 0 && namespaces_.knows(ns);
}

// The enforced ones, in the order of evaluation.
NumberList HostEndpoints::policies_in(const Record& record, HostHook hook) const {
  NumberList out;
  for (const PolicyIndex index : record.selection.of(direction_of(hook))) {
    const PolicyRecord& policy = policies_.at(index);
    if (!policy.staged && counts_in(hook, policy.hook)) out.push_back(index);
  }
  return out;
}

void HostEndpoints::enter(const std::string& interface, const Record& record, HostHook hook,
                          Entries& out) {
  GroupForm form;
  form.direction = direction_of(hook);
  form.policies = policies_in(record, hook);
  Entry entry;
  if (form.policies.empty()) {
    if (is_normal(hook)) {
      entry.policy.disposition =
          profile_allows(record.endpoint) ? Disposition::kOpen : Disposition::kClosed;
      out.emplace(desired::HostKey{hook, interface}, std::move(entry));
      return;
    }
    // What "*" has in this hook must not hold here.
    if (!out.contains({hook, std::string(kEveryInterface)})) return;
    if (is_forward(hook)) {
      entry.policy.disposition = Disposition::kOpen;
      out.emplace(desired::HostKey{hook, interface}, std::move(entry));
      return;
    }
  }
  form.undecided = Undecided::kGoesOn;
  if (is_forward(hook)) form.undecided = Undecided::kAllowed;
  if (is_normal(hook)) {
    form.undecided = profile_allows(record.endpoint) ? Undecided::kAllowed : Undecided::kDenied;
  }
  entry.host = groups_.assign_host(std::move(form));
  entry.policy = {Disposition::kPoliced, entry.host.assignment.group};
  out.emplace(desired::HostKey{hook, interface}, std::move(entry));
}

void HostEndpoints::assign(const std::vector<IdentityId>& born,
                           const std::vector<IdentityId>& gone) {
  if (!std::exchange(changed_, false)) {
    for (auto& [key, entry] : entries_) groups_.follow(entry.host, born, gone);
    return;
  }

  const auto by_interface = owners();  // "*" sorts before every name of an interface
  Entries now;
  for (const auto& [interface, record] : by_interface) {
    for (const HostHook hook : kHooks) enter(interface, *record, hook, now);
  }
  for (auto& [key, entry] : entries_) {
    if (!now.contains(key)) tables_.hosts.erase(key);
    groups_.release(entry.host.assignment);
  }
  for (const auto& [key, entry] : now) tables_.hosts.set(key, entry.policy);
  entries_ = std::move(now);
  write_failsafes();
  if (settings_.to_host == model::ToHostAction::kReturn) {
    tables_.settings.erase(desired::Setting::kToHost);
  } else {
    tables_.settings.set(desired::Setting::kToHost,
                         settings_.to_host == model::ToHostAction::kDrop ? 0 : 2);
  }
}

// Without host endpoints there is nothing to be safe from.
void HostEndpoints::write_failsafes() {
  std::set<desired::FailsafeKey> now;
  const auto add = [&](desired::Direction direction, const std::vector<model::Failsafe>& list) {
    for (const model::Failsafe& one : list) {
      const auto space = space_of(one.protocol).value_or(desired::PortSpace::kOther);
      if (one.protocol == net::kIcmp || one.protocol == net::kIcmpV6) continue;
      const uint16_t port = one.protocol.has_ports() ? one.port : one.protocol.number;
      if (one.net) {
        now.insert({direction, space, port, *one.net});
        continue;
      }
      for (const net::Family family : net::kFamilies) {
        now.insert({direction, space, port, net::Cidr(net::IpAddr::first(family), 0)});
      }
    }
  };
  if (!entries_.empty()) {
    add(desired::Direction::kIngress, settings_.inbound);
    add(desired::Direction::kEgress, settings_.outbound);
  }
  const std::set<desired::FailsafeKey> before = tables_.failsafes.live();
  for (const desired::FailsafeKey& key : before) {
    if (!now.contains(key)) tables_.failsafes.erase(key);
  }
  for (const desired::FailsafeKey& key : now) tables_.failsafes.add(key);
}

std::string HostEndpoints::nowhere(const Record& record, const Owners& owners) const {
  const model::HostEndpoint& endpoint = record.endpoint;
  if (!endpoint.interface.empty()) {
    const auto other = owners.find(endpoint.interface);
    return fmt::format("host endpoint {} speaks for interface {}, not this one",
                       other == owners.end() ? "?" : other->second->endpoint.name,
                       endpoint.interface);
  }
  std::string addresses;
  for (const net::IpAddr& address : endpoint.addresses)
    addresses += (addresses.empty() ? "" : ", ") + address.to_string();
  if (addresses.empty()) return "it names neither an interface nor an expected IP";
  return fmt::format(
      "no interface of node {} has one of its expected IPs ({}), or one that has is another host "
      "endpoint's",
      node_, addresses);
}

std::map<std::string, HostEndpointStatus> HostEndpoints::statuses() const {
  std::map<std::string, HostEndpointStatus> out;
  const Owners by_interface = owners();
  for (const auto& [name, record] : records_) {
    HostEndpointStatus& status = out[name];
    for (const auto& [interface, owner] : by_interface) {
      if (owner == &record) status.interfaces.push_back(interface);
    }
    if (status.interfaces.empty()) {
      status.errors.push_back("not in force: " + nowhere(record, by_interface));
      continue;
    }
    for (const std::string& interface : status.interfaces) {
      if (interface != kEveryInterface && !interfaces_.contains(interface))
        status.errors.push_back(
            fmt::format("there is no interface {} on node {}", interface, node_));
    }
    if (!profile_allows(record.endpoint)) {
      const auto& profiles = record.endpoint.profiles;
      status.errors.push_back(fmt::format(
          "{}: what no policy decides of the host's own traffic is denied",
          profiles.empty() ? std::string("it has no profile")
                           : fmt::format("profile {} allows nothing", profiles.front())));
    }
    std::set<PolicyIndex> told;
    for (const HostHook hook : kHooks) {
      const NumberList policies = policies_in(record, hook);
      if (policies.empty() && !is_normal(hook)) continue;
      HostEndpointStatus::Hook& judged = status.hooks[hook];
      const auto entry = tables_.hosts.live().find({hook, status.interfaces.front()});
      if (entry != tables_.hosts.live().end()) judged.disposition = entry->second.disposition;
      for (const PolicyIndex index : policies) {
        judged.policies.push_back(policies_.id(index));
        const PolicyRecord& policy = policies_.at(index);
        if (policy.invalid && told.insert(index).second) {
          status.errors.push_back(
              fmt::format("{} is invalid, it isolates the host endpoint and allows nothing: {}",
                          judged.policies.back().to_string(), *policy.invalid));
        }
      }
    }
  }
  return out;
}

}  // namespace caracal::policy
