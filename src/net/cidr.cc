#include "net/cidr.h"

#include "base/check.h"
#include "base/strings.h"

namespace caracal::net {

Cidr::Cidr(const IpAddr& address, int bits) : address_(address.masked(bits)), bits_(bits) {
  CARACAL_CHECK(bits >= 0 && bits <= address_bits(address.family()));
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto address = IpAddr::parse(text.substr(0, slash));
    if (address) {
      const std::string_view length = text.substr(slash + 1);
      const auto bits =
          parse_decimal(length, static_cast<uint64_t>(address_bits(address->family())));
      const bool leading_zero = length.size() > 1 && length[0] == '0';
      if (bits && !leading_zero) return Cidr(*address, static_cast<int>(*bits));
    }
  }
  return fail(Errc::kInvalid, "\"" + std::string(text) +
                                  "\" is not a CIDR (for example 10.9.8.0/24 or 2001:db8::/64)");
}

Result<Cidr> Cidr::parse_or_host(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return parse(text);
  CARACAL_ASSIGN(const IpAddr address, IpAddr::parse(text));
  return host(address);
}

bool Cidr::contains(const IpAddr& address) const {
  return address.family() == family() && address.masked(bits_) == address_;
}

bool Cidr::contains(const Cidr& other) const {
  return other.bits_ >= bits_ && contains(other.address_);
}

std::string Cidr::to_string() const { return address_.to_string() + "/" + std::to_string(bits_); }

}  // namespace caracal::net
