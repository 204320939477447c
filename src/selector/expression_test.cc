#include "selector/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>

namespace caracal::selector {
namespace {

using Labels = std::map<std::string, std::string, std::less<>>;
using testing::HasSubstr;

bool matches(const Selector& selector, const Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto it = labels.find(key);
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

Selector parsed(const std::string& text) {
  auto selector = Selector::parse_expression(text);
  EXPECT_TRUE(selector) << text << ": " << selector.error().message;
  return selector ? *selector : Selector();
}

TEST(Expression, CanonicalForm) {
  const struct {
    const char* text;
    const char* canonical;
  } kCases[] = {
      {"", "all()"},
      {" \t ", "all()"},
      {"all()", "all()"},
      {"all( )", "all()"},
      {"global()", "all()"},
      {"!all()", "!all()"},
      {"a == 'b'", "a == \"b\""},
      {"a==\"b\"", "a == \"b\""},
      {"a == 'say \"x\"'", "a == 'say \"x\"'"},
      {"a == \"it's\"", "a == \"it's\""},
      {"a == ''", "a == \"\""},
      {"a == '\\'", "a == \"\\\""},
      {"a != 'b'", "a != \"b\""},
      {"!a == 'b'", "a != \"b\""},
      {"!!a == 'b'", "a == \"b\""},
      {"! ! ! a == 'b'", "a != \"b\""},
      {"has(a)", "has(a)"},
      {"has( a\t)", "has(a)"},
      {"!has(a)", "!has(a)"},
      {"a in {'c', 'b', 'c'}", "a in {\"b\", \"c\"}"},
      {"a in{'b',}", "a == \"b\""},
      {"a in {}", "!all()"},
      {"a not in { }", "all()"},
      {"a not in {'b'}", "a != \"b\""},
      {"a notin {'b','c'}", "a not in {\"b\", \"c\"}"},
      {"a not \t in {'b','c'}", "a not in {\"b\", \"c\"}"},
      {"a contains 'b'", "a contains \"b\""},
      {"a contains'b'", "a contains \"b\""},
      {"a starts with 'b'", "a starts with \"b\""},
      {"a startswith 'b'", "a starts with \"b\""},
      {"a ends  with ''", "a ends with \"\""},
      {"!a endswith 'b'", "!(a ends with \"b\")"},
      // && binds closer than ||, ! closer than both.
      {"has(c) || has(b) && has(a)", "(has(a) && has(b)) || has(c)"},
      {"(has(c) || has(b)) && has(a)", "has(a) && (has(b) || has(c))"},
      {"!has(a) && has(b)", "!has(a) && has(b)"},
      {"!(has(a) && has(b))", "!(has(a) && has(b))"},
      {"has(a)&&(has(b)&&has(a))", "has(a) && has(b)"},
      {"((((has(a)))))", "has(a)"},
      // Words are operators by their place only.
      {"in in {'in'}", "in == \"in\""},
      {"has == 'x'", "has == \"x\""},
      {"all != 'x'", "all != \"x\""},
      {"not not in {'x'}", "not != \"x\""},
      {"contains contains 'contains'", "contains contains \"contains\""},
      {"has(has)", "has(has)"},
      {"projectcalico.org/name_1-x == 'b'", "projectcalico.org/name_1-x == \"b\""},
      {"-/. == 'b'", "-/. == \"b\""},
      {"a == 'all() && \t||'", "a == \"all() && \t||\""},
  };
  for (const auto& c : kCases) {
    const Selector selector = parsed(c.text);
    EXPECT_EQ(selector.canonical(), c.canonical) << c.text;
    EXPECT_EQ(parsed(selector.canonical()), selector) << c.text;
  }
}

TEST(Expression, TruthTable) {
  struct Row {
    const char* text;
    bool absent;
    bool is_web;   // a = web
    bool is_db;    // a = db
    bool is_none;  // a = (empty)
  };
  const Row kRows[] = {
      {"a == 'web'", false, true, false, false},
      {"a != 'web'", true, false, true, true},
      {"a in {'web', 'x'}", false, true, false, false},
      {"a not in {'web', 'x'}", true, false, true, true},
      {"a in {}", false, false, false, false},
      {"a not in {}", true, true, true, true},
      {"has(a)", false, true, true, true},
      {"!has(a)", true, false, false, false},
      {"a contains 'e'", false, true, false, false},
      {"a contains ''", false, true, true, true},
      {"!a contains 'e'", true, false, true, true},
      {"a starts with 'w'", false, true, false, false},
      {"a ends with 'b'", false, true, true, false},
      {"a ends with 'web '", false, false, false, false},
      {"a == ''", false, false, false, true},
      {"all()", true, true, true, true},
      {"global()", true, true, true, true},
      {"a == 'WEB'", false, false, false, false},
      {"!(a == 'web' || a == 'db')", true, false, false, true},
      {"a != 'web' && a != 'db'", true, false, false, true},
  };
  for (const Row& row : kRows) {
    const Selector selector = parsed(row.text);
    EXPECT_EQ(matches(selector, {}), row.absent) << row.text;
    EXPECT_EQ(matches(selector, {{"a", "web"}}), row.is_web) << row.text;
    EXPECT_EQ(matches(selector, {{"a", "db"}}), row.is_db) << row.text;
    EXPECT_EQ(matches(selector, {{"a", ""}}), row.is_none) << row.text;
  }
}

TEST(Expression, ErrorsPointAtTheColumn) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"a",
       "column 2: found the end, expected one of ==, !=, in, not in, contains, starts with, "
       "ends with"},
      {"a = 'b'", "column 3: found \"=\", expected one of =="},
      {"a == b", "column 6: found \"b\", expected a text in double or single quotes"},
      {"a ==", "column 5: found the end, expected a text"},
      {"a == 'b", "column 6: the text that begins here has no closing '"},
      {"a == 'b\"", "column 6: the text that begins here has no closing '"},
      {"a == 'b' 'c'", "column 10: found \"'\", expected \"&&\", \"||\" or the end"},
      {"a == 'b' & has(c)", "column 10: found \"&\", expected \"&&\""},
      {"a == 'b' | has(c)", "column 10: found \"|\", expected \"||\""},
      {"a == 'b' &&", "column 12: found the end, expected a label, has(LABEL), all(), global()"},
      {"|| has(a)", "column 1: found \"||\", expected a label"},
      {"()", "column 2: found \")\", expected a label"},
      {"(has(a)", "column 8: found the end, expected \"&&\", \"||\" or \")\""},
      {"has(a))", "column 7: found \")\", expected \"&&\", \"||\" or the end"},
      {"has (a)", "column 5: found \"(\", expected one of =="},
      {"all ()", "column 5: found \"(\", expected one of =="},
      {"has()", "column 5: found \")\", expected a label"},
      {"has(a b)", "column 7: found \"b\", expected \")\""},
      {"all(a)", "column 5: found \"a\", expected \")\""},
      {"a in 'b'", "column 6: found \"'\", expected \"{\""},
      {"a in {b}", "column 7: found \"b\", expected a text"},
      {"a in {'b' 'c'}", "column 11: found \"'\", expected \",\" or \"}\""},
      {"a in {,}", "column 7: found \",\", expected a text"},
      {"a in {'b'", "column 10: found the end, expected \",\" or \"}\""},
      {"a inx {'b'}", "column 3: found \"inx\", expected one of =="},
      {"a IN {'b'}", "column 3: found \"IN\", expected one of =="},
      {"a not {'b'}", "column 3: found \"not\", expected one of =="},
      {"a starts 'b'", "column 3: found \"starts\", expected one of =="},
      {"a\n== 'b'", "column 2: found a line break, expected one of =="},
      {"a == 'b'\n", "column 9: found a line break, expected \"&&\""},
      {"'a' == 'b'", "column 1: found \"'\", expected a label"},
      {"a == 'b' and c == 'd'", "column 10: found \"and\", expected \"&&\""},
      {"!", "column 2: found the end, expected a label"},
      {"Has(a)", "column 4: found \"(\", expected one of =="},
  };
  for (const auto& c : kCases) {
    const auto selector = Selector::parse_expression(c.text);
    ASSERT_FALSE(selector) << c.text;
    EXPECT_EQ(selector.error().code, Errc::kInvalid);
    EXPECT_THAT(selector.error().message, HasSubstr(c.message)) << c.text;
    EXPECT_THAT(selector.error().message, HasSubstr(c.text));
  }
}

