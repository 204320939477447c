// Replays the kept cases: the oracle gives the answer that the case says, and the engine's tables
// give it too. Cases come from failed random tests, and by hand for what the APIs say that one
// would not guess.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "calico/decode.h"
#include "policy/engine.h"
#include "policy/testing/case_file.h"
#include "policy/testing/question.h"
#include "policy/testing/random_world.h"
#include "policy/testing/table_invariants.h"
#include "policy/testing/world_updates.h"

namespace caracal::policy_testing {
namespace {

std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> out;
  const std::filesystem::path folder = CARACAL_SOURCE_DIR "/src/policy/testing/cases";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Reads a case, its API objects decoded into the world. Every networked pod without an interface of
// its own gets "cali-NAMESPACE-NAME".
Result<Case> read_case(const std::filesystem::path& path) {
  CARACAL_ASSIGN(const std::string text, read_file(path.string()));
  CARACAL_ASSIGN(Case out, parse_case(text));
  calico::ObjectDecoder decoder(kThisNode);
  for (const json::value& object : out.apis) {
    CARACAL_ASSIGN(const calico::Decoded decoded, decoder.apply(object));
    for (const calico::Finding& finding : decoded.findings)
      return fail(Errc::kInvalid, finding.title() + ": " + finding.text);
    for (const model::Update& update : decoded.updates) out.world.apply(update);
  }
  std::set<model::ObjectName> connected;
  for (const auto& [name, endpoint] : out.world.local_endpoints) connected.insert(endpoint.pod);
  for (const auto& [name, pod] : out.world.pods) {
    if (!pod.networked() || connected.contains(name)) continue;
    const std::string interface = "cali-" + name.ns + "-" + name.name;
    out.world.local_endpoints[interface] = {name, interface, pod.addresses};
  }
  return out;
}

class CasesTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(CasesTest, OracleAndTablesSayWhatTheCaseSays) {
  const auto kept = read_case(GetParam());
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_FALSE(kept->expectations.empty());
  policy::Engine engine({.node = kThisNode});
  for (const model::Update& update : updates_of(kept->world)) engine.apply(update);
  engine.flush();
  EXPECT_EQ(broken_invariant(engine.tables()), "");
  for (const Expectation& expected : kept->expectations) {
    const Question& q = expected.question;
    if (!q.hook) {
      ASSERT_TRUE(kept->world.local_endpoints.contains(q.interface)) << q.interface;
    }
    const auto said = ask_oracle(kept->world, q);
    const std::string context = kept->title + "\n" + to_string(q) + "\n";
    EXPECT_EQ(policy::oracle::to_string(said.verdict), policy::oracle::to_string(expected.verdict))
        << context << policy::oracle::to_text(said);
    EXPECT_EQ(said.logged, expected.logged) << context;
    EXPECT_EQ(disagreement(kept->world, engine.tables(), q), "") << context;
  }
}

std::string name_of(const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string out = info.param.stem().string();
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return out;
}

INSTANTIATE_TEST_SUITE_P(Kept, CasesTest, testing::ValuesIn(case_files()), name_of);

}  // namespace
}  // namespace caracal::policy_testing
