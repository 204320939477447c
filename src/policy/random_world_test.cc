// The engine against the oracle on random worlds: after every change, what the tables say of
// sampled flows is what the APIs say, the deltas add up to the tables, and an engine that never saw
// the history has tables of the same size that say the same.
//
// CARACAL_RANDOM_WORLDS=1000 plays more worlds, CARACAL_RANDOM_FIRST=8 others. A failure is cut
// down to a small world and written as a case for src/policy/testing/cases (CARACAL_CASES_DIR says
// where to, else where gtest keeps temporary files).
#include "policy/testing/random_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include "policy/engine.h"
#include "policy/testing/case_file.h"
#include "policy/testing/object_yaml.h"
#include "policy/testing/question.h"
#include "policy/testing/shrink.h"
#include "policy/testing/table_invariants.h"
#include "policy/testing/world_updates.h"

namespace caracal::policy {
namespace {

using policy_testing::Question;
using policy_testing::RandomWorld;
using policy_testing::RandomWorldOptions;

// Updates, flushed after each batch.
using History = std::vector<std::vector<model::Update>>;

EngineOptions engine_options() { return {.node = policy_testing::kThisNode}; }

struct Scratch {
  explicit Scratch(const model::World& world) : engine(engine_options()) {
    for (const model::Update& update : policy_testing::updates_of(world)) engine.apply(update);
    engine.flush();
  }
  Engine engine;
};

// How often there was something to decide, by verdict: a test that only sees one says nothing.
struct Asked {
  size_t allowed = 0;
  size_t denied = 0;
};
Asked asked;

uint32_t number_from(const char* variable, uint32_t fallback) {
  const char* text = std::getenv(variable);
  return text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 10)) : fallback;
}
uint32_t first_seed() { return number_from("CARACAL_RANDOM_FIRST", 1); }
// One past the last.
uint32_t end_seed(uint32_t fallback) {
  return first_seed() + number_from("CARACAL_RANDOM_WORLDS", fallback);
}

void expect_both_verdicts() {
  const size_t total = asked.allowed + asked.denied;
  const size_t least = number_from("CARACAL_RANDOM_WORLDS", 20) < 20 ? 0 : total / 20;
  EXPECT_GE(asked.allowed, least);
  EXPECT_GE(asked.denied, least);
  asked = {};
}

struct Trial {
  RandomWorldOptions options;
  uint32_t seed = 0;
  size_t samples = 60;
};

// What is wrong, and the question it was seen on, if it was one.
struct Failure {
  std::string text;
  std::optional<Question> question;
};

std::optional<Failure> ask(const model::World& world, const desired::PolicyTables& tables,
                           const Trial& trial, std::mt19937& random) {
  for (const Question& q :
       policy_testing::sample_questions(world, random, trial.samples, trial.options.hosts)) {
    if (auto wrong = policy_testing::disagreement(world, tables, q); !wrong.empty())
      return Failure{std::move(wrong), q};
    const auto verdict = policy_testing::ask_tables(tables, q).verdict;
    asked.allowed += verdict == desired::TableVerdict::kAllowed;
    asked.denied += verdict == desired::TableVerdict::kDenied;
  }
  return std::nullopt;
}

// Against an engine that is told the present world only.
std::string difference_from_scratch(const model::World& world, const Engine& engine) {
  const Scratch scratch(world);
  const std::string here = policy_testing::size_text(engine.tables());
  const std::string there = policy_testing::size_text(scratch.engine.tables());
  if (here != there) return "sizes differ from scratch: " + here + " against " + there;
  if (scratch.engine.statuses() != engine.statuses()) return "statuses differ from scratch";
  if (scratch.engine.host_statuses() != engine.host_statuses())
    return "statuses of host endpoints differ from scratch";
  const size_t texts = engine.counts().texts;
  const size_t fresh = scratch.engine.counts().texts;
  if (fresh > texts + 8 || texts > fresh + 8)
    return "texts leak: " + std::to_string(texts) + " against " + std::to_string(fresh);
  return "";
}

