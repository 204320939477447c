// What the walk-through found out, step by step: values, and their forms for people and for
// programs.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/output.h"
#include "jsonio/json.h"
#include "lab/walkthrough.h"

namespace caracal::lab {

struct CommandReport {
  std::string command;
  bool preparation = false;
  int exit_code = 0;
  std::string output;  // standard output, then standard error
  std::chrono::milliseconds time{0};
  std::vector<std::string> missing;  // texts that should be in the output and are not
  bool ok() const { return exit_code == 0 && missing.empty(); }
};

struct ProbeReport {
  std::string from;
  std::string to;
  net::IpAddr address;
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;
  Outcome expected = Outcome::kOpen;
  Observation observed;
  bool ok() const { return observed.outcome == expected; }
};

// The moment a step's command changed the verdict of one pair.
struct ChangeReport {
  std::string from;
  std::string to;
  uint16_t port = 0;
  Outcome expected = Outcome::kOpen;
  std::chrono::microseconds after_command{0};  // negative: before the command had returned
  std::string error;                           // the verdict did not change
  bool ok() const { return error.empty(); }
};

// Something else that was looked at: a held connection, the kernel's tables.
struct CheckReport {
  std::string what;
  bool holds = false;
  std::vector<std::string> detail;
};

struct StepReport {
  std::string name;
  std::string title;
  std::string about;
  std::vector<CommandReport> commands;
  std::vector<ProbeReport> probes;
  std::optional<ChangeReport> change;
  std::vector<CheckReport> checks;
  std::vector<std::string> left_out;  // what this lab cannot show, and why
  bool ok() const;
};

struct DemoReport {
  std::vector<StepReport> steps;
  std::chrono::milliseconds time{0};
  bool ok() const;
};

json::value to_json(const DemoReport& report);

// Probes with the same expectation and outcome share a line.
std::string command_text(const CommandReport& report, const cli::Style& style);
std::string findings_text(const StepReport& report, const cli::Style& style);
std::string summary_text(const DemoReport& report, const cli::Style& style);

}  // namespace caracal::lab
