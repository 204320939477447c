// The engine against the oracle on random worlds: after every change, what the tables say of
// sampled flows is what the API says, the deltas add up to the tables, and an engine that never saw
// the history has tables of the same size that say the same.
#include "policy/testing/random_world.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "policy/engine.h"
#include "policy/oracle/oracle.h"

namespace caracal::policy {
namespace {

using policy_testing::RandomWorld;
using policy_testing::RandomWorldOptions;

// Updates, flushed after each batch.
using History = std::vector<std::vector<model::Update>>;

struct Question {
  std::string interface;
  desired::Direction direction;
  net::IpAddr peer;
  net::Protocol protocol;
  uint16_t port;
};

desired::PortSpace space_of(net::Protocol protocol) {
  if (protocol == net::kTcp) return desired::PortSpace::kTcp;
  if (protocol == net::kUdp) return desired::PortSpace::kUdp;
  if (protocol == net::kSctp) return desired::PortSpace::kSctp;
  return desired::PortSpace::kOther;
}

std::string text_of(const Question& q) {
  return std::string(q.direction == desired::Direction::kIngress ? "ingress" : "egress") + " of " +
         q.interface + ", peer " + q.peer.to_string() + " " + q.protocol.to_string() + "/" +
         std::to_string(q.port);
}

bool oracle_allows(const model::World& world, const Question& q) {
  const auto direction = q.direction == desired::Direction::kIngress ? model::Direction::kIngress
                                                                     : model::Direction::kEgress;
  std::optional<uint16_t> port;
  if (q.protocol.has_ports()) port = q.port;
  return oracle::explain_direction(world, direction, world.local_endpoints.at(q.interface).pod,
                                   q.peer, q.protocol, port)
             .verdict == oracle::Verdict::kAllowed;
}

bool tables_allow(const desired::PolicyTables& tables, const Question& q) {
  const auto space = space_of(q.protocol);
  const uint16_t number = space == desired::PortSpace::kOther ? q.protocol.number : q.port;
  return desired::allows(tables, q.direction, q.interface, q.peer, space, number);
}

std::vector<Question> sample(const model::World& world, const RandomWorld& source,
                             std::mt19937& random, size_t count) {
  std::vector<Question> out;
  if (world.local_endpoints.empty()) return out;
  const auto addresses = source.interesting_addresses();
  const auto ports = source.interesting_ports();
  const std::vector<net::Protocol> protocols = {
      net::kTcp, net::kTcp, net::kUdp, net::kSctp, net::kIcmp, net::kIcmpV6, net::Protocol{47}};
  std::vector<std::string> interfaces;
  for (const auto& [name, endpoint] : world.local_endpoints) interfaces.push_back(name);
  for (size_t i = 0; i < count; ++i) {
    out.push_back({interfaces[random() % interfaces.size()],
                   random() % 2 ? desired::Direction::kIngress : desired::Direction::kEgress,
                   addresses[random() % addresses.size()], protocols[random() % protocols.size()],
                   ports[random() % ports.size()]});
  }
  return out;
}

// What is always true of tables.
std::string broken_invariant(const desired::PolicyTables& t) {
  for (const net::Family family : net::kFamilies) {
    if (!t.ranges.contains(net::IpAddr::first(family))) return "ranges are not total";
  }
  for (const auto space : {desired::PortSpace::kTcp, desired::PortSpace::kUdp,
                           desired::PortSpace::kSctp, desired::PortSpace::kOther}) {
    if (!t.ports.contains({space, 0})) return "ports are not total";
  }
  for (const auto& [a, b] : {std::pair(&t.addresses, "address"), std::pair(&t.ranges, "range")}) {
    for (const auto& [key, identity] : *a) {
      if (identity == 0) return std::string("identity 0 for ") + b;
    }
  }
  std::set<desired::GroupId> groups;
  for (const auto& [key, policy] : t.interfaces) {
    if (policy.disposition == desired::Disposition::kPoliced) groups.insert(policy.group);
  }
  std::set<desired::RowId> rows;
  for (const auto& row : t.rows) rows.insert(row.row);
  std::set<desired::RowId> used;
  for (const auto& [key, row] : t.peers) {
    if (!groups.contains(key.group)) return "a peers entry of a group that no interface has";
    if (!rows.contains(row)) return "a peers entry with a row that is not there";
    used.insert(row);
  }
  if (used != rows) return "a row that no peers entry has";
  return "";
}

std::string size_text(const desired::PolicyTables& t) {
  std::set<desired::PortClass> classes;
  for (const auto& [key, id] : t.ports) classes.insert(id);
  std::set<desired::IdentityId> identities;
  for (const auto& [key, id] : t.ranges) identities.insert(id);
  for (const auto& [key, id] : t.addresses) identities.insert(id);
  return "interfaces " + std::to_string(t.interfaces.size()) + " sources " +
         std::to_string(t.sources.size()) + " addresses " + std::to_string(t.addresses.size()) +
         " ranges " + std::to_string(t.ranges.size()) + " ports " + std::to_string(t.ports.size()) +
         " peers " + std::to_string(t.peers.size()) + " rows " + std::to_string(t.rows.size()) +
         " classes " + std::to_string(classes.size()) + " identities " +
         std::to_string(identities.size());
}

struct Scratch {
  explicit Scratch(const model::World& world) : engine(world.tiers) {
    for (const auto& [key, value] : world.local_endpoints) {
      engine.apply(model::LocalEndpointUpdate{key, value});
    }
    for (const auto& [key, value] : world.policies)
      engine.apply(model::PolicyUpdate{key, value, {}});
    for (const auto& [key, value] : world.invalid_policies) {
      engine.apply(model::PolicyUpdate{key, value.policy, value.reason});
    }
    for (const auto& [key, value] : world.namespaces)
      engine.apply(model::NamespaceUpdate{key, value});
    for (const auto& [key, value] : world.pods) engine.apply(model::PodUpdate{key, value});
    engine.flush();
  }
  Engine engine;
};

// How often policed interfaces were asked about, by verdict: a test that only sees one says
// nothing.
std::array<size_t, 2> asked{};

// More seeds on demand: CARACAL_RANDOM_WORLDS=1000 ./policy_test
uint32_t seeds(uint32_t fallback) {
  const char* text = std::getenv("CARACAL_RANDOM_WORLDS");
  return text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 10)) : fallback;
}

