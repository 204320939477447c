// A kept case: a small world, questions about it and the right answers, as YAML. Failed random
// tests write them; cases_test.cc replays those in cases/.
//
//   title: a text
//   questions:
//   - {interface, direction: ingress|egress  or  hook: one of the oracle's, source, destination,
//      protocol, port, sourcePort, icmpType, icmpCode,
//      verdict: allowed|denied|undecided, logged: false}
//   world: [objects as object_yaml.h has them]
//   apis: [objects of the Kubernetes and Calico APIs, as their decoders read them]   (by hand only)
#pragma once

#include <string>

#include "base/result.h"
#include "model/world.h"
#include "policy/testing/question.h"

namespace caracal::policy_testing {

struct Expectation {
  Question question;
  policy::oracle::Verdict verdict = policy::oracle::Verdict::kDenied;
  bool logged = false;
};

struct Case {
  std::string title;
  std::vector<Expectation> expectations;
  model::World world;
  json::array apis;  // left to the caller
};

std::string to_yaml(const Case& kept);
// Errors name the object and field.
Result<Case> parse_case(std::string_view yaml);
// The world alone, as YAML, for messages.
std::string to_yaml(const model::World& world);

}  // namespace caracal::policy_testing
