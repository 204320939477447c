// Collector: finds addresses that nobody has any more, and claims that a crash has left.
//
// Pure: it is shown the world again and again (caracal-controller: every few minutes, and after a
// node went), remembers since when something looks wrong, and says what to free. Releaser carries
// that out and checks once more. What is not proven to be left over is live:
//
//   taken by                     is left over when                                     after
//   a pod                        the pod is gone, on another node, finished, or has    grace
//                                other addresses
//   a pod of a node that is gone the pod is gone, too                                  at once
//   a tunnel of a node           the node is gone                                      at once
//   anything else                never (no pod in the attributes, virtual owners)
//
// The addresses of a handle go together or not at all. A world without nodes is not believed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipam/address_world.h"

namespace caracal::ipam {

struct CollectorOptions {
  std::chrono::seconds leak_grace{15 * 60};  // 0: addresses of pods are never collected
  std::chrono::seconds empty_grace{60};      // a block stays empty this long, and two looks
  std::chrono::seconds claim_grace{5 * 60};  // an affinity without its block
};

// An address nobody has.
struct Leak {
  net::Cidr block;
  Allocation allocation;  // pinned: Releaser frees exactly this one
  std::string node;       // of the attributes
  model::ObjectName pod;  // of the attributes; empty for tunnels
  std::string reason;     // "pod dev/web does not exist"
  bool operator==(const Leak&) const = default;
};

// A block to be taken from its owner: deleted when it is empty, else left to who borrows from it.
struct BlockReturn {
  net::Cidr block;
  Owner owner;             // without a name: nobody
  uint64_t sequence = 0;   // of the block as it was seen; nothing happens when it has changed
  bool only_empty = true;  // else what others have borrowed stays, in a block of nobody
  std::string reason;
  bool operator==(const BlockReturn&) const = default;
};

// An affinity that does not fit its block.
struct AffinityRepair {
  enum class Action : uint8_t {
    kConfirm,  // the block is its owner's: the crash came before it was confirmed
    kRemove,   // there is no block, or it is another's
    kCreate,   // the block says it is this owner's, and there is no affinity
  } action = Action::kConfirm;
  std::string name;  // of the object
  BlockAffinity affinity;
  std::string resource_version;  // as it was seen; empty for kCreate
  std::string reason;
  bool operator==(const AffinityRepair&) const = default;
};

// A handle object no address refers to.
struct HandleRemoval {
  std::string name;
  std::string resource_version;
  std::string uid;
  bool operator==(const HandleRemoval&) const = default;
};

struct CollectionPlan {
  std::vector<Leak> leaks;
  std::vector<AffinityRepair> affinities;
  std::vector<BlockReturn> blocks;
  std::vector<HandleRemoval> handles;
  std::vector<net::Cidr> cooled;  // blocks with addresses whose cooldown is over
  // Leaks that wait for their grace period, with the time of the first sight.
  std::vector<std::pair<Leak, Time>> candidates;

  bool empty() const {
    return leaks.empty() && affinities.empty() && blocks.empty() && handles.empty() &&
           cooled.empty();
  }
};

// Why nobody has this allocation; nullopt: somebody has, or it cannot be known. The one judgement
// of Collector, of the re-check before a release, and of check.
struct LeakJudgement {
  std::string reason;
  bool at_once = false;  // the node is gone: no grace
};
std::optional<LeakJudgement> judge_allocation(const AddressWorld& world, const Block& block,
                                              uint32_t ordinal);
// The same with the pods and nodes of now, for a leak found earlier.
bool still_leaked(const AddressWorld& world, const Leak& leak);

class Collector {
 public:
  explicit Collector(CollectorOptions options = {}) : options_(options) {}

  // Everything in `world` must be complete: all pods, all nodes.
  CollectionPlan observe(const AddressWorld& world, Time now);

 private:
  struct Sight {
    Time since;
    uint32_t looks = 1;
    bool present = true;  // at this look
  };
  using AllocationKey = std::pair<net::IpAddr, uint64_t>;

  void find_leaks(const AddressWorld& world, Time now, CollectionPlan& plan);
  void find_empty_blocks(const AddressWorld& world, Time now, CollectionPlan& plan);
  void find_affinities(const AddressWorld& world, Time now, CollectionPlan& plan);
  void find_handles(const AddressWorld& world, Time now, CollectionPlan& plan);

  CollectorOptions options_;
  std::map<AllocationKey, Sight> leaks_;
  std::map<std::pair<net::Cidr, uint64_t>, Sight> empty_;     // with the block's sequence
  std::map<std::pair<std::string, std::string>, Sight> odd_;  // object name, resource version
};

}  // namespace caracal::ipam
