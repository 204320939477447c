#include "policy/row_table.h"

#include <set>
#include <unordered_map>

namespace caracal::policy {
namespace {

using desired::PortKey;
using desired::PortSpace;

PortKey key_at(uint32_t point) {
  const uint32_t space = point / 65536;
  return {static_cast<PortSpace>(space), static_cast<uint16_t>(point % 65536)};
}

std::optional<uint32_t> end_at(uint32_t end) {
  if (end == kPortLineEnd) return std::nullopt;
  return end;
}

}  // namespace

RowTable::RowTable(TrackedMap<PortKey, PortClass>& ports, TrackedSet<desired::RowKey>& rows)
    : ports_(ports),
      rows_(rows),
      cut_(sets_, {space_start(PortSpace::kTcp), space_start(PortSpace::kUdp),
                   space_start(PortSpace::kSctp), space_start(PortSpace::kOther)}),
      classes_(1) {}

RowId RowTable::acquire(const PortSet& ports) {
  bool added = false;
  const RowId id = contents_.acquire(ports.numbers(), &added);
  if (id == 0) return 0;
  if (!added) {
    contents_.release(id);  // the table holds each row once, users are counted here
    ++users_[id];
    return id;
  }
  if (users_.size() <= id) users_.resize(id + 1);
  users_[id] = 1;
  const auto numbers = ports.numbers();
  for (size_t i = 0; i < numbers.size(); i += 2) cut_.add(numbers[i], end_at(numbers[i + 1]), id);
  changed_ = true;
  return id;
}

void RowTable::retain(RowId id) {
  if (id != 0) ++users_[id];
}

void RowTable::release(RowId id) {
  if (id != 0 && --users_[id] == 0) unused_.push_back(id);
}

void RowTable::update() {
  for (const RowId id : std::exchange(unused_, {})) {
    if (users_[id] > 0 || contents_.list(id).empty()) continue;  // used again, or met twice
    const PortSet ports = PortSet::from_numbers(contents_.list(id));
    const auto numbers = ports.numbers();
    for (size_t i = 0; i < numbers.size(); i += 2) {
      cut_.remove(numbers[i], end_at(numbers[i + 1]), id);
    }
    contents_.release(id);
    changed_ = true;
  }
  if (std::exchange(changed_, false)) write_classes();
}

PortClass RowTable::free_class() const {
  PortClass id = 1;
  while (id < classes_.size() && classes_[id].used) ++id;
  return id;
}

void RowTable::write_classes() {
  std::set<ListId> present;
  for (const auto& [point, set] : cut_.intervals()) present.insert(set);

  std::unordered_map<ListId, PortClass> class_of;
  std::vector<PortClass> orphans;  // their set is gone: to be inherited or removed
  for (PortClass id = 1; id < classes_.size(); ++id) {
    if (!classes_[id].used) continue;
    if (present.contains(classes_[id].rows)) {
      class_of.emplace(classes_[id].rows, id);
    } else {
      orphans.push_back(id);
    }
  }
  const auto rewrite = [&](PortClass id, ListId set) {
    const auto before = sets_.list(classes_[id].rows);
    const auto now = sets_.list(set);
    size_t a = 0, b = 0;
    while (a < before.size() || b < now.size()) {
      if (b == now.size() || (a < before.size() && before[a] < now[b])) {
        rows_.erase({before[a++], id});
      } else if (a == before.size() || now[b] < before[a]) {
        rows_.add({now[b++], id});
      } else {
        ++a, ++b;
      }
    }
    sets_.retain(set);
    sets_.release(classes_[id].rows);
    classes_[id].rows = set;
  };
  for (const auto& [point, set] : cut_.intervals()) {
    if (class_of.contains(set)) continue;
    // The class that these ports had so far, if it is free to change.
    PortClass id = 0;
    if (const auto live = ports_.live().upper_bound(key_at(point)); live != ports_.live().begin()) {
      const auto orphan = std::find(orphans.begin(), orphans.end(), std::prev(live)->second);
      if (orphan != orphans.end()) {
        id = *orphan;
        orphans.erase(orphan);
      }
    }
    if (id == 0) {
      id = free_class();
      if (id == classes_.size()) classes_.emplace_back();
      classes_[id].used = true;
    }
    rewrite(id, set);
    class_of.emplace(set, id);
  }
  for (const PortClass id : orphans) {
    rewrite(id, 0);
    classes_[id].used = false;
  }

  // Both are in the order of the line.
  std::vector<PortKey> stale;
  for (const auto& [key, id] : ports_.live()) {
    if (!cut_.intervals().contains(space_start(key.space) + key.first)) stale.push_back(key);
  }
  for (const PortKey& key : stale) ports_.erase(key);
  for (const auto& [point, set] : cut_.intervals()) ports_.set(key_at(point), class_of.at(set));
}

}  // namespace caracal::policy
