#include "model/policy_settings.h"

#include <initializer_list>

namespace caracal::model {
namespace {

std::vector<Failsafe> with_common(std::vector<Failsafe> list) {
  for (const uint16_t port :
       std::initializer_list<uint16_t>{179, 2379, 2380, 5473, 6443, 6666, 6667})
    list.push_back({net::kTcp, port, std::nullopt});
  return list;
}

}  // namespace

std::vector<Failsafe> PolicySettings::default_inbound() {
  return with_common({{net::kTcp, 22, std::nullopt}, {net::kUdp, 68, std::nullopt}});
}

std::vector<Failsafe> PolicySettings::default_outbound() {
  return with_common({{net::kUdp, 53, std::nullopt}, {net::kUdp, 67, std::nullopt}});
}

}  // namespace caracal::model
