// IpAddr: an IPv4 or IPv6 address as a plain value.
//
// 17 bytes, totally ordered (IPv4 before IPv6, then by number), hashable; used as a key everywhere.
// An IPv4-mapped IPv6 text ("::ffff:1.2.3.4") parses as IPv6 and stays IPv6.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal::net {

enum class Family : uint8_t { kIPv4 = 4, kIPv6 = 6 };
inline constexpr std::array kFamilies = {Family::kIPv4, Family::kIPv6};
std::string_view to_string(Family family);  // "IPv4", "IPv6": the words of the Kubernetes API

constexpr int address_bits(Family family) { return family == Family::kIPv4 ? 32 : 128; }

class IpAddr {
 public:
  constexpr IpAddr() = default;  // 0.0.0.0
  static constexpr IpAddr v4(uint32_t host_order) {
    IpAddr a;
    for (unsigned i = 0; i < 4; ++i) a.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
    return a;
  }
  static constexpr IpAddr v6(const std::array<uint8_t, 16>& network_order) {
    IpAddr a;
    a.family_ = Family::kIPv6;
    a.bytes_ = network_order;
    return a;
  }
  // From 4 or 16 bytes in network order. REQUIRES: size is 4 or 16.
  static IpAddr from_bytes(const void* bytes, size_t size);
  // Strict text form (inet_pton): no leading zeros, no spaces, no zone.
  static Result<IpAddr> parse(std::string_view text);

  constexpr Family family() const { return family_; }
  constexpr bool is_v4() const { return family_ == Family::kIPv4; }
  constexpr bool is_v6() const { return family_ == Family::kIPv6; }
  // Network order; 4 bytes for IPv4, 16 for IPv6.
  const uint8_t* data() const { return bytes_.data(); }
  constexpr size_t size() const { return is_v4() ? 4 : 16; }
  constexpr uint32_t v4_host_order() const {
    return uint32_t{bytes_[0]} << 24 | uint32_t{bytes_[1]} << 16 | uint32_t{bytes_[2]} << 8 |
           bytes_[3];
  }

  // The next address up, and down; wraps round at the ends of the family.
  IpAddr next() const;
  IpAddr previous() const;
  // This address with all bits after the first `bits` cleared (or set).
  IpAddr masked(int bits) const;
  IpAddr last_of(int bits) const;
  static IpAddr first(Family family);
  static IpAddr last(Family family);

  std::string to_string() const;  // RFC 5952 for IPv6
  auto operator<=>(const IpAddr&) const = default;

 private:
  Family family_ = Family::kIPv4;
  std::array<uint8_t, 16> bytes_{};  // IPv4 uses the first four; the rest stay zero
};

}  // namespace caracal::net

template <>
struct std::hash<caracal::net::IpAddr> {
  size_t operator()(const caracal::net::IpAddr& address) const noexcept {
    return std::hash<std::string_view>{}(
        std::string_view(reinterpret_cast<const char*>(address.data()), address.size()));
  }
};