TEST(Expression, Limits) {
  const std::string label(kMaxLabelBytes, 'x');
  EXPECT_EQ(parsed("has(" + label + ")").canonical(), "has(" + label + ")");
  const auto long_label = Selector::parse_expression("has(" + label + "x)");
  ASSERT_FALSE(long_label);
  EXPECT_THAT(long_label.error().message,
              HasSubstr("column 5: a label of 513 characters: at most 512 are allowed"));

  const std::string text = "a == '" + std::string(kMaxExpressionBytes - 7, 'x') + "'";
  EXPECT_EQ(text.size(), kMaxExpressionBytes);
  EXPECT_TRUE(Selector::parse_expression(text));
  const auto long_text = Selector::parse_expression(text + " ");
  ASSERT_FALSE(long_text);
  EXPECT_EQ(long_text.error().message, "selector of 65537 bytes: at most 65536 are allowed");

  const std::string open(kMaxExpressionDepth, '(');
  const std::string close(kMaxExpressionDepth, ')');
  EXPECT_EQ(parsed(open + "has(a)" + close).canonical(), "has(a)");
  const auto deep = Selector::parse_expression("(" + open + "has(a)" + close + ")");
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().message,
              HasSubstr("column 513: more than 512 parentheses within each other"));
  EXPECT_FALSE(Selector::parse_expression(std::string(kMaxExpressionBytes, '(')));
  EXPECT_FALSE(Selector::parse_expression(std::string(kMaxExpressionBytes, '!')));
  // Side by side is not within each other.
  std::string wide = "(has(a))";
  while (wide.size() < 8'000) wide += "&&(has(a))";
  EXPECT_EQ(parsed(wide).canonical(), "has(a)");
}

