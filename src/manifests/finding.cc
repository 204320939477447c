#include "manifests/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "base/xml.h"

namespace caracal::manifests {
namespace {

constexpr std::array kChecks = {
    Check{"invalid-object", Severity::kError, "an object cannot be used as it is written",
          "correct the field that is named; until then it opens nothing"},
    Check{"missing-service", Severity::kWarning, "a service is referred to that is not there",
          "create the service, or correct its name or namespace"},
    Check{"missing-service-account", Severity::kWarning,
          "a rule names a service account that is not there",
          "create the service account, or correct its name"},
    Check{"missing-tier", Severity::kError, "a policy is in a tier that does not exist",
          "create the tier; until then the policy comes after all others and denies by default"},
    Check{"namespace-without-default-deny", Severity::kWarning,
          "pods of a namespace are not isolated by any policy",
          "add a policy that selects every pod of the namespace and has no rules"},
    Check{"object-passed-over", Severity::kNote,
          "something was read but is not, or not wholly, used",
          "remove what has no effect, or write it in a form that has one"},
    Check{"policy-selects-nothing", Severity::kWarning, "a policy applies to no pod",
          "compare its selectors with the labels of the pods it is meant for"},
    Check{"port-not-served", Severity::kWarning,
          "a rule opens a port that no selected pod declares",
          "correct the port, or declare it as containerPort"},
    Check{"rule-never-matches", Severity::kWarning, "a rule matches no pod, address or port",
          "compare its selectors and port names with what is there, or remove it"},
    Check{"rule-shadowed", Severity::kWarning,
          "all that a rule matches is decided by rules before it",
          "remove the rule, or move it before the others"},
};

std::string place_of(const Finding& finding) {
  if (!finding.source || finding.source->file.empty()) return {};
  return finding.source->line == 0
             ? finding.source->file
             : fmt::format("{}:{}", finding.source->file, finding.source->line);
}

std::string subject_of(const Finding& finding) {
  std::string out = finding.object;
  if (!finding.field.empty()) out += (out.empty() ? "" : ": ") + finding.field;
  return out;
}

std::string_view sarif_level(Severity severity) { return to_string(severity); }

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return {};
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (const Severity severity : {Severity::kNote, Severity::kWarning, Severity::kError}) {
    if (to_string(severity) == text) return severity;
  }
  return std::nullopt;
}

std::span<const Check> checks() { return kChecks; }

const Check& find_check(std::string_view id) {
  const auto it = std::find_if(kChecks.begin(), kChecks.end(),
                               [&](const Check& check) { return check.id == id; });
  CARACAL_CHECK(it != kChecks.end());
  return *it;
}

std::string to_text(const std::vector<Finding>& findings) {
  std::string out;
  std::array<size_t, 3> counts{};
  std::set<std::string_view> ids;
  for (const Finding& finding : findings) {
    ++counts[static_cast<size_t>(finding.severity)];
    ids.insert(finding.id);
    const std::string place = place_of(finding);
    const std::string subject = subject_of(finding);
    out += fmt::format("{}{}{}: {}{}{} [{}]\n", place, place.empty() ? "" : ": ",
                       to_string(finding.severity), subject, subject.empty() ? "" : ": ",
                       finding.message, finding.id);
  }
  if (!ids.empty()) out += "\n";
  for (const std::string_view id : ids) out += fmt::format("{}: {}\n", id, find_check(id).remedy);
  return out + fmt::format("{}{} errors, {} warnings, {} notes\n", ids.empty() ? "" : "\n",
                           counts[2], counts[1], counts[0]);
}

json::value to_json(const std::vector<Finding>& findings) {
  json::array list;
  std::array<size_t, 3> counts{};
  for (const Finding& finding : findings) {
    ++counts[static_cast<size_t>(finding.severity)];
    json::object object{{"id", finding.id},
                        {"severity", to_string(finding.severity)},
                        {"object", finding.object},
                        {"message", finding.message},
                        {"remedy", find_check(finding.id).remedy}};
    if (!finding.field.empty()) object["field"] = finding.field;
    if (finding.source && !finding.source->file.empty()) {
      object["file"] = finding.source->file;
      object["line"] = finding.source->line;
    }
    list.push_back(std::move(object));
  }
  return {{"findings", std::move(list)},
          {"counts", {{"error", counts[2]}, {"warning", counts[1]}, {"note", counts[0]}}}};
}

std::string to_junit(const std::vector<Finding>& findings) {
  std::string cases;
  size_t passed = 0;
  for (const Check& check : kChecks) {
    const bool any = std::any_of(findings.begin(), findings.end(),
                                 [&](const Finding& finding) { return finding.id == check.id; });
    if (any) continue;
    ++passed;
    cases += fmt::format("  <testcase classname=\"policy lint\" name=\"{}\"/>\n", check.id);
  }
  for (const Finding& finding : findings) {
    const std::string subject = subject_of(finding);
    const std::string place = place_of(finding);
    cases += fmt::format(
        "  <testcase classname=\"policy lint\" name=\"{}: {}\">\n"
        "    <failure type=\"{}\" message=\"{}\">{}{}{}\n{}</failure>\n  </testcase>\n",
        finding.id, xml_escape(subject), to_string(finding.severity), xml_escape(finding.message),
        xml_escape(place), place.empty() ? "" : ": ", xml_escape(finding.message),
        xml_escape(find_check(finding.id).remedy));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuite name=\"caracal policy lint\" tests=\"{}\" failures=\"{}\">\n{}</testsuite>\n",
      passed + findings.size(), findings.size(), cases);
}

json::value to_sarif(const std::vector<Finding>& findings, const std::string& version) {
  json::array rules;
  for (const Check& check : kChecks) {
    rules.push_back({{"id", check.id},
                     {"shortDescription", {{"text", check.summary}}},
                     {"help", {{"text", check.remedy}}},
                     {"defaultConfiguration", {{"level", sarif_level(check.severity)}}}});
  }
  json::array results;
  for (const Finding& finding : findings) {
    json::object location;
    if (finding.source && !finding.source->file.empty()) {
      json::object physical{{"artifactLocation", {{"uri", finding.source->file}}}};
      if (finding.source->line != 0) physical["region"] = {{"startLine", finding.source->line}};
      location["physicalLocation"] = std::move(physical);
    }
    location["logicalLocations"] =
        json::array{json::object{{"fullyQualifiedName", subject_of(finding)}}};
    results.push_back({{"ruleId", finding.id},
                       {"level", sarif_level(finding.severity)},
                       {"message", {{"text", subject_of(finding) + ": " + finding.message}}},
                       {"locations", json::array{std::move(location)}}});
  }
  return {
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs",
       json::array{json::object{
           {"tool",
            {{"driver", {{"name", "caracal"}, {"version", version}, {"rules", std::move(rules)}}}}},
           {"results", std::move(results)}}}}};
}

}  // namespace caracal::manifests
