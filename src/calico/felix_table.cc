#include "calico/felix_table.h"

namespace caracal::calico {
namespace {

constexpr std::string_view kDefault = "default";
constexpr std::string_view kOfNode = "node.";

template <typename Settings>
std::optional<FelixTable::Change<Settings>> tell(std::optional<Settings>& told,
                                                 std::optional<Settings> now) {
  if (told == now) return std::nullopt;
  told = std::move(now);
  return FelixTable::Change<Settings>{told};
}

}  // namespace

void FelixTable::put(const std::string& name, const FelixSettings* settings) {
  if (settings == nullptr) {
    objects_.erase(name);
  } else {
    objects_.insert_or_assign(name, *settings);
  }
}

std::vector<const FelixSettings*> FelixTable::holding() const {
  std::vector<const FelixSettings*> parts;
  if (const auto found = objects_.find(std::string(kDefault)); found != objects_.end()) {
    parts.push_back(&found->second);
  }
  if (node_.empty()) return parts;
  const auto label = [this](std::string_view key) -> std::optional<std::string_view> {
    const auto found = labels_.find(key);
    if (found == labels_.end()) return std::nullopt;
    return found->second;
  };
  for (auto it = objects_.rbegin(); it != objects_.rend(); ++it) {
    const auto& [name, settings] = *it;
    if (name == kDefault || name.starts_with(kOfNode) || !settings.nodes) continue;
    if (settings.nodes->matches(label)) parts.push_back(&settings);
  }
  if (const auto own = objects_.find(std::string(kOfNode) + node_); own != objects_.end()) {
    parts.push_back(&own->second);
  }
  return parts;
}

std::optional<FelixTable::Change<model::PolicySettings>> FelixTable::policy_change() {
  const auto parts = holding();
  std::optional<model::PolicySettings> now;
  if (!parts.empty()) now = merge_policy_settings(parts);
  return tell(policy_, std::move(now));
}

std::optional<FelixTable::Change<model::NetworkSettings>> FelixTable::network_change() {
  const auto parts = holding();
  std::optional<model::NetworkSettings> now;
  if (!parts.empty()) now = merge_network_settings(parts);
  return tell(network_, std::move(now));
}

}  // namespace caracal::calico
