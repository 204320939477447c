#include "lab/walkthrough.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "jsonio/yaml.h"
#include "lab/demo_report.h"
#include "lab/embedded_examples.h"
#include "lab/kernel_listing.h"
#include "lab/topology.h"

namespace caracal::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Examples, EveryFileIsReadable) {
  EXPECT_NE(find_example("pod-demo.yaml"), nullptr);
  EXPECT_EQ(find_example("none.yaml"), nullptr);
  for (const EmbeddedExample& example : embedded_examples()) {
    SCOPED_TRACE(example.path);
    const auto documents = jsonio::parse_yaml(example.text);
    ASSERT_TRUE(documents) << documents.error().message;
    if (example.path.starts_with("topologies/")) {
      const auto topology = parse_topology(example.text, example.path);
      EXPECT_TRUE(topology) << topology.error().message;
    } else if (example.path == "walkthrough.yaml" || example.path == "tiers.yaml") {
      const auto steps = parse_walkthrough(example.text, example.path);
      EXPECT_TRUE(steps) << steps.error().message;
    } else {
      for (const json::value& document : *documents)
        EXPECT_FALSE(jsonio::get_string(document, {"kind"}).empty());
    }
  }
}

TEST(Examples, TheWalkthroughCoversItsStepsAndItsFilesExist) {
  const auto steps = parse_walkthrough(find_example("walkthrough.yaml")->text, "walkthrough.yaml");
  ASSERT_TRUE(steps) << steps.error().message;
  std::set<char> letters;
  size_t watched = 0;
  for (const WalkStep& step : *steps) {
    letters.insert(step.name[0]);
    watched += step.watch ? 1 : 0;
    EXPECT_FALSE(step.title.empty()) << step.name;
    for (const auto* commands : {&step.prepare, &step.run}) {
      for (const WalkCommand& command : *commands) {
        const size_t at = command.run.find("-f ");
        if (at == std::string::npos) continue;
        const std::string file = command.run.substr(at + 3, command.run.find(' ', at + 3) - at - 3);
        EXPECT_NE(find_example(file), nullptr) << step.name << ": " << file;
      }
    }
  }
  for (const char letter : std::string("abcdefghi"))
    EXPECT_TRUE(letters.contains(letter)) << letter;
  EXPECT_GE(watched, 9U);
}

std::string error_of(std::string_view yaml) {
  const auto steps = parse_walkthrough(yaml, "w.yaml");
  return steps ? "no error" : steps.error().message;
}

TEST(ParseWalkthrough, ErrorsNameStepAndField) {
  EXPECT_THAT(error_of("steps: []"),
              HasSubstr("w.yaml: steps: must be a list with at least one step"));
  EXPECT_THAT(error_of("steps: [{title: x}]"), HasSubstr("steps[0].name"));
  EXPECT_THAT(error_of("steps: [{name: a, expct: []}]"),
              HasSubstr("steps[0].expct: unknown field"));
  EXPECT_THAT(error_of("steps: [{name: a, expect: [{from: a/b, to: c/d, is: shut}]}]"),
              HasSubstr("steps[0] (a).expect[0].is: \"shut\" is none of open, silent"));
  EXPECT_THAT(error_of("steps: [{name: a, expect: [{from: a/b, to: c/d, port: 70000}]}]"),
              HasSubstr("expect[0].port: 70000 must be between 1 and 65535"));
  EXPECT_THAT(error_of("steps: [{name: a, expect: [{from: a/b}]}]"),
              HasSubstr("expect[0].to: must be there"));
  EXPECT_THAT(error_of("steps: [{name: a, expect: [{from: A!, to: b}]}]"),
              HasSubstr("\"A!\": must be NAMESPACE/POD"));
  EXPECT_THAT(error_of("steps: [{name: a}, {name: a}]"), HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(error_of("steps: [{name: a, kernel: as-remembered}]"),
              HasSubstr("no step before it remembers"));
  EXPECT_THAT(error_of("steps: [{name: a, watch: {from: [a/b, c/d], to: e/f}}]"),
              HasSubstr("one end each"));
}

TEST(EndRef, ReadsEveryFormAndPrintsIt) {
  for (const char* text : {"dev/pod1", "node/node1", "node-of:dev/pod1", "other-node:dev/pod1",
                           "outside:fd00::1", "10.0.0.1", "fd00::1"}) {
    const auto end = parse_end(text);
    ASSERT_TRUE(end) << text;
    EXPECT_EQ(end->to_string(), text);
  }
  EXPECT_EQ(parse_end("pod1", "dev")->to_string(), "dev/pod1");
  for (const char* bad : {"", "a/b/c", "outside:host", "node/", "Dev/pod"})
    EXPECT_FALSE(parse_end(bad)) << bad;
}

TEST(NormalizeRuleset, LeavesOutWhatChangesByItself) {
  const auto one = *jsonio::parse(
      R"({"nftables":[{"metainfo":{"version":"1"}},{"table":{"family":"inet","name":"t","handle":1}},
    {"map":{"table":"t","name":"m","handle":4,"elem":[["a",1],["b",2]]}},
    {"rule":{"table":"t","chain":"c","handle":9,"expr":[{"counter":{"packets":5,"bytes":7}},{"accept":null}]}}]})");
  const auto two = *jsonio::parse(R"({"nftables":[{"table":{"family":"inet","name":"t","handle":8}},
    {"map":{"table":"t","name":"m","handle":5,"elem":[["b",2],["a",1]]}},
    {"rule":{"table":"t","chain":"c","handle":1,"expr":[{"counter":{"packets":0,"bytes":0}},{"accept":null}]}}]})");
  EXPECT_EQ(normalize_ruleset(one), normalize_ruleset(two));
  EXPECT_EQ(normalize_ruleset(one).size(), 5U);
  EXPECT_THAT(compare_listings({"a", "b", "c"}, {"b", "d"}, 2),
              ElementsAre("- a", "- c", "... and 1 more"));
  EXPECT_TRUE(compare_listings({"a"}, {"a"}, 2).empty());
}

TEST(DemoReport, IsRightOnlyWhenEverythingIs) {
  StepReport step;
  step.name = "a";
  step.commands.push_back({.command = "kubectl get pods"});
  step.probes.push_back({.from = "dev/a",
                         .to = "dev/b",
                         .expected = Outcome::kSilent,
                         .observed = {Outcome::kSilent, {}, ""}});
  EXPECT_TRUE(step.ok());
  EXPECT_FALSE(DemoReport{}.ok());
  auto wrong = step;
  wrong.probes[0].observed = {Outcome::kRefused, {}, "TCP reset from 10.0.0.1"};
  EXPECT_FALSE(wrong.ok());
  EXPECT_THAT(findings_text(wrong, {}), HasSubstr("WRONG TCP/0 expected silent, observed refused"));
  EXPECT_THAT(findings_text(wrong, {}), HasSubstr("TCP reset from 10.0.0.1"));
  wrong = step;
  wrong.commands[0].missing = {"pod1"};
  EXPECT_FALSE(wrong.ok());
  wrong = step;
  wrong.checks.push_back({"kernel", false, {}});
  EXPECT_FALSE(wrong.ok());
  wrong = step;
  wrong.change = ChangeReport{.error = "did not change"};
  EXPECT_FALSE(wrong.ok());
  const DemoReport report{{step, wrong}, {}};
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(jsonio::get_bool(to_json(report), {"ok"}), false);
  EXPECT_THAT(summary_text(report, {}), HasSubstr("1 of 2 steps"));
}

}  // namespace
}  // namespace caracal::lab
