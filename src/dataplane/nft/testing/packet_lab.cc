#include "dataplane/nft/testing/packet_lab.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/subprocess.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::dataplane::nft_testing {
namespace {

using netlink::NetworkNamespace;

constexpr const char* kOutside = "outside";
constexpr const char* kNode = "node";
constexpr const char* kUplink = "up0";
constexpr const char* kHostMac = "ee:ee:ee:ee:ee:ee";
// The kernel queues at most 1000 packets a CPU (net.core.netdev_max_backlog).
constexpr size_t kRound = 200;
constexpr int kSettleTimeout = 60'000;  // ms

net::MacAddr mac(uint8_t last) { return {{0x02, 0, 0, 0, 0, last}}; }

void pin_to_one_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cpu = ::sched_getcpu();
  CPU_SET(static_cast<size_t>(cpu < 0 ? 0 : cpu), &set);
  (void)::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

net::IpAddr PacketLab::node_address(net::Family family) {
  return *net::IpAddr::parse(family == net::Family::kIPv4 ? "198.18.0.1" : "2001:2::1");
}

Result<std::unique_ptr<PacketLab>> PacketLab::create(const std::vector<LabPod>& pods) {
  pin_to_one_cpu();
  CARACAL_ASSIGN(NetworkNamespace node, NetworkNamespace::create_anonymous());
  std::unique_ptr<PacketLab> lab(new PacketLab(std::move(node)));
  CARACAL_TRY(lab->build(pods));
  return lab;
}

PacketLab::~PacketLab() = default;

Status PacketLab::build(const std::vector<LabPod>& pods) {
  const auto set = [&](const char* path, const char* value) {
    return node_.run([&] { return write_sysctl(path, value); });
  };
  CARACAL_TRY(set("/proc/sys/net/ipv4/ip_forward", "1"));
  CARACAL_TRY(set("/proc/sys/net/ipv6/conf/all/forwarding", "1"));
  CARACAL_TRY(set("/proc/sys/net/ipv4/conf/all/rp_filter", "0"));
  CARACAL_TRY(set("/proc/sys/net/ipv4/conf/default/rp_filter", "0"));
  CARACAL_TRY(set("/proc/sys/net/ipv6/conf/default/accept_dad", "0"));

  // One file for `ip -batch`: starting it for each line would take longer than all tests.
  std::string batch;
  uint8_t number = 1;
  const auto add_end = [&](const std::string& name, const std::string& interface) -> Status {
    CARACAL_ASSIGN(NetworkNamespace ns, NetworkNamespace::create_anonymous());
    End& end = ends_[name];
    end.ns = std::make_unique<NetworkNamespace>(std::move(ns));
    end.mac = mac(number++);
    end.gateway = *net::MacAddr::parse(kHostMac);
    batch += fmt::format("link add {} address {} type veth peer name eth0 address {} netns {}\n",
                         interface, kHostMac, end.mac.to_string(), end.ns->fd_path());
    batch += fmt::format("link set {} up\n", interface);
    return {};
  };
  CARACAL_TRY(add_end(kOutside, kUplink));
  batch +=
      fmt::format("addr add {}/30 dev {}\n", node_address(net::Family::kIPv4).to_string(), kUplink);
  batch += fmt::format("addr add {}/126 dev {} nodad\n",
                       node_address(net::Family::kIPv6).to_string(), kUplink);
  for (const char* gateway : {"198.18.0.2", "2001:2::2"}) {
    batch += fmt::format("neigh add {} lladdr {} dev {} nud permanent\n", gateway,
                         ends_[kOutside].mac.to_string(), kUplink);
    batch += fmt::format("route add default via {} dev {}\n", gateway, kUplink);
  }
  ends_[kOutside].address = *net::IpAddr::parse("198.18.0.2");
  for (const LabPod& pod : pods) {
    CARACAL_TRY(add_end(pod.interface, pod.interface));
    End& end = ends_[pod.interface];
    end.address = *net::IpAddr::parse("198.18.0.2");
    for (const net::IpAddr& address : pod.addresses) {
      if (address.is_v4()) end.address = address;
      batch += fmt::format("route add {} dev {}\n", address.to_string(), pod.interface);
      batch += fmt::format("neigh add {} lladdr {} dev {} nud permanent\n", address.to_string(),
                           end.mac.to_string(), pod.interface);
      owners_[address] = pod.interface;
    }
  }
  CARACAL_TRY(
      run_checked({.argv = {"ip", "-batch", "-"}, .input = batch, .netns = node_.fd_path()}));
  for (auto& [name, end] : ends_) CARACAL_TRY(open_end(end));
  return open_node();
}

Status PacketLab::open_node() {
  return node_.run([&]() -> Status {
    for (const net::Family family : net::kFamilies) {
      const bool v4 = family == net::Family::kIPv4;
      UniqueFd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
      if (!fd) return fail_errno(errno, "cannot open a raw socket");
      const int one = 1;
      if (::setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_HDRINCL : IPV6_HDRINCL,
                       &one, sizeof one) != 0)
        return fail_errno(errno, "cannot set up a raw socket");
      raw_[family] = std::move(fd);
    }
    return {};
  });
}

Status PacketLab::transmit_from_node(const Packet& packet, uint32_t cookie) {
  const std::vector<uint8_t> bytes = serialize(packet, cookie);
  const int fd = raw_.at(packet.destination.family()).get();
  ssize_t sent = -1;
  if (packet.destination.is_v4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, packet.destination.data(), 4);
    sent = ::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                    sizeof to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, packet.destination.data(), 16);
    sent = ::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                    sizeof to);
  }
  // What an output hook drops, the sender hears of.
  if (sent < 0 && errno != EPERM) return fail_errno(errno, "cannot send a packet from the node");
  return {};
}

