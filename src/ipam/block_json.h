// IPAMBlock, BlockAffinity and IPAMHandle to JSON and back, as Calico lays them out
// (crd.projectcalico.org/v1; projectcalico.org/v3 has the same fields, but `deleted` of an affinity
// is a boolean there and a text here). Pure.
//
// Encoding writes over the object that was read, so that fields and metadata which are not known
// here stay. The API version is set by the Datastore.
#pragma once

#include <string>

#include "base/result.h"
#include "ipam/records.h"
#include "jsonio/json.h"

namespace caracal::ipam {

std::string block_name(const net::Cidr& cidr);  // "10-0-0-0-26", "fd00---122"
// "NODE-10-0-0-0-26"; of 253 characters or more: shortened, with a hash behind.
std::string affinity_name(const Owner& owner, const net::Cidr& cidr);
std::string handle_name(std::string_view handle_id);  // lower case
// Value of the label projectcalico.org/hostname-hash: base32 of SHA3-256.
std::string host_label(std::string_view host);
// For Datastore::list: "projectcalico.org/hostname-hash=...,projectcalico.org/affinity-type=host".
std::string affinities_of(const Owner& owner);

// Errors: kInvalid names object, field, value and what is valid.
Result<StoredBlock> decode_block(json::value object);
Result<StoredAffinity> decode_affinity(json::value object);
Result<StoredHandle> decode_handle(json::value object);

// The object to write: stored.object with stored.value in it (an empty object: a new one).
json::value encode(const StoredBlock& stored);
json::value encode(const StoredAffinity& stored);
json::value encode(const StoredHandle& stored);

}  // namespace caracal::ipam
