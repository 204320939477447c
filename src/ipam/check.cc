#include "ipam/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "ipam/block_json.h"
#include "ipam/collector.h"

namespace caracal::ipam {

namespace {

using Kinds = InconsistencyKind;
using net::Cidr;
using net::IpAddr;

class Checker {
 public:
  explicit Checker(const AddressWorld& world) : world_(world) {}

  std::vector<Inconsistency> run() {
    for (const std::string& problem : world_.records.problems)
      add(Kinds::kBrokenObject, {}, {}, {}, problem);
    check_blocks();
    check_pods();
    check_affinities();
    check_handles();
    std::stable_sort(out_.begin(), out_.end(), [](const auto& a, const auto& b) {
      return std::tie(a.kind, a.address, a.block, a.object) <
             std::tie(b.kind, b.address, b.block, b.object);
    });
    return std::move(out_);
  }

 private:
  void add(Kinds kind, std::optional<IpAddr> address, std::optional<Cidr> block, std::string object,
           std::string text) {
    out_.push_back({kind, address, block, std::move(object), std::move(text)});
  }

  static std::string name_of(const Cidr& cidr) { return "IPAMBlock " + block_name(cidr); }

  void check_blocks() {
    const Cidr* before = nullptr;
    for (const auto& [cidr, stored] : world_.records.blocks) {
      const Block& block = stored.value;
      if (before != nullptr && before->contains(cidr)) {
        add(Kinds::kBlocksOverlap, {}, cidr, name_of(cidr),
            fmt::format("block {} lies in block {}", cidr.to_string(), before->to_string()));
      }
      if (before == nullptr || !before->contains(cidr)) before = &cidr;
      if (world_.pool_of(cidr.first()) == nullptr || world_.pool_of(cidr.last()) == nullptr) {
        add(Kinds::kBlockOutsidePools, {}, cidr, name_of(cidr),
            fmt::format("block {} is in no IPPool", cidr.to_string()));
      }
      const auto& owner = block.affinity();
      if (owner) {
        const auto at = world_.records.affinities.find(affinity_name(*owner, cidr));
        if (at == world_.records.affinities.end()) {
          add(Kinds::kBlockWithoutAffinity, {}, cidr, name_of(cidr),
              fmt::format("block {} belongs to {}, which has no BlockAffinity for it",
                          cidr.to_string(), owner->to_string()));
        }
      }
      for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
        const IpAddr address = block.address_of(ordinal);
        if (const auto leak = judge_allocation(world_, block, ordinal)) {
          add(Kinds::kAddressLeaked, address, cidr, name_of(cidr),
              fmt::format("address {} is taken, but {}", address.to_string(), leak->reason));
        }
        const auto held = block.allocation_of(address);
        if (held && !held->handle_id.empty()) ++counted_[handle_name(held->handle_id)][cidr];
      }
    }
  }

  void check_pods() {
    std::map<IpAddr, model::ObjectName> seen;
    for (const auto& [name, pod] : world_.pods) {
      if (pod.host_network || pod.finished) continue;
      const std::string object = "Pod " + name.to_string();
      for (const IpAddr& address : pod.addresses) {
        if (const auto [other, first] = seen.try_emplace(address, name); !first) {
          add(Kinds::kAddressTwice, address, {}, object,
              fmt::format("address {} belongs to pods {} and {}", address.to_string(),
                          other->second.to_string(), name.to_string()));
        }
        const Block* block = world_.block_of(address);
        const auto held = block == nullptr ? std::nullopt : block->allocation_of(address);
        if (!held) {
          if (world_.pool_of(address) != nullptr) {
            add(Kinds::kPodAddressNotTaken, address,
                block == nullptr ? std::nullopt : std::optional(block->cidr()), object,
                fmt::format("pod {} has address {} of IPPool {}, which no block says is taken",
                            name.to_string(), address.to_string(), world_.pool_of(address)->name));
          }
          continue;
        }
        const AllocationAttributes& owner = *block->attributes_of(*block->ordinal_of(address));
        const model::ObjectName says{std::string(owner.get(kNamespaceAttribute)),
                                     std::string(owner.get(kPodAttribute))};
        if (!says.name.empty() && says != name) {
          add(Kinds::kPodAddressOfOther, address, block->cidr(), object,
              fmt::format("pod {} has address {}, which block {} gives to pod {}", name.to_string(),
                          address.to_string(), block->cidr().to_string(), says.to_string()));
        }
      }
    }
  }

  void check_affinities() {
    for (const auto& [name, stored] : world_.records.affinities) {
      const BlockAffinity& affinity = stored.value;
      const std::string object = "BlockAffinity " + name;
      const auto at = world_.records.blocks.find(affinity.cidr);
      if (at == world_.records.blocks.end()) {
        add(Kinds::kAffinityWithoutBlock, {}, affinity.cidr, object,
            fmt::format("there is no block {}", affinity.cidr.to_string()));
      } else if (const auto& owner = at->second.value.affinity();
                 !owner || *owner != affinity.owner) {
        add(Kinds::kAffinityWithoutBlock, {}, affinity.cidr, object,
            fmt::format("block {} belongs to {}", affinity.cidr.to_string(),
                        owner ? owner->to_string() : "nobody"));
      } else if (affinity.state != ClaimState::kConfirmed) {
        add(Kinds::kAffinityNotConfirmed, {}, affinity.cidr, object,
            fmt::format("it is {}", to_string(affinity.state)));
      }
    }
  }

  void check_handles() {
    for (const auto& [name, stored] : world_.records.handles) {
      const auto at = counted_.find(handle_name(stored.value.id));
      const std::map<Cidr, uint32_t> none;
      const auto& counted = at == counted_.end() ? none : at->second;
      if (counted == stored.value.blocks) continue;
      const auto text = [](const std::map<Cidr, uint32_t>& blocks) {
        std::string out;
        for (const auto& [cidr, count] : blocks)
          out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", cidr.to_string(), count);
        return out.empty() ? std::string("nothing") : out;
      };
      add(Kinds::kHandleMismatch, {}, {}, "IPAMHandle " + name,
          fmt::format("it counts {}; the blocks have {}", text(stored.value.blocks),
                      text(counted)));
    }
  }

  const AddressWorld& world_;
  std::vector<Inconsistency> out_;
  std::map<std::string, std::map<Cidr, uint32_t>> counted_;  // by handle name
};

}  // namespace

std::string_view to_string(InconsistencyKind kind) {
  switch (kind) {
    case Kinds::kBrokenObject:
      return "BrokenObject";
    case Kinds::kBlockOutsidePools:
      return "BlockOutsidePools";
    case Kinds::kBlocksOverlap:
      return "BlocksOverlap";
    case Kinds::kAddressTwice:
      return "AddressTwice";
    case Kinds::kAddressLeaked:
      return "AddressLeaked";
    case Kinds::kPodAddressNotTaken:
      return "PodAddressNotTaken";
    case Kinds::kPodAddressOfOther:
      return "PodAddressOfOther";
    case Kinds::kBlockWithoutAffinity:
      return "BlockWithoutAffinity";
    case Kinds::kAffinityWithoutBlock:
      return "AffinityWithoutBlock";
    case Kinds::kAffinityNotConfirmed:
      return "AffinityNotConfirmed";
    case Kinds::kHandleMismatch:
      return "HandleMismatch";
  }
  return "";
}

std::vector<Inconsistency> find_inconsistencies(const AddressWorld& world) {
  return Checker(world).run();
}

}  // namespace caracal::ipam
