// TwinTable: objects of one kind that may be seen twice, as projectcalico.org/v3 and as
// crd.projectcalico.org/v1, made one.
//
// * An object of both groups with one name is one object; what v3 says holds.
// * "default.X" of crd.projectcalico.org is X of projectcalico.org: releases before 3.30 stored
//   policies of the tier default so (calico.md 2.0). Unless X is stored, too: then both exist.
// * "knp.default.X" is how Calico's API server shows the Kubernetes NetworkPolicy X; while that
//   exists, it is hidden.
// What a stored object says is kept while it exists, since the one that is shown may go at any
// time: of a cluster with many blocks these are most of what the decoders keep, so Part should be
// small. What is shown is not kept but where the third rule may hide it. Values without threads of
// their own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/object.h"

namespace caracal::calico {

template <typename Part>
class TwinTable {
 public:
  enum class Source { kNone, kStored, kShown };  // crd.projectcalico.org, projectcalico.org
  // What to tell the world: nullptr: the object is gone.
  struct Change {
    model::ObjectName name;
    const Part* part;
  };
  // `stored_with_tier`: the kind has the names "default.X".
  explicit TwinTable(bool stored_with_tier = false) : with_tier_(stored_with_tier) {}

  // `part` must live until the changes have been used.
  std::vector<Change> put(Source source, const model::ObjectName& name, const Part* part) {
    Slot& slot = slots_[name];
    if (source == Source::kStored) {
      slot.stored = part == nullptr ? std::nullopt : std::optional<Part>(*part);
    } else {
      slot.shown = part != nullptr;
      slot.shown_kept.reset();
      if (part != nullptr && is_derived(name))
        slot.shown_kept = std::make_unique<const Part>(*part);
    }
    std::vector<Change> changes;
    settle(name, source, part, changes);
    if (with_tier_) settle({name.ns, kTierPrefix + name.name}, Source::kNone, nullptr, changes);
    return changes;
  }

  // The Kubernetes NetworkPolicy of this name exists, or does no more.
  std::vector<Change> set_original(const model::ObjectName& name, bool exists) {
    const model::ObjectName derived{name.ns, kDerivedPrefix + name.name};
    if (exists) {
      originals_.insert(hash(name));
    } else {
      originals_.erase(hash(name));
    }
    std::vector<Change> changes;
    settle(derived, Source::kNone, nullptr, changes);
    return changes;
  }

 private:
  static inline const std::string kTierPrefix = "default.";
  static inline const std::string kDerivedPrefix = "knp.default.";

  struct Slot {
    std::optional<Part> stored;
    bool shown = false;
    std::unique_ptr<const Part> shown_kept;  // of the few that may be hidden
    Source told = Source::kNone;
  };

  static size_t hash(const model::ObjectName& name) { return std::hash<model::ObjectName>{}(name); }
  static bool is_derived(const model::ObjectName& name) {
    return name.name.starts_with(kDerivedPrefix);
  }
  bool shown(const model::ObjectName& name) const {
    const auto it = slots_.find(name);
    return it != slots_.end() && it->second.shown;
  }
  bool stored(const model::ObjectName& name) const {
    const auto it = slots_.find(name);
    return it != slots_.end() && it->second.stored;
  }

  Source source_of(const model::ObjectName& name, const Slot& slot) const {
    if (is_derived(name)) {
      const model::ObjectName original{name.ns, name.name.substr(kDerivedPrefix.size())};
      if (originals_.contains(hash(original))) return Source::kNone;
    }
    if (slot.shown) return Source::kShown;
    if (!slot.stored) return Source::kNone;
    if (with_tier_ && name.name.starts_with(kTierPrefix)) {
      const model::ObjectName plain{name.ns, name.name.substr(kTierPrefix.size())};
      if (shown(plain) && !stored(plain)) return Source::kNone;
    }
    return Source::kStored;
  }

  // `changed`: the source that has just been given `part`.
  void settle(const model::ObjectName& name, Source changed, const Part* part,
              std::vector<Change>& changes) {
    const auto it = slots_.find(name);
    if (it == slots_.end()) return;
    Slot& slot = it->second;
    const Source now = source_of(name, slot);
    if (now != slot.told || (now == changed && now != Source::kNone)) {
      const Part* says = nullptr;
      if (now == Source::kStored) says = &*slot.stored;
      if (now == Source::kShown)
        says = changed == now || !slot.shown_kept ? part : &*slot.shown_kept;
      changes.push_back({name, says});
      slot.told = now;
    } else if (changed != Source::kNone && part == nullptr && now == Source::kNone) {
      changes.push_back({name, nullptr});  // gone, for those who know it from elsewhere
    }
    if (!slot.stored && !slot.shown) slots_.erase(it);
  }

  bool with_tier_;
  std::map<model::ObjectName, Slot> slots_;
  std::unordered_set<size_t> originals_;
};

}  // namespace caracal::calico