// Runs a history; the first thing that is wrong, or nothing.
std::string check(const History& history, const RandomWorld& source, uint32_t seed, size_t samples,
                  bool every_batch) {
  model::World world;
  world.tiers = source.world().tiers;
  Engine engine(world.tiers);
  desired::PolicyTables sum;
  std::mt19937 random(seed);
  for (size_t batch = 0; batch < history.size(); ++batch) {
    for (const model::Update& update : history[batch]) {
      world.apply(update);
      engine.apply(update);
    }
    desired::apply(sum, engine.flush());
    if (sum != engine.tables()) return "the deltas do not add up to the tables";
    if (!engine.flush().empty()) return "a flush without a change is not empty";
    if (const std::string broken = broken_invariant(sum); !broken.empty()) return broken;
    if (!every_batch && batch + 1 < history.size()) continue;
    for (const Question& q : sample(world, source, random, samples)) {
      const bool expected = oracle_allows(world, q);
      if (sum.interfaces.at({q.direction, q.interface}).disposition ==
          desired::Disposition::kPoliced) {
        ++asked[expected];
      }
      if (tables_allow(sum, q) != expected) {
        return text_of(q) + ": the tables say " + (expected ? "denied" : "allowed") +
               ", the oracle does not";
      }
    }
    if (batch % 4 == 0 || batch + 1 == history.size()) {
      const Scratch scratch(world);
      const auto& tables = scratch.engine.tables();
      if (size_text(tables) != size_text(sum)) {
        return "sizes differ from scratch: " + size_text(sum) + " against " + size_text(tables);
      }
      if (scratch.engine.statuses() != engine.statuses()) return "statuses differ from scratch";
      if (scratch.engine.counts().texts > engine.counts().texts + 8 ||
          engine.counts().texts > scratch.engine.counts().texts + 8) {
        return "texts leak: " + std::to_string(engine.counts().texts) + " against " +
               std::to_string(scratch.engine.counts().texts);
      }
    }
  }
  return "";
}

