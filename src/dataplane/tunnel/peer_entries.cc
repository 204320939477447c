#include "dataplane/tunnel/peer_entries.h"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "netlink/attributes.h"

namespace caracal::dataplane::tunnel {
namespace {

using netlink::Attribute;
using netlink::Attributes;

constexpr int kAttempts = 20;
// Refusals wait in the socket until all of a piece is sent.
constexpr size_t kPiece = 1000;

std::optional<net::IpAddr> address_in(const Attribute& attribute) {
  const size_t size = attribute.payload.size();
  if (size != 4 && size != 16) return std::nullopt;
  return net::IpAddr::from_bytes(attribute.payload.data(), size);
}

std::optional<net::MacAddr> mac_in(const Attribute& attribute) {
  net::MacAddr mac;
  if (attribute.payload.size() != mac.bytes.size()) return std::nullopt;
  std::memcpy(mac.bytes.data(), attribute.payload.data(), mac.bytes.size());
  return mac;
}

}  // namespace

std::string ForwardingEntry::to_string() const {
  return fmt::format("forwarding entry {} at {}", mac.to_string(), node.to_string());
}
std::string NeighbourEntry::to_string() const {
  return fmt::format("neighbour {} with {}", address.to_string(), mac.to_string());
}

std::optional<PeerEvent> parse_peer_event(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH)
    return std::nullopt;
  const auto* header = netlink::header_of<ndmsg>(message);
  if (header == nullptr) return std::nullopt;
  PeerEvent event;
  event.device = static_cast<uint32_t>(header->ndm_ifindex);
  event.present = message->nlmsg_type == RTM_NEWNEIGH && (header->ndm_state & NUD_PERMANENT) != 0;
  std::optional<net::IpAddr> destination;
  std::optional<net::MacAddr> mac;
  for (const Attribute& attribute : Attributes(message, sizeof *header)) {
    if (attribute.type == NDA_DST) destination = address_in(attribute);
    if (attribute.type == NDA_LLADDR) mac = mac_in(attribute);
  }
  if (header->ndm_family == AF_BRIDGE) {
    // Kernels up to 6.x tell each change twice, the second time without its destination.
    if (!mac || !destination) return std::nullopt;
    event.forwarding = mac;
    event.node = destination;
  } else if (header->ndm_family == AF_INET || header->ndm_family == AF_INET6) {
    if (!destination) return std::nullopt;
    event.neighbour = destination;
    event.mac = mac;
  } else {
    return std::nullopt;
  }
  return event;
}

Result<ListedPeers> list_peers(netlink::Socket& socket, uint32_t device, net::Family family) {
  for (int attempt = 1;; ++attempt) {
    ListedPeers out;
    Status asked;
    const uint8_t own = family == net::Family::kIPv4 ? AF_INET : AF_INET6;
    for (const uint8_t kind : {uint8_t{AF_BRIDGE}, own}) {
      ndmsg header{};
      header.ndm_family = kind;
      netlink::Message message(RTM_GETNEIGH, NLM_F_DUMP, header);
      message.put_u32(NDA_IFINDEX, device);
      asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
        const auto event = parse_peer_event(answer);
        if (!event || event->device != device || !event->present) return {};
        if (event->forwarding && event->node)
          out.forwarding.insert({*event->forwarding, *event->node});
        if (event->neighbour && event->mac) out.neighbours.insert({*event->neighbour, *event->mac});
        return {};
      });
      if (!asked) break;
    }
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list a tunnel's peers"));
  }
}

void PeerBatch::begin(uint16_t type, uint16_t flags, uint8_t family) {
  ndmsg header{};
  header.ndm_family = family;
  header.ndm_ifindex = static_cast<int>(device_);
  header.ndm_state = NUD_PERMANENT;
  if (family == AF_BRIDGE) header.ndm_flags = NTF_SELF;  // of the device, not of a bridge above it
  sequence_ = socket_.next_sequence();
  batch_.begin(type, static_cast<uint16_t>(NLM_F_REQUEST | flags), sequence_, header);
}

void PeerBatch::end(bool removal, std::string object) {
  steps_.push_back({sequence_, removal, std::move(object), batch_.size()});
}

void PeerBatch::put(const ForwardingEntry& entry) {
  begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, AF_BRIDGE);
  batch_.put(NDA_LLADDR, entry.mac.bytes.data(), entry.mac.bytes.size());
  batch_.put(NDA_DST, entry.node.data(), entry.node.size());
  end(false, entry.to_string());
}

void PeerBatch::put(const NeighbourEntry& entry) {
  begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, entry.address.is_v4() ? AF_INET : AF_INET6);
  batch_.put(NDA_DST, entry.address.data(), entry.address.size());
  batch_.put(NDA_LLADDR, entry.mac.bytes.data(), entry.mac.bytes.size());
  end(false, entry.to_string());
}

void PeerBatch::take(const ForwardingEntry& entry) {
  begin(RTM_DELNEIGH, 0, AF_BRIDGE);
  batch_.put(NDA_LLADDR, entry.mac.bytes.data(), entry.mac.bytes.size());
  batch_.put(NDA_DST, entry.node.data(), entry.node.size());
  end(true, entry.to_string());
}

void PeerBatch::take(const NeighbourEntry& entry) {
  begin(RTM_DELNEIGH, 0, entry.address.is_v4() ? AF_INET : AF_INET6);
  batch_.put(NDA_DST, entry.address.data(), entry.address.size());
  end(true, entry.to_string());
}

Result<std::vector<PeerBatch::Refused>> PeerBatch::send() {
  std::vector<Refused> out;
  size_t sent = 0;
  for (size_t i = 0; i < steps_.size();) {
    i = std::min(i + kPiece, steps_.size());
    const size_t end = steps_[i - 1].end;
    CARACAL_ASSIGN(const std::vector<netlink::Refusal> refusals,
                   socket_.exchange(batch_.bytes().subspan(sent, end - sent)));
    sent = end;
    for (const netlink::Refusal& refusal : refusals) {
      const auto step =
          std::lower_bound(steps_.begin(), steps_.end(), refusal.sequence,
                           [](const Step& s, uint32_t sequence) { return s.sequence < sequence; });
      if (step == steps_.end() || step->sequence != refusal.sequence) continue;
      if (step->removal && (refusal.error_number == ENOENT || refusal.error_number == ESRCH))
        continue;
      Error error = fail_errno(refusal.error_number, step->object).value();
      if (!refusal.text.empty()) error.message += fmt::format(" ({})", refusal.text);
      out.push_back({step->object, std::move(error)});
    }
  }
  return out;
}

}  // namespace caracal::dataplane::tunnel
