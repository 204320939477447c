#include "apimachinery/merge_patch.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "apimachinery/json_patch.h"

namespace caracal::apimachinery {
namespace {

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

struct Case {
  std::string_view original;
  std::string_view patch;
  std::string_view result;
};

// RFC 7396 appendix A, whole.
constexpr Case kAppendix[] = {
    {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
    {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
    {R"({"a":"b"})", R"({"a":null})", R"({})"},
    {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
    {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
    {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
    {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
    {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
    {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
    {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
    {R"({"a":"foo"})", R"(null)", R"(null)"},
    {R"({"a":"foo"})", R"("bar")", R"("bar")"},
    {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
    {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
    {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
};

TEST(MergePatch, Rfc7396Appendix) {
  for (const Case& c : kAppendix) {
    EXPECT_EQ(jsonio::to_string(apply_merge_patch(J(c.original), J(c.patch))), c.result)
        << c.original << " + " << c.patch;
  }
}

TEST(MergePatch, WhatKubectlLabelSends) {
  const json::value pod = J(R"({"metadata":{"name":"web","labels":{"app":"web","tier":"front"}}})");
  const json::value patch = J(R"({"metadata":{"labels":{"app":"other","tier":null}}})");
  EXPECT_EQ(jsonio::to_string(apply_merge_patch(pod, patch)),
            R"({"metadata":{"name":"web","labels":{"app":"other"}}})");
}

json::value random_value(std::mt19937& random, int depth) {
  switch (random() % (depth > 0 ? 6 : 4)) {
    case 0:
      return static_cast<int64_t>(random() % 3);
    case 1:
      return random() % 2 == 0;
    case 2:
      return json::string("text" + std::to_string(random() % 3));
    case 3:
      return json::array{static_cast<int64_t>(random() % 3)};
    default: {
      json::object object;
      for (unsigned i = random() % 4; i > 0; --i) {
        object["k" + std::to_string(random() % 5)] = random_value(random, depth - 1);
      }
      return object;
    }
  }
}

TEST(MergePatch, DiffThenApplyGivesTheOther) {
  std::mt19937 random(7396);
  for (int i = 0; i < 2000; ++i) {
    const json::value from = random_value(random, 4);
    const json::value to = random_value(random, 4);
    const json::value patch = make_merge_patch(from, to);
    const json::value result = apply_merge_patch(from, patch);
    ASSERT_TRUE(json_equal(result, to)) << from << " to " << to << " by " << patch;
    ASSERT_TRUE(json_equal(apply_merge_patch(result, patch), to)) << "not idempotent: " << patch;
  }
}

}  // namespace
}  // namespace caracal::apimachinery
