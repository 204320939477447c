#include "lab/demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/subprocess.h"
#include "cli/world_loader.h"
#include "kube/blocking_client.h"
#include "lab/held_connection.h"
#include "lab/kernel_listing.h"
#include "lab/lab_view.h"
#include "lab/verdict_watch.h"

extern char** environ;

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kChangeLimit{30'000};
constexpr std::chrono::milliseconds kNoTime{0};
constexpr std::chrono::milliseconds kCutLimit{30'000};  // a connection that a step must end
constexpr std::chrono::milliseconds kSettleLimit{20'000};

// Each reason once.
void leave_out(StepReport& report, std::string reason) {
  if (std::find(report.left_out.begin(), report.left_out.end(), reason) == report.left_out.end()) {
    report.left_out.push_back(std::move(reason));
  }
}

class DemoRun {
 public:
  DemoRun(const DemoOptions& options, const DemoNarration& narration)
      : options_(options), narration_(narration), client_(options.access) {}

  Result<StepReport> run_step(const WalkStep& step);

 private:
  CommandReport run_command(const WalkCommand& command, bool preparation);
  Result<LabView> look();
  // The first probe of a pair; an error when one end is not there.
  Result<Probe> probe_of(const WalkPair& pair);
  void run_expectations(const WalkStep& step, const LabView& view, StepReport& report);
  void compare_kernel(const WalkStep& step, StepReport& report);
  bool wanted(const WalkCommand& command, StepReport& report) const;

  const DemoOptions& options_;
  const DemoNarration& narration_;
  kube::BlockingClient client_;
  std::map<std::string, std::vector<std::string>> remembered_;  // by node
};

CommandReport DemoRun::run_command(const WalkCommand& command, bool preparation) {
  CommandReport report;
  report.command = command.run;
  report.preparation = preparation;
  Command child;
  child.argv = {"sh", "-c", "cd \"$CARACAL_LAB_EXAMPLES\" && " + command.run};
  const char* path = std::getenv("PATH");
  std::vector<std::string> environment = {
      "KUBECONFIG=" + options_.paths.kubeconfig(), "CARACAL_LAB=" + options_.plan.topology.name,
      "CARACAL_LAB_EXAMPLES=" + options_.folder,
      "PATH=" + options_.program_folder + ":" + (path == nullptr ? "/usr/bin:/bin" : path)};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view ours = *entry;
    const bool replaced = ours.starts_with("KUBECONFIG=") || ours.starts_with("CARACAL_LAB=") ||
                          ours.starts_with("PATH=");
    if (!replaced) environment.emplace_back(ours);
  }
  child.environment = std::move(environment);
  child.timeout = std::chrono::seconds(180);
  const auto begun = Clock::now();
  const auto result = run(child);
  report.time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  if (!result) {
    report.exit_code = 127;
    report.output = result.error().message;
  } else {
    report.exit_code = result->exit_code;
    report.output = result->out + result->err;
  }
  for (const std::string& text : command.prints) {
    if (report.output.find(text) == std::string::npos) report.missing.push_back(text);
  }
  if (narration_.command_done) narration_.command_done(report);
  return report;
}

Result<LabView> DemoRun::look() {
  CARACAL_ASSIGN(const cli::LoadedWorld loaded, cli::load_world(client_));
  return LabView(options_.plan, loaded.world);
}

Result<Probe> DemoRun::probe_of(const WalkPair& pair) {
  CARACAL_ASSIGN(const LabView view, look());
  CARACAL_ASSIGN(const ResolvedEnd from, view.resolve(pair.from));
  CARACAL_ASSIGN(const ResolvedEnd to, view.resolve(pair.to));
  std::vector<Probe> probes = make_probes(from, to, net::kTcp, pair.port);
  if (probes.empty()) return fail(Errc::kNotFound, "the two have no address family in common");
  return std::move(probes.front());
}

bool DemoRun::wanted(const WalkCommand& command, StepReport& report) const {
  const Topology& topology = options_.plan.topology;
  if (command.family && !topology.has(*command.family)) {
    leave_out(report,
              fmt::format("the lab has no {}: {}", net::to_string(*command.family), command.run));
    return false;
  }
  if (topology.nodes.size() < command.nodes) {
    leave_out(report, fmt::format("the lab has one node only: {}", command.run));
    return false;
  }
  return true;
}

void DemoRun::run_expectations(const WalkStep& step, const LabView& view, StepReport& report) {
  std::vector<Probe> probes;
  for (const WalkExpectation& expectation : step.expect) {
    for (const EndRef& from_ref : expectation.from) {
      for (const EndRef& to_ref : expectation.to) {
        if (from_ref == to_ref) continue;
        const auto from = view.resolve(from_ref);
        const auto to = view.resolve(to_ref);
        if (!from || !to) {
          // A family or a second node that this lab has not is no failure; a pod that is not there
          // is.
          const Error& error = !from ? from.error() : to.error();
          const bool expected =
              from_ref.kind == EndRef::Kind::kOutside || from_ref.kind == EndRef::Kind::kOtherNode;
          if (expected) {
            leave_out(report, error.message);
          } else {
            report.checks.push_back({fmt::format("{} -> {}: {}", from_ref.to_string(),
                                                 to_ref.to_string(), error.message),
                                     false,
                                     {}});
          }
          continue;
        }
        for (Probe& probe : make_probes(*from, *to, expectation.protocol, expectation.port)) {
          ProbeReport entry;
          entry.from = from->label;
          entry.to = to->label;
          entry.address = probe.destination;
          entry.protocol = expectation.protocol;
          entry.port = expectation.port;
          entry.expected = expectation.expected;
          report.probes.push_back(std::move(entry));
          probes.push_back(std::move(probe));
        }
      }
    }
  }
  std::vector<Observation> observed = run_probes(probes);
  for (size_t i = 0; i < observed.size(); ++i) report.probes[i].observed = std::move(observed[i]);
}

void DemoRun::compare_kernel(const WalkStep& step, StepReport& report) {
  if (step.kernel == WalkStep::Kernel::kNothing) return;
  for (const NodeSpec& node : options_.plan.topology.nodes) {
    const std::string netns = netns_path(options_.plan.node_netns(node.name));
    auto listing = list_kernel(netns);
    if (!listing) {
      report.checks.push_back(
          {"the nftables ruleset of " + node.name, false, {listing.error().message}});
      continue;
    }
    if (step.kernel == WalkStep::Kernel::kRemember) {
      remembered_[node.name] = std::move(*listing);
      continue;
    }
    // The kernel is cleaned up in the same transaction that opens the traffic; what a slow machine
    // needs beyond that it gets.
    std::vector<std::string> difference = compare_listings(remembered_[node.name], *listing, 12);
    const auto deadline = Clock::now() + kSettleLimit;
    while (!difference.empty() && Clock::now() < deadline) {
      listing = list_kernel(netns);
      if (listing) difference = compare_listings(remembered_[node.name], *listing, 12);
    }
    const bool same = difference.empty();
    report.checks.push_back(
        {fmt::format("the kernel of {} holds exactly the {} lines it held before the first policy",
                     node.name, remembered_[node.name].size()),
         same, std::move(difference)});
  }
}

CheckReport check_held(const WalkPair& pair, HeldConnection& held) {
  const bool ends = pair.expected == Outcome::kSilent;
  const HeldConnection::Outcome outcome = held.finish(ends ? kCutLimit : kNoTime);
  CheckReport check;
  check.what = fmt::format(
      "a connection {} -> {} {}: {} of {} requests answered, {} retransmissions, longest wait "
      "{:.1f} ms",
      pair.from.to_string(), pair.to.to_string(), ends ? "was ended" : "went on", outcome.answers,
      outcome.requests, outcome.retransmissions,
      static_cast<double>(outcome.longest.count()) / 1000);
  check.holds = ends ? outcome.answers > 0 && outcome.cut : outcome.undisturbed();
  if (!outcome.error.empty()) check.detail.push_back(outcome.error);
  return check;
}

Result<StepReport> DemoRun::run_step(const WalkStep& step) {
  StepReport report;
  report.name = step.name;
  report.title = step.title;
  report.about = step.about;
  if (narration_.step_begins) narration_.step_begins(step);
  for (const WalkCommand& command : step.prepare) {
    if (wanted(command, report)) report.commands.push_back(run_command(command, true));
  }

  std::unique_ptr<HeldConnection> held;
  if (step.hold) {
    auto probe = probe_of(*step.hold);
    auto opened = probe ? HeldConnection::open(*probe)
                        : Result<std::unique_ptr<HeldConnection>>(fail(probe.error()));
    if (opened) {
      held = std::move(*opened);
    } else {
      report.checks.push_back({"a connection to hold", false, {opened.error().message}});
    }
  }
  std::unique_ptr<VerdictWatch> watch;
  if (step.watch) {
    report.change = ChangeReport{step.watch->from.to_string(), step.watch->to.to_string(),
                                 step.watch->port, step.watch->expected};
    auto probe = probe_of(*step.watch);
    if (probe) {
      watch = VerdictWatch::start(std::move(*probe));
      // It must have seen the old verdict.
      const Outcome before =
          step.watch->expected == Outcome::kOpen ? Outcome::kSilent : Outcome::kOpen;
      if (auto seen = watch->wait_for(before, kSettleLimit); !seen) {
        report.change->error = "before the command: " + seen.error().message;
        watch.reset();
      }
    } else if (step.watch->from.kind == EndRef::Kind::kOutside ||
               step.watch->from.kind == EndRef::Kind::kOtherNode) {
      leave_out(report, "the time of the change: " + probe.error().message);
      report.change.reset();
    } else {
      report.change->error = probe.error().message;
    }
  }
  for (size_t i = 0; i < step.run.size(); ++i) {
    if (!wanted(step.run[i], report)) continue;
    report.commands.push_back(run_command(step.run[i], false));
    // The first command is the one that changes something; those behind it look at the effect.
    if (i != 0 || !watch) continue;
    const auto returned = Clock::now();
    const auto change = watch->wait_for(step.watch->expected, kChangeLimit);
    if (!change) {
      report.change->error = change.error().message;
    } else {
      report.change->after_command =
          std::chrono::duration_cast<std::chrono::microseconds>(change->at - returned);
    }
    watch.reset();
  }
  CARACAL_ASSIGN(const LabView view, look());
  run_expectations(step, view, report);
  if (held) {
    report.checks.push_back(check_held(*step.hold, *held));
  }
  compare_kernel(step, report);
  if (narration_.step_ends) narration_.step_ends(report);
  return report;
}

}  // namespace

Result<DemoReport> run_demo(const DemoOptions& options, const DemoNarration& narration) {
  DemoReport report;
  DemoRun demo(options, narration);
  const auto begun = Clock::now();
  for (const WalkStep& step : options.steps) {
    CARACAL_ASSIGN(StepReport result, demo.run_step(step));
    report.steps.push_back(std::move(result));
  }
  report.time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  return report;
}

}  // namespace caracal::lab