// Stored before the API had a limit of its own.
TEST(Expression, LongerThanTheApiAllowsToday) {
  std::string text = "app in {'v0'";
  for (int i = 1; i < 2'000; ++i) text += ", 'v" + std::to_string(i) + "'";
  const Selector selector = parsed(text + "}");
  EXPECT_TRUE(matches(selector, {{"app", "v1999"}}));
  EXPECT_FALSE(matches(selector, {{"app", "v2000"}}));
}

TEST(Expression, Readings) {
  ExpressionReading namespaces;
  namespaces.key_prefix = "pcns.";
  namespaces.all_means = Selector::requirement(Op::kExists, "ns");
  namespaces.global_means = Selector::requirement(Op::kNotExists, "ns");
  namespaces.global = ExpressionReading::Global::kAlone;
  const struct {
    const char* text;
    const char* canonical;
  } kCases[] = {
      {"", "all()"},
      {"a == 'b' && has(c)", "has(pcns.c) && pcns.a == \"b\""},
      {"all()", "has(ns)"},
      {"!all()", "!has(ns)"},
      {"a == 'b' || all()", "has(ns) || pcns.a == \"b\""},
      {"global()", "!has(ns)"},
      {" global( ) ", "!has(ns)"},
  };
  for (const auto& c : kCases) {
    const auto selector = parse_expression(c.text, namespaces);
    ASSERT_TRUE(selector) << c.text;
    EXPECT_EQ(selector->canonical(), c.canonical) << c.text;
  }
  for (const char* text :
       {"!global()", "(global())", "global() && a == 'b'", "has(a) || global()"}) {
    const auto selector = parse_expression(text, namespaces);
    ASSERT_FALSE(selector) << text;
    EXPECT_THAT(selector.error().message, HasSubstr("global() may only stand alone")) << text;
  }
  const auto nowhere = parse_expression("has(a) && global()", {});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("column 11: global() is valid only in"));
}

