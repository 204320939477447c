#include "cli/ipam_show.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/strings.h"
#include "base/timestamp.h"
#include "cli/ipam_draw.h"
#include "cli/ipam_report.h"
#include "cli/ipam_svg.h"
#include "cli/ipam_world.h"
#include "cli/output.h"
#include "ipam/usage.h"

namespace caracal::cli {
namespace {

constexpr size_t kBar = 64;

struct Options {
  ClusterOptions cluster;
  ShowOptions show;
  std::string ip;
  bool borrowed = false;
  bool configuration = false;
  std::string format = "text";
};

std::string number(uint64_t value) { return value == UINT64_MAX ? ">2^63" : std::to_string(value); }

std::string share(uint64_t part, uint64_t whole) {
  if (part == 0 || whole == 0) return "0 %";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return percent < 0.01 ? "<0.01 %" : fmt::format("{:.{}f} %", percent, percent < 10 ? 2 : 0);
}

std::string_view mode_of(const model::IpPool& pool) {
  switch (pool.encapsulation) {
    case model::Encapsulation::kIpip:
      return pool.cross_subnet ? "ipip CrossSubnet" : "ipip Always";
    case model::Encapsulation::kVxlan:
      return pool.cross_subnet ? "vxlan CrossSubnet" : "vxlan Always";
    case model::Encapsulation::kNone:
      break;
  }
  return "none";
}

std::string uses_of(const model::IpPool& pool) {
  std::vector<std::string> uses;
  if (pool.for_workloads) uses.emplace_back("Workload");
  if (pool.for_tunnels) uses.emplace_back("Tunnel");
  if (pool.for_load_balancers) uses.emplace_back("LoadBalancer");
  return join(uses, ",");
}

std::string owner_text(const std::optional<ipam::Owner>& owner) {
  if (!owner) return "-";
  return owner->kind == ipam::Owner::Kind::kHost ? owner->name : owner->to_string();
}

// Nodes with a share in a pool, the largest first.
std::string nodes_line(const ipam::PoolUsage& pool, const NodeColours& colours, bool colour) {
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [node, count] : pool.blocks_by_node) {
    const auto used = pool.used_by_node.find(node);
    order.emplace_back(used == pool.used_by_node.end() ? 0 : used->second, node);
  }
  for (const auto& [node, count] : pool.used_by_node) {
    if (!pool.blocks_by_node.contains(node)) order.emplace_back(count, node);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  constexpr size_t kMost = 8;
  std::string out;
  for (size_t i = 0; i < std::min(order.size(), kMost); ++i) {
    const std::string& node = order[i].second;
    const auto blocks = pool.blocks_by_node.find(node);
    const std::string name = node.empty() ? "(nobody)" : node;
    out += fmt::format("{}{} {} in {}", out.empty() ? "" : "   ",
                       colour ? paint("\u25a0 " + name, colours.index(node)) : name, order[i].first,
                       blocks == pool.blocks_by_node.end() ? 0 : blocks->second);
  }
  if (order.size() > kMost) out += fmt::format("   and {} more nodes", order.size() - kMost);
  return out;
}

void append_blocks(std::string& out, const ipam::AddressWorld& world, const NodeColours& colours,
                   const std::string& pool, const ShowOptions& options) {
  Table table;
  for (const ipam::BlockUsage& block : ipam::block_usages(world)) {
    if (block.pool != pool) continue;
    const auto& stored = world.records.blocks.at(block.cidr);
    table.rows.push_back(
        {"    " + block.cidr.to_string(), owner_text(block.owner),
         block_bar(address_cells(world, stored.value), colours, kBar, options.colour),
         fmt::format("{}/{}", block.used, block.capacity())});
  }
  out += table.to_string();
}

}  // namespace

std::string show_text(const ipam::AddressWorld& world, const ShowOptions& options) {
  const NodeColours colours(world);
  std::string out;
  bool any = false;
  for (const ipam::PoolUsage& pool : ipam::pool_usages(world)) {
    if (!options.pool.empty() && pool.pool.name != options.pool) continue;
    out += any ? "\n" : "";
    any = true;
    out += fmt::format("{}   {}   blocks of /{}{}\n", pool.pool.name, pool.pool.cidr.to_string(),
                       pool.pool.block_bits,
                       pool.pool.disabled ? "   disabled: no new addresses" : "");
    out += fmt::format("  |{}|\n",
                       pool_bar(pool_cells(world, pool.pool, kBar), colours, options.colour));
    out += fmt::format(
        "  {} of {} addresses used ({}), {} free, {} reserved, {} borrowed, {} of "
        "tunnels, {} cooling\n",
        pool.used, number(pool.capacity), share(pool.used, pool.capacity), number(pool.free),
        number(pool.reserved), pool.borrowed, pool.tunnels, pool.cooling);
    out += fmt::format("  {} of {} blocks claimed ({}), {} empty\n", pool.blocks,
                       number(pool.block_capacity), share(pool.blocks, pool.block_capacity),
                       pool.blocks_empty);
    if (const std::string nodes = nodes_line(pool, colours, options.colour); !nodes.empty())
      out += fmt::format("  addresses by node (in blocks of its own): {}\n", nodes);
    if (options.blocks) append_blocks(out, world, colours, pool.pool.name, options);
  }
  if (!any) out += options.pool.empty() ? "there are no pools\n" : "";
  if (options.pool.empty()) {
    std::string strays;
    append_blocks(strays, world, colours, "", options);
    if (!strays.empty()) out += "\nblocks of no pool\n" + strays;
  }
  if (any && options.blocks) out += "\n" + bar_legend(options.colour) + "\n";
  return out;
}

std::string blocks_text(const ipam::AddressWorld& world, const ShowOptions& options) {
  const NodeColours colours(world);
  Table table;
  table.header = {"BLOCK", "POOL", "OWNER", "USED", "FREE", "BORROWED", "ADDRESSES"};
  for (const ipam::BlockUsage& block : ipam::block_usages(world)) {
    if (!options.pool.empty() && block.pool != options.pool) continue;
    if (!options.node.empty() && owner_text(block.owner) != options.node) continue;
    const auto& stored = world.records.blocks.at(block.cidr);
    table.rows.push_back(
        {block.cidr.to_string(), block.pool.empty() ? "-" : block.pool, owner_text(block.owner),
         std::to_string(block.used), std::to_string(block.free), std::to_string(block.borrowed),
         block_bar(address_cells(world, stored.value), colours, kBar, options.colour)});
  }
  if (table.rows.empty()) return "there are no such blocks\n";
  return table.to_string() + "\n" + bar_legend(options.colour) + "\n";
}

std::string pools_text(const ipam::AddressWorld& world) {
  Table table;
  table.header = {"NAME",  "CIDR", "BLOCK", "ENCAPSULATION", "NAT",
                  "STATE", "USES", "NODES", "USED",          "FREE"};
  for (const ipam::PoolUsage& usage : ipam::pool_usages(world)) {
    const model::IpPool& pool = usage.pool;
    table.rows.push_back({pool.name, pool.cidr.to_string(), fmt::format("/{}", pool.block_bits),
                          std::string(mode_of(pool)), pool.nat_outgoing ? "yes" : "no",
                          pool.disabled ? "disabled"
                          : pool.manual ? "on request"
                                        : "in use",
                          uses_of(pool), pool.nodes.canonical(), std::to_string(usage.used),
                          number(usage.free)});
  }
  return table.rows.empty() ? "there are no pools\n" : table.to_string();
}

std::string address_text(const ipam::AddressWorld& world, const net::IpAddr& address) {
  const ipam::AddressOwner owner = ipam::address_owner(world, address);
  if (!owner.block) {
    const model::IpPool* pool = world.pool_of(address);
    return fmt::format("{} is not taken: {}\n", address.to_string(),
                       pool == nullptr ? "it is in no pool"
                                       : "nobody has claimed its block in pool " + pool->name);
  }
  const ipam::Block* block = world.block_of(address);
  std::string out =
      fmt::format("{} is {}\n", address.to_string(),
                  owner.state == ipam::AddressState::kUsed ? "in use" : to_string(owner.state));
  Table table;
  const auto row = [&table](std::string name, std::string value) {
    if (!value.empty()) table.rows.push_back({"  " + std::move(name), std::move(value)});
  };
  row("pool", owner.pool.empty() ? "none" : owner.pool);
  row("block", fmt::format("{} of {}", owner.block->to_string(), owner_text(block->affinity())));
  row("handle", owner.handle_id);
  for (const auto& [key, value] : owner.attributes) row(key, value);
  if (owner.released_at) row("released", to_rfc3339(*owner.released_at));
  const auto ordinal = block->ordinal_of(address);
  if (ordinal && block->attributes_of(*ordinal) != nullptr) {
    if (const auto judgement = ipam::judge_allocation(world, *block, *ordinal))
      row("seems left over", judgement->reason);
  }
  return out + table.to_string();
}

std::string borrowed_text(const ipam::AddressWorld& world) {
  Table table;
  table.header = {"IP", "BORROWING NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED TO"};
  for (const auto& [cidr, stored] : world.records.blocks) {
    const ipam::Block& block = stored.value;
    const auto cells = address_cells(world, block);
    for (uint32_t i = 0; i < block.size(); ++i) {
      const ipam::AllocationAttributes* owner = block.attributes_of(i);
      if (owner == nullptr) continue;
      const bool of_other = block.affinity() && block.affinity()->name != cells[i].node;
      if (cells[i].state != ipam::AddressState::kBorrowed && !of_other) continue;
      const std::string pod(owner->get(ipam::kPodAttribute));
      table.rows.push_back(
          {block.address_of(i).to_string(), cells[i].node, cidr.to_string(),
           owner_text(block.affinity()),
           pod.empty() ? std::string(owner->get(ipam::kTypeAttribute)) : "pod",
           pod.empty() ? owner->handle_id.value_or("")
                       : fmt::format("{}/{}", owner->get(ipam::kNamespaceAttribute), pod)});
    }
  }
  return table.rows.empty() ? "no address is borrowed\n" : table.to_string();
}

std::string settings_text(const ipam::AddressWorld& world) {
  const model::IpamSettings& settings = world.settings;
  Table table;
  table.header = {"PROPERTY", "VALUE"};
  table.rows = {{"strictAffinity", settings.strict_affinity ? "true" : "false"},
                {"maxBlocksPerHost", settings.max_blocks_per_host == 0
                                         ? "20 (default)"
                                         : std::to_string(settings.max_blocks_per_host)},
                {"autoAllocateBlocks", settings.auto_allocate_blocks ? "true" : "false"},
                {"ipCooldownSeconds", std::to_string(settings.cooldown_seconds)}};
  return table.to_string();
}

namespace {

void print_problems(const ipam::AddressWorld& world) {
  for (const std::string& problem : world.records.problems)
    fmt::print(stderr, "not taken as it stands: {}\n", problem);
}

Status check_pool(const ipam::AddressWorld& world, const std::string& pool) {
  if (pool.empty() || world.pools.contains(pool)) return {};
  std::vector<std::string> names;
  for (const auto& [name, value] : world.pools) names.push_back(name);
  return fail(Errc::kNotFound, fmt::format("there is no pool {}; there are: {}", pool,
                                           names.empty() ? "none" : join(names, ", ")));
}

Result<int> show(Options options) {
  std::optional<net::IpAddr> address;
  if (!options.ip.empty()) {
    CARACAL_ASSIGN(address, net::IpAddr::parse(options.ip));
  }
  CARACAL_ASSIGN(const auto store, AddressStore::connect(options.cluster));
  CARACAL_ASSIGN(const ipam::AddressWorld world, store->load());
  print_problems(world);
  CARACAL_TRY(check_pool(world, options.show.pool));
  if (options.format == "svg") {
    fmt::print("{}", ipam_svg(world, {.blocks = options.show.blocks, .pool = options.show.pool}));
  } else if (options.format == "json") {
    fmt::print("{}", jsonio::to_pretty_string(usage_json(world, options.show.blocks)));
  } else if (address) {
    fmt::print("{}", address_text(world, *address));
  } else if (options.borrowed) {
    fmt::print("{}", borrowed_text(world));
  } else if (options.configuration) {
    fmt::print("{}", settings_text(world));
  } else {
    options.show.colour = !terminal_style().reset.empty();
    fmt::print("{}", show_text(world, options.show));
  }
  return 0;
}

Result<int> list(Options options, bool blocks) {
  CARACAL_ASSIGN(const auto store, AddressStore::connect(options.cluster));
  CARACAL_ASSIGN(const ipam::AddressWorld world, store->load());
  print_problems(world);
  CARACAL_TRY(check_pool(world, options.show.pool));
  options.show.colour = !terminal_style().reset.empty();
  if (options.format == "json") {
    fmt::print("{}", jsonio::to_pretty_string(usage_json(world, blocks)));
  } else {
    fmt::print("{}", blocks ? blocks_text(world, options.show) : pools_text(world));
  }
  return 0;
}

}  // namespace

void add_ipam_show_commands(CLI::App& ipam, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(ipam, chosen, "show", "show how full the pools are, or who has an address",
                  "  caracal ipam show\n"
                  "  caracal ipam show --show-blocks\n"
                  "  caracal ipam show --ip 192.168.12.3\n"
                  "  caracal ipam show --show-blocks -o svg > addresses.svg",
                  [options] { return show(*options); });
  auto* ip = command->add_option("--ip", options->ip, "who has this address")->type_name("ADDRESS");
  command->add_flag("--show-blocks", options->show.blocks, "also the blocks, address by address");
  command
      ->add_flag("--show-borrowed", options->borrowed,
                 "the addresses that are taken from blocks of other nodes")
      ->excludes(ip);
  command
      ->add_flag("--show-configuration", options->configuration,
                 "the settings of the address management")
      ->excludes(ip);
  command->add_option("--pool", options->show.pool, "only this pool")->type_name("NAME");
  command->add_option("-o,--output", options->format, "text, json or svg")
      ->check(CLI::IsMember({"text", "json", "svg"}))
      ->capture_default_str();
  options->cluster.add_to(*command);

  const auto add_list = [&](const char* name, const char* about, bool blocks) {
    auto own = std::make_shared<Options>();
    CLI::App* one = add_command(ipam, chosen, name, about, fmt::format("  caracal ipam {}", name),
                                [own, blocks] { return list(*own, blocks); });
    if (blocks) {
      one->add_option("--pool", own->show.pool, "only of this pool")->type_name("NAME");
      one->add_option("--node", own->show.node, "only of this node")->type_name("NODE");
    }
    one->add_option("-o,--output", own->format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    own->cluster.add_to(*one);
  };
  add_list("blocks", "list the blocks, who owns them and how full they are", true);
  add_list("pools", "list the pools with their settings", false);
}

}  // namespace caracal::cli
