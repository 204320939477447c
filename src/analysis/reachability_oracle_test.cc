// Reachability equals the oracle: on random worlds, one side at a time and for whole flows.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "analysis/all_pairs.h"
#include "analysis/port_text.h"
#include "analysis/reachability.h"
#include "base/file.h"
#include "policy/oracle/oracle.h"
#include "policy/testing/case_file.h"
#include "policy/testing/question.h"
#include "policy/testing/random_world.h"

namespace caracal::analysis {
namespace {

using model::Direction;
using policy::oracle::Verdict;

struct Question {
  net::Protocol protocol;
  uint16_t port;
};

std::vector<Question> questions() {
  std::vector<Question> out;
  for (const uint16_t port : policy_testing::interesting_ports()) {
    out.push_back({net::kTcp, port});
    out.push_back({net::kUdp, port});
  }
  out.push_back({net::kSctp, 80});
  out.push_back({net::Protocol{47}, 0});
  // Messages that random rules name (policy_testing::random_parts), with their codes, and others.
  for (const int type : {0, 3, 8, 128, 200, 255}) {
    for (const int code : {0, 1, 2, 7}) {
      const auto message = static_cast<uint16_t>(type * 256 + code);
      out.push_back({net::kIcmp, message});
      out.push_back({net::kIcmpV6, message});
    }
  }
  return out;
}

// A port is a destination port, or a message of ICMP.
void set_port(const Question& question, policy::oracle::Flow& flow) {
  flow.protocol = question.protocol;
  if (question.protocol == net::kIcmp || question.protocol == net::kIcmpV6) {
    flow.icmp_type = static_cast<uint8_t>(question.port / 256);
    flow.icmp_code = static_cast<uint8_t>(question.port % 256);
  } else if (question.protocol.has_ports()) {
    flow.port = question.port;
  }
}

// As the pod sees it; of its own addresses only the family matters.
policy::oracle::Flow flow_of(const Question& question, Direction direction, const model::Pod& pod,
                             const net::IpAddr& peer) {
  net::IpAddr own = net::IpAddr::first(peer.family());
  for (const net::IpAddr& address : pod.addresses) {
    if (address.family() != peer.family()) continue;
    own = address;
    break;
  }
  policy::oracle::Flow flow;
  flow.source = direction == Direction::kIngress ? peer : own;
  flow.destination = direction == Direction::kIngress ? own : peer;
  set_port(question, flow);
  return flow;
}

// Every pod and direction against every interesting address.
void compare_sides(const model::World& world, std::string_view origin) {
  const Reachability reachability(world, 2);
  const auto asked = questions();
  for (PodNumber pod = 0; pod < reachability.pod_count(); ++pod) {
    const model::ObjectName& name = reachability.pod(pod).name;
    for (const net::IpAddr& address : policy_testing::interesting_addresses(world)) {
      if (!reachability.networked(pod, address.family())) continue;
      for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        const policy::PortSet& allowed = reachability.allowed(direction, pod, address.family(),
                                                              reachability.peer_place(address));
        for (const Question& question : asked) {
          const auto truth = policy::oracle::explain_direction(
              world, direction, name, flow_of(question, direction, reachability.pod(pod), address));
          ASSERT_EQ(contains(allowed, port_number(question.protocol, question.port)),
                    truth.verdict == Verdict::kAllowed)
              << origin << ": " << name.to_string()
              << (direction == Direction::kIngress ? " <- " : " -> ") << address.to_string() << " "
              << question.protocol.to_string() << "/" << question.port << ", allowed "
              << port_text(allowed);
        }
      }
    }
  }
}

policy_testing::RandomWorldOptions options(uint32_t seed) {
  policy_testing::RandomWorldOptions out;
  out.tiers = seed % 2 == 0;
  out.calico = seed % 4 == 0;
  out.shared_addresses = seed % 3 == 0 && !out.calico;
  out.local_endpoints = false;
  return out;
}

TEST(ReachabilityOracle, SidesAreEqual) {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    policy_testing::RandomWorld random(seed, options(seed));
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 40; ++i) random.next();
      compare_sides(random.world(), fmt::format("seed {}", seed));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// Of the kept cases those that are worlds already, not texts of an API.
TEST(ReachabilityOracle, SidesOfKeptCasesAreEqual) {
  size_t compared = 0;
  const std::filesystem::path folder = CARACAL_SOURCE_DIR "/src/policy/testing/cases";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto text = read_file(entry.path().string());
    ASSERT_TRUE(text);
    const auto kept = policy_testing::parse_case(*text);
    ASSERT_TRUE(kept) << kept.error().message;
    if (!kept->apis.empty()) continue;
    ++compared;
    compare_sides(kept->world, entry.path().stem().string());
  }
  EXPECT_GT(compared, 0U);
}

