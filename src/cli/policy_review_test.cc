// The commands about whole sets of policies, offline, as a user types them.
#include "cli/policy_review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "analysis/port_text.h"
#include "cli/policy_explain.h"
#include "cli/policy_stage.h"
#include "jsonio/json.h"
#include "jsonio/yaml.h"

namespace caracal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kReview = CARACAL_SOURCE_DIR "/src/manifests/testdata/review";

class PolicyCommands : public ::testing::Test {
 protected:
  int run(std::vector<std::string> words) {
    CLI::App app("test");
    Action chosen;
    prepare_root(app, "caracal");
    add_policy_commands(app, chosen, "1.2.3");
    words.insert(words.begin(), {"caracal", "policy"});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const int status = run_command_line(app, chosen, static_cast<int>(argv.size()), argv.data());
    err_ = ::testing::internal::GetCapturedStderr();
    out_ = ::testing::internal::GetCapturedStdout();
    return status;
  }
  std::string out_, err_;
};

TEST(PortChoice, IsOnePortOrAll) {
  EXPECT_FALSE(parse_port_choice("all")->number);
  EXPECT_EQ(parse_port_choice("udp/53")->number, analysis::port_number(net::kUdp, 53));
  EXPECT_EQ(parse_port_choice("80")->name, "TCP/80");
  EXPECT_EQ(parse_port_choice("icmp")->name, "ICMP");
  EXPECT_FALSE(parse_port_choice("http"));
}

