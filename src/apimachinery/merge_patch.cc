#include "apimachinery/merge_patch.h"

#include "apimachinery/json_patch.h"

namespace caracal::apimachinery {

json::value apply_merge_patch(json::value target, const json::value& patch) {
  const json::object* changes = patch.if_object();
  if (changes == nullptr) return patch;
  if (!target.is_object()) target.emplace_object();
  json::object& object = target.get_object();
  for (const auto& change : *changes) {
    if (change.value().is_null()) {
      object.stable_erase(change.key());
      continue;
    }
    // An object in the patch is merged even where nothing is yet, so that its nulls vanish.
    json::value& member = object[change.key()];
    member = apply_merge_patch(std::move(member), change.value());
  }
  return target;
}

json::value make_merge_patch(const json::value& from, const json::value& to) {
  const json::object* before = from.if_object();
  const json::object* after = to.if_object();
  if (before == nullptr || after == nullptr) return to;
  json::object patch;
  for (const auto& member : *before) {
    if (!after->contains(member.key())) patch[member.key()] = nullptr;
  }
  for (const auto& member : *after) {
    const json::value* old = before->if_contains(member.key());
    if (old == nullptr) {
      patch[member.key()] = member.value();
    } else if (!json_equal(*old, member.value())) {
      patch[member.key()] = make_merge_patch(*old, member.value());
    }
  }
  return patch;
}

}  // namespace caracal::apimachinery