// Random texts: what parses has a canonical text that parses to the same selector and means the
// same as the text read by a second, direct evaluator.
struct Random {
  std::mt19937 engine{11};
  size_t pick(size_t n) { return engine() % n; }
};

using Meaning = std::function<bool(const Labels&)>;
struct Sample {
  std::string text;
  Meaning meaning;
};

Sample make(Random& random, int depth) {
  const std::string key = random.pick(2) == 0 ? "a" : "in";
  const std::string value = std::vector<std::string>{"", "x", "xy", "y"}[random.pick(4)];
  const auto value_of = [key](const Labels& labels) -> std::optional<std::string> {
    const auto it = labels.find(key);
    return it == labels.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
  const std::string quoted = random.pick(2) == 0 ? "'" + value + "'" : "\"" + value + "\"";
  switch (random.pick(depth > 0 ? 11 : 8)) {
    case 0:
      return {"all()", [](const Labels&) { return true; }};
    case 1:
      return {"has(" + key + ")", [=](const Labels& l) { return value_of(l).has_value(); }};
    case 2:
      return {key + " == " + quoted, [=](const Labels& l) { return value_of(l) == value; }};
    case 3:
      return {key + "!=" + quoted, [=](const Labels& l) { return value_of(l) != value; }};
    case 4:
      return {key + " in {" + quoted + ", 'y'}",
              [=](const Labels& l) { return value_of(l) == value || value_of(l) == "y"; }};
    case 5:
      return {key + " not in {" + quoted + "}",
              [=](const Labels& l) { return value_of(l) != value; }};
    case 6:
      return {key + " contains " + quoted, [=](const Labels& l) {
                return value_of(l) && value_of(l)->find(value) != std::string::npos;
              }};
    case 7:
      return {key + " starts with " + quoted,
              [=](const Labels& l) { return value_of(l) && value_of(l)->starts_with(value); }};
    case 8: {
      const Sample inner = make(random, depth - 1);
      return {"!(" + inner.text + ")", [=](const Labels& l) { return !inner.meaning(l); }};
    }
    default: {
      const Sample left = make(random, depth - 1);
      const Sample right = make(random, depth - 1);
      const bool both = random.pick(2) == 0;
      return {
          "(" + left.text + (both ? ") && (" : ") || (") + right.text + ")", [=](const Labels& l) {
            return both ? left.meaning(l) && right.meaning(l) : left.meaning(l) || right.meaning(l);
          }};
    }
  }
}

TEST(Expression, CanonicalTextOfRandomSelectorsParsesToTheSame) {
  Random random;
  std::vector<Labels> worlds;
  const std::vector<std::optional<std::string>> values = {std::nullopt, "", "x", "xy", "y"};
  for (const auto& a : values) {
    for (const auto& in : values) {
      Labels labels;
      if (a) labels["a"] = *a;
      if (in) labels["in"] = *in;
      worlds.push_back(std::move(labels));
    }
  }
  for (int i = 0; i < 3000; ++i) {
    const Sample sample = make(random, 4);
    if (sample.text.size() > kMaxExpressionBytes) continue;
    const Selector selector = parsed(sample.text);
    EXPECT_EQ(parsed(selector.canonical()).canonical(), selector.canonical()) << sample.text;
    for (const Labels& labels : worlds) {
      ASSERT_EQ(matches(selector, labels), sample.meaning(labels))
          << sample.text << " as " << selector.canonical();
    }
  }
}

}  // namespace
}  // namespace caracal::selector
