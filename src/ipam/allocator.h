// Allocator: hands out the addresses of a node's pod CIDRs, one a family and attachment. Pure: no
// clock, no I/O.
//
// Fed and read by LeaseBook (lease_book.h), which makes it durable. Within a CIDR the conventions
// are those of the CNI plugin host-local: the network address, the first address (its gateway) and,
// for IPv4, the broadcast address are never given out, and the search goes round from the address
// given last, so that a released address comes back as late as possible. Invariant: an address has
// at most one owner.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/cidr.h"

namespace caracal::ipam {

// What CNI calls an attachment: one interface of one container (the pod's sandbox).
struct AttachmentId {
  std::string container_id;
  std::string ifname;
  std::string to_string() const { return container_id + "/" + ifname; }
  auto operator<=>(const AttachmentId&) const = default;
};

struct RangeUse {
  net::Cidr cidr;
  uint64_t usable = 0;  // saturates
  uint64_t used = 0;
};

class Allocator {
 public:
  // The node's pod CIDRs, in order of preference. Addresses in use stay so even outside of them.
  // kInvalid: a CIDR too small to hold a pod (more than 30 or 126 bits), or two that overlap; then
  // nothing has changed.
  Status set_ranges(std::vector<net::Cidr> ranges);
  const std::vector<net::Cidr>& ranges() const { return ranges_; }

  // One address of each family that has a range. `requested` (at most one a family) must be free
  // and usable. All or nothing. Errors: kUnavailable no ranges yet; kExhausted; kInvalid a
  // requested address that is outside of the ranges or reserved; kConflict it is in use.
  Result<std::vector<net::IpAddr>> allocate(const AttachmentId& id,
                                            const std::vector<net::IpAddr>& requested);
  // For recovery: takes the addresses as they are. kConflict when one has another owner.
  Status restore(const AttachmentId& id, const std::vector<net::IpAddr>& addresses);
  void release(const std::vector<net::IpAddr>& addresses);

  // The address given out last in each range: where the search goes on.
  const std::map<net::Cidr, net::IpAddr>& cursors() const { return cursors_; }
  void set_cursor(const net::Cidr& range, const net::IpAddr& last) { cursors_[range] = last; }

  std::vector<RangeUse> use() const;

 private:
  Result<net::IpAddr> pick(net::Family family) const;
  Status check_requested(const net::IpAddr& address) const;

  std::vector<net::Cidr> ranges_;
  std::map<net::IpAddr, AttachmentId> owners_;
  std::map<net::Cidr, net::IpAddr> cursors_;
};

}  // namespace caracal::ipam
