#include "policy/row_table.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace caracal::policy {
namespace {

using desired::PortKey;
using desired::PortSpace;

// No more intervals than this many times the limit are looked at to count a row's classes.
constexpr size_t kPatience = 16;

PortKey key_at(uint32_t point) {
  const uint32_t space = point / 65536;
  return {static_cast<PortSpace>(space), static_cast<uint16_t>(point % 65536)};
}

std::optional<uint32_t> end_at(uint32_t end) {
  if (end == kPortLineEnd) return std::nullopt;
  return end;
}

std::vector<uint32_t> space_starts() {
  std::vector<uint32_t> out;
  for (const PortSpace space : desired::kPortSpaces) out.push_back(space_start(space));
  return out;
}

// The same for equal contents in every engine.
uint64_t hash_of(std::span<const uint32_t> words) {
  uint64_t hash = 0x9e3779b97f4a7c15ull;
  for (const uint32_t word : words) {
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9ull;
    hash ^= hash >> 31;
  }
  return hash;
}

}  // namespace

RowTable::RowTable(const Tables& tables) : tables_(tables), cut_(sets_, space_starts()) {}

RowId RowTable::acquire(const RowContent& content) {
  if (content.empty()) return 0;
  std::vector<uint32_t> words;
  for (const PortSet* part : {&content.allowed, &content.logged, &content.refused}) {
    const auto numbers = part->numbers();
    words.push_back(static_cast<uint32_t>(numbers.size()));
    words.insert(words.end(), numbers.begin(), numbers.end());
  }
  bool added = false;
  const RowId id = contents_.acquire(words, &added);
  if (!added) {
    contents_.release(id);  // the table holds each row once, users are counted here
    ++rows_[id].users;
    return id;
  }
  if (rows_.size() <= id) rows_.resize(id + 1);
  rows_[id] = {.users = 1, .hash = hash_of(words), .content = content};
  changed_ = true;
  return id;
}

void RowTable::retain(RowId id) {
  if (id != 0) ++rows_[id].users;
}

void RowTable::release(RowId id) {
  if (id != 0 && --rows_[id].users == 0) unused_.push_back(id);
}

void RowTable::cut(const PortSet& ports, uint32_t member, bool add) {
  const auto numbers = ports.numbers();
  for (size_t i = 0; i < numbers.size(); i += 2) {
    if (add) {
      cut_.add(numbers[i], end_at(numbers[i + 1]), member);
    } else {
      cut_.remove(numbers[i], end_at(numbers[i + 1]), member);
    }
  }
}

void RowTable::list_wide(RowId id, bool add) {
  const auto numbers = rows_[id].content.allowed.numbers();
  for (size_t i = 0; i < numbers.size(); i += 2) {
    // An interval of the line may reach over several spaces.
    for (uint32_t first = numbers[i]; first < numbers[i + 1];) {
      const PortKey key = key_at(first);
      const uint32_t end = std::min(numbers[i + 1], space_start(key.space) + 65536);
      const desired::WideRowKey entry{id, key.space, key.first,
                                      static_cast<uint16_t>((end - 1) % 65536)};
      if (add) {
        tables_.wide_rows.add(entry);
      } else {
        tables_.wide_rows.erase(entry);
      }
      first = end;
    }
  }
}

void RowTable::set_form(RowId id, Form form) {
  Row& row = rows_[id];
  if (row.form == form) return;
  if (row.form == Form::kClasses) cut(row.content.allowed, id * kParts + kAllowed, false);
  if (row.form == Form::kWide) list_wide(id, false);
  row.form = form;
  if (form == Form::kClasses) cut(row.content.allowed, id * kParts + kAllowed, true);
  if (form == Form::kWide) list_wide(id, true);
}

// The rows whose allowed ports need too many classes; sorted.
std::vector<RowId> RowTable::wide() const {
  // All rows laid over each other: where each elementary interval begins, and a signature of the
  // rows that cover it. Intervals with equal signatures are of one class.
  struct Edge {
    uint32_t point;
    uint64_t hash;
  };
  std::vector<Edge> edges;
  for (const Row& row : rows_) {
    if (row.users == 0) continue;
    for (const uint32_t point : row.content.allowed.numbers()) edges.push_back({point, row.hash});
  }
  if (edges.size() <= kWideBase) return {};
  std::sort(edges.begin(), edges.end(),
            [](const Edge& a, const Edge& b) { return a.point < b.point; });
  std::vector<uint32_t> points;
  std::vector<uint64_t> signatures;
  uint64_t signature = 0;
  for (size_t i = 0; i < edges.size();) {
    const uint32_t point = edges[i].point;
    for (; i < edges.size() && edges[i].point == point; ++i) signature ^= edges[i].hash;
    points.push_back(point);
    signatures.push_back(signature);
  }

  std::vector<RowId> out;
  std::unordered_set<uint64_t> seen;
  for (RowId id = 1; id < rows_.size(); ++id) {
    if (rows_[id].users == 0) continue;
    const auto numbers = rows_[id].content.allowed.numbers();
    const size_t limit = kWideBase + kWideFactor * (numbers.size() / 2);
    if (points.size() <= limit) continue;
    seen.clear();
    size_t patience = kPatience * limit;
    for (size_t i = 0; i < numbers.size() && seen.size() <= limit && patience > 0; i += 2) {
      auto at = static_cast<size_t>(std::lower_bound(points.begin(), points.end(), numbers[i]) -
                                    points.begin());
      for (; at < points.size() && points[at] < numbers[i + 1]; ++at) {
        seen.insert(signatures[at]);
        if (seen.size() > limit || --patience == 0) break;
      }
    }
    if (seen.size() > limit) out.push_back(id);
  }
  return out;
}

