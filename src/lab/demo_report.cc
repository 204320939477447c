#include "lab/demo_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"

namespace caracal::lab {
namespace {

constexpr size_t kShownLines = 14;

std::string mark(bool ok, const cli::Style& style) {
  return ok ? fmt::format("{}ok{}", style.green, style.reset)
            : fmt::format("{}{}WRONG{}", style.bold, style.red, style.reset);
}

double ms(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1000; }

json::array text_array(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(json::string(text));
  return out;
}

json::value step_json(const StepReport& step) {
  json::array commands, probes, checks;
  for (const CommandReport& command : step.commands) {
    commands.push_back(json::object{{"command", command.command},
                                    {"preparation", command.preparation},
                                    {"exitCode", command.exit_code},
                                    {"output", command.output},
                                    {"milliseconds", command.time.count()},
                                    {"missing", text_array(command.missing)},
                                    {"ok", command.ok()}});
  }
  for (const ProbeReport& probe : step.probes) {
    probes.push_back(json::object{{"from", probe.from},
                                  {"to", probe.to},
                                  {"address", probe.address.to_string()},
                                  {"protocol", probe.protocol.to_string()},
                                  {"port", probe.port},
                                  {"expected", to_string(probe.expected)},
                                  {"observed", to_string(probe.observed.outcome)},
                                  {"microseconds", probe.observed.time.count()},
                                  {"detail", probe.observed.detail},
                                  {"ok", probe.ok()}});
  }
  for (const CheckReport& check : step.checks) {
    checks.push_back(json::object{
        {"what", check.what}, {"ok", check.holds}, {"detail", text_array(check.detail)}});
  }
  json::object out{{"name", step.name},
                   {"title", step.title},
                   {"about", step.about},
                   {"commands", commands},
                   {"probes", probes},
                   {"checks", checks},
                   {"leftOut", text_array(step.left_out)},
                   {"ok", step.ok()}};
  if (step.change) {
    out["change"] = json::object{{"from", step.change->from},
                                 {"to", step.change->to},
                                 {"port", step.change->port},
                                 {"becomes", to_string(step.change->expected)},
                                 {"millisecondsAfterCommand", ms(step.change->after_command)},
                                 {"error", step.change->error},
                                 {"ok", step.change->ok()}};
  }
  return out;
}

std::string change_text(const ChangeReport& change, const cli::Style& style) {
  const std::string pair = fmt::format("{} -> {} port {}", change.from, change.to, change.port);
  if (!change.ok()) return fmt::format("  {} {}: {}\n", mark(false, style), pair, change.error);
  const double time = ms(change.after_command);
  return time >= 0 ? fmt::format("  {} {} {} {:.1f} ms after the command returned\n",
                                 mark(true, style), pair, to_string(change.expected), time)
                   : fmt::format("  {} {} {} {:.1f} ms before the command returned\n",
                                 mark(true, style), pair, to_string(change.expected), -time);
}

}  // namespace

bool StepReport::ok() const {
  const auto fine = [](const auto& r) { return r.ok(); };
  return std::all_of(commands.begin(), commands.end(), fine) &&
         std::all_of(probes.begin(), probes.end(), fine) && (!change || change->ok()) &&
         std::all_of(checks.begin(), checks.end(), [](const CheckReport& c) { return c.holds; });
}

bool DemoReport::ok() const {
  return !steps.empty() &&
         std::all_of(steps.begin(), steps.end(), [](const StepReport& s) { return s.ok(); });
}

json::value to_json(const DemoReport& report) {
  json::array steps;
  for (const StepReport& step : report.steps) steps.push_back(step_json(step));
  return {{"ok", report.ok()}, {"milliseconds", report.time.count()}, {"steps", steps}};
}

std::string command_text(const CommandReport& report, const cli::Style& style) {
  std::string out = fmt::format("  {}${} {}\n", style.bold, style.reset, report.command);
  const std::string_view output = trim(report.output);
  if (!output.empty() && (!report.preparation || !report.ok())) {
    const auto lines = split(output, '\n');
    for (size_t i = 0; i < std::min(lines.size(), kShownLines); ++i) {
      out += fmt::format("    {}{}{}\n", style.dim, lines[i], style.reset);
    }
    if (lines.size() > kShownLines)
      out += fmt::format("    {}... {} more lines{}\n", style.dim, lines.size() - kShownLines,
                         style.reset);
  }
  if (report.exit_code != 0)
    out += fmt::format("    {} exit status {}\n", mark(false, style), report.exit_code);
  for (const std::string& text : report.missing) {
    out += fmt::format("    {} \"{}\" is not in the output\n", mark(false, style), text);
  }
  return out;
}

std::string findings_text(const StepReport& report, const cli::Style& style) {
  std::string out;
  // One line for each (port, expected, observed): who reached whom.
  struct Group {
    std::map<std::string, std::vector<std::string>> to_from;
    std::set<std::string> details;
    std::chrono::microseconds shortest = std::chrono::microseconds::max();
    std::chrono::microseconds longest{0};
    size_t count = 0;
    bool ok = true;
  };
  std::map<std::string, Group> groups;
  for (const ProbeReport& probe : report.probes) {
    Group& group =
        groups[fmt::format("{}/{} expected {}, observed {}", probe.protocol.to_string(), probe.port,
                           to_string(probe.expected), to_string(probe.observed.outcome))];
    auto& from = group.to_from[probe.to];
    if (std::find(from.begin(), from.end(), probe.from) == from.end()) from.push_back(probe.from);
    if (!probe.observed.detail.empty()) group.details.insert(probe.observed.detail);
    group.shortest = std::min(group.shortest, probe.observed.time);
    group.longest = std::max(group.longest, probe.observed.time);
    group.ok = group.ok && probe.ok();
    ++group.count;
  }
  for (const auto& [title, group] : groups) {
    out += fmt::format("  {} {} ({} probes, {:.1f} to {:.1f} ms)\n", mark(group.ok, style), title,
                       group.count, ms(group.shortest), ms(group.longest));
    for (const auto& [to, from] : group.to_from)
      out += fmt::format("       {} <- {}\n", to, fmt::join(from, ", "));
    for (const std::string& detail : group.details) out += fmt::format("       {}\n", detail);
  }
  if (report.change) out += change_text(*report.change, style);
  for (const CheckReport& check : report.checks) {
    out += fmt::format("  {} {}\n", mark(check.holds, style), check.what);
    for (const std::string& line : check.detail) out += fmt::format("       {}\n", line);
  }
  for (const std::string& text : report.left_out)
    out += fmt::format("  {}left out: {}{}\n", style.dim, text, style.reset);
  return out;
}

std::string summary_text(const DemoReport& report, const cli::Style& style) {
  cli::Table table;
  table.header = {"STEP", "RESULT", "PROBES", "EFFECTIVE", "TITLE"};
  size_t right = 0;
  for (const StepReport& step : report.steps) {
    const auto good = std::count_if(step.probes.begin(), step.probes.end(),
                                    [](const ProbeReport& p) { return p.ok(); });
    std::string effective = "-";
    if (step.change && step.change->ok())
      effective = fmt::format("{:+.1f} ms", ms(step.change->after_command));
    table.rows.push_back({step.name, mark(step.ok(), style),
                          fmt::format("{}/{}", good, step.probes.size()), effective, step.title});
    right += step.ok() ? 1 : 0;
  }
  return fmt::format(
      "{}\nEFFECTIVE: from the end of the kubectl command to the first packet with the new "
      "verdict; below zero: it was "
      "in force before kubectl had returned.\n{} of {} steps came out as expected, in {:.1f} s.\n",
      table.to_string(), right, report.steps.size(),
      static_cast<double>(report.time.count()) / 1000);
}

}  // namespace caracal::lab
