#include "apimachinery/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

struct Case {
  NameFault (*check)(std::string_view);
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

TEST(Names, EachGrammarTakesItsOwn) {
  const std::string label63(63, 'a');
  const std::string label64(64, 'a');
  const std::string subdomain253 =
      label63 + "." + label63 + "." + label63 + "." + std::string(61, 'a');
  const Case cases[] = {
      {check_dns1123_label,
       {"a", "0", "a-b", "a1", label63},
       {"", "A", "-a", "a-", "a.b", "a_b", label64}},
      {check_dns1123_subdomain,
       {"a", "a.b", "1.2", "a-b.c", subdomain253},
       {"", ".", "a.", ".a", "a..b", "a.-b", "A.b", "a_b", subdomain253 + "a"}},
      {check_dns1035_label, {"a", "a1", "a-b"}, {"", "1a", "A", "a-", "a.b", label64}},
      {check_path_segment, {"a", "system:node", "..."}, {"", ".", "..", "a/b", "a%"}},
      {check_qualified_name,
       {"a", "A_b.c-d", "example.com/name", "1", "a.b/" + label63},
       {"", "/a", "a/", "a/b/c", "-a", "a-", "A.b/c", label64, "a b"}},
      {check_label_value, {"", "a", "A_b.c-d", "1", label63}, {"-a", "a-", "a/b", "a b", label64}},
      {check_config_key, {"a", ".a", "A_b-c.d", "1"}, {"", ".", "..", "..a", "a/b", "a b"}},
      {check_port_name,
       {"http", "a1", "a-b", "1a"},
       {"", "80", "a--b", "-a", "a-", "A", "a_b", "sixteencharacter"}},
      {check_env_var_name, {"A", "a.b", "1 x"}, {"", "a=b", "a\n", "\x7f"}},
  };
  int i = 0;
  for (const Case& c : cases) {
    for (const std::string& text : c.good)
      EXPECT_EQ(c.check(text), std::nullopt) << i << ": " << text;
    for (const std::string& text : c.bad)
      EXPECT_NE(c.check(text), std::nullopt) << i << ": " << text;
    ++i;
  }
}

TEST(Names, FaultsSayTheRule) {
  EXPECT_THAT(*check_dns1123_label("A"), HasSubstr("'[a-z0-9]([-a-z0-9]*[a-z0-9])?'"));
  EXPECT_THAT(*check_dns1123_label(std::string(64, 'a')), HasSubstr("at most 63"));
  EXPECT_THAT(*check_qualified_name("A.b/c"),
              HasSubstr("the part before '/' must be a DNS subdomain"));
}

TEST(Names, RuleOfAKind) {
  EXPECT_EQ(name_rule("", "Namespace"), NameRule::kLabel);
  EXPECT_EQ(name_rule("", "Service"), NameRule::kDns1035Label);
  EXPECT_EQ(name_rule("", "Pod"), NameRule::kSubdomain);
  EXPECT_EQ(name_rule("projectcalico.org", "Service"), NameRule::kSubdomain);
  EXPECT_EQ(check_name(NameRule::kLabel, "a.b").has_value(), true);
  EXPECT_EQ(check_name(NameRule::kSubdomain, "a.b").has_value(), false);
}

TEST(Names, GeneratedNamesAreGood) {
  uint32_t next = 0;
  const auto random = [&next] { return next += 7; };
  const std::string name = generate_name("web-", random);
  EXPECT_EQ(name.size(), 9U);
  EXPECT_EQ(name.substr(0, 4), "web-");
  EXPECT_EQ(check_dns1123_label(name), std::nullopt);
  EXPECT_NE(generate_name("web-", random), name);
  EXPECT_EQ(generate_name(std::string(100, 'a'), random).size(), 63U);
}

}  // namespace
}  // namespace caracal::apimachinery
