#include "lab/block_routes.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace caracal::lab {

std::optional<BlockOwner> read_block_owner(const json::value& object) {
  const auto cidr = net::Cidr::parse(jsonio::get_string(object, {"spec", "cidr"}));
  if (!cidr) return std::nullopt;
  constexpr std::string_view kHost = "host:";
  const std::string_view affinity = jsonio::get_string(object, {"spec", "affinity"});
  return BlockOwner{*cidr, affinity.starts_with(kHost) ? std::string(affinity.substr(kHost.size()))
                                                       : std::string()};
}

void BlockRoutes::on_block(const std::string& name, const json::value* object) {
  const auto found = blocks_.find(name);
  const auto now = object == nullptr ? std::nullopt : read_block_owner(*object);
  if (found != blocks_.end() && now && found->second == *now) return;
  if (found != blocks_.end() && !found->second.node.empty())
    due_.push_back(fmt::format("route del {}", found->second.cidr.to_string()));
  if (found != blocks_.end()) blocks_.erase(found);
  if (now) {
    blocks_[name] = *now;
    for (size_t i = 0; i < plan_.topology.nodes.size(); ++i) {
      if (plan_.topology.nodes[i].name != now->node) continue;
      for (const net::IpAddr& via : plan_.node_addresses(i)) {
        if (via.family() == now->cidr.family())
          due_.push_back(
              fmt::format("route replace {} via {}", now->cidr.to_string(), via.to_string()));
      }
    }
  }
  apply();
}

void BlockRoutes::apply() {
  if (busy_ || due_.empty()) return;
  busy_ = true;
  Command command{.argv = {"ip", "-force", "-batch", "-"}, .input = join(due_, "\n") + "\n"};
  command.netns = netns_path(plan_.outside_netns());
  due_.clear();
  loop_.work([command = std::move(command)] { return run(command); },
             [this](Result<CommandOutput> done) {
               busy_ = false;
               // A route that is gone already is as well; what else fails is told.
               if (!done || (done->exit_code != 0 &&
                             done->err.find("No such process") == std::string::npos)) {
                 log::warn("routes of the outside client",
                           {{"error", done ? done->err : done.error().message}});
               }
               apply();
             });
}

}  // namespace caracal::lab
