// AddressSource: where pods' addresses come from: the pools of the cluster (PoolAddresses) or the
// node's own pod CIDRs (PodCidrAddresses).
//
// Used by CniService on the calculation loop. Either way an address is on record in the node's
// LeaseBook, pending, before it is told, and stays there until it has been given back, so that no
// crash loses it: what is in the book and unfinished at a start is released then.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipam/lease_book.h"
#include "jsonio/json.h"
#include "model/object.h"
#include "net/ip_addr.h"

namespace caracal::agent {

struct AddressRequest {
  ipam::AttachmentId attachment;
  std::string network;  // name of the CNI network
  model::ObjectName pod;
  std::vector<net::IpAddr> requested;  // by the runtime; at most one a family
  ipam::Attributes attributes;         // of the lease
};

class AddressSource {
 public:
  using OnLease = std::function<void(Result<ipam::Lease>)>;
  using OnReleased = std::function<void(Status)>;

  virtual ~AddressSource() = default;

  // The lease of this attachment: the one it has, or a new one, pending. Errors: kExhausted,
  // kInvalid, kConflict (of what was requested), kUnavailable, of the journal. The answer may come
  // within the call.
  virtual void reserve(const AddressRequest& request, OnLease done) = 0;
  // Gives the addresses back, then forgets the lease. Fine without one. On error the lease stays.
  virtual void release(const ipam::AttachmentId& id, const std::string& network,
                       OnReleased done) = 0;

  // Why no address can be given now; empty: it can.
  virtual std::string not_ready_reason() const = 0;
  // Which family has none left, and what is in use; empty: there are some.
  virtual std::string exhausted() const = 0;
  virtual json::object status() const = 0;
};

}  // namespace caracal::agent
