#include "ipam/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::ipam {
namespace {

using ::testing::HasSubstr;

net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }
net::Cidr cidr(std::string_view text) { return net::Cidr::parse(text).value(); }
AttachmentId id(int n) { return {"c" + std::to_string(n), "eth0"}; }

std::string one(Allocator& allocator, int n) {
  const auto result = allocator.allocate(id(n), {});
  return result ? result->front().to_string() : result.error().message;
}

TEST(Allocator, SkipsNetworkGatewayAndBroadcast) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/29")}));
  for (int n = 2; n <= 6; ++n) EXPECT_EQ(one(allocator, n), "10.1.0." + std::to_string(n));
  const auto none = allocator.allocate(id(9), {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kExhausted);
  EXPECT_THAT(none.error().message,
              HasSubstr("no free IPv4 address in 10.1.0.0/29 (5 of 5 in use)"));
  EXPECT_THAT(none.error().message, HasSubstr("larger pod CIDR"));
}

TEST(Allocator, GivesOneAddressOfEachFamilyOrNothing) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/30"), cidr("fd00:1::/64")}));
  const auto both = allocator.allocate(id(1), {});
  ASSERT_TRUE(both);
  EXPECT_THAT(*both, ::testing::ElementsAre(ip("10.1.0.2"), ip("fd00:1::2")));
  EXPECT_FALSE(allocator.allocate(id(2), {}));
  EXPECT_EQ(allocator.use()[1].used, 1u) << "the IPv6 half of a failed allocation stays free";
}

TEST(Allocator, ComesBackToAReleasedAddressAsLateAsPossible) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/29")}));
  EXPECT_EQ(one(allocator, 1), "10.1.0.2");
  allocator.release({ip("10.1.0.2")});
  for (const char* next : {"10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.2"}) {
    EXPECT_EQ(one(allocator, 2), next);
  }
}

TEST(Allocator, GoesOnInTheNextRangeOfAFamily) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/30"), cidr("10.2.0.0/30")}));
  EXPECT_EQ(one(allocator, 1), "10.1.0.2");
  EXPECT_EQ(one(allocator, 2), "10.2.0.2");
  EXPECT_THAT(one(allocator, 3), HasSubstr("10.1.0.0/30 (1 of 1 in use), 10.2.0.0/30"));
}

TEST(Allocator, TakesARequestedAddressWhenItMay) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/24")}));
  EXPECT_EQ(allocator.allocate(id(1), {ip("10.1.0.77")})->front(), ip("10.1.0.77"));
  EXPECT_EQ(one(allocator, 2), "10.1.0.2") << "a wish does not move the round";
  const auto expect = [&](const char* address, Errc code, const char* text) {
    const auto refused = allocator.allocate(id(3), {ip(address)});
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().code, code);
    EXPECT_THAT(refused.error().message, HasSubstr(text));
  };
  expect("10.1.0.77", Errc::kConflict, "10.1.0.77: is in use by container c1/eth0");
  expect("10.1.0.1", Errc::kInvalid, "pods may have 10.1.0.2 to 10.1.0.254");
  expect("10.1.0.255", Errc::kInvalid, "is reserved");
  expect("10.9.0.5", Errc::kInvalid, "must be in one of this node's pod CIDRs: 10.1.0.0/24");
  expect("fd00::5", Errc::kInvalid, "must be in one of");
  EXPECT_FALSE(allocator.allocate(id(3), {ip("10.1.0.8"), ip("10.1.0.9")}));
}

TEST(Allocator, RefusesRangesThatCannotWork) {
  Allocator allocator;
  EXPECT_THAT(allocator.set_ranges({cidr("10.1.0.0/31")}).error().message,
              HasSubstr("prefix length must be at most 30"));
  EXPECT_THAT(allocator.set_ranges({cidr("10.1.0.0/16"), cidr("10.1.2.0/24")}).error().message,
              HasSubstr("overlap"));
  EXPECT_EQ(allocator.allocate(id(1), {}).error().code, Errc::kUnavailable);
}

TEST(Allocator, KeepsAddressesWhenRangesChange) {
  Allocator allocator;
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/24")}));
  EXPECT_EQ(one(allocator, 1), "10.1.0.2");
  ASSERT_TRUE(allocator.set_ranges({cidr("10.2.0.0/24")}));
  EXPECT_EQ(one(allocator, 2), "10.2.0.2");
  ASSERT_TRUE(allocator.set_ranges({cidr("10.1.0.0/24")}));
  allocator.set_cursor(cidr("10.1.0.0/24"), ip("10.1.0.254"));
  EXPECT_EQ(one(allocator, 3), "10.1.0.3") << "10.1.0.2 still has its owner";
}

}  // namespace
}  // namespace caracal::ipam
