#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "cli/output.h"
#include "cli/policy_explain.h"
#include "lab/demo.h"
#include "lab/embedded_examples.h"
#include "lab/lab.h"
#include "lab/lab_commands.h"
#include "lab/lab_view.h"
#include "lab/matrix.h"
#include "policy/oracle/oracle.h"

namespace caracal::lab {
namespace {

struct ProbeCommand {
  std::string name = "lab", ns = "default", from, to, port, format = "table";
  int timeout = 1300;
};

Result<int> probe(const ProbeCommand& options) {
  CARACAL_ASSIGN(const cli::PortArgument port, cli::parse_port_argument(options.port));
  if (!port.port) return fail(Errc::kInvalid, options.port + ": a probe needs a port");
  CARACAL_ASSIGN(const Present present, look_at(options.name));
  const LabView view(present.lab.plan, present.world);
  CARACAL_ASSIGN(const EndRef from_ref, parse_end(options.from, options.ns));
  CARACAL_ASSIGN(const EndRef to_ref, parse_end(options.to, options.ns));
  CARACAL_ASSIGN(const ResolvedEnd from, view.resolve(from_ref));
  CARACAL_ASSIGN(const ResolvedEnd to, view.resolve(to_ref));
  if (from.netns.empty())
    return fail(Errc::kInvalid, options.from + ": an address is no place to send packets from");
  const std::vector<Probe> probes = make_probes(from, to, port.protocol, *port.port);
  if (probes.empty())
    return fail(Errc::kInvalid, "source and destination have no address family in common");
  const std::vector<Observation> observed =
      run_probes(probes, {.timeout = std::chrono::milliseconds(options.timeout)});
  cli::Table table;
  table.header = {"FROM", "TO", "ADDRESS", "PORT", "OUTCOME", "TIME", "DETAIL"};
  json::array list;
  bool open = true;
  for (size_t i = 0; i < probes.size(); ++i) {
    const Observation& o = observed[i];
    open = open && o.outcome == Outcome::kOpen;
    table.rows.push_back({from.label, to.label, probes[i].destination.to_string(), options.port,
                          std::string(to_string(o.outcome)),
                          fmt::format("{:.2f} ms", static_cast<double>(o.time.count()) / 1000),
                          o.detail});
    list.push_back(json::object{{"from", from.label},
                                {"to", to.label},
                                {"address", probes[i].destination.to_string()},
                                {"protocol", port.protocol.to_string()},
                                {"port", *port.port},
                                {"outcome", to_string(o.outcome)},
                                {"microseconds", o.time.count()},
                                {"detail", o.detail}});
  }
  const cli::Format format = *cli::parse_format(options.format);
  fmt::print("{}", format == cli::Format::kTable ? table.to_string() : cli::render(list, format));
  return open ? 0 : 1;
}

struct MatrixCommand {
  std::string name = "lab", ns, port = "80", format = "table";
  bool nodes = false;
};

Result<int> matrix(const MatrixCommand& options) {
  CARACAL_ASSIGN(const cli::PortArgument port, cli::parse_port_argument(options.port));
  if (!port.port) return fail(Errc::kInvalid, options.port + ": a matrix needs a port");
  CARACAL_ASSIGN(const Present present, look_at(options.name));
  const LabView view(present.lab.plan, present.world);
  const std::vector<ResolvedEnd> pods = view.pods(options.ns);
  if (pods.empty()) {
    return fail(Errc::kNotFound, options.ns.empty()
                                     ? "no pod has an address yet"
                                     : "no pod of namespace " + options.ns + " has an address");
  }
  std::vector<ResolvedEnd> sources = pods;
  if (options.nodes) {
    for (const NodeSpec& node : present.lab.plan.topology.nodes) {
      CARACAL_ASSIGN(ResolvedEnd end,
                     view.resolve({.kind = EndRef::Kind::kNode, .node = node.name}));
      sources.push_back(std::move(end));
    }
    for (const net::IpAddr& address : present.lab.plan.topology.outside) {
      CARACAL_ASSIGN(ResolvedEnd end,
                     view.resolve({.kind = EndRef::Kind::kOutside, .address = address}));
      sources.push_back(std::move(end));
    }
  }
  const Matrix result = measure_matrix(present.world, sources, pods, port.protocol, *port.port);
  const cli::Format format = *cli::parse_format(options.format);
  fmt::print("{}", format == cli::Format::kTable ? matrix_text(result, cli::terminal_style())
                                                 : cli::render(to_json(result), format));
  return result.disagreements() == 0 ? 0 : 1;
}

struct DemoCommand {
  std::string name = "lab", format = "table", script;
};

Result<int> demo(const DemoCommand& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const Programs programs, find_programs());
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  CARACAL_TRY(write_examples(lab.paths.examples()));
  std::string text(find_example("walkthrough.yaml")->text);
  std::string folder = lab.paths.examples();
  std::string source = "walkthrough.yaml";
  if (!options.script.empty()) {
    CARACAL_ASSIGN(text, read_file(options.script));
    source = options.script;
    folder = std::filesystem::absolute(options.script).parent_path().string();
  }
  CARACAL_ASSIGN(std::vector<WalkStep> steps, parse_walkthrough(text, source));
  const cli::Format format = *cli::parse_format(options.format);
  const cli::Style style = cli::terminal_style();
  DemoNarration narration;
  if (format == cli::Format::kTable) {
    narration.step_begins = [&style](const WalkStep& step) {
      fmt::print("\n{}{}. {}{}\n", style.bold, step.name, step.title, style.reset);
      if (!step.about.empty()) fmt::print("  {}\n", step.about);
      std::fflush(stdout);
    };
    narration.command_done = [&style](const CommandReport& report) {
      fmt::print("{}", command_text(report, style));
      std::fflush(stdout);
    };
    narration.step_ends = [&style](const StepReport& report) {
      fmt::print("{}", findings_text(report, style));
      std::fflush(stdout);
    };
  }
  CARACAL_ASSIGN(const DemoReport report, run_demo({.plan = lab.plan,
                                                    .paths = lab.paths,
                                                    .access = std::move(access),
                                                    .steps = std::move(steps),
                                                    .folder = folder,
                                                    .program_folder = programs.folder},
                                                   narration));
  if (format == cli::Format::kTable) {
    fmt::print("\n{}", summary_text(report, style));
  } else {
    fmt::print("{}", cli::render(to_json(report), format));
  }
  return report.ok() ? 0 : 1;
}

std::string check_port(const std::string& text) {
  const auto port = cli::parse_port_argument(text);
  if (!port) return port.error().message;
  return port->port ? "" : "\"" + text + "\": must be PORT or PROTOCOL/PORT, such as 80 or UDP/53";
}

}  // namespace

