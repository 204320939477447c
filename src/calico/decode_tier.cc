#include "calico/decode_tier.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "kube/decode_fields.h"
#include "model/world.h"

namespace caracal::calico {
namespace {

constexpr std::array<std::string_view, 2> kTierFields = {"order", "defaultAction"};

std::string_view word_of(model::Action action) {
  return action == model::Action::kPass ? "Pass" : "Deny";
}

}  // namespace

std::optional<model::Tier> decode_tier(std::string name, const json::object& object,
                                       ObjectReader& reader) {
  model::Tier tier;
  tier.name = std::move(name);
  tier.order = std::numeric_limits<double>::infinity();
  const FieldPath path("spec");
  static const json::object kEmpty;
  const json::object* found = reader.object(object, "spec", FieldPath(""));
  const json::object& spec = found == nullptr ? kEmpty : *found;
  reader.has_unknown(spec, path, kTierFields);
  const auto order = reader.number(spec, "order", path);
  const bool readable = reader.ok();
  if (order) tier.order = *order;
  const std::string_view action = reader.word(spec, "defaultAction", path, {"Deny", "Pass"});
  if (action == "Pass") tier.default_action = model::Action::kPass;
  for (const model::Tier& fixed : model::initial_tiers()) {
    if (fixed.name != tier.name) continue;
    if (order && *order != fixed.order) {
      reader.invalid(path.member("order"), *kube::member(spec, "order"),
                     fmt::format("is {} for this tier, always", fixed.order));
    }
    if (!action.empty() && action != word_of(fixed.default_action)) {
      reader.invalid(path.member("defaultAction"), json::string(action),
                     fmt::format("is {} for this tier, always", word_of(fixed.default_action)));
    }
    return fixed;
  }
  if (!readable) return std::nullopt;
  return tier;
}

}  // namespace caracal::calico
