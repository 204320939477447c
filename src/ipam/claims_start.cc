// The node's blocks, read at the start: those the affinities name (listed by label), and those the
// watch has shown with this node's name or addresses (affinities of old releases have no labels).
#include <fmt/format.h>

#include "base/log.h"
#include "ipam/claims_impl.h"

namespace caracal::ipam {

void AddressClaims::Impl::start() {
  ++counters.reads;
  datastore.list(
      Kind::kAffinity, affinities_of(Owner::host(options.node)),
      [weak = weak_from_this()](Result<std::vector<json::value>> objects) {
        const auto self = weak.lock();
        if (!self) return;
        if (!objects) {
          self->note_problem(objects.error().within("the node's blocks cannot be read"));
          log::warn("the node's address blocks cannot be read",
                    {{"error", objects.error().message}});
          return self->schedule.after(self->options.backoff.longest, [weak] {
            if (const auto again = weak.lock()) again->start();
          });
        }
        std::vector<StoredAffinity> affinities;
        for (json::value& object : *objects) {
          auto affinity = decode_affinity(std::move(object));
          if (affinity) {
            affinities.push_back(std::move(*affinity));
          } else {
            log::warn("an affinity cannot be read", {{"error", affinity.error().message}});
          }
        }
        self->start_slots(affinities);
      });
}

void AddressClaims::Impl::start_slots(const std::vector<StoredAffinity>& affinities) {
  const auto begin = [this](const net::Cidr& cidr) -> Slot& {
    if (Slot* slot = find_slot(cidr)) return *slot;
    Slot& slot = add_slot(cidr, Phase::kReading);
    slot.at_start = true;
    ++start_reads;
    return slot;
  };
  for (const StoredAffinity& affinity : affinities) {
    if (affinity.value.owner != Owner::host(options.node)) continue;
    begin(affinity.value.cidr).affinity = affinity;
  }
  for (const auto& [cidr, node] : known) {
    if (node == options.node) begin(cidr);
  }
  for (const net::Cidr& cidr : borrowed_known) begin(cidr);
  if (start_reads == 0) {
    started = true;
    return wake();
  }
  std::vector<net::Cidr> cidrs;
  for (const auto& [cidr, slot] : slots) cidrs.push_back(cidr);
  for (const net::Cidr& cidr : cidrs) read(*find_slot(cidr), event::Duration(0));
}

void AddressClaims::Impl::start_slot_read() {
  if (--start_reads > 0) return;
  started = true;
  problem.clear();
  wake();
}

}  // namespace caracal::ipam
