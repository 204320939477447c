// The walk-through as data: steps of commands and of what packets must meet afterwards. Read from
// examples/walkthrough.yaml, whose head describes the format; run by lab/demo.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/end_ref.h"
#include "lab/probe.h"

namespace caracal::lab {

struct WalkCommand {
  std::string run;
  std::vector<std::string> prints;    // each must be in the output
  std::optional<net::Family> family;  // left out in a lab without it
  size_t nodes = 1;                   // left out in a lab with fewer
};

struct WalkExpectation {
  std::vector<EndRef> from;
  std::vector<EndRef> to;
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;
  Outcome expected = Outcome::kOpen;  // kOpen or kSilent
};

struct WalkPair {
  EndRef from;
  EndRef to;
  uint16_t port = 0;
  Outcome expected = Outcome::kOpen;
};

struct WalkStep {
  enum class Kernel { kNothing, kRemember, kAsRemembered };
  std::string name;
  std::string title;
  std::string about;
  std::vector<WalkCommand> prepare;
  std::vector<WalkCommand> run;
  std::vector<WalkExpectation> expect;
  std::optional<WalkPair> watch;
  std::optional<WalkPair> hold;  // expected kOpen: it goes on undisturbed; kSilent: it is ended
  Kernel kernel = Kernel::kNothing;
};

// Errors name `source`, the step, the field, the value and what is valid.
Result<std::vector<WalkStep>> parse_walkthrough(std::string_view yaml, std::string_view source);

}  // namespace caracal::lab
