#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/cidr.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"
#include "net/protocol.h"
#include "net/socket_address.h"

namespace caracal::net {
namespace {

TEST(IpAddr, ParsesAndPrintsBothFamilies) {
  for (const char* text : {"0.0.0.0", "10.9.8.7", "255.255.255.255", "::", "2001:db8::1",
                           "fe80::ecee:eeff:feee:eeee"}) {
    const auto address = IpAddr::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddr, RefusesWhatIsNotStrictlyAnAddress) {
  for (const char* text : {"", "10.9.8", "10.9.8.7.6", "010.1.1.1", " 10.1.1.1", "10.1.1.1/8",
                           "fe80::1%eth0", "g::"}) {
    EXPECT_FALSE(IpAddr::parse(text)) << text;
  }
}

TEST(IpAddr, StepsAcrossByteBorders) {
  EXPECT_EQ(IpAddr::parse("10.0.0.255")->next().to_string(), "10.0.1.0");
  EXPECT_EQ(IpAddr::parse("10.0.1.0")->previous().to_string(), "10.0.0.255");
  EXPECT_EQ(IpAddr::parse("2001:db8::ffff")->next().to_string(), "2001:db8::1:0");
  EXPECT_EQ(IpAddr::last(Family::kIPv4).next(), IpAddr::first(Family::kIPv4));
}

TEST(IpAddr, OrdersIPv4BeforeIPv6AndByNumber) {
  EXPECT_LT(*IpAddr::parse("255.255.255.255"), *IpAddr::parse("::"));
  EXPECT_LT(*IpAddr::parse("9.255.255.255"), *IpAddr::parse("10.0.0.0"));
}

TEST(Cidr, MasksHostBits) {
  EXPECT_EQ(Cidr::parse("10.1.2.3/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse("10.1.2.3/31")->to_string(), "10.1.2.2/31");
  EXPECT_EQ(Cidr::parse("2001:db8::1/64")->to_string(), "2001:db8::/64");
  EXPECT_EQ(Cidr::parse("0.0.0.0/0")->last().to_string(), "255.255.255.255");
}

TEST(Cidr, RefusesBadTexts) {
  for (const char* text :
       {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/08", "::/129", "/8"}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
  EXPECT_EQ(Cidr::parse_or_host("10.0.0.1")->to_string(), "10.0.0.1/32");
}

TEST(Cidr, ContainsAddressesOfItsFamilyOnly) {
  const Cidr all4 = *Cidr::parse("0.0.0.0/0");
  EXPECT_TRUE(all4.contains(*IpAddr::parse("10.0.0.1")));
  EXPECT_FALSE(all4.contains(*IpAddr::parse("::1")));
  EXPECT_TRUE(Cidr::parse("10.0.0.0/8")->contains(*Cidr::parse("10.2.0.0/16")));
  EXPECT_FALSE(Cidr::parse("10.2.0.0/16")->contains(*Cidr::parse("10.0.0.0/8")));
}

TEST(Protocol, ParsesNamesAndNumbers) {
  EXPECT_EQ(*Protocol::parse("tcp"), kTcp);
  EXPECT_EQ(*Protocol::parse("132"), kSctp);
  EXPECT_EQ(kIcmpV6.to_string(), "ICMPv6");
  EXPECT_EQ(Protocol{47}.to_string(), "47");
  EXPECT_FALSE(Protocol::parse("0"));
  EXPECT_FALSE(Protocol::parse("256"));
}

TEST(MacAddr, RoundTrips) {
  EXPECT_EQ(MacAddr::parse("ee:EE:0f:00:01:10")->to_string(), "ee:ee:0f:00:01:10");
  EXPECT_FALSE(MacAddr::parse("ee:ee:ee:ee:ee"));
  EXPECT_FALSE(MacAddr::parse("ee:ee:ee:ee:ee:e"));
}

// What the kernel takes is what it tells.
TEST(SocketAddress, GoesToTheKernelAndBack) {
  EXPECT_EQ(SocketAddress().family(), AF_UNSPEC);
  for (const char* text : {"127.0.0.1", "::1"}) {
    const SocketAddress any_port(*IpAddr::parse(text), 0);
    EXPECT_EQ(any_port.family(), socket_family(any_port.address().family()));
    const int server = ::socket(any_port.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int client = ::socket(any_port.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(server, any_port.get(), any_port.size()), 0) << text;
    SocketAddress bound;
    ASSERT_EQ(::getsockname(server, bound.get(), bound.room()), 0);
    EXPECT_EQ(bound.address().to_string(), text);
    EXPECT_NE(bound.port(), 0);
    EXPECT_EQ(bound.size(), any_port.size());
    const SocketAddress to(*IpAddr::parse(text), bound.port());
    ASSERT_EQ(::sendto(client, "a", 1, 0, to.get(), to.size()), 1);
    SocketAddress from;
    char byte = 0;
    ASSERT_EQ(::recvfrom(server, &byte, 1, 0, from.get(), from.room()), 1);
    EXPECT_EQ(from.address(), to.address());
    EXPECT_NE(from.port(), to.port());
    ::close(server);
    ::close(client);
  }
}

}  // namespace
}  // namespace caracal::net
