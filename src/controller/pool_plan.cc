#include "controller/pool_plan.h"

#include <fmt/format.h>

#include <optional>

namespace caracal::controller {
namespace {

// What is left of a pool.
struct Rest {
  uint64_t pods = 0;  // addresses
  uint64_t tunnels = 0;
  uint64_t others = 0;
  uint64_t cooling = 0;
  size_t blocks = 0;  // in the datastore, empty ones included
  size_t claims = 0;  // affinities
  std::string example;
  bool none() const { return blocks == 0 && claims == 0; }
  bool in_use() const { return pods + tunnels + others + cooling > 0; }
};

void count_block(const ipam::Block& block, Rest& rest) {
  for (uint32_t i = 0; i < block.size(); ++i) {
    const ipam::AllocationAttributes* owner = block.attributes_of(i);
    if (owner == nullptr) continue;
    if (owner->handle_id && ipam::clean_handle(*owner->handle_id) == ipam::kWindowsHandle) continue;
    std::string who;
    if (block.is_cooling(i)) {
      ++rest.cooling;
    } else if (ipam::is_tunnel_type(owner->get(ipam::kTypeAttribute))) {
      ++rest.tunnels;
      who = fmt::format("{} of node {}", owner->get(ipam::kTypeAttribute),
                        owner->get(ipam::kNodeAttribute));
    } else if (!owner->get(ipam::kPodAttribute).empty()) {
      ++rest.pods;
      who = fmt::format("pod {}/{}", owner->get(ipam::kNamespaceAttribute),
                        owner->get(ipam::kPodAttribute));
    } else {
      ++rest.others;
      who = owner->handle_id ? "handle " + *owner->handle_id : "nobody known";
    }
    if (rest.example.empty() && !who.empty())
      rest.example = fmt::format("{} ({})", block.address_of(i).to_string(), who);
  }
}

std::string rest_text(const Rest& rest) {
  std::string what;
  const auto add = [&what](uint64_t count, std::string_view name) {
    if (count == 0) return;
    what += fmt::format("{}{} {}", what.empty() ? "" : ", ", count, name);
  };
  add(rest.pods, "of pods");
  add(rest.tunnels, "of tunnels");
  add(rest.others, "of others");
  add(rest.cooling, "cooling down");
  if (what.empty()) {
    return fmt::format("the deletion waits for {} empty blocks and {} claims to be given back",
                       rest.blocks, rest.claims);
  }
  return fmt::format("no new addresses; the deletion waits until {} addresses are given back: {}{}",
                     rest.pods + rest.tunnels + rest.others + rest.cooling, what,
                     rest.example.empty() ? "" : "; one of them is " + rest.example);
}

class PoolPlanner {
 public:
  PoolPlanner(const ObjectTable& pools, const ipam::AddressWorld& world, bool records_known,
              const std::string& reporter, const std::string& now)
      : world_(world), records_known_(records_known), reporter_(reporter), now_(now) {
    for (const auto& [name, entry] : pools.entries()) {
      if (!is_deleting(*entry.object)) {
        if (const auto cidr = cidr_of(*entry.object)) kept_.push_back(*cidr);
      }
    }
    for (const auto& [name, entry] : pools.entries()) look_at(name, entry);
  }
  PoolPlan take() { return std::move(plan_); }

 private:
  static bool is_deleting(const json::value& object) {
    return jsonio::get(object, {"metadata", "deletionTimestamp"}) != nullptr;
  }
  static std::optional<net::Cidr> cidr_of(const json::value& object) {
    const auto cidr = net::Cidr::parse(jsonio::get_string(object, {"spec", "cidr"}));
    return cidr ? std::optional(*cidr) : std::nullopt;
  }

  void look_at(const std::string& name, const ObjectTable::Entry& entry) {
    const ApiKind kind{std::string(entry.api_version), "IPPool", "ippools"};
    const json::value& object = *entry.object;
    json::array others;
    bool held = false;
    for (const json::value& one : jsonio::get_array(object, {"metadata", "finalizers"})) {
      if (one == json::value(kPoolFinalizer)) {
        held = true;
      } else {
        others.push_back(one);
      }
    }
    if (is_deleting(object)) {
      if (held) terminate(kind, name, object, std::move(others));
      return;
    }
    if (!held) {
      others.emplace_back(kPoolFinalizer);
      plan_.writes.push_back(patch_write(
          kind, object, {{"metadata", json::object{{"finalizers", std::move(others)}}}}));
      ++plan_.held;
      return;  // the condition follows: the object has another version then
    }
    if (!world_.pools.contains(name)) {
      tell(kind, object, "False", "Invalid", "the pool cannot be used as it stands");
    } else if (jsonio::get_bool(object, {"spec", "disabled"})) {
      tell(kind, object, "False", "Disabled",
           "spec.disabled: no new addresses; those that are taken stay");
    } else {
      tell(kind, object, "True", "Enabled", "addresses are given out");
    }
  }

