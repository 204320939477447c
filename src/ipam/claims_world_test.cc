// Many agents at once against a datastore that is slow, answers out of order, fails and lies about
// what it did; agents are killed with requests under way and come back, nodes go for good, and the
// collector frees what is left. Always: no address belongs to two. In the end: none is lost.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>

#include "ipam/check.h"
#include "ipam/collector.h"
#include "ipam/releaser.h"
#include "ipam/testing/claims_fixture.h"

namespace caracal::ipam {
namespace {

using net::Family;
using net::IpAddr;
using testing::cidr;
using ::testing::IsEmpty;
using testing::pool;

struct Plan {
  uint64_t seed = 1;
  int nodes = 6;
  int steps = 350;
  bool strict = false;
  bool handles = false;
  bool watch = true;      // agents are told of all blocks
  bool requested = true;  // some pods ask for one address
  uint32_t cooldown = 0;
  std::vector<model::IpPool> pools;
  testing::Faults faults;
};

class World : public testing::ClaimsTest {
 protected:
  struct Pod {
    std::string node;
    std::vector<IpAddr> addresses;  // empty: being set up
  };
  struct Node {
    std::unique_ptr<AddressClaims> claims;
    uint64_t life = 0;  // of the agent; callbacks of a former one do not count
  };

  uint64_t pick(uint64_t n) { return random() % n; }

  void begin(const Plan& p) {
    plan = p;
    random.seed(p.seed);
    pools = p.pools;
    settings.strict_affinity = p.strict;
    settings.cooldown_seconds = p.cooldown;
    store.set_faults(p.faults);
    if (p.watch) {
      store.set_watch([this](Kind kind, const std::string& name, const json::value* object) {
        if (kind != Kind::kBlock) return;
        std::optional<net::Cidr> range;
        std::optional<model::AddressBlock> block;
        if (object != nullptr) {
          const auto stored = decode_block(*object).value();
          range = stored.value.cidr();
          block = seen_by_watch(stored.value);
          ranges[name] = *range;
        } else {
          range = ranges.at(name);
        }
        for (auto& [node, state] : nodes) {
          schedule.after(event::Duration(1 + pick(20)), [this, name = node, range, block] {
            const auto at = nodes.find(name);
            if (at != nodes.end() && at->second.claims)
              at->second.claims->update(model::AddressBlockUpdate{*range, block});
          });
        }
      });
    }
    for (int i = 0; i < p.nodes; ++i) start(fmt::format("node-{}", i));
  }

  static model::AddressBlock seen_by_watch(const Block& block) {
    model::AddressBlock out;
    out.cidr = block.cidr();
    if (block.affinity()) out.node = block.affinity()->name;
    for (uint32_t i = 0; i < block.size(); ++i) {
      const auto* owner = block.attributes_of(i);
      if (owner != nullptr && !owner->released_at && owner->get("node") != out.node)
        out.elsewhere.emplace_back(block.address_of(i), std::string(owner->get("node")));
    }
    return out;
  }

  void start(const std::string& name) {
    Node& node = nodes[name];
    ++node.life;
    ClaimsOptions options;
    options.node = name;
    options.write_handles = plan.handles;
    options.random = [this] { return static_cast<double>(pick(1000)) / 1000; };
    node.claims = std::make_unique<AddressClaims>(schedule, store, options);
    tell(*node.claims);
    if (plan.watch) {
      for (const auto& [key, object] : store.objects(Kind::kBlock)) {
        const auto stored = decode_block(object).value();
        node.claims->update(
            model::AddressBlockUpdate{stored.value.cidr(), seen_by_watch(stored.value)});
      }
    }
    node.claims->in_sync();
  }

