#include "cli/policy_review.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <thread>

#include "analysis/difference.h"
#include "analysis/port_text.h"
#include "cli/output.h"
#include "cli/policy_explain.h"
#include "cli/world_loader.h"
#include "manifests/lint.h"

namespace caracal::cli {
namespace {

using analysis::Connectivity;
using analysis::Reachability;

struct MatrixOptions {
  PolicySource source;
  std::string by = "workload";
  std::string port = "all";
  std::string output = "text";
};

struct ChangeOptions {
  PolicySource source;
  std::vector<std::string> files;
  std::string by = "workload";
  std::string port = "all";
  std::string output = "text";
  std::string fail_on = "none";
  bool only_policies_of_files = false;  // simulate: the policies of the files and no others
};

struct LintOptions {
  PolicySource source;
  std::string output = "text";
  std::string fail_on = "warning";
};

analysis::Level level_of(const std::string& text) {
  if (text == "pod") return analysis::Level::kPod;
  return text == "namespace" ? analysis::Level::kNamespace : analysis::Level::kWorkload;
}

unsigned threads() { return std::max(1U, std::thread::hardware_concurrency()); }

int status(bool holds, bool broken) {
  if (!holds) return 1;
  return broken ? kBrokenInput : 0;
}

Result<int> matrix(const MatrixOptions& options) {
  CARACAL_ASSIGN(const analysis::PortChoice choice, parse_port_choice(options.port));
  CARACAL_ASSIGN(const manifests::Manifests read, options.source.load());
  const bool broken = print_problems(read);
  const Reachability reachability(read.world, threads());
  CARACAL_ASSIGN(
      const Connectivity connectivity,
      Connectivity::make(reachability, read.view,
                         analysis::make_ends(reachability, read.view, level_of(options.by),
                                             options.source.namespaces()),
                         analysis::external_parts(reachability)));
  if (connectivity.ends().empty())
    return fail(Errc::kNotFound, "there are no pods that policies could be about");
  if (options.output == "json") {
    fmt::print("{}", jsonio::to_pretty_string(analysis::matrix_json(connectivity, choice)));
  } else if (options.output == "svg") {
    fmt::print("{}", analysis::matrix_svg(connectivity, choice));
  } else if (options.output == "list") {
    fmt::print("{}", analysis::matrix_list(connectivity, choice));
  } else {
    fmt::print("{}", analysis::matrix_text(connectivity, choice));
  }
  return status(true, broken);
}

bool is_policy(const manifests::Document& document) {
  const std::string_view kind = jsonio::get_string(document.value, {"kind"});
  return kind.ends_with("NetworkPolicy");
}

Result<int> change(const ChangeOptions& options) {
  CARACAL_ASSIGN(const analysis::PortChoice choice, parse_port_choice(options.port));
  CARACAL_ASSIGN(const manifests::Documents base, options.source.documents());
  manifests::Documents added = manifests::read_documents(options.files);
  const manifests::LoadOptions load_options = options.source.load_options();
  const manifests::Manifests before =
      manifests::load(base, load_options, !options.source.offline());

  manifests::Documents together;
  together.problems = base.problems;
  for (const manifests::Document& document : base.documents) {
    if (options.only_policies_of_files && is_policy(document)) continue;
    together.documents.push_back(document);
  }
  together.problems.insert(together.problems.end(), added.problems.begin(), added.problems.end());
  for (manifests::Document& document : added.documents)
    together.documents.push_back(std::move(document));
  const manifests::Manifests after = manifests::load(std::move(together), load_options, true);
  const bool broken = print_problems(after);

  const Reachability old_world(before.world, threads());
  const Reachability new_world(after.world, threads());
  const auto parts = analysis::external_parts(old_world, &new_world);
  const analysis::Level level = level_of(options.by);
  const auto namespaces = options.source.namespaces();
  CARACAL_ASSIGN(
      const Connectivity old_matrix,
      Connectivity::make(old_world, before.view,
                         analysis::make_ends(old_world, before.view, level, namespaces), parts));
  CARACAL_ASSIGN(
      const Connectivity new_matrix,
      Connectivity::make(new_world, after.view,
                         analysis::make_ends(new_world, after.view, level, namespaces), parts));
  const analysis::Difference difference = analysis::compare(old_matrix, new_matrix, choice);
  if (options.output == "json") {
    fmt::print("{}", jsonio::to_pretty_string(analysis::to_json(difference)));
  } else {
    fmt::print("{}", analysis::to_text(difference));
  }
  const bool opened =
      difference.opens() && (options.fail_on == "opened" || options.fail_on == "any");
  const bool closed =
      difference.closes() && (options.fail_on == "closed" || options.fail_on == "any");
  return status(!opened && !closed, broken);
}

Result<int> lint(const LintOptions& options, const std::string& version) {
  CARACAL_ASSIGN(const manifests::Manifests read, options.source.load());
  std::vector<manifests::Finding> findings = manifests::lint(read);
  const auto namespaces = options.source.namespaces();
  if (!namespaces.empty()) {
    std::erase_if(findings, [&](const manifests::Finding& finding) {
      return std::none_of(namespaces.begin(), namespaces.end(), [&](const std::string& ns) {
        return finding.object.find(" " + ns + "/") != std::string::npos ||
               finding.object == "Namespace " + ns;
      });
    });
  }
  if (options.output == "json") {
    fmt::print("{}", jsonio::to_pretty_string(manifests::to_json(findings)));
  } else if (options.output == "junit") {
    fmt::print("{}", manifests::to_junit(findings));
  } else if (options.output == "sarif") {
    fmt::print("{}", jsonio::to_pretty_string(manifests::to_sarif(findings, version)));
  } else {
    fmt::print("{}", manifests::to_text(findings));
  }
  const auto limit = manifests::parse_severity(options.fail_on);
  const bool over =
      limit && std::any_of(findings.begin(), findings.end(),
                           [&](const auto& finding) { return finding.severity >= *limit; });
  return status(!over, read.has_errors());
}

std::string check_port(const std::string& text) {
  const auto choice = parse_port_choice(text);
  return choice ? std::string() : choice.error().message;
}

void add_view_options(CLI::App& command, std::string& by, std::string& port) {
  command.add_option("--by", by, "what a row stands for: pod, workload or namespace")
      ->check(CLI::IsMember({"pod", "workload", "namespace"}))
      ->capture_default_str();
  command.add_option("--port", port, "look at one port, such as 80 or UDP/53; or all")
      ->type_name("[PROTO/]PORT")
      ->check(check_port)
      ->capture_default_str();
}

CLI::App* add_change_command(CLI::App& policy, Action& chosen, const std::string& name,
                             const std::string& description, const std::string& examples,
                             std::shared_ptr<ChangeOptions> options) {
  CLI::App* command = add_command(policy, chosen, name, description, examples,
                                  [options] { return change(*options); });
  command
      ->add_option("-f,--filename", options->files,
                   "files or directories (repeatable; - is standard input)")
      ->required()
      ->type_name("PATH")
      ->allow_extra_args(false);
  add_view_options(*command, options->by, options->port);
  command
      ->add_option("--fail-on", options->fail_on,
                   "exit with 1 when something is opened, closed, any of both; or none")
      ->check(CLI::IsMember({"opened", "closed", "any", "none"}))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  options->source.add_to(*command);
  return command;
}

}  // namespace

Result<analysis::PortChoice> parse_port_choice(const std::string& text) {
  if (text == "all") return analysis::PortChoice{};
  CARACAL_ASSIGN(const PortArgument port, parse_port_argument(text));
  // Of ICMP: a message that no rule names.
  const uint16_t number = port.port.value_or(0xffff);
  return analysis::PortChoice{analysis::port_number(port.protocol, number),
                              port.port
                                  ? fmt::format("{}/{}", port.protocol.to_string(), *port.port)
                                  : port.protocol.to_string()};
}

void add_policy_review_commands(CLI::App& policy, Action& chosen, const std::string& version) {
  auto matrix_options = std::make_shared<MatrixOptions>();
  CLI::App* command =
      add_command(policy, chosen, "matrix", "show who may connect to whom, by the policies alone",
                  "  caracal policy matrix\n"
                  "  caracal policy matrix --dir deploy/ --port 443 --by namespace\n"
                  "  caracal policy matrix --dir deploy/ -n dev,prod -o svg > matrix.svg\n\n"
                  "Exit status: 0 done, 1 failed, 3 some manifests were broken and left out.",
                  [matrix_options] { return matrix(*matrix_options); });
  add_view_options(*command, matrix_options->by, matrix_options->port);
  command->add_option("-o,--output", matrix_options->output, "text, list, json or svg")
      ->check(CLI::IsMember({"text", "list", "json", "svg"}))
      ->capture_default_str();
  matrix_options->source.add_to(*command);

  add_change_command(
      policy, chosen, "diff", "tell what opens and what closes when manifests are applied",
      "  caracal policy diff -f new-policy.yaml\n"
      "  caracal policy diff -f change/ --dir deploy/ --fail-on opened\n"
      "  caracal policy diff -f change/ --dir deploy/ --port 5432 -o json\n\n"
      "Objects of the same kind and name are replaced, all others stay.\n"
      "Exit status: 0 done, 1 failed or --fail-on holds, 3 some manifests were broken.",
      std::make_shared<ChangeOptions>());
  auto simulate = std::make_shared<ChangeOptions>();
  simulate->only_policies_of_files = true;
  add_change_command(
      policy, chosen, "simulate",
      "tell what opens and what closes when the policies of a directory replace all there are",
      "  caracal policy simulate -f policies/\n"
      "  caracal policy simulate -f policies/ --dir deploy/ --fail-on any\n\n"
      "As a deployment that prunes: policies that are not in the files are gone.\n"
      "Exit status: 0 done, 1 failed or --fail-on holds, 3 some manifests were broken.",
      simulate);

  auto lint_options = std::make_shared<LintOptions>();
  command = add_command(
      policy, chosen, "lint", "find what is questionable in the policies",
      "  caracal policy lint --dir deploy/\n"
      "  caracal policy lint --dir deploy/ -o sarif > policy.sarif\n"
      "  caracal policy lint -n prod --fail-on error\n\n"
      "Exit status: 0 nothing as severe as --fail-on, 1 something is (or the command failed),\n"
      "3 some manifests were broken.",
      [lint_options, version] { return lint(*lint_options, version); });
  command->add_option("-o,--output", lint_options->output, "text, json, junit or sarif")
      ->check(CLI::IsMember({"text", "json", "junit", "sarif"}))
      ->capture_default_str();
  command->add_option("--fail-on", lint_options->fail_on, "note, warning, error or never")
      ->check(CLI::IsMember({"note", "warning", "error", "never"}))
      ->capture_default_str();
  lint_options->source.add_to(*command);
}

}  // namespace caracal::cli
