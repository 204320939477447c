// Findings: what is questionable in a set of policies, and how they are reported to people and to
// review pipelines.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"
#include "manifests/document.h"

namespace caracal::manifests {

enum class Severity : uint8_t { kNote, kWarning, kError };
std::string_view to_string(Severity severity);  // "note", "warning", "error"
std::optional<Severity> parse_severity(std::string_view text);

// One thing that is looked for.
struct Check {
  std::string_view id;  // "policy-selects-nothing"
  Severity severity;
  std::string_view summary;
  std::string_view remedy;
};
// All of them, by id.
std::span<const Check> checks();
// REQUIRES: there is one of that id.
const Check& find_check(std::string_view id);

struct Finding {
  std::string_view id;  // of a check
  Severity severity = Severity::kWarning;
  std::string object;  // "NetworkPolicy dev/web"
  std::string field;   // "spec.ingress[0]"; may be empty
  std::string message;
  std::optional<Source> source;  // where it was read from files
};

// "deploy.yaml:12: warning: NetworkPolicy dev/web: ... [policy-selects-nothing]", and the remedy of
// each check once.
std::string to_text(const std::vector<Finding>& findings);
// {"findings": [...], "counts": {"error", "warning", "note"}}
json::value to_json(const std::vector<Finding>& findings);
// JUnit's XML: a test case for each check that found nothing, and a failed one for each finding.
std::string to_junit(const std::vector<Finding>& findings);
// SARIF 2.1.0 (OASIS).
json::value to_sarif(const std::vector<Finding>& findings, const std::string& version);

}  // namespace caracal::manifests