  void terminate(const ApiKind& kind, const std::string& name, const json::value& object,
                 json::array others) {
    const auto cidr = cidr_of(object);
    const Rest rest = cidr ? give_back(name, *cidr) : Rest();
    if (cidr && !records_known_) {
      ++plan_.waiting;
      tell(kind, object, "False", "Terminating",
           "no new addresses; which ones are in use is not known yet");
      return;
    }
    if (!rest.none()) {
      ++plan_.waiting;
      tell(kind, object, "False", "Terminating", rest_text(rest));
      if (rest.in_use()) {
        plan_.writes.push_back(event_write(
            kind, object, "Warning", "PoolInUse",
            fmt::format("the pool goes when no address of {} is in use any more; `caracal ipam "
                        "show` tells who has them",
                        cidr->to_string()),
            reporter_, now_));
      }
      return;
    }
    ++plan_.released;
    ApiWrite write =
        patch_write(kind, object, {{"metadata", json::object{{"finalizers", std::move(others)}}}});
    write.what = "let IPPool " + name + " go";
    plan_.writes.push_back(std::move(write));
  }

  // Another pool may have the range again, made after this one was deleted.
  bool is_kept(const net::Cidr& block) const {
    for (const net::Cidr& kept : kept_) {
      if (kept.contains(block)) return true;
    }
    return false;
  }

  Rest give_back(const std::string& name, const net::Cidr& cidr) {
    Rest rest;
    for (const auto& [range, stored] : world_.records.blocks) {
      if (!cidr.contains(range) || is_kept(range)) continue;
      const ipam::Block& block = stored.value;
      ++rest.blocks;
      if (!block.empty()) {
        count_block(block, rest);
      } else {
        plan_.returns.push_back({.block = range,
                                 .owner = block.affinity().value_or(ipam::Owner()),
                                 .sequence = block.sequence(),
                                 .reason = fmt::format("pool {} is being deleted", name)});
      }
    }
    for (const auto& [key, stored] : world_.records.affinities) {
      if (cidr.contains(stored.value.cidr) && !is_kept(stored.value.cidr)) ++rest.claims;
    }
    return rest;
  }

  void tell(const ApiKind& kind, const json::value& object, std::string_view status,
            std::string_view reason, const std::string& message) {
    json::array conditions;
    std::string since = now_;
    for (const json::value& one : jsonio::get_array(object, {"status", "conditions"})) {
      if (jsonio::get_string(one, {"type"}) != kAllocatable) {
        conditions.push_back(one);
        continue;
      }
      const bool same = jsonio::get_string(one, {"status"}) == status;
      if (same && jsonio::get_string(one, {"reason"}) == reason &&
          jsonio::get_string(one, {"message"}) == message)
        return;
      if (same) since = jsonio::get_string(one, {"lastTransitionTime"}, now_);
    }
    json::object mine{{"type", kAllocatable},
                      {"status", status},
                      {"reason", reason},
                      {"message", message},
                      {"lastTransitionTime", since}};
    if (const int64_t generation = jsonio::get_int(object, {"metadata", "generation"}))
      mine["observedGeneration"] = generation;
    conditions.emplace_back(std::move(mine));
    plan_.writes.push_back(status_write(kind, object, {{"conditions", std::move(conditions)}}));
    ++plan_.told;
  }

  const ipam::AddressWorld& world_;
  bool records_known_;
  const std::string& reporter_;
  const std::string& now_;
  std::vector<net::Cidr> kept_;  // ranges of pools that stay
  PoolPlan plan_;
};

}  // namespace

PoolPlan plan_pools(const ObjectTable& pools, const ipam::AddressWorld& world, bool records_known,
                    const std::string& reporter, const std::string& now) {
  return PoolPlanner(pools, world, records_known, reporter, now).take();
}

}  // namespace caracal::controller
