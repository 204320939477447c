#include "dataplane/tunnel/wireguard.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::dataplane::tunnel {
namespace {

using netlink::Attribute;
using netlink::Attributes;
using netlink::Message;

constexpr int kAttempts = 20;
// A nest's length is 16 bits; the longest entry of a list is much less than the rest.
constexpr size_t kNestLimit = 60000;

void read_key(const Attribute& attribute, WireguardKey& out) {
  if (attribute.payload.size() == out.bytes.size())
    std::memcpy(out.bytes.data(), attribute.payload.data(), out.bytes.size());
}

void read_endpoint(const Attribute& attribute, WireguardPeerState& out) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (attribute.payload.size() == sizeof v4) {
    std::memcpy(&v4, attribute.payload.data(), sizeof v4);
    out.node = net::IpAddr::from_bytes(&v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
  } else if (attribute.payload.size() == sizeof v6) {
    std::memcpy(&v6, attribute.payload.data(), sizeof v6);
    out.node = net::IpAddr::from_bytes(&v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
  }
}

std::optional<net::Cidr> read_allowed(const Attribute& entry) {
  std::optional<net::IpAddr> address;
  std::optional<uint8_t> bits;
  for (const Attribute& attribute : Attributes(entry)) {
    const size_t size = attribute.payload.size();
    if (attribute.type == WGALLOWEDIP_A_IPADDR && (size == 4 || size == 16))
      address = net::IpAddr::from_bytes(attribute.payload.data(), size);
    if (attribute.type == WGALLOWEDIP_A_CIDR_MASK) bits = attribute.u8();
  }
  if (!address || !bits || *bits > net::address_bits(address->family())) return std::nullopt;
  return net::Cidr(*address, *bits);
}

// A peer with many prefixes comes in several messages; each names its key.
void read_peer(const Attribute& peer, WireguardState& out) {
  WireguardKey key;
  if (const auto attribute = Attributes(peer).find(WGPEER_A_PUBLIC_KEY)) read_key(*attribute, key);
  WireguardPeerState& state = out.peers[key];
  for (const Attribute& attribute : Attributes(peer)) {
    switch (attribute.type) {
      case WGPEER_A_ENDPOINT:
        read_endpoint(attribute, state);
        break;
      case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
        state.keepalive_seconds = attribute.u16().value_or(0);
        break;
      case WGPEER_A_ALLOWEDIPS:
        for (const Attribute& entry : Attributes(attribute))
          if (const auto cidr = read_allowed(entry)) state.allowed.insert(*cidr);
        break;
      default:
        break;
    }
  }
}

void put_allowed(Message& message, const net::Cidr& cidr) {
  const size_t entry = message.begin_nest(0);
  message.put_u16(WGALLOWEDIP_A_FAMILY,
                  cidr.family() == net::Family::kIPv4 ? uint16_t{AF_INET} : uint16_t{AF_INET6});
  message.put(WGALLOWEDIP_A_IPADDR, cidr.address().data(), cidr.address().size());
  message.put_u8(WGALLOWEDIP_A_CIDR_MASK, static_cast<uint8_t>(cidr.bits()));
  message.end_nest(entry);
}

void put_endpoint(Message& message, const net::IpAddr& node, uint16_t port) {
  if (node.is_v4()) {
    sockaddr_in endpoint{};
    endpoint.sin_family = AF_INET;
    endpoint.sin_port = htons(port);
    std::memcpy(&endpoint.sin_addr, node.data(), node.size());
    message.put(WGPEER_A_ENDPOINT, &endpoint, sizeof endpoint);
  } else {
    sockaddr_in6 endpoint{};
    endpoint.sin6_family = AF_INET6;
    endpoint.sin6_port = htons(port);
    std::memcpy(&endpoint.sin6_addr, node.data(), node.size());
    message.put(WGPEER_A_ENDPOINT, &endpoint, sizeof endpoint);
  }
}

// Messages to one device, begun and sent as they fill.
class DeviceWriter {
 public:
  DeviceWriter(netlink::Socket& socket, const netlink::GenericFamily& family, uint32_t device)
      : socket_(socket), family_(family), device_(device) {}

  Message& message() {
    if (!message_) {
      message_.emplace(family_.id, uint16_t{0},
                       netlink::generic_header(WG_CMD_SET_DEVICE, WG_GENL_VERSION));
      message_->put_u32(WGDEVICE_A_IFINDEX, device_);
    }
    return *message_;
  }
  // Opens a peer in the list of peers.
  void begin_peer(const WireguardKey& key, uint32_t flags) {
    Message& m = message();
    if (!list_) list_ = m.begin_nest(WGDEVICE_A_PEERS);
    peer_ = m.begin_nest(0);
    m.put(WGPEER_A_PUBLIC_KEY, key.bytes.data(), key.bytes.size());
    if (flags != 0) m.put_u32(WGPEER_A_FLAGS, flags);
  }
  Status end_peer() {
    message_->end_nest(peer_);
    return full() ? send() : Status();
  }
  bool full() const { return message_ && list_ && message_->nest_size(*list_) >= kNestLimit; }
  Status send() {
    if (!message_) return {};
    if (list_) message_->end_nest(*list_);
    list_.reset();
    auto sent = socket_.request(message_->header());
    message_.reset();
    return sent;
  }

 private:
  netlink::Socket& socket_;
  netlink::GenericFamily family_;
  uint32_t device_;
  std::optional<Message> message_;
  std::optional<size_t> list_;
  size_t peer_ = 0;
};

Status write_peer(DeviceWriter& writer, const WireguardKey& key,
                  const WireguardChange::Peer& change) {
  const WireguardPeerState& wanted = change.wanted;
  const WireguardPeerState none;
  const WireguardPeerState& present = change.present ? *change.present : none;
  std::vector<net::Cidr> add;
  std::set_difference(wanted.allowed.begin(), wanted.allowed.end(), present.allowed.begin(),
                      present.allowed.end(), std::back_inserter(add));
  const bool shrinks = !std::includes(wanted.allowed.begin(), wanted.allowed.end(),
                                      present.allowed.begin(), present.allowed.end());
  // A prefix cannot be taken out alone: the whole list is given anew, only then.
  if (shrinks) add.assign(wanted.allowed.begin(), wanted.allowed.end());
  writer.begin_peer(key, shrinks ? uint32_t{WGPEER_F_REPLACE_ALLOWEDIPS} : 0);
  Message& first = writer.message();
  if (wanted.node && (wanted.node != present.node || wanted.port != present.port))
    put_endpoint(first, *wanted.node, wanted.port);
  if (wanted.keepalive_seconds != present.keepalive_seconds)
    first.put_u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, wanted.keepalive_seconds);
  for (size_t at = 0; at < add.size();) {
    const size_t list = writer.message().begin_nest(WGPEER_A_ALLOWEDIPS);
    while (at < add.size() && !writer.full()) put_allowed(writer.message(), add[at++]);
    writer.message().end_nest(list);
    if (at == add.size()) break;
    // Goes on in another message, which adds.
    CARACAL_TRY(writer.end_peer());
    writer.begin_peer(key, 0);
  }
  return writer.end_peer();
}

}  // namespace

