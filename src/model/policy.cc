#include "model/policy.h"

namespace caracal::model {

std::string PolicyId::to_string() const {
  switch (kind) {
    case PolicyKind::kNetworkPolicy:
      return "NetworkPolicy " + name.to_string();
  }
  return name.to_string();
}

}  // namespace caracal::model
