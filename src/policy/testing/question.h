// Question: one flow at one place, to be answered by the oracle, by the tables, by the kernel. For
// differential tests.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "desired/policy_tables.h"
#include "model/world.h"
#include "policy/oracle/oracle.h"

namespace caracal::policy_testing {

struct Question {
  std::string interface;  // a pod's, or with `hook` the host's
  model::Direction direction = model::Direction::kIngress;
  std::optional<policy::oracle::HostHook> hook;
  policy::oracle::Flow flow;
};

std::string to_string(const Question& question);

// What the oracle says, seen from kThisNode. REQUIRES: without hook, the interface is a
// LocalEndpoint of the world.
policy::oracle::DirectionExplanation ask_oracle(const model::World& world,
                                                const Question& question);
desired::Decision ask_tables(const desired::PolicyTables& tables, const Question& question);
// What is wrong with the tables' answer, as text; empty when nothing is.
std::string disagreement(const model::World& world, const desired::PolicyTables& tables,
                         const Question& question);

// Worth asking about: addresses of pods, hosts, services and network sets, of nobody, and at the
// edges of the CIDRs of rules.
std::vector<net::IpAddr> interesting_addresses(const model::World& world);
// Port numbers at the edges of ranges, and those of named ports.
std::vector<uint16_t> interesting_ports();

// Random questions about the world's local interfaces, and with `hosts` about the host's and one
// ("eth9") that is no host endpoint's. Fewer than `count` when there is nobody to ask about.
std::vector<Question> sample_questions(const model::World& world, std::mt19937& random,
                                       size_t count, bool hosts);

}  // namespace caracal::policy_testing
