// Block: what an IPAMBlock says: which addresses of one aligned range are taken, and by whom
// (calico.md 2.10). A plain value, without clock or I/O.
//
// Read and changed by AddressClaims and Releaser, which write it back by compare-and-swap; read by
// Collector, usage and check. block_json.h lays it out as Calico does. An address is known by its
// *ordinal*, its distance from the first one.
//
//   free (in `unallocated`, a queue) --assign--> taken --release--> free, at the queue's tail
//                                                  \--release, cooldown--> cooling --cool--> free
//
// Invariants (problem() tells which one is broken): every ordinal is either taken or in the queue,
// once; every taken one has attributes; no attributes are without an address.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/timestamp.h"
#include "ipam/lease_book.h"
#include "jsonio/json.h"
#include "net/cidr.h"

namespace caracal::ipam {

// Keys of attributes with a meaning to Calico and to us.
inline constexpr std::string_view kPodAttribute = "pod";
inline constexpr std::string_view kNamespaceAttribute = "namespace";
inline constexpr std::string_view kNodeAttribute = "node";
inline constexpr std::string_view kTypeAttribute = "type";  // tunnels: ipipTunnelAddress, ...
inline constexpr std::string_view kTimestampAttribute = "timestamp";
// Addresses that Windows nodes keep for themselves have this handle.
inline constexpr std::string_view kWindowsHandle = "windows-reserved-ipam-handle";

// Who a block is affine to: a node, or something virtual such as "load-balancer".
struct Owner {
  enum class Kind : uint8_t { kHost, kVirtual } kind = Kind::kHost;
  std::string name;

  static Owner host(std::string name) { return {Kind::kHost, std::move(name)}; }
  static std::optional<Owner> parse(std::string_view text);  // "host:n1", "virtual:x"
  std::string to_string() const;
  std::string_view kind_text() const { return kind == Kind::kHost ? "host" : "virtual"; }
  auto operator<=>(const Owner&) const = default;
};

// Who has an address; shared by addresses with equal ones.
struct AllocationAttributes {
  std::optional<std::string> handle_id;
  Attributes owner;                      // "secondary": pod, namespace, node, timestamp, type
  Attributes alternate;                  // of a second owner, while a virtual machine migrates
  std::optional<Time> released_at = {};  // cooling since
  json::object unknown = {};             // fields that are not known here, kept

  // The attribute's value; empty when it is not there.
  std::string_view get(std::string_view key) const;
  bool operator==(const AllocationAttributes&) const = default;
};

// The handle without what an old conversion wrote behind it ("id\r\neth0").
std::string_view clean_handle(std::string_view handle_id);
// Is it of an interface of a node (ipipTunnelAddress, vxlanTunnelAddress, ...)?
bool is_tunnel_type(std::string_view type);

// One taken address, pinned: a release that gives the sequence number frees this allocation only.
struct Allocation {
  net::IpAddr address;
  std::string handle_id;
  uint64_t sequence = 0;
  auto operator<=>(const Allocation&) const = default;
};

class Block {
 public:
  Block() = default;
  // A new block, all of it free. `sequence` is the first sequence number: the time in nanoseconds,
  // so that a block that is deleted and made again never repeats one.
  // REQUIRES: at most kMaxAddresses in it.
  Block(const net::Cidr& cidr, std::optional<Owner> affinity, uint64_t sequence);

  static constexpr uint32_t kMaxAddresses = 1U << 16;
  static constexpr uint32_t kFree = UINT32_MAX;

  const net::Cidr& cidr() const { return cidr_; }
  uint32_t size() const { return static_cast<uint32_t>(allocations_.size()); }
  net::IpAddr address_of(uint32_t ordinal) const;
  std::optional<uint32_t> ordinal_of(const net::IpAddr& address) const;

  const std::optional<Owner>& affinity() const { return affinity_; }
  bool affine_to_host(std::string_view node) const;
  void set_affinity(std::optional<Owner> affinity, std::optional<Time> claimed_at);
  const std::optional<Time>& claimed_at() const { return claimed_at_; }

  // nullptr: free. Cooling addresses have attributes with released_at.
  const AllocationAttributes* attributes_of(uint32_t ordinal) const;
  bool is_free(uint32_t ordinal) const { return allocations_[ordinal] == kFree; }
  bool is_cooling(uint32_t ordinal) const;
  // 0 when the block has none for it (blocks of old releases).
  uint64_t sequence_of(uint32_t ordinal) const;
  std::optional<Allocation> allocation_of(const net::IpAddr& address) const;
  std::vector<Allocation> allocations_of(std::string_view handle_id) const;  // without cooling ones

  uint32_t free_count() const { return static_cast<uint32_t>(unallocated_.size()); }
  // Nothing taken and nothing cooling (what Windows keeps for itself does not count).
  bool empty() const;
  const std::vector<uint32_t>& queue() const { return unallocated_; }

  // Takes up to `count` addresses from the head of the queue, passing over those `usable` refuses,
  // which keep their places. Fewer when there are no more.
  template <typename Usable>
  std::vector<net::IpAddr> assign(size_t count, std::string_view handle_id, const Attributes& owner,
                                  const Usable& usable) {
    std::vector<uint32_t> taken;
    for (const uint32_t ordinal : unallocated_) {
      if (taken.size() == count) break;
      if (usable(address_of(ordinal))) taken.push_back(ordinal);
    }
    std::vector<net::IpAddr> out;
    for (const uint32_t ordinal : taken) {
      take(ordinal, handle_id, owner);
      out.push_back(address_of(ordinal));
    }
    return out;
  }
  // Takes this one. Errors: kInvalid outside the block; kExists names who has it.
  Status assign_address(const net::IpAddr& address, std::string_view handle_id,
                        const Attributes& owner);

  // Frees an address if it is still that allocation: the handle (when given) and the sequence
  // number (when given) are the same. With a cooldown it goes cooling. Errors: kInvalid outside the
  // block; kNotFound when it is free or cooling already; kConflict when it is somebody else's by
  // now.
  Status release(const net::IpAddr& address, std::string_view handle_id,
                 std::optional<uint64_t> sequence, Time now, uint32_t cooldown_seconds);
  // Frees all of a handle; returns how many those were.
  size_t release_handle(std::string_view handle_id, Time now, uint32_t cooldown_seconds);
  // Frees what has cooled for long enough; returns whether there was any.
  bool cool(Time now, uint32_t cooldown_seconds);

  uint64_t sequence() const { return sequence_; }
  // To be called once before each write.
  void next_sequence() { ++sequence_; }
  bool deleted() const { return deleted_; }
  void set_deleted(bool deleted) { deleted_ = deleted; }

  // Which invariant is broken; empty: none.
  std::string problem() const;

  bool operator==(const Block&) const = default;

 private:
  friend class BlockCodec;

  void take(uint32_t ordinal, std::string_view handle_id, const Attributes& owner);
  void free_ordinals(const std::vector<uint32_t>& ordinals, Time now, uint32_t cooldown_seconds);
  void drop_unused_attributes();

  net::Cidr cidr_;
  std::optional<Owner> affinity_;
  std::optional<Time> claimed_at_;
  std::vector<uint32_t> allocations_;  // by ordinal: index into attributes_, or kFree
  std::vector<uint32_t> unallocated_;  // ordinals, the next one first
  std::vector<AllocationAttributes> attributes_;
  uint64_t sequence_ = 0;
  std::map<uint32_t, uint64_t> sequence_of_;  // by ordinal
  bool deleted_ = false;
  json::object unknown_;  // fields of the spec that are not known here, kept
};

}  // namespace caracal::ipam
