#include "base/strings.h"

#include <gtest/gtest.h>

#include "base/sha1.h"
#include "base/xml.h"

namespace caracal {
namespace {

TEST(Split, KeepsEmptyPieces) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

TEST(Trim, RemovesWhiteSpaceAtBothEnds) {
  EXPECT_EQ(trim(" \ta b\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(ParseDecimal, TakesDigitsOnlyAndHonoursTheMaximum) {
  EXPECT_EQ(parse_decimal("443", 65535), 443u);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_decimal("65536", 65535), std::nullopt);
}

TEST(XmlEscape, LeavesNothingThatEndsTheText) {
  EXPECT_EQ(xml_escape("a<b>&\"c\" \xc3\xa9\n"), "a&lt;b&gt;&amp;&quot;c&quot; \xc3\xa9\n");
  EXPECT_EQ(xml_escape(std::string_view("\0\x1b[1m\t", 6)), "[1m\t");
}

TEST(Sha1, MatchesTheStandardsVector) {
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace caracal
