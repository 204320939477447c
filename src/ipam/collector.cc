#include "ipam/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ipam/block_json.h"

namespace caracal::ipam {

namespace {

model::ObjectName pod_of(const AllocationAttributes& attributes) {
  return {std::string(attributes.get(kNamespaceAttribute)),
          std::string(attributes.get(kPodAttribute))};
}

// The judgement, with the owner already taken apart.
std::optional<LeakJudgement> judge(const AddressWorld& world, const AllocationAttributes& owner,
                                   const net::IpAddr& address) {
  if (owner.handle_id && clean_handle(*owner.handle_id) == kWindowsHandle) return std::nullopt;
  const std::string_view node = owner.get(kNodeAttribute);
  const bool node_gone = !node.empty() && !world.nodes.contains(node);
  if (is_tunnel_type(owner.get(kTypeAttribute))) {
    if (!node_gone) return std::nullopt;
    return LeakJudgement{fmt::format("node {} of the tunnel does not exist", node), true};
  }
  const model::ObjectName name = pod_of(owner);
  if (name.name.empty() || name.ns.empty()) return std::nullopt;  // not of a pod: nobody can tell
  // While a virtual machine migrates, either owner will do.
  const auto second_ns = owner.alternate.find(kNamespaceAttribute);
  const auto second_pod = owner.alternate.find(kPodAttribute);
  if (second_ns != owner.alternate.end() && second_pod != owner.alternate.end() &&
      world.pods.contains({second_ns->second, second_pod->second})) {
    return std::nullopt;
  }
  const auto at = world.pods.find(name);
  if (at == world.pods.end()) {
    if (node_gone) {
      return LeakJudgement{fmt::format("pod {} and node {} do not exist", name.to_string(), node),
                           true};
    }
    return LeakJudgement{fmt::format("pod {} does not exist", name.to_string()), false};
  }
  const PodPlace& pod = at->second;
  if (pod.finished)
    return LeakJudgement{fmt::format("pod {} has finished", name.to_string()), false};
  if (pod.host_network)
    return LeakJudgement{fmt::format("pod {} uses the node's address", name.to_string()), false};
  if (!node.empty() && !pod.node.empty() && pod.node != node) {
    return LeakJudgement{
        fmt::format("pod {} is on node {}, not on {}", name.to_string(), pod.node, node), false};
  }
  if (!pod.addresses.empty() &&
      std::find(pod.addresses.begin(), pod.addresses.end(), address) == pod.addresses.end()) {
    return LeakJudgement{
        fmt::format("pod {} has other addresses ({}{})", name.to_string(),
                    pod.addresses.front().to_string(), pod.addresses.size() > 1 ? ", ..." : ""),
        false};
  }
  return std::nullopt;
}

std::string_view handle_of(const AllocationAttributes& owner) {
  return clean_handle(owner.handle_id ? std::string_view(*owner.handle_id) : std::string_view());
}

template <typename Map>
void forget_absent(Map& sights) {
  std::erase_if(sights, [](const auto& entry) { return !entry.second.present; });
}

template <typename Map>
void begin_look(Map& sights) {
  for (auto& [key, sight] : sights) sight.present = false;
}

}  // namespace

std::optional<LeakJudgement> judge_allocation(const AddressWorld& world, const Block& block,
                                              uint32_t ordinal) {
  const AllocationAttributes* owner = block.attributes_of(ordinal);
  if (owner == nullptr || owner->released_at) return std::nullopt;
  if (block.affinity() && block.affinity()->kind == Owner::Kind::kVirtual) return std::nullopt;
  return judge(world, *owner, block.address_of(ordinal));
}

bool still_leaked(const AddressWorld& world, const Leak& leak) {
  const auto at = world.records.blocks.find(leak.block);
  if (at != world.records.blocks.end()) {
    const auto held = at->second.value.allocation_of(leak.allocation.address);
    const auto ordinal = at->second.value.ordinal_of(leak.allocation.address);
    if (held == leak.allocation)
      return judge_allocation(world, at->second.value, *ordinal).has_value();
  }
  // The records are older than the leak: pods and nodes alone decide.
  AllocationAttributes owner;
  owner.owner[std::string(kNodeAttribute)] = leak.node;
  if (leak.pod.name.empty()) return !world.nodes.contains(leak.node);
  owner.owner[std::string(kPodAttribute)] = leak.pod.name;
  owner.owner[std::string(kNamespaceAttribute)] = leak.pod.ns;
  return judge(world, owner, leak.allocation.address).has_value();
}

CollectionPlan Collector::observe(const AddressWorld& world, Time now) {
  CollectionPlan plan;
  if (world.nodes.empty()) return plan;  // more likely not seen than not there
  find_leaks(world, now, plan);
  find_empty_blocks(world, now, plan);
  begin_look(odd_);
  find_affinities(world, now, plan);
  find_handles(world, now, plan);
  forget_absent(odd_);
  for (const auto& [cidr, stored] : world.records.blocks) {
    Block cooled = stored.value;
    if (cooled.cool(now, world.settings.cooldown_seconds)) plan.cooled.push_back(cidr);
  }
  return plan;
}

void Collector::find_leaks(const AddressWorld& world, Time now, CollectionPlan& plan) {
  begin_look(leaks_);
  std::vector<Leak> confirmed;
  // Handles of which an address is live, or not proven long enough.
  std::set<std::string, std::less<>> held;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const Block& block = stored.value;
    for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
      const AllocationAttributes* owner = block.attributes_of(ordinal);
      if (owner == nullptr || owner->released_at) continue;
      const auto judgement = judge_allocation(world, block, ordinal);
      if (!judgement) {
        held.emplace(handle_of(*owner));
        continue;
      }
      const net::IpAddr address = block.address_of(ordinal);
      const auto [sight, first] =
          leaks_.try_emplace(AllocationKey(address, block.sequence_of(ordinal)), Sight{now});
      sight->second.present = true;
      const Leak leak{
          cidr, *block.allocation_of(address), std::string(owner->get(kNodeAttribute)),
          is_tunnel_type(owner->get(kTypeAttribute)) ? model::ObjectName{} : pod_of(*owner),
          judgement->reason};
      const bool over = judgement->at_once || (options_.leak_grace.count() > 0 && !first &&
                                               now - sight->second.since >= options_.leak_grace);
      if (over) {
        confirmed.push_back(leak);
      } else {
        held.emplace(handle_of(*owner));
        plan.candidates.emplace_back(leak, sight->second.since);
      }
    }
  }
  for (Leak& leak : confirmed) {
    // Addresses without a handle stand for themselves.
    if (leak.allocation.handle_id.empty() || !held.contains(leak.allocation.handle_id)) {
      plan.leaks.push_back(std::move(leak));
    } else {
      const Time since = leaks_.at({leak.allocation.address, leak.allocation.sequence}).since;
      plan.candidates.emplace_back(std::move(leak), since);
    }
  }
  forget_absent(leaks_);
}

