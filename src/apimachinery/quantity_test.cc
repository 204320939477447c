#include "apimachinery/quantity.h"

#include <gtest/gtest.h>

namespace caracal::apimachinery {
namespace {

TEST(Quantity, Grammar) {
  for (const char* good :
       {"0",    "1",  "100m",      "1.5Gi", "+1",    "-1", ".5", "5.", "2e3", "2E3", "1e-2",
        "1e+2", "1E", "128974848", "129M",  "123Mi", "1n", "1u", "1k", "1T",  "1P",  "1Ei"}) {
    EXPECT_TRUE(is_quantity(good)) << good;
  }
  for (const char* bad : {"", "m", ".", "+", "1 Gi", "1gi", "1K", "1e", "1e1.5", "1.2.3", "one",
                          "0x10", "1Gib", "--1", "1mm"}) {
    EXPECT_FALSE(is_quantity(bad)) << bad;
  }
}

TEST(Quantity, Negative) {
  EXPECT_TRUE(is_negative_quantity("-1"));
  EXPECT_TRUE(is_negative_quantity("-0.5Gi"));
  EXPECT_FALSE(is_negative_quantity("-0"));
  EXPECT_FALSE(is_negative_quantity("-0e3"));
  EXPECT_FALSE(is_negative_quantity("1e-3"));
}

}  // namespace
}  // namespace caracal::apimachinery
