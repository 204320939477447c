#include "cli/ipam_report.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "base/timestamp.h"
#include "ipam/usage.h"

namespace caracal::cli {
namespace {

json::object leak_json(const ipam::Leak& leak) {
  return {{"ip", leak.allocation.address.to_string()},
          {"block", leak.block.to_string()},
          {"handle", leak.allocation.handle_id},
          {"sequenceNumber", leak.allocation.sequence},
          {"node", leak.node},
          {"namespace", leak.pod.ns},
          {"pod", leak.pod.name},
          {"reason", leak.reason}};
}

Result<ipam::Leak> leak_of(const json::value& entry, const std::string& where) {
  const auto wrong = [&](std::string_view field, std::string_view valid) {
    return fail(Errc::kInvalid, fmt::format("{}.{}: must be {}", where, field, valid));
  };
  ipam::Leak leak;
  const auto address = net::IpAddr::parse(jsonio::get_string(entry, {"ip"}));
  if (!address) return wrong("ip", "an IP address");
  const auto block = net::Cidr::parse(jsonio::get_string(entry, {"block"}));
  if (!block || !block->contains(*address)) return wrong("block", "the range of its block");
  const json::value* sequence = jsonio::get(entry, {"sequenceNumber"});
  if (sequence == nullptr || !(sequence->is_int64() || sequence->is_uint64()))
    return wrong("sequenceNumber", "a number");
  leak.block = *block;
  leak.allocation.address = *address;
  leak.allocation.handle_id = jsonio::get_string(entry, {"handle"});
  leak.allocation.sequence =
      sequence->is_uint64() ? sequence->get_uint64() : static_cast<uint64_t>(sequence->get_int64());
  leak.node = jsonio::get_string(entry, {"node"});
  leak.pod = {std::string(jsonio::get_string(entry, {"namespace"})),
              std::string(jsonio::get_string(entry, {"pod"}))};
  leak.reason = jsonio::get_string(entry, {"reason"});
  return leak;
}

json::object allocations_json(const ipam::AddressWorld& world) {
  json::object out;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const ipam::Block& block = stored.value;
    for (uint32_t i = 0; i < block.size(); ++i) {
      const ipam::AllocationAttributes* owner = block.attributes_of(i);
      if (owner == nullptr) continue;
      json::object attributes;
      for (const auto& [key, value] : owner->owner) attributes[key] = value;
      json::object one{{"block", cidr.to_string()},
                       {"handle", owner->handle_id.value_or("")},
                       {"sequenceNumber", block.sequence_of(i)},
                       {"attributes", std::move(attributes)}};
      if (owner->released_at) one["releasedAt"] = to_rfc3339(*owner->released_at);
      const auto judgement = ipam::judge_allocation(world, block, i);
      one["inUse"] = !judgement.has_value();
      if (judgement) one["reason"] = judgement->reason;
      out[block.address_of(i).to_string()] = std::move(one);
    }
  }
  return out;
}

json::value number(uint64_t value) {
  if (value == UINT64_MAX) return nullptr;  // more than there are numbers for
  return value;
}

json::object counts_json(const std::map<std::string, uint64_t>& counts) {
  json::object out;
  for (const auto& [name, count] : counts) out[name] = count;
  return out;
}

json::object block_json(const ipam::BlockUsage& block) {
  json::array states;
  for (const ipam::AddressState state : block.states) states.emplace_back(to_string(state));
  json::object nodes;
  for (const auto& [node, count] : block.used_by_node) nodes[node] = count;
  return {{"cidr", block.cidr.to_string()},
          {"pool", block.pool},
          {"owner", block.owner ? json::value(block.owner->to_string()) : json::value(nullptr)},
          {"capacity", block.capacity()},
          {"used", block.used},
          {"free", block.free},
          {"borrowed", block.borrowed},
          {"tunnels", block.tunnels},
          {"cooling", block.cooling},
          {"reserved", block.reserved},
          {"usedByNode", std::move(nodes)},
          {"addresses", std::move(states)}};
}

}  // namespace

std::vector<ipam::Leak> find_leaks(const ipam::AddressWorld& world) {
  std::vector<ipam::Leak> out;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const ipam::Block& block = stored.value;
    for (uint32_t i = 0; i < block.size(); ++i) {
      const auto judgement = ipam::judge_allocation(world, block, i);
      const auto allocation = block.allocation_of(block.address_of(i));
      if (!judgement || !allocation) continue;
      const ipam::AllocationAttributes* owner = block.attributes_of(i);
      out.push_back({cidr,
                     *allocation,
                     std::string(owner->get(ipam::kNodeAttribute)),
                     {std::string(owner->get(ipam::kNamespaceAttribute)),
                      std::string(owner->get(ipam::kPodAttribute))},
                     judgement->reason});
    }
  }
  return out;
}

