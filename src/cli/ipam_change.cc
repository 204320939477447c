#include "cli/ipam_change.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/file.h"
#include "base/strings.h"
#include "cli/ipam.h"
#include "cli/ipam_report.h"
#include "cli/ipam_world.h"
#include "ipam/releaser.h"
#include "ipam/split.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

constexpr size_t kShown = 20;  // addresses named in a question

struct ReleaseOptions {
  ClusterOptions cluster;
  std::vector<std::string> ips;
  std::vector<std::string> reports;
  bool force = false;
  bool yes = false;
};

std::string list_of(const std::vector<std::string>& items) {
  std::string out;
  for (size_t i = 0; i < std::min(items.size(), kShown); ++i) out += "  " + items[i] + "\n";
  if (items.size() > kShown) out += fmt::format("  and {} more\n", items.size() - kShown);
  return out;
}

Result<int> report_release(const ipam::ReleaseReport& report) {
  for (const ipam::Leak& leak : report.released)
    fmt::print("{} released\n", leak.allocation.address.to_string());
  for (const ipam::Leak& leak : report.spared) {
    fmt::print("{} not released: it is taken by somebody, or free already\n",
               leak.allocation.address.to_string());
  }
  for (const std::string& error : report.errors) fmt::print(stderr, "{}\n", error);
  return report.errors.empty() && report.spared.empty() ? 0 : 1;
}

Result<int> carry_out(AddressStore& store, const ipam::AddressWorld& world,
                      ipam::CollectionPlan plan, bool force) {
  ipam::ReleaserOptions releaser_options;
  // By hand, an address is free at once.
  releaser_options.cooldown_seconds = 0;
  ipam::Releaser releaser(store.datastore(), releaser_options);
  ipam::Releaser::Recheck recheck;
  if (!force) recheck = [&world](const ipam::Leak& leak) { return still_leaked(world, leak); };
  CARACAL_ASSIGN(const ipam::ReleaseReport report, store.wait<ipam::ReleaseReport>([&](auto done) {
    releaser.carry_out(
        std::move(plan), recheck,
        [done = std::move(done)](ipam::ReleaseReport given) { done(std::move(given)); });
  }));
  return report_release(report);
}

Result<int> release(const ReleaseOptions& options) {
  std::vector<net::IpAddr> addresses;
  for (const std::string& text : options.ips) {
    CARACAL_ASSIGN(const net::IpAddr address, net::IpAddr::parse(text));
    addresses.push_back(address);
  }
  if (addresses.empty() == options.reports.empty())
    return fail(Errc::kInvalid, "either --ip or --from-report says what is to be released");
  std::vector<std::string> texts;
  for (const std::string& file : options.reports) {
    CARACAL_ASSIGN(std::string text, read_file(file));
    texts.push_back(std::move(text));
  }
  CARACAL_ASSIGN(const auto store, AddressStore::connect(options.cluster));
  CARACAL_ASSIGN(const ipam::AddressWorld world, store->load());
  ipam::CollectionPlan plan;
  if (!addresses.empty()) {
    CARACAL_ASSIGN(plan, ipam::plan_release(world, addresses));
  } else {
    CARACAL_ASSIGN(const AddressStore::Cluster cluster, store->cluster());
    CARACAL_ASSIGN(plan.leaks, leaks_of_reports(options.reports, texts, cluster.guid));
  }
  if (plan.leaks.empty()) {
    fmt::print("there is nothing to release\n");
    return 0;
  }
  const std::vector<std::string> live = live_addresses(world, plan.leaks);
  if (!live.empty() && !options.force && !addresses.empty()) {
    return fail(Errc::kConflict,
                fmt::format("in use, nothing is released:\n{}--force releases them all the same; "
                            "what has them goes on using them, and others may get them too",
                            list_of(live)));
  }
  std::vector<std::string> names;
  for (const ipam::Leak& leak : plan.leaks) {
    names.push_back(fmt::format("{}{}", leak.allocation.address.to_string(),
                                leak.reason.empty() ? "" : ": " + leak.reason));
  }
  if (!options.yes) {
    fmt::print("{} addresses are to be released{}:\n{}", plan.leaks.size(),
               live.empty() ? "" : fmt::format(", {} of them in use", live.size()), list_of(names));
    CARACAL_ASSIGN(const bool yes, confirm("Release them?"));
    if (!yes) return 1;
  }
  return carry_out(*store, world, std::move(plan), options.force);
}

// --- split, lock, unlock

struct SplitOptions {
  ClusterOptions cluster;
  ipam::SplitRequest request;
  bool lock = false;
  bool yes = false;
};

Result<int> set_ready(AddressStore& store, bool ready) {
  CARACAL_TRY(store.wait<bool>([&](auto done) {
    ipam::set_datastore_ready(store.datastore(), ready,
                              [done = std::move(done)](const Status& status) {
                                status ? done(true) : done(fail(status.error()));
                              });
  }));
  fmt::print("{}\n", ready ? "unlocked: addresses are given out again"
                           : "locked: no addresses are given out until it is unlocked");
  return 0;
}

