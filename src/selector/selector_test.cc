#include "selector/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>

namespace caracal::selector {
namespace {

using Labels = std::map<std::string, std::string, std::less<>>;

bool matches(const Selector& selector, const Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto it = labels.find(key);
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

Selector in(const char* key, std::vector<std::string> values) {
  return Selector::requirement(Op::kIn, key, std::move(values));
}
Selector not_in(const char* key, std::vector<std::string> values) {
  return Selector::requirement(Op::kNotIn, key, std::move(values));
}
Selector has(const char* key) { return Selector::requirement(Op::kExists, key); }
Selector has_not(const char* key) { return Selector::requirement(Op::kNotExists, key); }

TEST(SelectorMatch, EachOperator) {
  const struct {
    Selector selector;
    Labels labels;
    bool expected;
  } cases[] = {
      {Selector(), {}, true},
      {Selector(), {{"a", "1"}}, true},
      {in("a", {"1", "2"}), {{"a", "1"}}, true},
      {in("a", {"2", "1"}), {{"a", "3"}}, false},
      {in("a", {"1"}), {}, false},
      {in("a", {""}), {{"a", ""}}, true},
      {in("a", {""}), {}, false},
      {not_in("a", {"1"}), {{"a", "1"}}, false},
      {not_in("a", {"1"}), {{"a", "2"}}, true},
      {not_in("a", {"1"}), {}, true},  // an absent key is not one of the values
      {has("a"), {{"a", ""}}, true},
      {has("a"), {{"b", ""}}, false},
      {has_not("a"), {{"b", ""}}, true},
      {has_not("a"), {{"a", "x"}}, false},
      {Selector::all_of({has("a"), has("b")}), {{"a", ""}}, false},
      {Selector::all_of({has("a"), has("b")}), {{"a", ""}, {"b", ""}}, true},
      {Selector::any_of({has("a"), has("b")}), {{"b", ""}}, true},
      {Selector::any_of({has("a"), has("b")}), {{"c", ""}}, false},
      {Selector::negation(Selector::any_of({has("a"), has("b")})), {{"c", ""}}, true},
      {Selector::negation(Selector()), {}, false},
      {in("a", {}), {{"a", ""}}, false},
      {not_in("a", {}), {{"a", ""}}, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(matches(c.selector, c.labels), c.expected) << c.selector.canonical();
  }
}

TEST(SelectorCanonical, Text) {
  const struct {
    Selector selector;
    const char* text;
  } cases[] = {
      {Selector(), "all()"},
      {Selector::negation(Selector()), "!all()"},
      {in("app", {"web"}), "app == \"web\""},
      {in("app", {"b", "a", "b"}), "app in {\"a\", \"b\"}"},
      {not_in("app", {"web"}), "app != \"web\""},
      {not_in("app", {"b", "a"}), "app not in {\"a\", \"b\"}"},
      {has("example.com/x"), "has(example.com/x)"},
      {has_not("x"), "!has(x)"},
      {Selector::all_of({has("b"), has("a"), has("b"), Selector()}), "has(a) && has(b)"},
      {Selector::all_of({Selector::all_of({has("c"), has("a")}), has("b")}),
       "has(a) && has(b) && has(c)"},
      {Selector::any_of({has("b"), Selector::all_of({has("a"), has("c")})}),
       "(has(a) && has(c)) || has(b)"},
      {Selector::negation(Selector::all_of({has("a"), has("b")})), "!(has(a) && has(b))"},
      {Selector::negation(in("a", {"1"})), "a != \"1\""},
      {Selector::negation(Selector::negation(has("a"))), "has(a)"},
      {Selector::negation(has("a")), "!has(a)"},
      {Selector::all_of({}), "all()"},
      {Selector::any_of({}), "!all()"},
      {Selector::any_of({has("a"), Selector()}), "all()"},
      {Selector::all_of({has("a"), Selector::any_of({})}), "!all()"},
      {Selector::any_of({has("a"), Selector::any_of({})}), "has(a)"},
      {in("a", {"\"", "\\"}), "a in {'\"', \"\\\"}"},
      {in("a", {"\"'"}), "a == \\\"\\\"'\""},
      {in("a b", {"1"}), "\"a b\" == \"1\""},
      {in("", {""}), "\"\" == \"\""},
  };
  for (const auto& c : cases) EXPECT_EQ(c.selector.canonical(), c.text);
}

TEST(SelectorCanonical, ValuesCannotImitateSyntax) {
  EXPECT_NE(in("a", {"x\", \"y"}), in("a", {"x", "y"}));
  EXPECT_NE(has("a) && has(b"), Selector::all_of({has("a"), has("b")}));
  EXPECT_EQ(in("a", {"x", "y"}), in("a", {"y", "x"}));
  EXPECT_EQ(std::hash<Selector>{}(in("a", {"x", "y"})), std::hash<Selector>{}(in("a", {"y", "x"})));
}

// Two trees with one canonical text must mean the same: random trees, evaluated on all label sets
// of two keys with two values each or absent.
TEST(SelectorCanonical, EqualTextMeansEqualMeaning) {
  std::mt19937 random(7);
  const auto pick = [&](size_t n) { return random() % n; };
  const std::function<Selector(int)> make = [&](int depth) -> Selector {
    const char* keys[] = {"a", "b"};
    const char* key = keys[pick(2)];
    std::vector<std::string> values;
    if (pick(2)) values.push_back("1");
    if (pick(2)) values.push_back("2");
    switch (pick(depth > 0 ? 8 : 5)) {
      case 0:
        return Selector();
      case 1:
        return in(key, values);
      case 2:
        return not_in(key, values);
      case 3:
        return has(key);
      case 4:
        return has_not(key);
      case 5:
        return Selector::all_of({make(depth - 1), make(depth - 1)});
      case 6:
        return Selector::any_of({make(depth - 1), make(depth - 1)});
      default:
        return Selector::negation(make(depth - 1));
    }
  };
  std::vector<Labels> worlds;
  for (const char* a : {"", "1", "2"}) {
    for (const char* b : {"", "1", "2"}) {
      Labels labels;
      if (*a) labels["a"] = a;
      if (*b) labels["b"] = b;
      worlds.push_back(labels);
    }
  }
  std::map<std::string, std::vector<bool>> seen;
  for (int i = 0; i < 2000; ++i) {
    const Selector selector = make(3);
    std::vector<bool> verdicts;
    for (const Labels& labels : worlds) verdicts.push_back(matches(selector, labels));
    const auto [it, added] = seen.emplace(selector.canonical(), verdicts);
    EXPECT_EQ(it->second, verdicts) << selector.canonical();
  }
  EXPECT_GT(seen.size(), 100u);
}

Selector from_json(const char* text) {
  auto value = jsonio::parse(text);
  EXPECT_TRUE(value) << text;
  auto selector = Selector::from_label_selector(*value);
  EXPECT_TRUE(selector) << text << ": " << selector.error().message;
  return selector ? *selector : Selector();
}

TEST(LabelSelector, Valid) {
  const struct {
    const char* json;
    const char* canonical;
  } cases[] = {
      {"{}", "all()"},
      {"null", "all()"},
      {R"({"matchLabels":null,"matchExpressions":null})", "all()"},
      {R"({"matchLabels":{}})", "all()"},
      {R"({"matchLabels":{"b":"2","a":"1"}})", "a == \"1\" && b == \"2\""},
      {R"({"matchLabels":{"a":""}})", "a == \"\""},
      {R"({"matchLabels":{"kubernetes.io/metadata.name":"dev"}})",
       "kubernetes.io/metadata.name == \"dev\""},
      {R"({"matchExpressions":[{"key":"a","operator":"In","values":["y","x"]}]})",
       "a in {\"x\", \"y\"}"},
      {R"({"matchExpressions":[{"key":"a","operator":"NotIn","values":["x"]}]})", "a != \"x\""},
      {R"({"matchExpressions":[{"key":"a","operator":"Exists"}]})", "has(a)"},
      {R"({"matchExpressions":[{"key":"a","operator":"Exists","values":[]}]})", "has(a)"},
      {R"({"matchExpressions":[{"key":"a","operator":"DoesNotExist","values":null}]})", "!has(a)"},
      {R"({"matchLabels":{"a":"1"},"matchExpressions":[{"key":"a","operator":"In","values":["1"]}]})",
       "a == \"1\""},
  };
  for (const auto& c : cases) EXPECT_EQ(from_json(c.json).canonical(), c.canonical) << c.json;
}

TEST(LabelSelector, Errors) {
  const std::string long_value(64, 'v');
  const struct {
    std::string json;
    const char* message;
  } cases[] = {
      {R"({"matchExpressions":[{"key":"a","operator":"Is","values":["x"]}]})",
       "matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator"},
      {R"({"matchExpressions":[{"key":"a"}]})",
       "matchExpressions[0].operator: Invalid value: \"\": not a valid selector operator"},
      {R"({"matchExpressions":[{"key":"a","operator":"Exists"},{"key":"a","operator":"In"}]})",
       "matchExpressions[1].values: Required value: must be specified when `operator` is 'In' or "
       "'NotIn'"},
      {R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]})",
       "matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or "
       "'DoesNotExist'"},
      {R"({"matchExpressions":[{"operator":"Exists"}]})",
       "matchExpressions[0].key: Invalid value: \"\": name part must be non-empty"},
      {R"({"matchExpressions":[{"key":"a","operator":"In","values":["ok","-"]}]})",
       "matchExpressions[0].values[1]: Invalid value: \"-\": a label value is empty, or "
       "letters"},
      {R"({"matchExpressions":[{"key":"a","operator":"In","values":[1]}]})",
       "matchExpressions[0].values[0]: Invalid value: 1: must be a string"},
      {R"({"matchExpressions":[{"key":"a","operator":"In","values":"x"}]})",
       "matchExpressions[0].values: Invalid value: \"x\": must be an array of strings"},
      {R"({"matchExpressions":{}})", "matchExpressions: Invalid value: {}: must be an array"},
      {R"({"matchExpressions":[3]})", "matchExpressions[0]: Invalid value: 3: must be an object"},
      {R"({"matchLabels":[]})", "matchLabels: Invalid value: []: must be an object"},
      {R"({"matchLabels":{"a":80}})", "matchLabels[a]: Invalid value: 80: must be a string"},
      {R"({"matchLabels":{"a_":"x"}})",
       "matchLabels: Invalid value: \"a_\": the name must be letters"},
      {R"({"matchLabels":{"/a":"x"}})",
       "matchLabels: Invalid value: \"/a\": prefix part must be non-empty"},
      {R"({"matchLabels":{"A.b/a":"x"}})", "the part before '/' must be a DNS subdomain"},
      {R"({"matchLabels":{"a/b/c":"x"}})", "a key is a name, or"},
      {R"({"matchLabels":{"a":")" + long_value + R"("}})", "must be no more than 63 bytes"},
      {R"({"matchLabel":{"a":"b"}})", "unknown field \"matchLabel\": known are \"matchLabels\""},
      {R"({"matchExpressions":[{"key":"a","op":"In"}]})",
       "unknown field \"matchExpressions[0].op\""},
      {R"([])", "Invalid value: []: must be an object"},
      {R"("x")", "must be an object"},
  };
  for (const auto& c : cases) {
    const auto value = jsonio::parse(c.json);
    ASSERT_TRUE(value) << c.json;
    const auto selector = Selector::from_label_selector(*value);
    ASSERT_FALSE(selector) << c.json;
    EXPECT_EQ(selector.error().code, Errc::kInvalid);
    EXPECT_THAT(selector.error().message, testing::HasSubstr(c.message));
  }
}

TEST(LabelQuery, Valid) {
  const struct {
    const char* text;
    const char* canonical;
  } cases[] = {
      {"", "all()"},
      {"  ", "all()"},
      {"a=b", "a == \"b\""},
      {"a==b", "a == \"b\""},
      {" a = b ", "a == \"b\""},
      {"a!=b", "a != \"b\""},
      {"a=", "a == \"\""},
      {"a=,b", "a == \"\" && has(b)"},
      {"a!=", "a != \"\""},
      {"a", "has(a)"},
      {"!a", "!has(a)"},
      {"! a", "!has(a)"},
      {"a in (x)", "a == \"x\""},
      {"a in (y, x)", "a in {\"x\", \"y\"}"},
      {"a in(x,y)", "a in {\"x\", \"y\"}"},
      {"a in ()", "a == \"\""},
      {"a in (x,)", "a in {\"\", \"x\"}"},
      {"a notin (x,y)", "a not in {\"x\", \"y\"}"},
      {"a in (in,notin)", "a in {\"in\", \"notin\"}"},
      {"a=in", "a == \"in\""},
      {"a=b,c!=d,e in (x,y),f notin (z),g,!h",
       "!has(h) && a == \"b\" && c != \"d\" && e in {\"x\", \"y\"} && f != \"z\" && has(g)"},
      {"example.com/a.b-c_d=v.1-2_3", "example.com/a.b-c_d == \"v.1-2_3\""},
  };
  for (const auto& c : cases) {
    const auto selector = Selector::parse_label_query(c.text);
    ASSERT_TRUE(selector) << c.text << ": " << selector.error().message;
    EXPECT_EQ(selector->canonical(), c.canonical) << c.text;
  }
}

TEST(LabelQuery, ErrorsNameThePosition) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {",", "position 1: found \",\", expected a label key"},
      {"a,", "position 3: found the end, expected a label key"},
      {"a,,b", "position 3: found \",\", expected a label key"},
      {"=b", "position 1: found \"=\", expected a label key"},
      {"a b", "position 3: found \"b\", expected one of '='"},
      {"a=b c", "position 5: found \"c\", expected ',' or the end"},
      {"a=b=c", "position 4: found \"=\", expected ',' or the end"},
      {"!a=b", "position 3: found \"=\", expected ',' or the end"},
      {"!", "position 2: found the end, expected a label key"},
      {"a in x", "position 6: found \"x\", expected '('"},
      {"a in (x", "position 8: found the end, expected ',' or ')'"},
      {"a in (x y)", "position 9: found \"y\", expected ',' or ')'"},
      {"a in (x))", "position 9: found \")\", expected ',' or the end"},
      {"a>1", "position 2: \">\" compares numbers"},
      {"a-=b", "position 1: Invalid value: \"a-\": the name must be letters"},
      {"a=b,c=-d", "position 7: Invalid value: \"-d\": a label value is empty"},
  };
  for (const auto& c : cases) {
    const auto selector = Selector::parse_label_query(c.text);
    ASSERT_FALSE(selector) << c.text;
    EXPECT_THAT(selector.error().message, testing::HasSubstr(c.message)) << c.text;
    EXPECT_THAT(selector.error().message, testing::HasSubstr(c.text));
  }
}

}  // namespace
}  // namespace caracal::selector