json::object make_report(const ipam::AddressWorld& world, const ReportHead& head,
                         const std::vector<ipam::Inconsistency>& problems, bool all) {
  json::array leaks;
  for (const ipam::Leak& leak : find_leaks(world)) leaks.push_back(leak_json(leak));
  json::array found;
  for (const ipam::Inconsistency& problem : problems) {
    json::object one{{"kind", to_string(problem.kind)}, {"text", problem.text}};
    if (problem.address) one["ip"] = problem.address->to_string();
    if (problem.block) one["block"] = problem.block->to_string();
    if (!problem.object.empty()) one["object"] = problem.object;
    found.emplace_back(std::move(one));
  }
  json::object out{{"kind", "CaracalIPAMReport"},
                   {"version", 1},
                   {"time", head.time},
                   {"clusterGUID", head.cluster_guid},
                   {"clusterInformationRevision", head.cluster_revision},
                   {"datastoreLocked", head.locked},
                   {"problems", std::move(found)},
                   {"leaks", std::move(leaks)}};
  if (all) out["allocations"] = allocations_json(world);
  return out;
}

Result<std::vector<ipam::Leak>> leaks_of_reports(const std::vector<std::string>& names,
                                                 const std::vector<std::string>& texts,
                                                 const std::string& cluster_guid) {
  std::map<ipam::Allocation, std::pair<ipam::Leak, std::set<size_t>>> found;  // and which name it
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto report = jsonio::parse(texts[i]);
    if (!report) return fail(report.error().within(names[i]));
    if (jsonio::get_string(*report, {"kind"}) != "CaracalIPAMReport" ||
        jsonio::get_int(*report, {"version"}) != 1) {
      return fail(Errc::kInvalid,
                  names[i] + ": must be a report of \"caracal ipam check -o FILE\", version 1");
    }
    const std::string_view guid = jsonio::get_string(*report, {"clusterGUID"});
    if (guid != cluster_guid) {
      return fail(Errc::kInvalid, fmt::format("{}: clusterGUID: \"{}\": is not of this cluster, "
                                              "which is \"{}\"",
                                              names[i], guid, cluster_guid));
    }
    const json::array& leaks = jsonio::get_array(*report, {"leaks"});
    for (size_t k = 0; k < leaks.size(); ++k) {
      CARACAL_ASSIGN(ipam::Leak leak, leak_of(leaks[k], fmt::format("{}: leaks[{}]", names[i], k)));
      auto& [known, reports] = found[leak.allocation];
      known = std::move(leak);
      reports.insert(i);
    }
  }
  std::vector<ipam::Leak> out;
  for (auto& [allocation, entry] : found) {
    if (entry.second.size() == texts.size()) out.push_back(std::move(entry.first));
  }
  return out;
}

json::object usage_json(const ipam::AddressWorld& world, bool blocks) {
  json::array pools;
  for (const ipam::PoolUsage& pool : ipam::pool_usages(world)) {
    pools.push_back(json::object{{"name", pool.pool.name},
                                 {"cidr", pool.pool.cidr.to_string()},
                                 {"blockSize", pool.pool.block_bits},
                                 {"disabled", pool.pool.disabled},
                                 {"capacity", number(pool.capacity)},
                                 {"used", pool.used},
                                 {"borrowed", pool.borrowed},
                                 {"tunnels", pool.tunnels},
                                 {"cooling", pool.cooling},
                                 {"reserved", number(pool.reserved)},
                                 {"free", number(pool.free)},
                                 {"blocks", pool.blocks},
                                 {"blockCapacity", number(pool.block_capacity)},
                                 {"blocksEmpty", pool.blocks_empty},
                                 {"blocksByNode", counts_json(pool.blocks_by_node)},
                                 {"usedByNode", counts_json(pool.used_by_node)}});
  }
  json::object out{{"pools", std::move(pools)}};
  if (!blocks) return out;
  json::array list;
  for (const ipam::BlockUsage& block : ipam::block_usages(world)) list.push_back(block_json(block));
  out["blocks"] = std::move(list);
  return out;
}

}  // namespace caracal::cli
