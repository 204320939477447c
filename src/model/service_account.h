// ServiceAccount: name and labels of a core/v1 ServiceAccount, for Calico's selectors.
#pragma once

#include "model/object.h"

namespace caracal::model {

struct ServiceAccount {
  ObjectName name;
  Labels labels;
  bool operator==(const ServiceAccount&) const = default;
};

}  // namespace caracal::model
