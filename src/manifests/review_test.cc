// What a review pipeline sees: matrix, difference and findings of small directories, as files.
// CARACAL_UPDATE_GOLDEN=1 writes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "analysis/difference.h"
#include "analysis/matrix_render.h"
#include "analysis/port_text.h"
#include "base/file.h"
#include "manifests/lint.h"

namespace caracal::manifests {
namespace {

const std::string kData = CARACAL_SOURCE_DIR "/src/manifests/testdata";

// Paths in findings are as the user gave them: here, from testdata.
Manifests load_review(const std::vector<std::string>& folders, bool replace = false) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders) paths.push_back(kData + "/review/" + folder);
  Documents documents = read_documents(paths);
  const auto shorten = [](Source& source) {
    if (source.file.starts_with(kData)) source.file.erase(0, kData.size() + 1);
  };
  for (Document& document : documents.documents) shorten(document.source);
  for (Problem& problem : documents.problems) shorten(problem.source);
  return load(std::move(documents), {}, replace);
}

void expect_golden(const std::string& name, const std::string& actual) {
  const std::string path = kData + "/golden/" + name;
  if (std::getenv("CARACAL_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, actual));
    return;
  }
  const auto expected = read_file(path);
  ASSERT_TRUE(expected) << path;
  EXPECT_EQ(actual, *expected);
}

analysis::Connectivity connectivity_of(const Manifests& manifests,
                                       const analysis::Reachability& reachability,
                                       analysis::Level level) {
  return *analysis::Connectivity::make(reachability, manifests.view,
                                       analysis::make_ends(reachability, manifests.view, level),
                                       analysis::external_parts(reachability));
}

TEST(Review, Matrix) {
  const Manifests manifests = load_review({"base"});
  const analysis::Reachability reachability(manifests.world);
  const auto matrix = connectivity_of(manifests, reachability, analysis::Level::kWorkload);
  const analysis::PortChoice all;
  expect_golden("matrix.txt", analysis::matrix_text(matrix, all));
  expect_golden("matrix-list.txt", analysis::matrix_list(matrix, all));
  expect_golden("matrix.json", jsonio::to_pretty_string(analysis::matrix_json(matrix, all)));
  expect_golden("matrix.svg", analysis::matrix_svg(matrix, all));
  const analysis::PortChoice db{analysis::port_number(net::kTcp, 5432), "TCP/5432"};
  expect_golden("matrix-5432.txt", analysis::matrix_text(matrix, db));
  const auto namespaces = connectivity_of(manifests, reachability, analysis::Level::kNamespace);
  expect_golden("matrix-namespaces.txt", analysis::matrix_text(namespaces, all));
}

TEST(Review, Difference) {
  const Manifests before = load_review({"base"});
  const Manifests after = load_review({"base", "change"}, true);
  const analysis::Reachability old_world(before.world);
  const analysis::Reachability new_world(after.world);
  const auto parts = analysis::external_parts(old_world, &new_world);
  const auto matrix = [&](const Manifests& manifests, const analysis::Reachability& reachability) {
    return *analysis::Connectivity::make(
        reachability, manifests.view,
        analysis::make_ends(reachability, manifests.view, analysis::Level::kWorkload), parts);
  };
  const analysis::Difference difference =
      analysis::compare(matrix(before, old_world), matrix(after, new_world), {});
  EXPECT_TRUE(difference.opens());
  EXPECT_TRUE(difference.closes());
  expect_golden("difference.txt", analysis::to_text(difference));
  expect_golden("difference.json", jsonio::to_pretty_string(analysis::to_json(difference)));
  EXPECT_EQ(analysis::to_text(
                analysis::compare(matrix(before, old_world), matrix(before, old_world), {})),
            "nothing opens, nothing closes\n");
}

TEST(Review, Lint) {
  const std::vector<Finding> findings = lint(load_review({"lint"}));
  expect_golden("lint.txt", to_text(findings));
  expect_golden("lint.json", jsonio::to_pretty_string(to_json(findings)));
  expect_golden("lint.junit.xml", to_junit(findings));
  expect_golden("lint.sarif", jsonio::to_pretty_string(to_sarif(findings, "0.0.0")));
  // One of each that the directory was made for.
  for (const char* id : {"invalid-object", "missing-service", "missing-service-account",
                         "missing-tier", "policy-selects-nothing", "port-not-served",
                         "rule-never-matches", "rule-shadowed", "namespace-without-default-deny"}) {
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
      return finding.id == id;
    })) << id;
  }
}

TEST(Review, AGoodDirectoryHasFewFindings) {
  const std::vector<Finding> findings = lint(load_review({"base"}));
  for (const Finding& finding : findings)
    EXPECT_EQ(finding.id, "namespace-without-default-deny") << finding.object << finding.message;
  EXPECT_THAT(findings, ::testing::SizeIs(2));  // ops has no policy, and shop none for egress
}

}  // namespace
}  // namespace caracal::manifests
