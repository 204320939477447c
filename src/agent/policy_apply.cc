#include "agent/policy_apply.h"

#include "base/log.h"

namespace caracal::agent {
namespace {

template <typename Key, typename Value, typename Visit>
void for_each_key(const desired::MapDelta<Key, Value>& delta, const Visit& visit) {
  for (const auto& [key, value] : delta.set) visit(key);
  for (const Key& key : delta.erase) visit(key);
}
template <typename Key, typename Visit>
void for_each_key(const desired::SetDelta<Key>& delta, const Visit& visit) {
  for (const Key& key : delta.add) visit(key);
  for (const Key& key : delta.erase) visit(key);
}

}  // namespace

std::set<std::string> affected_interfaces(const desired::PolicyTables& tables,
                                          const desired::PolicyDelta& delta) {
  std::set<std::string> out;
  for (const auto& [key, policy] : delta.interfaces.set) out.insert(key.interface);
  for (const auto& key : delta.interfaces.erase) out.insert(key.interface);
  for (const auto& key : delta.sources.add) out.insert(key.interface);
  for (const auto& key : delta.sources.erase) out.insert(key.interface);
  // Who is in which identity, and which port in which class, concerns everybody who is policed.
  const bool global = !delta.addresses.empty() || !delta.ranges.empty() || !delta.ports.empty() ||
                      !delta.settings.empty();
  std::set<desired::RowId> rows;
  for_each_key(delta.rows, [&](const desired::RowKey& key) { rows.insert(key.row); });
  for_each_key(delta.wide_rows, [&](const desired::WideRowKey& key) { rows.insert(key.row); });
  for_each_key(delta.logged, [&](const desired::RowKey& key) { rows.insert(key.row); });
  for_each_key(delta.refused, [&](const desired::RowKey& key) { rows.insert(key.row); });
  std::set<desired::GroupId> groups;
  for_each_key(delta.peers, [&](const desired::PeerKey& key) { groups.insert(key.group); });
  for_each_key(delta.otherwise, [&](desired::GroupId group) { groups.insert(group); });
  for_each_key(delta.own_splits, [&](const desired::OwnSplitKey& k) { groups.insert(k.group); });
  for_each_key(delta.port_splits, [&](const desired::PortSplitKey& k) { groups.insert(k.group); });
  if (!rows.empty()) {
    for (const auto& [key, row] : tables.peers) {
      if (rows.contains(row)) groups.insert(key.group);
    }
    for (const auto& [group, row] : tables.otherwise) {
      if (rows.contains(row)) groups.insert(group);
    }
  }
  // A group is also reached through the splits of another: by port first, since those come last.
  for (const auto& [key, group] : tables.port_splits) {
    if (groups.contains(group)) groups.insert(key.group);
  }
  for (const auto& [key, group] : tables.own_splits) {
    if (groups.contains(group)) groups.insert(key.group);
  }
  for (const auto& [key, policy] : tables.interfaces) {
    if (policy.disposition == desired::Disposition::kPoliced &&
        (global || groups.contains(policy.group))) {
      out.insert(key.interface);
    }
  }
  return out;
}

bool PolicyApply::sync(desired::PolicyTables tables) {
  pending_ = {};
  waiting_ = std::move(tables);
  return attempt();
}

bool PolicyApply::apply(const desired::PolicyDelta& delta) {
  if (waiting_) {
    desired::apply(*waiting_, delta);
  } else {
    pending_.merge(delta);
  }
  return attempt();
}

bool PolicyApply::retry() { return attempt(); }

bool PolicyApply::resync() { return sync_pending(); }

bool PolicyApply::attempt() {
  if (waiting_) {
    auto report = target_->sync(*waiting_);
    if (!report) {
      error_ = report.error().message;
      log::error("policy not programmed: the kernel keeps what it had", {{"error", error_}});
      return false;
    }
    last_sync_ = *report;
    waiting_.reset();
    synced_ = true;
    succeeded();
    return true;
  }
  if (pending_.empty()) return true;
  auto report = target_->apply(pending_);
  if (report) {
    last_apply_ = *report;
    succeeded();
    return true;
  }
  error_ = report.error().message;
  log::warn("policy change refused, comparing with the kernel", {{"error", error_}});
  return sync_pending();
}

bool PolicyApply::sync_pending() {
  desired::PolicyTables wanted = target_->tables();
  desired::apply(wanted, pending_);
  auto report = target_->sync(wanted);
  if (report) {
    last_sync_ = *report;
    succeeded();
    return true;
  }
  error_ = report.error().message;
  close_affected();
  return false;
}

// What was open before must not stay open by rules that are no longer wanted.
void PolicyApply::close_affected() {
  const desired::PolicyTables& held = target_->tables();
  for (const std::string& interface : affected_interfaces(held, pending_)) {
    if (closed_.contains(interface)) {
      closed_[interface] = error_;
      continue;
    }
    bool known = false;
    for (const desired::Direction direction :
         {desired::Direction::kIngress, desired::Direction::kEgress}) {
      const desired::InterfaceKey key{direction, interface};
      const auto now = held.interfaces.find(key);
      if (now == held.interfaces.end()) continue;
      known = true;
      // So that the next attempt opens it again.
      if (!pending_.interfaces.erase.contains(key)) {
        pending_.interfaces.set.try_emplace(key, now->second);
      }
    }
    // The kernel drops what it does not know, so a new interface is closed as it is.
    const Status closed = known ? target_->close_interface(interface) : Status();
    closed_[interface] =
        closed ? error_ : error_ + "; closing it failed, too: " + closed.error().message;
    log::error("policy not programmed: endpoint closed",
               {{"interface", interface}, {"error", closed_[interface]}});
  }
}

void PolicyApply::succeeded() {
  pending_ = {};
  error_.clear();
  for (const auto& [interface, why] : closed_) {
    log::info("policy programmed: endpoint no longer closed", {{"interface", interface}});
  }
  closed_.clear();
}

}  // namespace caracal::agent
