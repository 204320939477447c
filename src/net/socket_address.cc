#include "net/socket_address.h"

#include <netinet/in.h>

#include <cstring>

#include "base/check.h"

namespace caracal::net {

SocketAddress::SocketAddress(const IpAddr& address, uint16_t port) {
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage_);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.data(), address.size());
    size_ = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage_);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.data(), address.size());
    size_ = sizeof *v6;
  }
}

IpAddr SocketAddress::address() const {
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
    return IpAddr::from_bytes(&v4->sin_addr, sizeof v4->sin_addr);
  }
  CARACAL_CHECK(family() == AF_INET6);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage_);
  return IpAddr::from_bytes(&v6->sin6_addr, sizeof v6->sin6_addr);
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  CARACAL_CHECK(family() == AF_INET6);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
}

}  // namespace caracal::net