// Takes away updates as long as something is still wrong.
void shrink(History& history, const RandomWorld& source, uint32_t seed, size_t samples) {
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (size_t batch = history.size(); batch-- > 0;) {
      for (size_t i = history[batch].size(); i-- > 0;) {
        History fewer = history;
        fewer[batch].erase(fewer[batch].begin() + static_cast<ptrdiff_t>(i));
        if (fewer[batch].empty()) fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(batch));
        if (check(fewer, source, seed, samples, true).empty()) continue;
        history = std::move(fewer);
        smaller = true;
        break;
      }
    }
  }
}

void run(uint32_t seed, RandomWorldOptions options, size_t batches, size_t samples) {
  RandomWorld source(seed, options);
  std::mt19937 random(seed + 1);
  History history;
  for (size_t batch = 0; batch < batches; ++batch) {
    history.emplace_back();
    const size_t size = batch == 0 ? 25 : 1 + random() % 4;
    for (size_t i = 0; i < size; ++i) history.back().push_back(source.next());
  }
  std::string wrong = check(history, source, seed, samples, true);
  if (wrong.empty()) return;
  shrink(history, source, seed, samples * 4);
  wrong = check(history, source, seed, samples * 4, true);
  std::string text;
  for (const auto& batch : history) {
    for (const model::Update& update : batch) text += "  " + policy_testing::describe(update);
    text += "  --- flush\n";
  }
  FAIL() << "seed " << seed << ": " << wrong << "\n" << text;
}

TEST(RandomWorldTest, KubernetesPolicies) {
  asked = {};
  for (uint32_t seed = 1; seed <= seeds(60) && !HasFailure(); ++seed) run(seed, {}, 16, 60);
  EXPECT_GT(asked[0], (asked[0] + asked[1]) / 10);
  EXPECT_GT(asked[1], (asked[0] + asked[1]) / 10);
}

TEST(RandomWorldTest, TiersWithDenyAndPass) {
  RandomWorldOptions options;
  options.tiers = true;
  asked = {};
  for (uint32_t seed = 1; seed <= seeds(60) && !HasFailure(); ++seed) run(seed, options, 16, 60);
  EXPECT_GT(asked[0], (asked[0] + asked[1]) / 10);
  EXPECT_GT(asked[1], (asked[0] + asked[1]) / 10);
}

TEST(RandomWorldTest, OrderRepeatsAndHistoryLeaveNoTrace) {
  for (uint32_t seed = 100; seed < 120 && !HasFailure(); ++seed) {
    RandomWorld source(seed);
    for (int i = 0; i < 60; ++i) source.next();
    const History at_once = {source.rebuild()};
    EXPECT_EQ(check(at_once, source, seed, 100, true), "") << "seed " << seed;
    History one_by_one;
    for (const model::Update& update : source.rebuild()) one_by_one.push_back({update});
    EXPECT_EQ(check(one_by_one, source, seed, 100, false), "") << "seed " << seed;
  }
}

TEST(RandomWorldTest, TeardownLeavesTrivialTables) {
  for (uint32_t seed = 200; seed < 230 && !HasFailure(); ++seed) {
    RandomWorldOptions options;
    options.tiers = seed % 2 == 0;
    RandomWorld source(seed, options);
    Engine engine(source.world().tiers);
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
    EXPECT_EQ(engine.tables().addresses.size(), 0u);
    EXPECT_EQ(engine.tables().interfaces.size(), 0u);
    EXPECT_EQ(engine.tables().peers.size(), 0u);
    EXPECT_EQ(engine.tables().rows.size(), 0u);
    EXPECT_EQ(engine.tables().ranges, empty.ranges);
    EXPECT_EQ(engine.tables().ports.size(), empty.ports.size());
    EXPECT_EQ(engine.counts().groups, 0u);
    EXPECT_EQ(engine.counts().identities, 1u);
    // The last namespace name and the keys of port names stay.
    EXPECT_LE(engine.counts().texts, texts + 8);
  }
}

}  // namespace
}  // namespace caracal::policy
