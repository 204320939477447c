#include "cli/ipam_check.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "base/file.h"
#include "base/timestamp.h"
#include "cli/ipam_draw.h"
#include "cli/ipam_report.h"
#include "cli/ipam_world.h"
#include "cli/output.h"

namespace caracal::cli {
namespace {

struct Options {
  ClusterOptions cluster;
  bool every_address = false;
  bool problem_addresses = false;  // as calicoctl has it: ours are always shown
  std::string report;
};

struct Counts {
  size_t taken = 0;
  size_t free = 0;
  size_t tunnels = 0;
  size_t cooling = 0;
  size_t left_over = 0;
};

void append_addresses(const ipam::AddressWorld& world, const ipam::Block& block, std::string& out) {
  for (uint32_t i = 0; i < block.size(); ++i) {
    const ipam::AllocationAttributes* owner = block.attributes_of(i);
    if (owner == nullptr) continue;
    const auto judgement = ipam::judge_allocation(world, block, i);
    const std::string pod(owner->get(ipam::kPodAttribute));
    out += fmt::format("    {}  {}{}\n", block.address_of(i).to_string(),
                       pod.empty()
                           ? std::string(owner->get(ipam::kTypeAttribute))
                           : fmt::format("pod {}/{}", owner->get(ipam::kNamespaceAttribute), pod),
                       judgement ? "  left over: " + judgement->reason : "");
  }
}

Result<int> check(const Options& options) {
  CARACAL_ASSIGN(const auto store, AddressStore::connect(options.cluster));
  CARACAL_ASSIGN(const AddressStore::Cluster cluster, store->cluster());
  CARACAL_ASSIGN(const ipam::AddressWorld world, store->load());
  const std::vector<ipam::Inconsistency> problems = ipam::find_inconsistencies(world);
  fmt::print("{}", check_text(world, problems, {.every_address = options.every_address}));
  if (!cluster.ready) fmt::print("the cluster is locked: no addresses are given out now\n");
  if (!options.report.empty()) {
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(WallClock::now());
    const json::object report = make_report(world,
                                            {.cluster_guid = cluster.guid,
                                             .cluster_revision = cluster.resource_version,
                                             .locked = !cluster.ready,
                                             .time = to_rfc3339(now)},
                                            problems, options.every_address);
    CARACAL_TRY(write_file_atomic(options.report, jsonio::to_pretty_string(report)));
    fmt::print(
        "the report is in {}; what is left over goes with: caracal ipam release "
        "--from-report {}\n",
        options.report, options.report);
  }
  return problems.empty() ? 0 : 1;
}

}  // namespace

std::string check_text(const ipam::AddressWorld& world,
                       const std::vector<ipam::Inconsistency>& problems, const CheckText& options) {
  Counts counts;
  std::string addresses;
  for (const auto& [cidr, stored] : world.records.blocks) {
    const ipam::Block& block = stored.value;
    counts.free += block.free_count();
    for (uint32_t i = 0; i < block.size(); ++i) {
      const ipam::AllocationAttributes* owner = block.attributes_of(i);
      if (owner == nullptr) continue;
      ++counts.taken;
      if (block.is_cooling(i)) ++counts.cooling;
      if (ipam::is_tunnel_type(owner->get(ipam::kTypeAttribute))) ++counts.tunnels;
      if (ipam::judge_allocation(world, block, i)) ++counts.left_over;
    }
    if (!options.every_address) continue;
    addresses += fmt::format("  {}  {}\n", cidr.to_string(),
                             block.affinity() ? block.affinity()->to_string() : "nobody's");
    append_addresses(world, block, addresses);
  }
  std::string out = fmt::format(
      "{} pools, {} blocks, {} claims, {} handles; {} nodes, {} pods\n"
      "{} addresses taken ({} of tunnels, {} cooling, {} seem to be left over), {} free in "
      "blocks\n",
      world.pools.size(), world.records.blocks.size(), world.records.affinities.size(),
      world.records.handles.size(), world.nodes.size(), world.pods.size(), counts.taken,
      counts.tunnels, counts.cooling, counts.left_over, counts.free);
  out += addresses;
  if (problems.empty()) return out + "nothing is wrong\n";
  std::map<ipam::InconsistencyKind, size_t> kinds;
  for (const ipam::Inconsistency& problem : problems) ++kinds[problem.kind];
  out += fmt::format("{} problems:", problems.size());
  for (const auto& [kind, count] : kinds) out += fmt::format(" {} {}", count, to_string(kind));
  out += "\n";
  if (!options.problem_addresses) return out;
  for (const ipam::Inconsistency& problem : problems) {
    out += fmt::format("  {}{}{}: {}\n", to_string(problem.kind),
                       problem.address ? " " + problem.address->to_string()
                       : problem.block ? " " + problem.block->to_string()
                                       : std::string(),
                       problem.object.empty() ? "" : " (" + problem.object + ")", problem.text);
  }
  return out;
}

void add_ipam_check_command(CLI::App& ipam, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      ipam, chosen, "check", "look for contradictions between pools, blocks and pods",
      "  caracal ipam check\n"
      "  caracal ipam check -o report.json && caracal ipam release --from-report report.json\n"
      "Exit status: 1 when something is wrong.\n"
      "A pod that starts or ends at this moment may show up; a second look tells.",
      [options] { return check(*options); });
  command->add_flag("--show-all-ips", options->every_address, "list every address that is taken");
  command->add_flag("--show-problem-ips", options->problem_addresses,
                    "as calicoctl has it; they are always shown");
  command->add_option("-o,--output", options->report, "also write a report")->type_name("FILE");
  options->cluster.add_to(*command);
}

}  // namespace caracal::cli