  void add(std::string node) {
    const std::string name = fmt::format("pod-{}", next_pod++);
    AssignRequest request = testing::pod_request(name);
    if (plan.pools.size() > 1) {
      if (pick(3) > 0) request.families = {Family::kIPv4, Family::kIPv6};
    }
    if (plan.requested && pick(20) == 0) {
      const net::Cidr& range = plan.pools[0].cidr;
      request.addresses = {IpAddr::v4(range.address().v4_host_order() +
                                      static_cast<uint32_t>(pick(1U << (32 - range.bits()))))};
    }
    pods[name] = {node, {}};
    Node& on = nodes.at(node);
    on.claims->assign(
        request, [this, name, node, life = on.life](const Result<std::vector<IpAddr>>& got) {
          ASSERT_EQ(nodes.at(node).life, life) << "an ended agent has answered";
          const auto pod = pods.find(name);
          if (!got) {
            ++refused;
            EXPECT_THAT(got.error().code,
                        ::testing::AnyOf(Errc::kExhausted, Errc::kUnavailable, Errc::kExists,
                                         Errc::kConflict, Errc::kInvalid))
                << got.error().message;
            pods.erase(name);
            return;
          }
          if (pod == pods.end()) return;  // deleted meanwhile, and nobody said so
          for (const IpAddr& address : *got) {
            const auto [other, first] = live.emplace(address, name);
            EXPECT_TRUE(first) << address.to_string() << " of " << other->second << " and " << name
                               << ", seed " << plan.seed;
          }
          pod->second.addresses = *got;
          ++assigned;
        });
  }

  // The pod is gone from the world, whatever becomes of the release.
  std::vector<IpAddr> forget(std::string name) {
    const std::vector<IpAddr> addresses = pods.at(name).addresses;
    for (const IpAddr& address : addresses) live.erase(address);
    pods.erase(name);
    return addresses;
  }

  void del(std::string name) {
    const std::string node = pods.at(name).node;
    const std::vector<IpAddr> addresses = forget(name);
    if (pick(10) == 0) return;  // DEL never comes
    const auto done = [](const Status&) {};
    if (pick(2) == 0 || addresses.empty()) {
      nodes.at(node).claims->release_all_of(name, done);
    } else {
      nodes.at(node).claims->release(name, addresses, done);
    }
  }

  void kill(std::string node) {
    ++nodes.at(node).life;
    nodes.at(node).claims.reset();
    // What was being set up never comes up.
    std::vector<std::string> unborn;
    for (const auto& [name, pod] : pods) {
      if (pod.node == node && pod.addresses.empty()) unborn.push_back(name);
    }
    for (const std::string& name : unborn) forget(name);
    start(node);
  }

  void remove_node(std::string node) {
    ++nodes.at(node).life;
    nodes.at(node).claims.reset();
    std::vector<std::string> gone;
    for (const auto& [name, pod] : pods) {
      if (pod.node == node) gone.push_back(name);
    }
    for (const std::string& name : gone) forget(name);
    nodes.erase(node);
  }

  void fill(AddressWorld& world) {
    world.pods.clear();
    world.nodes.clear();
    for (const auto& [name, pod] : pods)
      world.pods[{"dev", name}] = {pod.node, pod.addresses, false, false};
    for (const auto& [name, node] : nodes) world.nodes.insert(name);
    world.settings = settings;
    for (const auto& each : pools) world.pools[each.name] = each;
  }

  void collect() {
    if (collecting) return;
    collecting = true;
    load_records(store, [this](Result<AddressRecords> loaded) {
      collecting = false;
      if (!loaded) return;
      AddressWorld world;
      world.records = std::move(*loaded);
      fill(world);
      const auto found =
          collector.observe(world, std::chrono::floor<std::chrono::seconds>(schedule.wall_clock()));
      releaser.set_cooldown(settings.cooldown_seconds);
      releaser.carry_out(
          found,
          [this](const Leak& leak) {
            AddressWorld now;
            fill(now);
            return still_leaked(now, leak);
          },
          [this](const ReleaseReport& report) {
            collected += report.released.size();
            for (const Leak& leak : report.released) {
              const auto at = live.find(leak.allocation.address);
              EXPECT_TRUE(at == live.end() || at->second != leak.allocation.handle_id)
                  << "freed a live address: " << leak.allocation.address.to_string() << " of "
                  << leak.allocation.handle_id << " (" << leak.reason << ")";
            }
          });
    });
  }

