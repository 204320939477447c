#include "controller/address_pass.h"

#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "base/timestamp.h"
#include "ipam/usage.h"

namespace caracal::controller {
namespace {

// What has to be known before anything may be called left over.
constexpr std::array<const char*, 5> kNeeded = {"pods", "nodes", "ipamblocks", "blockaffinities",
                                                "ipamhandles"};

Time now() { return std::chrono::time_point_cast<std::chrono::seconds>(WallClock::now()); }

}  // namespace

AddressPass::AddressPass(kube::Client& client, const ClusterCache& cache, const Fence& fence,
                         telemetry::Metrics& metrics)
    : client_(client),
      cache_(cache),
      metrics_(metrics),
      released_(metrics.counter("caracal_ipam_collected_total",
                                "Addresses nobody had any more, by what became of them",
                                "result=\"released\"")),
      spared_(metrics.counter("caracal_ipam_collected_total",
                              "Addresses nobody had any more, by what became of them",
                              "result=\"spared\"")),
      candidate_gauge_(metrics.gauge("caracal_ipam_leak_candidates",
                                     "Addresses that seem to be nobody's, in their grace period")),
      datastore_(client),
      fenced_(datastore_, fence, client.loop()),
      releaser_(fenced_),
      live_(client) {}

std::string AddressPass::missing() const {
  for (const char* plural : kNeeded) {
    if (!cache_.follows(plural)) return plural;
  }
  return {};
}

void AddressPass::run(const ControllerSettings& settings, PassDone done) {
  if (const std::string kind = missing(); !kind.empty()) {
    // Served by nobody: there is no address management to look after.
    const bool served =
        !cache_.where(kind).api_version.empty() || kind == "pods" || kind == "nodes";
    PassReport report;
    if (served) report.error = kind + " are not known now; nothing is released";
    return client_.loop().post([done = std::move(done), report] { done(report); });
  }
  if (!collector_ || settings.leak_grace != leak_grace_) {
    leak_grace_ = settings.leak_grace;
    ipam::CollectorOptions options;
    options.leak_grace = std::chrono::ceil<std::chrono::seconds>(leak_grace_);
    collector_ = std::make_unique<ipam::Collector>(options);
  }
  const ipam::AddressWorld& world = cache_.addresses();
  releaser_.set_cooldown(world.settings.cooldown_seconds);
  ipam::CollectionPlan plan = collector_->observe(world, now());
  candidates_ = plan.candidates.size();
  measure();
  for (const auto& [leak, since] : plan.candidates) {
    log::debug("address may be left over", {{"address", leak.allocation.address.to_string()},
                                            {"because", leak.reason},
                                            {"since", to_rfc3339(since)}});
  }
  if (plan.empty()) return client_.loop().post([done = std::move(done)] { done({}); });
  auto shared = std::make_shared<ipam::CollectionPlan>(std::move(plan));
  live_.run(*shared, world.nodes,
            [this, shared, done = std::move(done)](Result<ipam::AddressWorld> live) mutable {
              if (!live) {
                PassReport report;
                report.error =
                    "what seems to be left over could not be checked: " + live.error().message;
                return done(std::move(report));
              }
              carry_out(std::move(*shared), std::move(*live), std::move(done));
            });
}

void AddressPass::give_back(std::vector<ipam::BlockReturn> blocks, PassDone done) {
  ipam::CollectionPlan plan;
  plan.blocks = std::move(blocks);
  releaser_.carry_out(std::move(plan), {},
                      [this, done = std::move(done)](const ipam::ReleaseReport& report) {
                        done(report_of(report));
                      });
}

// A block of a node that is there after all stays its own.
void AddressPass::carry_out(ipam::CollectionPlan plan, ipam::AddressWorld live, PassDone done) {
  const std::set<std::string, std::less<>>& known = cache_.addresses().nodes;
  std::erase_if(plan.blocks, [&](const ipam::BlockReturn& block) {
    return block.owner.kind == ipam::Owner::Kind::kHost && !known.contains(block.owner.name) &&
           live.nodes.contains(block.owner.name);
  });
  auto shared = std::make_shared<const ipam::AddressWorld>(std::move(live));
  const auto recheck = [shared](const ipam::Leak& leak) {
    return ipam::still_leaked(*shared, leak);
  };
  releaser_.carry_out(std::move(plan), recheck,
                      [this, done = std::move(done)](const ipam::ReleaseReport& report) {
                        done(report_of(report));
                      });
}

PassReport AddressPass::report_of(const ipam::ReleaseReport& report) const {
  for (const ipam::Leak& leak : report.released) {
    log::info("address released: nobody has it", {{"address", leak.allocation.address.to_string()},
                                                  {"handle", leak.allocation.handle_id},
                                                  {"node", leak.node},
                                                  {"because", leak.reason}});
  }
  for (const ipam::Leak& leak : report.spared) {
    log::info("address spared: somebody has it",
              {{"address", leak.allocation.address.to_string()}, {"seemed", leak.reason}});
  }
  released_.add(report.released.size());
  spared_.add(report.spared.size());
  PassReport out;
  const auto add = [&out](size_t count, std::string_view what) {
    if (count > 0) out.text += fmt::format("{}{} {}", out.text.empty() ? "" : ", ", count, what);
  };
  add(report.released.size(), "addresses released");
  add(report.spared.size(), "addresses spared");
  add(report.blocks_returned, "blocks given back");
  add(report.affinities_repaired, "claims repaired");
  add(report.handles_removed, "handles removed");
  // One thing follows from another: a block goes when its last address has gone.
  if (!out.text.empty()) out.again = std::chrono::seconds(1);
  if (!report.errors.empty()) {
    out.error = fmt::format("{} of {}: {}", report.errors.size(),
                            report.errors.size() + report.writes, report.errors.front());
  }
  return out;
}

void AddressPass::measure() {
  candidate_gauge_.set(static_cast<double>(candidates_));
  for (const ipam::PoolUsage& pool : ipam::pool_usages(cache_.addresses())) {
    const std::string label = "pool=\"" + pool.pool.name + "\"";
    const auto set = [&](const char* name, const char* help, uint64_t value) {
      metrics_.gauge(name, help, label).set(static_cast<double>(value));
    };
    set("caracal_ipam_pool_addresses", "Addresses of a pool", pool.capacity);
    set("caracal_ipam_pool_used", "Addresses of a pool that are taken", pool.used);
    set("caracal_ipam_pool_borrowed", "Addresses taken by another node than their block's",
        pool.borrowed);
    set("caracal_ipam_pool_blocks", "Blocks of a pool", pool.blocks);
  }
}

}  // namespace caracal::controller
