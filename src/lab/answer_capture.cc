#include "lab/answer_capture.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

constexpr uint8_t kTcpReset = 0x04;

uint16_t u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }

struct IpHeader {
  net::Protocol protocol;
  net::IpAddr source;
  net::IpAddr destination;
  const uint8_t* payload = nullptr;
  size_t size = 0;
};

// IPv6 extension headers are not followed: neither resets nor the packets quoted here carry any.
std::optional<IpHeader> parse_ip(const uint8_t* packet, size_t size) {
  if (size < 20) return std::nullopt;
  IpHeader header;
  if (packet[0] >> 4 == 4) {
    const size_t length = static_cast<size_t>(packet[0] & 0x0f) * 4;
    if (length < 20 || size < length) return std::nullopt;
    header.protocol = net::Protocol{packet[9]};
    header.source = net::IpAddr::from_bytes(packet + 12, 4);
    header.destination = net::IpAddr::from_bytes(packet + 16, 4);
    header.payload = packet + length;
    header.size = size - length;
    return header;
  }
  if (packet[0] >> 4 != 6 || size < 40) return std::nullopt;
  header.protocol = net::Protocol{packet[6]};
  header.source = net::IpAddr::from_bytes(packet + 8, 16);
  header.destination = net::IpAddr::from_bytes(packet + 24, 16);
  header.payload = packet + 40;
  header.size = size - 40;
  return header;
}

// RFC 792 types 3 (unreachable), 11 (time exceeded), 12; RFC 4443: the error types are below 128.
bool is_icmp_error(net::Protocol protocol, uint8_t type) {
  if (protocol == net::kIcmp) return type == 3 || type == 11 || type == 12;
  return protocol == net::kIcmpV6 && type < 128;
}

}  // namespace

std::string Refusal::to_string() const {
  if (kind == Kind::kReset) return fmt::format("TCP reset from {}", sender.to_string());
  return fmt::format("ICMP{} type {} code {} from {}", sender.is_v6() ? "v6" : "", icmp_type,
                     icmp_code, sender.to_string());
}

std::optional<Refusal> parse_refusal(const uint8_t* packet, size_t size) {
  const auto outer = parse_ip(packet, size);
  if (!outer) return std::nullopt;
  Refusal refusal;
  refusal.sender = outer->source;
  if (outer->protocol == net::kTcp) {
    if (outer->size < 14 || (outer->payload[13] & kTcpReset) == 0) return std::nullopt;
    refusal.kind = Refusal::Kind::kReset;
    refusal.protocol = net::kTcp;
    refusal.remote = outer->source;
    refusal.remote_port = u16(outer->payload);
    refusal.local_port = u16(outer->payload + 2);
    return refusal;
  }
  if (outer->size < 8 || !is_icmp_error(outer->protocol, outer->payload[0])) return std::nullopt;
  const auto inner = parse_ip(outer->payload + 8, outer->size - 8);
  if (!inner || inner->size < 4) return std::nullopt;
  refusal.kind = Refusal::Kind::kIcmp;
  refusal.protocol = inner->protocol;
  refusal.icmp_type = outer->payload[0];
  refusal.icmp_code = outer->payload[1];
  refusal.remote = inner->destination;
  refusal.local_port = u16(inner->payload);
  refusal.remote_port = u16(inner->payload + 2);
  return refusal;
}

Result<AnswerCapture> AnswerCapture::open(const std::string& netns_path) {
  CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(netns_path));
  return ns.run([&]() -> Result<AnswerCapture> {
    UniqueFd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    if (!fd) return fail_errno(errno, "packet socket in " + netns_path);
    return AnswerCapture(std::move(fd));
  });
}

std::vector<Refusal> AnswerCapture::drain() {
  std::vector<Refusal> out;
  std::array<uint8_t, 2048> buffer;
  for (;;) {
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) {
      if (errno == EINTR) continue;
      return out;
    }
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    if (auto refusal = parse_refusal(buffer.data(), static_cast<size_t>(got))) {
      out.push_back(std::move(*refusal));
    }
  }
}

}  // namespace caracal::lab