  void live_through(const Plan& p) {
    begin(p);
    for (int step = 0; step < p.steps; ++step) {
      schedule.run_for(event::Duration(pick(30)));
      auto node = nodes.begin();
      std::advance(node, static_cast<ptrdiff_t>(pick(nodes.size())));
      const uint64_t what = pick(100);
      if (what < 52) {
        for (uint64_t i = 0, n = 1 + pick(6); i < n; ++i) add(node->first);
      } else if (what < 95 && !pods.empty()) {
        for (uint64_t i = 0, n = 1 + pick(6); i < n && !pods.empty(); ++i) {
          auto pod = pods.begin();
          std::advance(pod, static_cast<ptrdiff_t>(pick(pods.size())));
          del(pod->first);
        }
      } else if (what < 98) {
        kill(node->first);
      } else if (what == 98 && nodes.size() > 3 && pick(4) == 0) {
        remove_node(node->first);
      } else {
        collect();
      }
      if (HasFatalFailure()) return;
    }
    // Calm: everything is answered, and the collector looks often enough.
    store.set_faults({});
    schedule.run_for(event::Duration(40'000));
    for (int i = 0; i < 14; ++i) {
      collect();
      schedule.run_for(event::Duration(300'000));
    }
    expect_all_well();
  }

  void expect_all_well() {
    AddressWorld world;
    world.records = records();
    fill(world);
    std::map<IpAddr, std::string> taken;
    for (const auto& [range, stored] : world.records.blocks) {
      EXPECT_EQ(stored.value.problem(), "");
      for (uint32_t i = 0; i < stored.value.size(); ++i) {
        const auto held = stored.value.allocation_of(stored.value.address_of(i));
        if (held) {
          EXPECT_TRUE(taken.emplace(held->address, held->handle_id).second);
        }
      }
    }
    EXPECT_EQ(taken, live) << "seed " << plan.seed;
    for (const Inconsistency& each : find_inconsistencies(world))
      ADD_FAILURE() << to_string(each.kind) << ": " << each.object << ": " << each.text;
  }

  Plan plan;
  std::mt19937_64 random;
  std::map<std::string, Node> nodes;
  std::map<std::string, Pod> pods;
  std::map<IpAddr, std::string> live;
  std::map<std::string, net::Cidr> ranges;
  Collector collector{{.leak_grace = std::chrono::seconds(60)}};
  Releaser releaser{store, {.now = [this] {
                      return std::chrono::floor<std::chrono::seconds>(schedule.wall_clock());
                    }}};
  bool collecting = false;
  uint64_t next_pod = 0;
  uint64_t assigned = 0;
  uint64_t refused = 0;
  uint64_t collected = 0;
};

testing::Faults rough() {
  return {.least_delay = event::Duration(1),
          .most_delay = event::Duration(40),
          .refuse = 0.03,
          .lose_answer = 0.03,
          .late = 0.01};
}

class ClaimsWorldTest : public World, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(ClaimsWorldTest, NoAddressTwiceNoneLost) {
  const uint64_t seed = GetParam();
  Plan p;
  p.seed = seed;
  p.strict = seed % 3 == 1;
  p.handles = seed % 4 == 3;
  p.watch = seed % 2 == 0;
  p.cooldown = seed % 5 == 4 ? 20 : 0;
  p.faults = rough();
  // Room for about as many as there are, so that it is exhausted again and again.
  p.pools = {pool("p4", "10.0.0.0/24", seed % 2 == 0 ? 28 : 29), pool("p6", "fd00::/119", 124)};
  live_through(p);
  EXPECT_GT(assigned, 50U);
  EXPECT_GT(collected, 0U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, ClaimsWorldTest, ::testing::Range(uint64_t{1}, uint64_t{6}));

using ClaimsCrowdTest = World;

TEST_F(ClaimsCrowdTest, SmallPoolUntilItIsExhausted) {
  Plan p;
  p.seed = 77;
  p.nodes = 10;
  p.steps = 600;
  p.watch = true;
  p.faults = {.least_delay = event::Duration(1), .most_delay = event::Duration(10)};
  p.pools = {pool("p4", "10.0.0.0/27", 30)};  // 8 blocks for 10 nodes
  live_through(p);
  EXPECT_GT(refused, 100U);
  EXPECT_GT(assigned, 100U);
}

TEST_F(ClaimsCrowdTest, TwentyNodesAtOnce) {
  Plan p;
  p.nodes = 20;
  p.requested = false;
  p.pools = {pool("p4", "10.0.0.0/18", 26)};
  p.faults = {.least_delay = event::Duration(1), .most_delay = event::Duration(5)};
  begin(p);
  for (int i = 0; i < 110; ++i) {
    for (const auto& [name, node] : nodes) add(name);
  }
  schedule.run_for(event::Duration(2'000));
  EXPECT_EQ(live.size(), 2200U);
  EXPECT_LE(store.counters().writes, 220U);
}

}  // namespace
}  // namespace caracal::ipam