Result<WireguardState> read_wireguard(netlink::Socket& generic,
                                      const netlink::GenericFamily& family, uint32_t device) {
  for (int attempt = 1;; ++attempt) {
    WireguardState out;
    Message message(family.id, NLM_F_DUMP,
                    netlink::generic_header(WG_CMD_GET_DEVICE, WG_GENL_VERSION));
    message.put_u32(WGDEVICE_A_IFINDEX, device);
    auto asked = generic.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      for (const Attribute& attribute : Attributes(answer, sizeof(genlmsghdr))) {
        switch (attribute.type) {
          case WGDEVICE_A_PRIVATE_KEY:
            read_key(attribute, out.private_key);
            break;
          case WGDEVICE_A_PUBLIC_KEY:
            read_key(attribute, out.public_key);
            break;
          case WGDEVICE_A_LISTEN_PORT:
            out.port = attribute.u16().value_or(0);
            break;
          case WGDEVICE_A_PEERS:
            for (const Attribute& peer : Attributes(attribute)) read_peer(peer, out);
            break;
          default:
            break;
        }
      }
      return {};
    });
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot read a WireGuard device"));
  }
}

std::map<WireguardKey, WireguardPeerState> peer_states(
    const std::map<std::string, desired::WireguardPeer>& peers, uint32_t keepalive_seconds,
    std::vector<Error>& bad) {
  std::map<WireguardKey, WireguardPeerState> out;
  for (const auto& [text, peer] : peers) {
    const auto key = WireguardKey::parse(text);
    if (!key) {
      bad.push_back(key.error().within(fmt::format("node {}", peer.node)));
      continue;
    }
    out[*key] = {.node = peer.node_address,
                 .port = peer.port,
                 .keepalive_seconds =
                     static_cast<uint16_t>(std::min<uint32_t>(keepalive_seconds, UINT16_MAX)),
                 .allowed = peer.allowed};
  }
  return out;
}

Status change_wireguard(netlink::Socket& generic, const netlink::GenericFamily& family,
                        uint32_t device, const WireguardChange& change) {
  DeviceWriter writer(generic, family, device);
  if (change.private_key)
    writer.message().put(WGDEVICE_A_PRIVATE_KEY, change.private_key->bytes.data(),
                         change.private_key->bytes.size());
  if (change.port) writer.message().put_u16(WGDEVICE_A_LISTEN_PORT, *change.port);
  for (const WireguardKey& key : change.gone) {
    writer.begin_peer(key, WGPEER_F_REMOVE_ME);
    CARACAL_TRY(writer.end_peer());
  }
  for (const auto& [key, peer] : change.peers) CARACAL_TRY(write_peer(writer, key, peer));
  return writer.send();
}

}  // namespace caracal::dataplane::tunnel
