// Cidr: an address prefix as a plain value, always masked (10.1.2.3/8 is kept as 10.0.0.0/8).
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/ip_addr.h"

namespace caracal::net {

class Cidr {
 public:
  Cidr() = default;  // 0.0.0.0/0
  // REQUIRES: 0 <= bits <= address_bits(address.family()).
  Cidr(const IpAddr& address, int bits);
  // "a.b.c.d/n" or "x::/n". The prefix length must be there; host bits are cleared.
  static Result<Cidr> parse(std::string_view text);
  // The same, and a bare address is taken as /32 or /128.
  static Result<Cidr> parse_or_host(std::string_view text);
  static Cidr host(const IpAddr& address) { return Cidr(address, address_bits(address.family())); }

  const IpAddr& address() const { return address_; }
  int bits() const { return bits_; }
  Family family() const { return address_.family(); }
  IpAddr first() const { return address_; }
  IpAddr last() const { return address_.last_of(bits_); }
  bool contains(const IpAddr& address) const;
  bool contains(const Cidr& other) const;
  bool is_host() const { return bits_ == address_bits(family()); }

  std::string to_string() const;
  auto operator<=>(const Cidr&) const = default;

 private:
  IpAddr address_;
  int bits_ = 0;
};

}  // namespace caracal::net

template <>
struct std::hash<caracal::net::Cidr> {
  size_t operator()(const caracal::net::Cidr& cidr) const noexcept {
    return std::hash<caracal::net::IpAddr>{}(cidr.address()) * 131 +
           static_cast<size_t>(cidr.bits());
  }
};
