#include "agent/node_setup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "agent/endpoint.h"
#include "agent/node_address.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "bgp/bird_keeper.h"
#include "dataplane/fib/route_driver.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/netrules/net_rules_driver.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/tunnel/tunnel_driver.h"
#include "event/loop.h"
#include "ipam/lease_book.h"
#include "jsonio/json.h"

namespace caracal::agent {
namespace {

// What dataplane/link's enable_forwarding() writes.
constexpr std::array<const char*, 2> kSettings = {"/proc/sys/net/ipv4/ip_forward",
                                                  "/proc/sys/net/ipv6/conf/all/forwarding"};

std::string record_path(const std::string& state_dir) { return state_dir + "/sysctls.json"; }

Status restore_settings(const std::string& state_dir) {
  const auto text = read_file(record_path(state_dir));
  if (!text) return text.error().code == Errc::kNotFound ? Status() : fail(text.error());
  CARACAL_ASSIGN(const json::value record, jsonio::parse(*text));
  for (const char* path : kSettings) {
    const std::string_view before = jsonio::get_string(record, {path});
    if (!before.empty()) CARACAL_TRY(write_sysctl(path, before));
  }
  return {};
}

// BIRD outlives agents; its routes leave the kernel first.
Status end_bird(const Options& options) {
  if (::access((options.run_dir + "/bird").c_str(), F_OK) != 0) return {};
  event::Loop loop;
  Status outcome = fail(Errc::kTimeout, "BIRD does not end");
  bgp::BirdKeeper::Options keeper_options;
  keeper_options.command = {options.bird};
  keeper_options.folder = options.run_dir + "/bird";
  bgp::BirdKeeper keeper(loop, std::move(keeper_options));
  const event::Handle limit = loop.after(event::Duration(20'000), [&] { loop.stop(); });
  keeper.stop(bgp::BirdKeeper::Leave::kNothing, [&](const Status& ended) {
    outcome = ended;
    loop.stop();
  });
  loop.run();
  if (!outcome) return outcome;
  std::error_code ignored;
  std::filesystem::remove_all(options.run_dir + "/bird", ignored);
  return {};
}

}  // namespace

Status prepare_node(const std::string& state_dir) {
  CARACAL_TRY(make_directories(state_dir));
  const std::string path = record_path(state_dir);
  if (::access(path.c_str(), F_OK) != 0) {
    json::object record;
    for (const char* setting : kSettings) {
      // A kernel without IPv6 has no such file.
      if (const auto value = read_file(setting)) record[setting] = trim(*value);
    }
    CARACAL_TRY(write_file_atomic(path, jsonio::to_pretty_string(record), 0600));
  }
  return dataplane::link::enable_forwarding();
}

uint32_t host_mtu(const std::vector<HostLink>& links, const std::string& pattern) {
  static constexpr std::array<std::string_view, 9> kTunnels = {
      "vxlan", "ipip", "sit", "ip6tnl", "gre", "wireguard", "dummy", "ifb", "geneve"};
  const auto counts = [&](const HostLink& link) {
    if (!pattern.empty()) return matches_pattern(pattern, link.name);
    return !is_virtual_interface(link.name) &&
           std::find(kTunnels.begin(), kTunnels.end(), link.kind) == kTunnels.end();
  };
  uint32_t smallest = 0;
  for (const HostLink& link : links) {
    // Less than any IPv6 link may have is no path of pods.
    if (!link.up || link.loopback || link.mtu < 1280 || !counts(link)) continue;
    smallest = smallest == 0 ? link.mtu : std::min(smallest, link.mtu);
  }
  return std::min<uint32_t>(smallest == 0 ? 1500 : smallest, 65535);
}

Status uninstall(const Options& options) {
  // The lock of the journal tells whether an agent runs.
  const std::string journal_path = options.state_dir + "/leases";
  Status first;
  const auto note = [&first](const std::string& what, const Status& status) {
    if (status) {
      log::info("removed", {{"what", what}});
    } else {
      log::error("not removed", {{"what", what}, {"error", status.error().message}});
      if (first) first = fail(status.error().within(what));
    }
  };
  {
    CARACAL_ASSIGN(auto journal, ipam::FileJournal::open(journal_path));
    auto leases = ipam::LeaseBook::open(std::move(journal));
    if (!leases) {
      note("leases", fail(leases.error()));
    } else {
      for (const auto& [id, lease] : leases->leases()) {
        const Endpoint endpoint = endpoint_of(lease);
        if (endpoint.interface.empty()) continue;
        note("link " + endpoint.interface, dataplane::link::delete_pod_link(endpoint.interface));
      }
    }
  }
  note("BIRD", end_bird(options));
  auto routes = dataplane::fib::RouteDriver::open();
  note("routes", routes ? routes->remove() : fail(routes.error()));
  auto tunnels = dataplane::tunnel::TunnelDriver::open();
  note("tunnels", tunnels ? tunnels->remove() : fail(tunnels.error()));
  auto rules = dataplane::netrules::NetRulesDriver::open();
  note("address rules", rules ? rules->remove() : fail(rules.error()));
  auto policy = dataplane::nft::NftDriver::open(
      {.table = "caracal", .interface_prefix = options.interface_prefix});
  note("policy table", policy ? policy->remove() : fail(policy.error()));
  note("settings", restore_settings(options.state_dir));
  if (first) {
    for (const char* file :
         {"/leases", "/leases.lock", "/leases.damaged", "/sysctls.json", "/wireguard.key"}) {
      ::unlink((options.state_dir + file).c_str());
    }
    ::rmdir(options.state_dir.c_str());  // stays when somebody else keeps files there
  }
  return first;
}

}  // namespace caracal::agent