// Runs a history; the first thing that is wrong.
std::optional<Failure> check(const History& history, const Trial& trial, bool every_batch) {
  model::World world;
  Engine engine(engine_options());
  desired::PolicyTables sum;
  std::mt19937 random(trial.seed);
  for (size_t batch = 0; batch < history.size(); ++batch) {
    for (const model::Update& update : history[batch]) {
      world.apply(update);
      engine.apply(update);
    }
    desired::apply(sum, engine.flush());
    if (sum != engine.tables()) return Failure{"the deltas do not add up to the tables", {}};
    if (!engine.flush().empty()) return Failure{"a flush without a change is not empty", {}};
    if (auto broken = policy_testing::broken_invariant(sum); !broken.empty())
      return Failure{std::move(broken), {}};
    if (!every_batch && batch + 1 < history.size()) continue;
    if (auto wrong = ask(world, sum, trial, random)) return wrong;
    if (batch % 4 == 0 || batch + 1 == history.size()) {
      if (auto differs = difference_from_scratch(world, engine); !differs.empty())
        return Failure{std::move(differs), {}};
    }
  }
  return std::nullopt;
}

model::World world_after(const History& history) {
  model::World world;
  for (const auto& batch : history)
    for (const model::Update& update : batch) world.apply(update);
  return world;
}

// Takes away updates as long as something is still wrong.
void shrink_history(History& history, const Trial& trial) {
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (size_t batch = history.size(); batch-- > 0;) {
      for (size_t i = history[batch].size(); i-- > 0;) {
        History fewer = history;
        fewer[batch].erase(fewer[batch].begin() + static_cast<ptrdiff_t>(i));
        if (fewer[batch].empty()) fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(batch));
        if (!check(fewer, trial, true)) continue;
        history = std::move(fewer);
        smaller = true;
        break;
      }
    }
  }
}

std::string history_text(const History& history) {
  std::string out;
  for (const auto& batch : history) {
    for (const model::Update& update : batch) out += policy_testing::describe(update);
    out += "--- flush\n";
  }
  return out;
}

// A failure that a fresh engine shows too, as a case in a file; nothing when it does not.
std::string keep_case(model::World world, const Question& question, const Trial& trial) {
  const auto wrong = [&](const model::World& candidate) {
    if (!question.hook && !candidate.local_endpoints.contains(question.interface)) return false;
    const Scratch scratch(candidate);
    return !policy_testing::disagreement(candidate, scratch.engine.tables(), question).empty();
  };
  if (!wrong(world)) return "";
  world = policy_testing::shrink(std::move(world), wrong);
  const Scratch scratch(world);
  const auto said = policy_testing::ask_oracle(world, question);
  policy_testing::Case kept;
  kept.title = "found in seed " + std::to_string(trial.seed);
  kept.expectations = {{question, said.verdict, said.logged}};
  kept.world = world;
  const char* directory = std::getenv("CARACAL_CASES_DIR");
  const std::string path = (directory ? directory + std::string("/") : testing::TempDir()) +
                           "caracal-case-" + std::to_string(trial.seed) + ".yaml";
  std::ofstream(path) << policy_testing::to_yaml(kept);
  return policy_testing::disagreement(world, scratch.engine.tables(), question) + "\nkept as " +
         path + "\n" + policy_testing::to_yaml(kept) + oracle::to_text(said);
}

// Fails the test with something as small as can be.
void report(History history, Failure failure, const Trial& trial) {
  const std::string head = "seed " + std::to_string(trial.seed) + ": ";
  if (failure.question) {
    // The world at the moment of the failure is one of the history's; find it from the back.
    for (size_t batches = 1; batches <= history.size(); ++batches) {
      const History part(history.begin(), history.begin() + static_cast<ptrdiff_t>(batches));
      const std::string kept = keep_case(world_after(part), *failure.question, trial);
      if (kept.empty()) continue;
      ADD_FAILURE() << head << kept;
      return;
    }
  }
  Trial thorough = trial;
  if (failure.question) thorough.samples *= 4;
  if (!check(history, thorough, true)) thorough = trial;
  shrink_history(history, thorough);
  if (auto again = check(history, thorough, true)) failure = *again;
  ADD_FAILURE() << head << failure.text << "\n" << history_text(history);
}

History random_history(RandomWorld& source, uint32_t seed, size_t batches) {
  std::mt19937 random(seed + 1);
  History history;
  for (size_t batch = 0; batch < batches; ++batch) {
    history.emplace_back();
    const size_t size = batch == 0 ? 30 : 1 + random() % 4;
    for (size_t i = 0; i < size; ++i) history.back().push_back(source.next());
  }
  return history;
}

void run(uint32_t seed, RandomWorldOptions options) {
  RandomWorld source(seed, options);
  const Trial trial{options, seed};
  const History history = random_history(source, seed, 16);
  if (auto wrong = check(history, trial, true)) report(history, *wrong, trial);
}

TEST(RandomWorldTest, KubernetesPolicies) {
  for (uint32_t seed = first_seed(); seed < end_seed(60) && !HasFailure(); ++seed) run(seed, {});
  expect_both_verdicts();
}