void Collector::find_empty_blocks(const AddressWorld& world, Time now, CollectionPlan& plan) {
  begin_look(empty_);
  // By owner and family: how many blocks, so that one stays.
  std::map<std::pair<std::string, net::Family>, uint32_t> count;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const auto& owner = stored.value.affinity();
    if (owner && owner->kind == Owner::Kind::kHost) ++count[{owner->name, cidr.family()}];
  }
  std::set<net::IpAddr> freed;
  for (const Leak& leak : plan.leaks) freed.insert(leak.allocation.address);
  for (const auto& [cidr, stored] : world.records.blocks) {
    const Block& block = stored.value;
    const auto& owner = block.affinity();
    if (owner && owner->kind == Owner::Kind::kVirtual) continue;
    if (owner && !world.nodes.contains(owner->name)) {
      // The node is gone. The block goes once nothing of that node is in it; what others have
      // borrowed stays theirs.
      bool own_left = false;
      for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
        const AllocationAttributes* taken = block.attributes_of(ordinal);
        if (taken == nullptr || taken->released_at) continue;
        const auto node = taken->get(kNodeAttribute);
        const bool own = node.empty() || node == owner->name;
        // With a handle of Windows there is nothing to wait for.
        if (own && handle_of(*taken) != kWindowsHandle) own_left = true;
      }
      if (!own_left) {
        plan.blocks.push_back({cidr, *owner, block.sequence(), false,
                               fmt::format("node {} does not exist", owner->name)});
      }
      continue;
    }
    if (!block.empty()) continue;
    const auto [sight, first] = empty_.try_emplace({cidr, block.sequence()}, Sight{now});
    sight->second.present = true;
    if (first) continue;
    ++sight->second.looks;
    if (now - sight->second.since < options_.empty_grace) continue;
    if (!owner) {
      plan.blocks.push_back({cidr, Owner{}, block.sequence(), true, "nobody has it"});
      continue;
    }
    uint32_t& left = count[{owner->name, cidr.family()}];
    if (left <= 1) continue;
    --left;
    plan.blocks.push_back({cidr, *owner, block.sequence(), true, "it is empty"});
  }
  forget_absent(empty_);
}

