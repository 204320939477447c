// BlockRoutes: keeps routes in the outside client's namespace: from outside, the addresses of a
// block are reached by way of the node that owns it, as the table of a router beside the cluster
// would have it. Of flat labs only; behind routers the client relies on theirs. Lives on one loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "jsonio/json.h"
#include "lab/plan.h"

namespace caracal::lab {

// What an IPAMBlock says of itself.
struct BlockOwner {
  net::Cidr cidr;
  std::string node;  // empty: no node owns it
  bool operator==(const BlockOwner&) const = default;
};
// nullopt: not readable as a block.
std::optional<BlockOwner> read_block_owner(const json::value& object);

class BlockRoutes {
 public:
  // `plan` must outlive it.
  BlockRoutes(event::Loop& loop, const Plan& plan) : loop_(loop), plan_(plan) {}
  // nullptr: the block is gone.
  void on_block(const std::string& name, const json::value* object);

 private:
  void apply();

  event::Loop& loop_;
  const Plan& plan_;
  std::map<std::string, BlockOwner> blocks_;
  std::vector<std::string> due_;  // commands for `ip -force -batch`
  bool busy_ = false;
};

}  // namespace caracal::lab
