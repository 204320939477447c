#include <gtest/gtest.h>

#include "jsonio/json.h"
#include "jsonio/yaml.h"

namespace caracal::jsonio {
namespace {

json::value yaml(std::string_view text) {
  auto documents = parse_yaml(text);
  EXPECT_TRUE(documents) << documents.error().message;
  return documents && !documents->empty() ? documents->front() : json::value();
}

TEST(Yaml, KeepsTheTypesOfScalars) {
  const json::value value = yaml(
      "a: 80\nb: \"80\"\nc: '80'\nd: true\ne: \"true\"\nf: ~\ng: 1.5\nh: -3\ni: 0644\nj: text\nk: "
      "1e3\nl: 1.2.3\n");
  EXPECT_EQ(
      to_string(value),
      R"({"a":80,"b":"80","c":"80","d":true,"e":"true","f":null,"g":1.5E0,"h":-3,"i":420,"j":"text","k":1E3,"l":"1.2.3"})");
}

TEST(Yaml, ReadsSeveralDocumentsAndLeavesOutEmptyOnes) {
  const auto documents = parse_yaml("---\na: 1\n---\n---\nb: 2\n");
  ASSERT_TRUE(documents);
  EXPECT_EQ(documents->size(), 2u);
}

TEST(Yaml, ErrorsNameLineAndColumn) {
  const auto bad = parse_yaml("a: 1\nb: [1, 2\n");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("line "), std::string::npos);
  const auto twice = parse_yaml("a: 1\na: 2\n");
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("\"a\" is there twice at line 2"), std::string::npos)
      << twice.error().message;
}

TEST(Yaml, AliasesCannotFillTheMemory) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k == 0 ? "" : ", ") + from;
    text += "]\n";
  }
  const auto bomb = parse_yaml(text);
  ASSERT_FALSE(bomb);
  EXPECT_NE(bomb.error().message.find("aliases"), std::string::npos) << bomb.error().message;
  EXPECT_EQ(to_string(yaml("a: &x [1]\nb: *x\n")), R"({"a":[1],"b":[1]})");
}

TEST(Yaml, TextThatIsNeitherThisDocumentNorTheNextIsAnError) {
  for (const char* text : {",", "!a,", "\"x\",", "&a ,", "{a: 1},{b: 2}", "a: 1\n---\n,"}) {
    EXPECT_FALSE(parse_yaml(text)) << text;
  }
}

TEST(Yaml, WritesWhatItReads) {
  const std::string text =
      "apiVersion: v1\nspec:\n  ports:\n  - port: 80\n    name: http\n  - - 1\n    - 2\n  empty: "
      "{}\n  none: []\n  quoted: \"80\"\n"
      "  yes: \"true\"\n";
  const auto documents = parse_yaml(text);
  ASSERT_TRUE(documents);
  const auto again = parse_yaml(to_yaml(documents->front()));
  ASSERT_TRUE(again) << to_yaml(documents->front());
  EXPECT_EQ(again->front(), documents->front()) << to_yaml(documents->front());
}

TEST(Json, ErrorsNameTheByte) {
  const auto bad = parse("{\"a\": tru}");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("byte"), std::string::npos);
  EXPECT_FALSE(parse("{} x"));
  EXPECT_TRUE(parse(" {} \n"));
}

TEST(Json, PathsNeverFailOnMissingSteps) {
  const json::value value = parse(R"({"a":{"b":"x","n":7,"l":[1]}})").value();
  EXPECT_EQ(get_string(value, {"a", "b"}), "x");
  EXPECT_EQ(get_string(value, {"a", "b", "c"}, "none"), "none");
  EXPECT_EQ(get_int(value, {"a", "n"}), 7);
  EXPECT_EQ(get_array(value, {"a", "l"}).size(), 1u);
  EXPECT_TRUE(get_object(value, {"z"}).empty());
}

}  // namespace
}  // namespace caracal::jsonio
