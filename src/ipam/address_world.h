// AddressWorld: everything that says who has and who should have an address, at one moment. A plain
// value.
//
// Blocks, affinities and handles come from load_records(); pods, nodes, pools, reservations and
// settings from who watches them (caracal-controller) or has just listed them (the command line).
// Read by Collector, check and usage.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ipam/datastore.h"
#include "ipam/records.h"
#include "model/ip_pool.h"
#include "model/object.h"

namespace caracal::ipam {

// A pod as far as its addresses go.
struct PodPlace {
  std::string node;                    // empty: not scheduled
  std::vector<net::IpAddr> addresses;  // empty: its network is not up yet
  bool finished = false;               // Succeeded or Failed
  bool host_network = false;
  bool operator==(const PodPlace&) const = default;
};

// What the datastore holds of the address management.
struct AddressRecords {
  std::map<net::Cidr, StoredBlock> blocks;
  std::map<std::string, StoredAffinity, std::less<>> affinities;  // by object name
  std::map<std::string, StoredHandle, std::less<>> handles;       // by object name
  std::vector<std::string> problems;                              // objects that cannot be read
};

struct AddressWorld {
  AddressRecords records;
  std::map<model::ObjectName, PodPlace> pods;
  std::set<std::string, std::less<>> nodes;
  std::map<std::string, model::IpPool, std::less<>> pools;  // by name
  std::map<std::string, model::IpReservation, std::less<>> reservations;
  model::IpamSettings settings;

  const model::IpPool* pool_of(const net::IpAddr& address) const;
  const Block* block_of(const net::IpAddr& address) const;
};

// Is the address in one of the reservations?
bool is_reserved(const std::map<std::string, model::IpReservation, std::less<>>& reservations,
                 const net::IpAddr& address);

// Lists blocks, affinities and handles. `done` gets the first error, or all of them. Affinities are
// listed before blocks and handles, so that a block which is missing is missing indeed.
void load_records(Datastore& datastore, std::function<void(Result<AddressRecords>)> done);

}  // namespace caracal::ipam