Result<int> split(const SplitOptions& options) {
  CARACAL_ASSIGN(const auto store, AddressStore::connect(options.cluster));
  if (!options.yes) {
    fmt::print("pool {} is replaced by {} pools of equal size; addresses stay where they are\n",
               options.request.pool, options.request.parts);
    CARACAL_ASSIGN(const bool yes, confirm("Split it?"));
    if (!yes) return 1;
  }
  if (options.lock) CARACAL_TRY(set_ready(*store, false));
  auto report = store->wait<ipam::SplitReport>(
      [&](auto done) { ipam::split_pool(store->datastore(), options.request, std::move(done)); });
  // Also after a failure: a cluster that stays locked starts no pods.
  if (options.lock) CARACAL_TRY(set_ready(*store, true));
  if (!report) {
    if (report.error().code != Errc::kConflict || options.lock) return fail(report.error());
    return fail(report.error().code,
                report.error().message + "; `caracal ipam lock` does it, or --lock here");
  }
  for (const auto& [name, cidr] : report->made)
    fmt::print("pool {} has {}\n", name, cidr.to_string());
  fmt::print("pool {} ({}) is gone\n", report->pool, report->cidr.to_string());
  return 0;
}

// --- configure

struct ConfigureOptions {
  ClusterOptions cluster;
  ConfigureRequest request;
};

Status check_range(std::string_view field, const std::optional<int64_t>& value, int64_t most) {
  if (!value || (*value >= 0 && *value <= most)) return {};
  return fail(Errc::kInvalid, fmt::format("{}: {}: must be 0 to {}", field, *value, most));
}

Result<int> configure(const ConfigureOptions& options) {
  const ConfigureRequest& asked = options.request;
  if (!asked.strict_affinity && !asked.auto_allocate && !asked.max_blocks && !asked.cooldown)
    return fail(Errc::kInvalid, "nothing is to be changed: see --help for what can be");
  CARACAL_ASSIGN(kube::BlockingClient api, options.cluster.connect());
  CARACAL_ASSIGN(std::optional<json::value> before, find_ipam_settings(api));
  json::object object;
  if (before) object = *before->if_object();
  CARACAL_ASSIGN(json::object spec, changed_settings(jsonio::get_object(object, {"spec"}), asked));
  object["spec"] = std::move(spec);
  if (before) {
    const bool shown = jsonio::get_string(object, {"apiVersion"}) == "projectcalico.org/v3";
    CARACAL_TRY(
        api.replace(kube::resource_path(jsonio::get_string(object, {"apiVersion"}), "",
                                        shown ? "ipamconfigurations" : "ipamconfigs", "default"),
                    object));
  } else {
    // Where Calico's nodes look: in the stored group wherever that is served.
    object["metadata"] = json::object{{"name", "default"}};
    object["apiVersion"] = "crd.projectcalico.org/v1";
    object["kind"] = "IPAMConfig";
    auto made =
        api.create(kube::resource_path("crd.projectcalico.org/v1", "", "ipamconfigs"), object);
    if (!made && made.error().code == Errc::kNotFound) {
      object["apiVersion"] = "projectcalico.org/v3";
      object["kind"] = "IPAMConfiguration";
      made =
          api.create(kube::resource_path("projectcalico.org/v3", "", "ipamconfigurations"), object);
    }
    CARACAL_TRY(made);
  }
  for (const auto& [field, value] : jsonio::get_object(object, {"spec"}))
    fmt::print("{}: {}\n", std::string_view(field), jsonio::to_string(value));
  return 0;
}

}  // namespace

std::vector<std::string> live_addresses(const ipam::AddressWorld& world,
                                        const std::vector<ipam::Leak>& leaks) {
  std::vector<std::string> out;
  for (const ipam::Leak& leak : leaks) {
    const net::IpAddr& address = leak.allocation.address;
    const ipam::Block* block = world.block_of(address);
    const auto ordinal = block == nullptr ? std::nullopt : block->ordinal_of(address);
    if (!ordinal || block->allocation_of(address) != leak.allocation) continue;
    if (ipam::judge_allocation(world, *block, *ordinal)) continue;
    const ipam::AllocationAttributes* owner = block->attributes_of(*ordinal);
    const std::string pod(owner->get(ipam::kPodAttribute));
    const std::string node(owner->get(ipam::kNodeAttribute));
    out.push_back(fmt::format(
        "{} ({}{})", address.to_string(),
        pod.empty() ? (owner->get(ipam::kTypeAttribute).empty()
                           ? "handle " + leak.allocation.handle_id
                           : std::string(owner->get(ipam::kTypeAttribute)))
                    : fmt::format("pod {}/{}", owner->get(ipam::kNamespaceAttribute), pod),
        node.empty() ? "" : " on " + node));
  }
  return out;
}