void Collector::find_affinities(const AddressWorld& world, Time now, CollectionPlan& plan) {
  const auto waited = [&](const std::string& name, const std::string& version,
                          std::chrono::seconds grace) {
    const auto [sight, first] = odd_.try_emplace({name, version}, Sight{now});
    sight->second.present = true;
    return !first && now - sight->second.since >= grace;
  };
  for (const auto& [name, stored] : world.records.affinities) {
    const BlockAffinity& affinity = stored.value;
    const auto block = world.records.blocks.find(affinity.cidr);
    const bool fits = block != world.records.blocks.end() && block->second.value.affinity() &&
                      *block->second.value.affinity() == affinity.owner;
    const bool host = affinity.owner.kind == Owner::Kind::kHost;
    const bool node_gone = host && !world.nodes.contains(affinity.owner.name);
    if (fits) {
      if (affinity.state == ClaimState::kConfirmed && !affinity.deleted) continue;
      if (node_gone) continue;  // the block's return takes it along
      if (waited(name, stored.resource_version(), options_.claim_grace)) {
        BlockAffinity confirmed = affinity;
        confirmed.state = ClaimState::kConfirmed;
        confirmed.deleted = false;
        plan.affinities.push_back({AffinityRepair::Action::kConfirm, name, confirmed,
                                   stored.resource_version(),
                                   "the block is its owner's, the affinity was not confirmed"});
      }
      continue;
    }
    if (!waited(name, stored.resource_version(), options_.claim_grace) && !node_gone) continue;
    plan.affinities.push_back({AffinityRepair::Action::kRemove, name, affinity,
                               stored.resource_version(),
                               block == world.records.blocks.end()
                                   ? "there is no such block"
                                   : fmt::format("the block belongs to {}",
                                                 block->second.value.affinity()
                                                     ? block->second.value.affinity()->to_string()
                                                     : "nobody")});
  }
  for (const auto& [cidr, stored] : world.records.blocks) {
    const auto& owner = stored.value.affinity();
    if (!owner || (owner->kind == Owner::Kind::kHost && !world.nodes.contains(owner->name)))
      continue;
    const std::string name = affinity_name(*owner, cidr);
    if (world.records.affinities.contains(name)) continue;
    if (!waited(name, "", options_.claim_grace)) continue;
    plan.affinities.push_back({AffinityRepair::Action::kCreate, name,
                               BlockAffinity{*owner, cidr, ClaimState::kConfirmed, false}, "",
                               "the block names an owner, and there is no affinity"});
  }
}

void Collector::find_handles(const AddressWorld& world, Time now, CollectionPlan& plan) {
  if (world.records.handles.empty()) return;
  std::set<std::string, std::less<>> used;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const Block& block = stored.value;
    for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
      const AllocationAttributes* owner = block.attributes_of(ordinal);
      if (owner != nullptr && !owner->released_at) used.insert(handle_name(handle_of(*owner)));
    }
  }
  for (const auto& [name, stored] : world.records.handles) {
    if (used.contains(handle_name(stored.value.id))) continue;
    // A handle is counted before its address is taken: it may be about to be used.
    const std::string key = "handle " + name;
    const auto [sight, first] = odd_.try_emplace({key, stored.resource_version()}, Sight{now});
    sight->second.present = true;
    if (first || now - sight->second.since < options_.claim_grace) continue;
    plan.handles.push_back({name, stored.resource_version(), stored.uid()});
  }
}

}  // namespace caracal::ipam
