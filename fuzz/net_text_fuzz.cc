// Addresses, prefixes, hardware addresses and times as text, which all objects are full of.
// Whatever comes: what is taken is the same after writing and reading.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "base/timestamp.h"
#include "net/cidr.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"
#include "net/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = net::IpAddr::parse(text)) {
    CARACAL_CHECK(*net::IpAddr::parse(address->to_string()) == *address);
    CARACAL_CHECK(net::Cidr::parse_or_host(text).value() == net::Cidr::host(*address));
  }
  if (const auto cidr = net::Cidr::parse(text)) {
    CARACAL_CHECK(*net::Cidr::parse(cidr->to_string()) == *cidr);
    CARACAL_CHECK(cidr->contains(cidr->first()) && cidr->contains(cidr->last()));
    CARACAL_CHECK(cidr->contains(*cidr) && cidr->first() <= cidr->last());
  }
  if (const auto mac = net::MacAddr::parse(text))
    CARACAL_CHECK(*net::MacAddr::parse(mac->to_string()) == *mac);
  (void)net::Protocol::parse(text);
  if (const auto time = parse_time(text)) CARACAL_CHECK(parse_time(to_rfc3339(*time)) == time);
  if (const auto number = parse_decimal(text, 65535)) CARACAL_CHECK(*number <= 65535);
  return 0;
}