Status PacketLab::open_end(End& end) {
  CARACAL_TRY(
      run_checked({.argv = {"ip", "link", "set", "eth0", "up"}, .netns = end.ns->fd_path()}));
  return end.ns->run([&]() -> Status {
    end.index = static_cast<int>(::if_nametoindex("eth0"));
    end.socket.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    if (!end.socket) return fail_errno(errno, "cannot open a packet socket");
    sockaddr_ll self{};
    self.sll_family = AF_PACKET;
    self.sll_protocol = htons(ETH_P_ALL);
    self.sll_ifindex = end.index;
    if (::bind(end.socket.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0)
      return fail_errno(errno, "cannot bind a packet socket");
    const int size = 8 * 1024 * 1024;
    (void)::setsockopt(end.socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    const int one = 1;
    (void)::setsockopt(end.socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    return {};
  });
}

Status PacketLab::flush_connections() {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open_in(node_, NETLINK_NETFILTER));
  const nfgenmsg header{};
  netlink::Message message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, header);
  return socket.request(message.header());
}

Status PacketLab::transmit(const End& end, std::span<const uint8_t> bytes) {
  if (::send(end.socket.get(), bytes.data(), bytes.size(), 0) < 0)
    return fail_errno(errno, "cannot send a crafted packet");
  return {};
}

const std::string& PacketLab::end_of(const net::IpAddr& address) const {
  static const std::string outside = kOutside;
  const auto found = owners_.find(address);
  return found == owners_.end() ? outside : found->second;
}

template <typename Read>
Status PacketLab::settle(Read&& read) {
  // Behind the answer nothing that was sent before the question can be: one CPU, one queue.
  const End& asking = ends_.at(kOutside);
  CARACAL_TRY(
      transmit(asking, arp_request(asking.mac, asking.address, node_address(net::Family::kIPv4))));
  for (;;) {
    pollfd wait{asking.socket.get(), POLLIN, 0};
    if (::poll(&wait, 1, kSettleTimeout) <= 0)
      return fail(Errc::kTimeout, "packet lab: no ARP answer from the node");
    if (read()) return {};
  }
}

Result<std::chrono::nanoseconds> PacketLab::time(std::span<const Packet> packets) {
  CARACAL_TRY(flush_connections());
  std::vector<std::vector<uint8_t>> frames;
  for (const Packet& packet : packets) {
    const End& end = ends_.at(packet.from);
    frames.push_back(frame(serialize(packet, next_cookie_++), end.mac, end.gateway));
  }
  std::chrono::nanoseconds total{0};
  std::array<uint8_t, 4096> buffer{};
  for (size_t start = 0; start < packets.size(); start += kRound) {
    const size_t behind = std::min(start + kRound, packets.size());
    const auto begun = std::chrono::steady_clock::now();
    for (size_t i = start; i < behind; ++i)
      CARACAL_TRY(transmit(ends_.at(packets[i].from), frames[i]));
    CARACAL_TRY(settle([&] {
      for (;;) {
        const ssize_t size =
            ::recv(ends_.at(kOutside).socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) return false;
        if (size >= 22 && buffer[12] == 0x08 && buffer[13] == 0x06 && buffer[21] == 2) return true;
      }
    }));
    total += std::chrono::steady_clock::now() - begun;
    for (const auto& [name, end] : ends_)
      while (::recv(end.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0) continue;
  }
  return total;
}

Result<PacketLab::Observation> PacketLab::send(std::span<const Packet> packets) {
  CARACAL_TRY(flush_connections());
  return send_more(packets);
}

Result<PacketLab::Observation> PacketLab::send_more(std::span<const Packet> packets) {
  Observation out;
  out.arrived.resize(packets.size());
  out.answered.resize(packets.size());
  out.elsewhere.resize(packets.size());
  for (size_t start = 0; start < packets.size(); start += kRound) {
    const auto round = packets.subspan(start, std::min(kRound, packets.size() - start));
    const uint32_t first = next_cookie_;
    for (const Packet& packet : round) {
      if (packet.from == kNode) {
        CARACAL_TRY(transmit_from_node(packet, next_cookie_++));
        continue;
      }
      const End& end = ends_.at(packet.from);
      CARACAL_TRY(transmit(end, frame(serialize(packet, next_cookie_++), end.mac, end.gateway)));
    }
    bool answered_by_node = false;
    std::array<uint8_t, 4096> buffer{};
    const auto read_all = [&](const std::string& name, const End& end) {
      for (;;) {
        const ssize_t size = ::recv(end.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) return;
        if (size < 14) continue;
        const std::span<const uint8_t> bytes(buffer.data(), static_cast<size_t>(size));
        const auto type = static_cast<uint16_t>(bytes[12] << 8 | bytes[13]);
        if (type == ETHERTYPE_ARP && bytes.size() >= 22 && bytes[21] == 2) answered_by_node = true;
        if (type != ETHERTYPE_IP && type != ETHERTYPE_IPV6) continue;
        const auto packet = bytes.subspan(14);
        if (is_refusal(packet)) ++out.refusals;
        const auto cookie = cookie_of(packet);
        if (!cookie || *cookie - first >= round.size()) continue;
        const size_t index = *cookie - first;
        if (end_of(round[index].destination) == name)
          out.arrived[start + index] = true;
        else if (round[index].from == name)
          out.answered[start + index] = true;
        else
          out.elsewhere[start + index] = true;
      }
    };
    CARACAL_TRY(settle([&] {
      read_all(kOutside, ends_.at(kOutside));
      return answered_by_node;
    }));
    for (const auto& [name, end] : ends_) read_all(name, end);
  }
  return out;
}

}  // namespace caracal::dataplane::nft_testing
