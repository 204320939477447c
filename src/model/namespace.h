// Namespace: name and labels of a core/v1 Namespace.
#pragma once

#include <string>

#include "model/object.h"

namespace caracal::model {

struct Namespace {
  std::string name;
  Labels labels;
  bool operator==(const Namespace&) const = default;
};

}  // namespace caracal::model