void RowTable::update() {
  for (const RowId id : std::exchange(unused_, {})) {
    Row& row = rows_[id];
    if (row.users > 0 || contents_.list(id).empty()) continue;  // used again, or met twice
    set_form(id, Form::kNone);
    if (row.entered) {
      cut(row.content.logged, id * kParts + kLogged, false);
      cut(row.content.refused, id * kParts + kRefused, false);
    }
    contents_.release(id);
    row = {};
    changed_ = true;
  }
  if (!std::exchange(changed_, false)) return;
  const std::vector<RowId> wide_now = wide();
  for (RowId id = 1; id < rows_.size(); ++id) {
    Row& row = rows_[id];
    if (row.users == 0) continue;
    const bool is_wide = std::binary_search(wide_now.begin(), wide_now.end(), id);
    set_form(id, is_wide ? Form::kWide : Form::kClasses);
    if (std::exchange(row.entered, true)) continue;
    cut(row.content.logged, id * kParts + kLogged, true);
    cut(row.content.refused, id * kParts + kRefused, true);
  }
  write_classes();
}

// Makes the tables say that the class is in these rows.
void RowTable::write_class(PortClass id, ListId set) {
  const std::array parts{&tables_.rows, &tables_.logged, &tables_.refused};
  const auto before = sets_.list(classes_[id].rows);
  const auto now = sets_.list(set);
  size_t a = 0, b = 0;
  while (a < before.size() || b < now.size()) {
    if (b == now.size() || (a < before.size() && before[a] < now[b])) {
      parts[before[a] % kParts]->erase({before[a] / kParts, id});
      ++a;
    } else if (a == before.size() || now[b] < before[a]) {
      parts[now[b] % kParts]->add({now[b] / kParts, id});
      ++b;
    } else {
      ++a, ++b;
    }
  }
  sets_.retain(set);
  sets_.release(classes_[id].rows);
  classes_[id].rows = set;
}

void RowTable::write_classes() {
  std::unordered_set<ListId> present;
  for (const auto& [point, set] : cut_.intervals()) present.insert(set);

  std::unordered_map<ListId, PortClass> class_of;
  std::unordered_set<PortClass> orphans;  // their set is gone: to be inherited or removed
  for (PortClass id = 1; id < classes_.size(); ++id) {
    if (!classes_[id].used) continue;
    if (present.contains(classes_[id].rows)) {
      class_of.emplace(classes_[id].rows, id);
    } else {
      orphans.insert(id);
    }
  }
  PortClass free = 1;
  for (const auto& [point, set] : cut_.intervals()) {
    if (class_of.contains(set)) continue;
    // The class that these ports had so far, if it is free to change.
    PortClass id = 0;
    const auto& live = tables_.ports.live();
    if (const auto at = live.upper_bound(key_at(point));
        at != live.begin() && orphans.erase(std::prev(at)->second) > 0) {
      id = std::prev(at)->second;
    } else {
      while (free < classes_.size() && classes_[free].used) ++free;
      id = free;
      if (id == classes_.size()) classes_.emplace_back();
      classes_[id].used = true;
    }
    write_class(id, set);
    class_of.emplace(set, id);
  }
  for (const PortClass id : orphans) {
    write_class(id, 0);
    classes_[id].used = false;
  }

  // Both are in the order of the line.
  std::vector<PortKey> stale;
  for (const auto& [key, id] : tables_.ports.live()) {
    if (!cut_.intervals().contains(space_start(key.space) + key.first)) stale.push_back(key);
  }
  for (const PortKey& key : stale) tables_.ports.erase(key);
  for (const auto& [point, set] : cut_.intervals()) {
    tables_.ports.set(key_at(point), class_of.at(set));
  }
}

}  // namespace caracal::policy