void add_traffic_commands(CLI::App& group, cli::Action& chosen) {
  {
    auto options = std::make_shared<ProbeCommand>();
    CLI::App* command = cli::add_command(
        group, chosen, "probe",
        "send one connection attempt and say what it meets: open, silent, refused, unreachable",
        "  caracal lab probe prod/pod1 dev/pod1 80\n"
        "  caracal lab probe node/node2 dev/pod1 UDP/7\n"
        "  caracal lab probe outside:198.51.100.10 dev/pod1 443 -o json\n"
        "Exit status: 0 open, 1 otherwise.",
        [options] { return probe(*options); });
    add_name_option(*command, options->name);
    add_end_options(*command, options->from, options->to, options->timeout);
    command->add_option("port", options->port, "80, UDP/53")
        ->required()
        ->type_name("[PROTO/]PORT")
        ->check(check_port);
    add_namespace_option(*command, options->ns);
    add_format_option(*command, options->format);
  }
  {
    auto options = std::make_shared<MatrixCommand>();
    CLI::App* command = cli::add_command(
        group, chosen, "matrix", "who reaches whom: live packets beside what the policies say",
        "  caracal lab matrix\n"
        "  caracal lab matrix -n dev --port UDP/7 --nodes\n"
        "Exit status: 1 when packets and policies disagree.",
        [options] { return matrix(*options); });
    add_name_option(*command, options->name);
    command->add_option("--port", options->port, "80, UDP/53")
        ->check(check_port)
        ->capture_default_str()
        ->type_name("[PROTO/]PORT");
    command->add_option("-n,--namespace", options->ns, "only pods of this namespace")
        ->type_name("NAME");
    command->add_flag("--nodes", options->nodes, "nodes and the outside client as sources, too");
    add_format_option(*command, options->format);
  }
  {
    auto options = std::make_shared<DemoCommand>();
    CLI::App* command =
        cli::add_command(group, chosen, "demo",
                         "the walk-through: commands, what packets should meet, and what they do",
                         "  caracal lab demo\n"
                         "  caracal lab demo -o json\n"
                         "Exit status: 0 when every step came out as expected.",
                         [options] { return demo(*options); });
    add_name_option(*command, options->name);
    command
        ->add_option("--script", options->script,
                     "another walk-through, in the form of examples/walkthrough.yaml")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");
    add_format_option(*command, options->format);
  }
}

}  // namespace caracal::lab
