// SocketAddress: an address and a port as the kernel's socket calls take and give them.
//
//   const SocketAddress to(address, 80);
//   ::connect(fd, to.get(), to.size());
//
//   SocketAddress from;
//   ::recvfrom(fd, buffer, size, 0, from.get(), from.room());
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "net/ip_addr.h"

namespace caracal::net {

// AF_INET, AF_INET6.
constexpr int socket_family(Family family) { return family == Family::kIPv4 ? AF_INET : AF_INET6; }

class SocketAddress {
 public:
  SocketAddress() = default;  // none yet: AF_UNSPEC
  SocketAddress(const IpAddr& address, uint16_t port);

  int family() const { return storage_.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  // For a call that writes one here: how much there is room for, and then its size.
  socklen_t* room() {
    size_ = sizeof storage_;
    return &size_;
  }

  // REQUIRES: family() is AF_INET or AF_INET6.
  IpAddr address() const;
  uint16_t port() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof storage_;
};

}  // namespace caracal::net