Result<json::object> changed_settings(json::object spec, const ConfigureRequest& request) {
  CARACAL_TRY(check_range("maxBlocksPerHost", request.max_blocks, INT32_MAX));
  CARACAL_TRY(check_range("ipCooldownSeconds", request.cooldown, 1200));
  if (request.strict_affinity) spec["strictAffinity"] = *request.strict_affinity;
  if (request.auto_allocate) spec["autoAllocateBlocks"] = *request.auto_allocate;
  if (request.max_blocks) spec["maxBlocksPerHost"] = *request.max_blocks;
  if (request.cooldown) spec["ipCooldownSeconds"] = *request.cooldown;
  // Calico's CRD demands both of these.
  if (!spec.contains("strictAffinity")) spec["strictAffinity"] = false;
  if (!spec.contains("autoAllocateBlocks")) spec["autoAllocateBlocks"] = true;
  const json::value after = spec;
  const bool strict = jsonio::get_bool(after, {"strictAffinity"});
  if (!strict && jsonio::get_int(after, {"maxBlocksPerHost"}) > 0) {
    return fail(Errc::kInvalid,
                fmt::format("maxBlocksPerHost: {}: only with strictAffinity true; without it, "
                            "nodes borrow from others' blocks instead of being limited",
                            jsonio::get_int(after, {"maxBlocksPerHost"})));
  }
  if (!strict && !jsonio::get_bool(after, {"autoAllocateBlocks"}, true)) {
    return fail(Errc::kInvalid,
                "autoAllocateBlocks: false: only with strictAffinity true; without both, nodes "
                "would live on borrowed addresses alone");
  }
  return spec;
}

namespace {

void add_release(CLI::App& ipam, Action& chosen) {
  auto options = std::make_shared<ReleaseOptions>();
  CLI::App* command = add_command(
      ipam, chosen, "release", "free addresses that nobody has any more",
      "  caracal ipam release --ip 192.168.12.3\n"
      "  caracal ipam check -o report.json; caracal ipam release --from-report report.json\n\n"
      "With several reports, only what is in all of them. An address that has been given out again "
      "since the report is left alone.\n"
      "Exit status: 1 when not all were released.",
      [options] { return release(*options); });
  command->add_option("--ip", options->ips, "this address; may be given several times")
      ->type_name("ADDRESS");
  command
      ->add_option("--from-report", options->reports,
                   "what a report of `caracal ipam check -o` calls left over")
      ->type_name("FILE");
  command->add_flag("--force", options->force, "also addresses that are in use");
  command->add_flag("-y,--yes", options->yes, "do not ask");
  options->cluster.add_to(*command);
}

void add_split(CLI::App& ipam, Action& chosen) {
  auto options = std::make_shared<SplitOptions>();
  CLI::App* command =
      add_command(ipam, chosen, "split", "replace a pool by smaller ones of the same settings",
                  "  caracal ipam split default-ipv4-ippool --into 4 --lock",
                  [options] { return split(*options); });
  command->add_option("pool", options->request.pool, "name or CIDR of the pool")
      ->required()
      ->type_name("POOL");
  command->add_option("--into", options->request.parts, "how many: a power of two, 2 to 65536")
      ->required()
      ->type_name("N");
  command->add_flag("--lock", options->lock,
                    "lock the cluster meanwhile: no addresses are given out");
  command->add_flag("-y,--yes", options->yes, "do not ask");
  options->cluster.add_to(*command);
  for (const bool ready : {false, true}) {
    auto cluster = std::make_shared<ClusterOptions>();
    CLI::App* one = add_command(ipam, chosen, ready ? "unlock" : "lock",
                                ready ? "let addresses be given out again"
                                      : "stop giving out addresses, for changes that need it",
                                fmt::format("  caracal ipam {}", ready ? "unlock" : "lock"),
                                [cluster, ready]() -> Result<int> {
                                  CARACAL_ASSIGN(const auto store, AddressStore::connect(*cluster));
                                  return set_ready(*store, ready);
                                });
    cluster->add_to(*one);
  }
}

void add_configure(CLI::App& ipam, Action& chosen) {
  auto options = std::make_shared<ConfigureOptions>();
  CLI::App* command =
      add_command(ipam, chosen, "configure", "change the settings of the address management",
                  "  caracal ipam configure --strict-affinity true\n"
                  "  caracal ipam configure --strict-affinity true --max-blocks-per-host 4\n"
                  "  caracal ipam configure --ip-cooldown-seconds 30",
                  [options] { return configure(*options); });
  ConfigureRequest& asked = options->request;
  command
      ->add_option("--strict-affinity,--strictaffinity", asked.strict_affinity,
                   "true: a node takes addresses from its own blocks only")
      ->type_name("BOOL");
  command
      ->add_option("--max-blocks-per-host", asked.max_blocks,
                   "most blocks of a node and family; 0: the default, 20")
      ->type_name("N");
  command
      ->add_option("--auto-allocate-blocks", asked.auto_allocate,
                   "false: nodes claim no blocks by themselves")
      ->type_name("BOOL");
  command
      ->add_option("--ip-cooldown-seconds", asked.cooldown,
                   "before a released address is given out again, 0 to 1200")
      ->type_name("SECONDS");
  options->cluster.add_to(*command);
}

}  // namespace

void add_ipam_change_commands(CLI::App& ipam, Action& chosen) {
  add_release(ipam, chosen);
  add_split(ipam, chosen);
  add_configure(ipam, chosen);
}

}  // namespace caracal::cli
