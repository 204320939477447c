#include "policy/host_endpoints.h"

#include <algorithm>

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
std::map<std::string, const HostEndpoints::Record*> HostEndpoints::owners() const {
  std::map<std::string, const Record*> out;
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

std::vector<net::IpAddr> HostEndpoints::own_addresses(const Record& record) const {
  std::vector<net::IpAddr> out = record.endpoint.addresses;
  for (const auto& [name, interface] : interfaces_) {
    out.insert(out.end(), interface.addresses.begin(), interface.addresses.end());
  }
  return out;
}

std::vector<IdentityId> HostEndpoints::own_identities() const {
  std::vector<IdentityId> out;
  for (const auto& [name, record] : records_) {
    for (const model::Direction direction : kDirections) {
      if (!groups_.asks_self(record.selection.of(direction), direction)) continue;
      std::vector<net::IpAddr> own = own_addresses(record);
      const auto asked = groups_.asked_addresses(record.selection.of(direction), direction);
      own.insert(own.end(), asked.begin(), asked.end());
      for (const net::IpAddr& address : own) out.push_back(groups_.facts().identity_of(address));
    }
  }
  return out;
}

void HostEndpoints::enter(const std::string& interface, const Record& record, HostHook hook,
                          Entries& out) {
  GroupForm form;
  form.direction = direction_of(hook);
  for (const PolicyIndex index : record.selection.of(form.direction)) {
    const PolicyRecord& policy = policies_.at(index);
    if (!policy.staged && counts_in(hook, policy.hook)) form.policies.push_back(index);
  }
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
  OwnEnd own{record.selection.cls, own_addresses(record), true};
  const auto asked = groups_.asked_addresses(form.policies, form.direction);
  own.addresses.insert(own.addresses.end(), asked.begin(), asked.end());
  groups_.assign(entry.assignment, std::move(form), own);
  entry.policy = {Disposition::kPoliced, entry.assignment.group};
  out.emplace(desired::HostKey{hook, interface}, std::move(entry));
}

void HostEndpoints::assign() {
  std::vector<IdentityId> own = own_identities();
  const bool own_changed = own != std::exchange(own_, own);
  if (!std::exchange(changed_, false) && !own_changed) return;

  const auto by_interface = owners();  // "*" sorts before every name of an interface
  Entries now;
  for (const auto& [interface, record] : by_interface) {
    for (const HostHook hook : kHooks) enter(interface, *record, hook, now);
  }
  for (auto& [key, entry] : entries_) {
    if (!now.contains(key)) tables_.hosts.erase(key);
    groups_.release(entry.assignment);
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
      const auto space = space_of(one.protocol);
      if (!space || !one.protocol.has_ports()) continue;
      if (one.net) {
        now.insert({direction, *space, one.port, *one.net});
        continue;
      }
      for (const net::Family family : net::kFamilies) {
        now.insert({direction, *space, one.port, net::Cidr(net::IpAddr::first(family), 0)});
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

}  // namespace caracal::policy
