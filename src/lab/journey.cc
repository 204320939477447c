#include "lab/journey.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace caracal::lab {
namespace {

// How long a sealed packet may take from the tunnel's device to the link.
constexpr int64_t kSealTime = 5'000'000;

using Flow = std::tuple<net::IpAddr, net::IpAddr, uint16_t, uint16_t>;

Flow flow_of(const PacketView& v) {
  return {v.source, v.destination, v.source_port, v.destination_port};
}
Flow reversed(const PacketView& v) {
  return {v.destination, v.source, v.destination_port, v.source_port};
}

struct Seen {
  const CapturedPacket* packet = nullptr;
  PacketView view;
};

class Follower {
 public:
  Follower(std::vector<Seen> seen, const ProbeSignature& signature)
      : seen_(std::move(seen)), signature_(signature) {}

  Journey run() {
    learn_sequence();
    for (size_t i = 0; i < seen_.size(); ++i) {
      const PacketView& v = seen_[i].view;
      if (v.wireguard && add_sealed(i)) continue;
      if (is_error(v)) {
        add(i, Sighting::Role::kError, v.around);
      } else if (is_answer(v)) {
        add(i, Sighting::Role::kAnswer, v.around);
        note_seal(i, Sighting::Role::kAnswer);
      } else if (is_probe(v)) {
        flows_.insert(flow_of(v));
        add(i, Sighting::Role::kProbe, v.around);
        note_seal(i, Sighting::Role::kProbe);
      }
    }
    return std::move(journey_);
  }

 private:
  struct Sealed {
    PacketView::WireGuardData data;
    Sighting::Role role;
    PacketView inside;
  };

  void learn_sequence() {
    if (signature_.protocol != net::kTcp) return;
    for (const Seen& one : seen_) {
      const PacketView& v = one.view;
      if (one.packet->place == signature_.place && one.packet->outgoing &&
          v.protocol == net::kTcp && v.is_syn() && v.source_port == signature_.local_port &&
          v.destination_port == signature_.port) {
        sequence_ = v.sequence;
        return;
      }
    }
  }

  bool has_mark(const PacketView& v) const {
    return !signature_.mark.empty() &&
           std::search(v.payload.begin(), v.payload.end(), signature_.mark.begin(),
                       signature_.mark.end()) != v.payload.end();
  }
  bool same_protocol(const PacketView& v) const { return v.protocol == signature_.protocol; }

  bool is_probe(const PacketView& v) const {
    if (!same_protocol(v)) return false;
    if (signature_.protocol == net::kTcp)
      return sequence_ && v.is_syn() && v.sequence == *sequence_;
    if (signature_.protocol == net::kUdp) return has_mark(v);
    return v.is_echo_request() && has_mark(v);
  }
  bool is_answer(const PacketView& v) const {
    if (!same_protocol(v)) return false;
    if (signature_.protocol == net::kTcp) {
      // SYN-ACK or reset: the first answers there can be.
      return sequence_ && (v.tcp_flags & 0x10) != 0 && (v.tcp_flags & 0x06) != 0 &&
             v.acknowledgment == *sequence_ + 1;
    }
    if (signature_.protocol == net::kUdp) return flows_.contains(reversed(v));
    return !v.is_echo_request() && !v.quoted && has_mark(v);
  }
  bool is_error(const PacketView& v) const {
    if (!v.quoted || v.quoted->protocol != signature_.protocol) return false;
    const PacketView& q = *v.quoted;
    if (signature_.protocol == net::kTcp) return sequence_ && q.sequence == *sequence_;
    return has_mark(q) || flows_.contains(flow_of(q));
  }

  // The packet was given to a tunnel that seals it: find the sealed one that left next.
  void note_seal(size_t index, Sighting::Role role) {
    const CapturedPacket& in = *seen_[index].packet;
    if (!in.bare || !in.outgoing) return;
    const size_t padded = (seen_[index].view.size + 15) / 16 * 16;
    for (size_t i = 0; i < seen_.size(); ++i) {
      const Seen& one = seen_[i];
      const int64_t after = one.packet->time - in.time;
      if (one.packet->place != in.place || !one.packet->outgoing || after < 0 ||
          after > kSealTime || !one.view.wireguard || one.view.wireguard->sealed != padded)
        continue;
      sealed_.push_back({*one.view.wireguard, role, seen_[index].view});
      return;
    }
  }
  bool add_sealed(size_t index) {
    const PacketView& outer = seen_[index].view;
    for (const Sealed& sealed : sealed_) {
      if (sealed.data != *outer.wireguard) continue;
      PacketView inside = sealed.inside;
      inside.around = outer.around;
      inside.around.push_back(
          {Encapsulation::Kind::kWireGuard, outer.source, outer.destination, 0});
      add_view(*seen_[index].packet, inside, sealed.role, inside.around);
      return true;
    }
    return false;
  }

  void add(size_t index, Sighting::Role role, const std::vector<Encapsulation>& around) {
    add_view(*seen_[index].packet, seen_[index].view, role, around);
  }
  void add_view(const CapturedPacket& packet, const PacketView& v, Sighting::Role role,
                const std::vector<Encapsulation>& around) {
    std::vector<Sighting>& list = role == Sighting::Role::kProbe    ? journey_.probe
                                  : role == Sighting::Role::kAnswer ? journey_.answer
                                                                    : journey_.errors;
    // A second copy (a retransmission) tells nothing new.
    for (const Sighting& old : list) {
      if (old.place == packet.place && old.device == packet.device &&
          old.outgoing == packet.outgoing && old.around.size() == around.size())
        return;
    }
    list.push_back({role, packet.time, packet.place, packet.device, packet.outgoing, around,
                    v.source, v.destination, v.protocol, v.source_port, v.destination_port,
                    v.tcp_flags, v.icmp_type, v.icmp_code, v.ttl});
  }

  std::vector<Seen> seen_;
  const ProbeSignature& signature_;
  std::optional<uint32_t> sequence_;
  std::set<Flow> flows_;  // of the probe, as translated on the way
  std::vector<Sealed> sealed_;
  Journey journey_;
};

}  // namespace

Journey follow(std::vector<CapturedPacket> packets, const ProbeSignature& signature) {
  std::stable_sort(packets.begin(), packets.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  std::vector<Seen> seen;
  for (const CapturedPacket& packet : packets) {
    if (auto view = view_packet(packet.bytes)) seen.push_back({&packet, std::move(*view)});
  }
  return Follower(std::move(seen), signature).run();
}

}  // namespace caracal::lab
