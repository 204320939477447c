// Which pools serve a request, and why none does (calico.md 6.5). Pure.
//
// Fed by AddressClaims with what the watches tell; one PoolSet an agent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/ip_pool.h"
#include "model/object.h"
#include "net/cidr.h"

namespace caracal::ipam {

enum class AddressUse : uint8_t { kWorkload, kTunnel };
std::string_view to_string(AddressUse use);  // "Workload", "Tunnel": the words of allowedUses

struct PoolQuery {
  net::Family family = net::Family::kIPv4;
  AddressUse use = AddressUse::kWorkload;
  std::vector<std::string> pools;      // asked for by name or CIDR; empty: any that fits
  model::Labels namespace_labels;      // for namespaceSelector; not looked at for tunnels
  std::optional<net::IpAddr> address;  // asked for; its pool may be any of this use
};

class PoolSet {
 public:
  std::map<std::string, model::IpPool, std::less<>> pools;
  std::map<std::string, model::IpReservation, std::less<>> reservations;
  model::Labels node_labels;

  // In the order of their names, never none. What was asked for by name is taken whatever its
  // selectors and assignmentMode say. Errors: kInvalid (a pool asked for does not exist, is
  // disabled, of the other family, or not for this use; the address is in no pool), kExhausted (no
  // pool fits). They name the pools and what is in the way.
  Result<std::vector<const model::IpPool*>> choose(const PoolQuery& query) const;
  // The pool which has the address, disabled or not; nullptr: none.
  const model::IpPool* pool_of(const net::IpAddr& address) const;
  // May this node have blocks in this range? Not: then empty ones are given back.
  bool node_keeps(const net::Cidr& block) const;
  bool reserved(const net::IpAddr& address) const;
  // Is all of the range reserved?
  bool all_reserved(const net::Cidr& block) const;
  bool any_reserved(const net::Cidr& block) const;

 private:
  Result<const model::IpPool*> find(std::string_view name_or_cidr) const;
};

bool serves(const model::IpPool& pool, AddressUse use);
std::string describe(const std::vector<const model::IpPool*>& pools);  // "a (10.0.0.0/16), b (...)"

}  // namespace caracal::ipam
