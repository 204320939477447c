#include "lab/packet_capture.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

constexpr int kBuffer = 4 << 20;
constexpr std::chrono::milliseconds kStampsBegin{25};

Result<UniqueFd> open_socket(const CapturePlace& place) {
  UniqueFd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "packet socket in " + place.name);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)
    return fail_errno(errno, "time stamps in " + place.name);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  if (!place.device.empty()) {
    address.sll_ifindex = static_cast<int>(::if_nametoindex(place.device.c_str()));
    if (address.sll_ifindex == 0) return fail_errno(errno, "device " + place.device);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(errno, "bind in " + place.name);
  return fd;
}

int64_t time_of(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(c), sizeof time);
    return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  }
  return 0;
}

}  // namespace

Result<PacketCapture> PacketCapture::open(const std::vector<CapturePlace>& places) {
  PacketCapture out;
  for (const CapturePlace& place : places) {
    Result<UniqueFd> fd = fail(Errc::kInternal, "");
    if (place.netns.empty()) {
      fd = open_socket(place);
    } else {
      CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(place.netns));
      fd = ns.run([&] { return open_socket(place); });
    }
    if (!fd) return fail(fd.error());
    out.sockets_.push_back({std::move(*fd), {}});
  }
  // The kernel begins to stamp packets as they come only a moment after the first socket asked for
  // it (from a work queue); until then a stamp says when the packet was read, which is no order.
  std::this_thread::sleep_for(kStampsBegin);
  return out;
}

std::vector<int> PacketCapture::fds() const {
  std::vector<int> out;
  for (const Socket& socket : sockets_) out.push_back(socket.fd.get());
  return out;
}

void PacketCapture::drain(std::vector<CapturedPacket>& out) {
  for (size_t i = 0; i < sockets_.size(); ++i) {
    for (;;) {
      std::array<uint8_t, kKept> buffer;
      alignas(cmsghdr) std::array<char, 128> control;
      sockaddr_ll from{};
      iovec part{buffer.data(), buffer.size()};
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof from;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t got = ::recvmsg(sockets_[i].fd.get(), &message, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) break;
      const uint16_t protocol = ntohs(from.sll_protocol);
      if (protocol != ETH_P_IP && protocol != ETH_P_IPV6) continue;
      if (from.sll_pkttype == PACKET_OTHERHOST || from.sll_pkttype == PACKET_LOOPBACK) continue;
      std::string& device = sockets_[i].devices[from.sll_ifindex];
      if (device.empty()) {
        ifreq request{};
        request.ifr_ifindex = from.sll_ifindex;
        device = ::ioctl(sockets_[i].fd.get(), SIOCGIFNAME, &request) == 0
                     ? std::string(request.ifr_name)
                     : "#" + std::to_string(from.sll_ifindex);
      }
      CapturedPacket packet;
      packet.time = time_of(message);
      packet.place = i;
      packet.device = device;
      packet.outgoing = from.sll_pkttype == PACKET_OUTGOING;
      packet.bare = from.sll_hatype != ARPHRD_ETHER && from.sll_hatype != ARPHRD_LOOPBACK;
      packet.bytes.assign(buffer.begin(), buffer.begin() + got);
      out.push_back(std::move(packet));
    }
  }
}

uint64_t PacketCapture::lost() const {
  uint64_t out = 0;
  for (const Socket& socket : sockets_) {
    tpacket_stats stats{};
    socklen_t length = sizeof stats;
    if (::getsockopt(socket.fd.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
      out += stats.tp_drops;
  }
  return out;
}

}  // namespace caracal::lab