TEST(ReachabilityOracle, FlowsAreEqual) {
  for (uint32_t seed = 101; seed <= 108; ++seed) {
    policy_testing::RandomWorld random(seed, options(seed));
    for (int i = 0; i < 80; ++i) random.next();
    const model::World& world = random.world();
    const Reachability reachability(world);
    const auto addresses = policy_testing::interesting_addresses(random.world());
    const auto ports = policy_testing::interesting_ports();
    for (const net::IpAddr& from : addresses) {
      for (const net::IpAddr& to : addresses) {
        if (from.family() != to.family()) continue;
        for (size_t i = 0; i < ports.size(); i += 3) {
          const policy::oracle::Flow flow{from, to, net::kTcp, ports[i], {}, {}};
          ASSERT_EQ(reachability.evaluate(flow), policy::oracle::evaluate(world, flow))
              << "seed " << seed << ": " << from.to_string() << " -> " << to.to_string() << " "
              << ports[i];
        }
        for (const std::optional<uint8_t> code : {std::optional<uint8_t>(), {0}, {1}}) {
          for (const uint8_t type : {uint8_t{8}, uint8_t{128}, uint8_t{255}}) {
            policy::oracle::Flow flow{from, to, from.is_v4() ? net::kIcmp : net::kIcmpV6};
            flow.icmp_type = type;
            flow.icmp_code = code;
            ASSERT_EQ(reachability.evaluate(flow), policy::oracle::evaluate(world, flow))
                << "seed " << seed << ": " << from.to_string() << " -> " << to.to_string()
                << " ICMP type " << int{type};
          }
        }
      }
    }
  }
}

// The count over everything at once is the sum over the pairs.
TEST(AllPairs, CountsWhatConnectionsSay) {
  for (uint32_t seed = 201; seed <= 230; ++seed) {
    policy_testing::RandomWorldOptions choice = options(seed);
    choice.pods_per_namespace = 8;
    policy_testing::RandomWorld random(seed, choice);
    for (int i = 0; i < 120; ++i) random.next();
    const Reachability reachability(random.world());
    for (const net::Family family : net::kFamilies) {
      AllPairs any;
      AllPairs web;
      const uint32_t port = port_number(net::kTcp, 80);
      for (PodNumber from = 0; from < reachability.pod_count(); ++from) {
        if (!reachability.networked(from, family)) continue;
        ++any.pods;
        for (PodNumber to = 0; to < reachability.pod_count(); ++to) {
          if (to == from || !reachability.networked(to, family)) continue;
          ++any.pairs;
          const policy::PortSet open = reachability.connections(from, to, family);
          any.connected += open.empty() ? 0 : 1;
          web.connected += contains(open, port) ? 1 : 0;
        }
      }
      web.pods = any.pods;
      web.pairs = any.pairs;
      for (const unsigned threads : {1U, 2U, 3U}) {
        EXPECT_EQ(count_pairs(reachability, family, std::nullopt, threads), any) << seed;
        EXPECT_EQ(count_pairs(reachability, family, port, threads), web) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace caracal::analysis
