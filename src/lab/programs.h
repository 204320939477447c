// Where the programs are that a lab starts: beside this one (a build or an installed folder), else
// in PATH.
#pragma once

#include <string>

#include "base/result.h"

namespace caracal::lab {

struct Programs {
  std::string folder;  // of this program
  std::string self;
  std::string apiserver;
  std::string agent;
  std::string cni;
  std::string pod;
  std::string controller;  // empty: it is not installed, and the lab does without
};

// Errors: kNotFound names the program and where it was looked for.
Result<Programs> find_programs();

}  // namespace caracal::lab
