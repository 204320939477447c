// How packets reach a block of another node: the decision for one block. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "desired/network.h"
#include "model/ip_pool.h"
#include "model/node_network.h"

namespace caracal::route {

// What this node can do in one family.
struct OwnSide {
  std::optional<net::Cidr> subnet;  // none: the prefix length of its address is not known
  bool vxlan = false;               // its own end of the tunnel stands
  bool ipip = false;
  bool wireguard = false;  // it stands and is switched on
  bool operator==(const OwnSide&) const = default;
};

// Why a block has no route, or not the one that its pool asks for.
enum class Trouble : uint8_t {
  kNone,
  kUnknownNode,   // the node of the block does not exist
  kNoAddress,     // the node has no address of the family
  kNoPeerTunnel,  // the node has no VXLAN address yet
  kNoOwnVxlan,    // this node has no end of the tunnel yet
  kNoOwnIpip,
  kOtherSubnet,  // neither encapsulation nor BGP leads there
  kNoPool,       // taken as a block without encapsulation
};

struct Choice {
  std::optional<desired::BlockRoute> route;
  Trouble trouble = Trouble::kNone;
};

struct Destination {
  net::Family family = net::Family::kIPv4;
  const std::string* node = nullptr;         // its name
  const model::NodeNetwork* peer = nullptr;  // null: not known
  const model::IpPool* pool = nullptr;       // null: of none
  bool pool_expected = true;                 // to be of none is a trouble
};

// `bgp`: BIRD sees to what is not encapsulated. Without it, a node whose own subnet is not known
// tries the direct way: only the kernel can tell.
Choice choose_path(const OwnSide& own, const Destination& to, bool bgp);

}  // namespace caracal::route