TEST(RandomWorldTest, TiersWithDenyAndPass) {
  for (uint32_t seed = first_seed(); seed < end_seed(60) && !HasFailure(); ++seed)
    run(seed, {.tiers = true});
  expect_both_verdicts();
}

TEST(RandomWorldTest, EverythingCalicoCanSay) {
  for (uint32_t seed = first_seed(); seed < end_seed(100) && !HasFailure(); ++seed)
    run(seed, {.tiers = true, .calico = true, .shared_addresses = seed % 4 == 0});
  expect_both_verdicts();
}

TEST(RandomWorldTest, HostEndpoints) {
  for (uint32_t seed = first_seed(); seed < end_seed(100) && !HasFailure(); ++seed)
    run(seed, {.tiers = true, .calico = seed % 2 == 0, .hosts = true, .shared_addresses = false});
  expect_both_verdicts();
}

// One history told in other ways: the tables are always those of the last world.

History squashed(const History& history) {
  History out(1);
  for (const auto& batch : history) out[0].insert(out[0].end(), batch.begin(), batch.end());
  return out;
}

History one_by_one(const History& history) {
  History out;
  for (const auto& batch : history)
    for (const model::Update& update : batch) out.push_back({update});
  return out;
}

History doubled(const History& history) {
  History out;
  for (const auto& batch : history) {
    out.push_back(batch);
    out.push_back(batch);
  }
  return out;
}

// Each batch backwards.
History reversed(History history) {
  for (auto& batch : history) std::reverse(batch.begin(), batch.end());
  return history;
}

// Everything goes away between the batches, and comes back.
History with_emptiness_between(const History& history) {
  History out;
  model::World world;
  for (const auto& batch : history) {
    std::vector<model::Update> back = policy_testing::updates_of(world);
    std::vector<model::Update> away;
    for (const model::Update& update : back) away.push_back(policy_testing::removal_of(update));
    std::reverse(away.begin(), away.end());
    for (const model::Update& update : batch) {
      world.apply(update);
      back.push_back(update);
    }
    out.push_back(std::move(away));
    out.push_back(std::move(back));
  }
  return out;
}

TEST(RandomWorldTest, TheWayThereLeavesNoTrace) {
  const std::array ways = {squashed, one_by_one, doubled, with_emptiness_between};
  for (uint32_t seed = first_seed(); seed < end_seed(24) && !HasFailure(); ++seed) {
    const Trial trial{{.tiers = seed % 3 > 0,
                       .calico = seed % 3 > 1,
                       .hosts = seed % 3 > 1,
                       .shared_addresses = seed % 3 == 0},
                      seed,
                      100};
    RandomWorld source(seed, trial.options);
    const History history = random_history(source, seed, 8);
    for (const auto& way : ways) {
      const History other = way(history);
      if (auto wrong = check(other, trial, false)) report(other, *wrong, trial);
    }
    const History back = reversed(history);
    if (auto wrong = check(back, trial, false)) report(back, *wrong, trial);
    const History at_once = {source.rebuild()};
    if (auto wrong = check(at_once, trial, true)) report(at_once, *wrong, trial);
  }
}

TEST(RandomWorldTest, TeardownLeavesTrivialTables) {
  for (uint32_t seed = first_seed(); seed < end_seed(30) && !HasFailure(); ++seed) {
    RandomWorld source(seed,
                       {.tiers = seed % 2 == 0, .calico = seed % 4 == 0, .hosts = seed % 4 == 0});
    Engine engine(engine_options());
    engine.flush();
    const desired::PolicyTables empty = engine.tables();
    const size_t texts = engine.counts().texts;
    for (int i = 0; i < 60; ++i) {
      engine.apply(source.next());
      if (i % 3 == 0) engine.flush();
    }
    desired::PolicyTables sum = engine.tables();
    for (const model::Update& update : source.teardown()) {
      engine.apply(update);
      if (seed % 3 == 0) desired::apply(sum, engine.flush());
    }
    engine.flush();
    EXPECT_EQ(policy_testing::size_text(engine.tables()), policy_testing::size_text(empty))
        << "seed " << seed;
    EXPECT_EQ(engine.tables().ranges, empty.ranges);
    EXPECT_EQ(engine.counts().groups, 0u);
    EXPECT_EQ(engine.counts().identities, 1u);
    // The last namespace name and the keys of port names stay.
    EXPECT_LE(engine.counts().texts, texts + 8);
  }
}

}  // namespace
}  // namespace caracal::policy