TEST_F(PolicyCommands, MatrixOfADirectory) {
  EXPECT_EQ(run({"matrix", "--dir", kReview + "/base", "-o", "list"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("shop/front[Deployment] -> shop/db[StatefulSet]: TCP 5432\n"));
  EXPECT_THAT(out_, Not(HasSubstr("ops/backup[CronJob] -> shop/db[StatefulSet]")));
  EXPECT_EQ(run({"matrix", "--dir", kReview + "/base", "-n", "shop", "--by", "pod", "-o", "json"}),
            0);
  const auto json = jsonio::parse(out_);
  ASSERT_TRUE(json);
  EXPECT_EQ(jsonio::get_array(*json, {"ends"}).size(), 2U);
  EXPECT_EQ(run({"matrix", "--dir", kReview + "/base", "-o", "svg"}), 0);
  EXPECT_TRUE(out_.starts_with("<svg "));
}

TEST_F(PolicyCommands, BrokenInputIsThree) {
  EXPECT_EQ(run({"matrix", "--dir", kReview + "/lint"}), kBrokenInput);
  EXPECT_THAT(err_, HasSubstr("questionable.yaml"));
  EXPECT_THAT(out_, HasSubstr("dev/web"));  // the rest is answered
  EXPECT_EQ(run({"matrix", "--dir", kReview + "/nowhere"}), 1);
}

TEST_F(PolicyCommands, DiffFailsOnWhatItIsToldTo) {
  const std::vector<std::string> words = {"diff", "-f", kReview + "/change", "--dir",
                                          kReview + "/base"};
  const auto with = [&](const char* fail_on) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--fail-on", fail_on});
    return all;
  };
  EXPECT_EQ(run(words), 0);
  EXPECT_THAT(out_, HasSubstr("+ ops/backup[CronJob] -> shop/db[StatefulSet]: TCP 5432\n"));
  EXPECT_THAT(out_, HasSubstr("- shop/front[Deployment] -> shop/db[StatefulSet]: TCP 5432\n"));
  EXPECT_THAT(out_, HasSubstr("+ 10.0.0.0/16 -> shop/db[StatefulSet]: TCP 5432\n"));
  EXPECT_EQ(run(with("opened")), 1);
  EXPECT_EQ(run(with("closed")), 1);
  EXPECT_EQ(run(with("none")), 0);
  // Another port is not concerned.
  std::vector<std::string> other = with("any");
  other.insert(other.end(), {"--port", "443"});
  EXPECT_EQ(run(other), 0);
  EXPECT_EQ(out_, "nothing opens, nothing closes\n");
}

TEST_F(PolicyCommands, SimulateReplacesAllPolicies) {
  EXPECT_EQ(run({"simulate", "-f", kReview + "/change", "--dir", kReview + "/base", "--fail-on",
                 "opened"}),
            1);
  // The policy of front is gone with the others.
  EXPECT_THAT(out_,
              HasSubstr("+ shop/db[StatefulSet] -> shop/front[Deployment]: all but TCP 8080"));
}

TEST_F(PolicyCommands, LintHasAnExitStatusAndForms) {
  EXPECT_EQ(run({"lint", "--dir", kReview + "/lint"}), 1);
  EXPECT_THAT(out_, HasSubstr("[policy-selects-nothing]"));
  EXPECT_EQ(run({"lint", "--dir", kReview + "/base", "--fail-on", "error"}), 0);
  EXPECT_EQ(run({"lint", "--dir", kReview + "/base", "-n", "shop", "--fail-on", "warning"}), 0);
  EXPECT_EQ(run({"lint", "--dir", kReview + "/lint", "--fail-on", "never"}), kBrokenInput);
  EXPECT_EQ(run({"lint", "--dir", kReview + "/lint", "-o", "sarif"}), 1);
  const auto sarif = jsonio::parse(out_);
  ASSERT_TRUE(sarif);
  EXPECT_EQ(jsonio::get_string(*sarif, {"version"}), "2.1.0");
  EXPECT_EQ(run({"lint", "--dir", kReview + "/lint", "-o", "junit"}), 1);
  EXPECT_THAT(out_, HasSubstr("<testsuite name=\"caracal policy lint\""));
}

TEST_F(PolicyCommands, ExplainWorksOffline) {
  EXPECT_EQ(run({"explain", "shop/front", "shop/db", "5432", "--dir", kReview + "/base"}), 0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("allowed"));
  EXPECT_EQ(run({"explain", "ops/backup", "shop/db", "5432", "--dir", kReview + "/base"}), 0);
  EXPECT_THAT(out_, HasSubstr("denied"));
}

TEST_F(PolicyCommands, StagePrintsTheTwin) {
  EXPECT_EQ(run({"stage", "shop/db", "--dir", kReview + "/base"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("kind: StagedKubernetesNetworkPolicy\n"));
  EXPECT_THAT(out_, HasSubstr("stagedAction: Set\n"));
  EXPECT_EQ(run({"stage", "shop/none", "--dir", kReview + "/base"}), 1);
  EXPECT_THAT(err_, HasSubstr("there is no enforced policy none in namespace shop"));
}

TEST(StagedTwin, GoesThereAndBack) {
  const auto policy = jsonio::parse_yaml(
      "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
      "metadata: {name: a, uid: 12, resourceVersion: '7', labels: {x: y}}\n"
      "spec: {selector: all(), types: [Ingress]}\n");
  ASSERT_TRUE(policy);
  const auto staged = staged_twin((*policy)[0], "");
  ASSERT_TRUE(staged);
  EXPECT_EQ(jsonio::get_string(*staged, {"kind"}), "StagedGlobalNetworkPolicy");
  EXPECT_EQ(jsonio::get(*staged, {"metadata", "uid"}), nullptr);
  const auto back = enforced_twin(*staged);
  ASSERT_TRUE(back);
  EXPECT_EQ(jsonio::get_object(*back, {"spec"}), jsonio::get_object((*policy)[0], {"spec"}));
  EXPECT_EQ(jsonio::get_string(*back, {"metadata", "labels", "x"}), "y");

  json::value deletes = *staged;
  jsonio::ensure(deletes, {"spec", "stagedAction"}) = "Delete";
  EXPECT_EQ(enforced_twin(deletes).error().code, Errc::kInvalid);
  EXPECT_EQ(enforced_twin((*policy)[0]).error().code, Errc::kUnsupported);
  EXPECT_EQ(staged_twin(*staged, "").error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace caracal::cli
