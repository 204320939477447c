#include "bgp/world.h"

#include "bgp/config.h"

namespace caracal::bgp {

Settings::Settings(const World& world, const std::string& node) {
  if (auto found = world.configurations.find("node." + node); found != world.configurations.end())
    node_ = &found->second;
  if (auto found = world.configurations.find("default"); found != world.configurations.end())
    common_ = &found->second;
}

uint16_t Settings::port() const {
  return value(&model::BgpConfiguration::listen_port).value_or(kDefaultPort);
}

uint32_t as_number_of(const World& world, const model::NodeNetwork& node) {
  if (node.as_number) return *node.as_number;
  return Settings(world, node.name).value(&model::BgpConfiguration::as_number).value_or(kDefaultAs);
}

}  // namespace caracal::bgp
