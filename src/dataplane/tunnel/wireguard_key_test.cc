#include "dataplane/tunnel/wireguard_key.h"

#include <gtest/gtest.h>

namespace caracal::dataplane::tunnel {
namespace {

TEST(WireguardKeyTest, TextAndBack) {
  WireguardKey key;
  EXPECT_EQ(key.to_string(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  EXPECT_TRUE(key.empty());
  for (size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<uint8_t>(255 - 7 * i);
  EXPECT_EQ(key.to_string(), "//jx6uPc1c7HwLmyq6Sdlo+IgXpzbGVeV1BJQjs0LSY=");
  EXPECT_EQ(WireguardKey::parse(key.to_string()).value(), key);
}

TEST(WireguardKeyTest, NewOnesAreValidAndDiffer) {
  const WireguardKey one = WireguardKey::generate().value();
  EXPECT_NE(one, WireguardKey::generate().value());
  EXPECT_EQ(one.bytes[0] & 7, 0);
  EXPECT_EQ(one.bytes[31] & 0xc0, 0x40);
  EXPECT_EQ(WireguardKey::parse(one.to_string()).value(), one);
}

TEST(WireguardKeyTest, BadTextIsRefused) {
  for (const char* text : {"", "abc", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
                           "AAAAAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAA="}) {
    const auto key = WireguardKey::parse(text);
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, Errc::kInvalid);
  }
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
