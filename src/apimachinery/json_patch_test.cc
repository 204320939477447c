#include "apimachinery/json_patch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

std::string patched(std::string_view document, std::string_view operations) {
  const Result<JsonPatch> patch = JsonPatch::parse(J(operations));
  if (!patch) return "malformed: " + patch.error().message;
  const Result<json::value> result = patch->apply(J(document));
  return result ? jsonio::to_string(*result) : "error: " + result.error().message;
}

TEST(JsonPointer, StepsAreUnescaped) {
  EXPECT_EQ(*parse_json_pointer(""), PointerSteps{});
  EXPECT_EQ(*parse_json_pointer("/"), PointerSteps{""});
  EXPECT_EQ(*parse_json_pointer("/a~1b/~0/0"), (PointerSteps{"a/b", "~", "0"}));
  EXPECT_EQ(*parse_json_pointer("/~01"), PointerSteps{"~1"});
  EXPECT_FALSE(parse_json_pointer("a"));
  EXPECT_FALSE(parse_json_pointer("/~"));
  EXPECT_FALSE(parse_json_pointer("/~2"));
}

struct Case {
  std::string_view name;
  std::string_view document;
  std::string_view operations;
  std::string_view expected;
};

class JsonPatchAppendix : public testing::TestWithParam<Case> {};

TEST_P(JsonPatchAppendix, Applies) {
  EXPECT_EQ(patched(GetParam().document, GetParam().operations), GetParam().expected);
}

// The examples of RFC 6902 appendix A that apply, and the edges around them.
INSTANTIATE_TEST_SUITE_P(
    Rfc6902, JsonPatchAppendix,
    testing::Values(
        Case{"A1_AddMember", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])",
             R"({"foo":"bar","baz":"qux"})"},
        Case{"A2_AddElement", R"({"foo":["bar","baz"]})",
             R"([{"op":"add","path":"/foo/1","value":"qux"}])", R"({"foo":["bar","qux","baz"]})"},
        Case{"A3_RemoveMember", R"({"baz":"qux","foo":"bar"})",
             R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
        Case{"A4_RemoveElement", R"({"foo":["bar","qux","baz"]})",
             R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},
        Case{"A5_Replace", R"({"baz":"qux","foo":"bar"})",
             R"([{"op":"replace","path":"/baz","value":"boo"}])", R"({"baz":"boo","foo":"bar"})"},
        Case{"A6_Move", R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
             R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
             R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},
        Case{"A7_MoveElement", R"({"foo":["all","grass","cows","eat"]})",
             R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
             R"({"foo":["all","cows","eat","grass"]})"},
        Case{
            "A8_Test", R"({"baz":"qux","foo":["a",2,"c"]})",
            R"([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}])",
            R"({"baz":"qux","foo":["a",2,"c"]})"},
        Case{"A10_AddNested", R"({"foo":"bar"})",
             R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
             R"({"foo":"bar","child":{"grandchild":{}}})"},
        Case{"A11_UnknownMembers", R"({"foo":"bar"})",
             R"([{"op":"add","path":"/baz","value":"qux","xyz":123}])",
             R"({"foo":"bar","baz":"qux"})"},
        Case{"A14_EscapedNames", R"({"/":9,"~1":10})",
             R"([{"op":"test","path":"/~01","value":10}])", R"({"/":9,"~1":10})"},
        Case{"A16_AddArray", R"({"foo":["bar"]})",
             R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])",
             R"({"foo":["bar",["abc","def"]]})"},
        Case{"AddReplacesMember", R"({"a":1,"b":2})", R"([{"op":"add","path":"/a","value":null}])",
             R"({"a":null,"b":2})"},
        Case{"AddAtEnd", R"([1])", R"([{"op":"add","path":"/1","value":2}])", "[1,2]"},
        Case{"WholeDocument", R"({"a":1})", R"([{"op":"replace","path":"","value":[]}])", "[]"},
        Case{"CopyIntoItself", R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/a/c"}])",
             R"({"a":{"b":1,"c":{"b":1}}})"},
        Case{"MoveToItself", R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])",
             R"({"a":1})"},
        Case{"TestNumbersByValue", R"({"a":1})", R"([{"op":"test","path":"/a","value":1.0}])",
             R"({"a":1})"},
        Case{"TestMembersInAnyOrder", R"({"a":{"x":1,"y":[2]}})",
             R"([{"op":"test","path":"/a","value":{"y":[2],"x":1}}])", R"({"a":{"x":1,"y":[2]}})"},
        Case{"RemoveKeepsOrder", R"({"a":1,"b":2,"c":3})", R"([{"op":"remove","path":"/a"}])",
             R"({"b":2,"c":3})"},
        Case{"Nothing", R"({"a":1})", "[]", R"({"a":1})"}),
    [](const auto& given) { return std::string(given.param.name); });

TEST(JsonPatch, WhatDoesNotFitNamesOperationAndPath) {
  EXPECT_EQ(
      patched(R"({"a":1})", R"([{"op":"test","path":"/a","value":1},{"op":"remove","path":"/b"}])"),
      "error: JSON patch operation 1 (remove): path \"/b\" does not exist");
  EXPECT_EQ(patched(R"({})", R"([{"op":"replace","path":"/b","value":1}])"),
            "error: JSON patch operation 0 (replace): path \"/b\" does not exist");
  EXPECT_EQ(patched(R"({})", R"([{"op":"add","path":"/a/b","value":1}])"),
            "error: JSON patch operation 0 (add): the parent of path \"/a/b\" does not exist");
  EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])"),
            "error: JSON patch operation 0 (add): the parent of path \"/a/b\" is neither an object "
            "nor an "
            "array");
  EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"test","path":"/a","value":"1"}])"),
            "error: JSON patch operation 0 (test): path \"/a\" is 1, not \"1\"");
  EXPECT_THAT(patched(R"([1])", R"([{"op":"add","path":"/2","value":2}])"),
              HasSubstr("is no index of an array of 1"));
  EXPECT_THAT(patched(R"([1,2])", R"([{"op":"remove","path":"/01"}])"),
              HasSubstr("does not exist"));
  EXPECT_THAT(patched(R"([1])", R"([{"op":"remove","path":"/-"}])"), HasSubstr("does not exist"));
  EXPECT_THAT(patched(R"([1])", R"([{"op":"remove","path":"/-1"}])"), HasSubstr("does not exist"));
  EXPECT_THAT(patched(R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])"),
              HasSubstr("cannot be moved into its own part"));
  EXPECT_THAT(patched(R"({"a":{}})", R"([{"op":"remove","path":""}])"),
              HasSubstr("whole document"));
}

TEST(JsonPatch, WhatIsNoPatchIsToldApart) {
  EXPECT_EQ(patched("{}", "{}"), "malformed: a JSON patch must be an array of operations");
  EXPECT_EQ(patched("{}", "[1]"), "malformed: JSON patch operation 0: must be an object");
  EXPECT_THAT(patched("{}", R"([{"path":"/a"}])"), HasSubstr("\"op\" is missing"));
  EXPECT_THAT(patched("{}", R"([{"op":"put","path":"/a"}])"), HasSubstr("op \"put\" is unknown"));
  EXPECT_THAT(patched("{}", R"([{"op":"add","value":1}])"), HasSubstr("\"path\" is missing"));
  EXPECT_THAT(patched("{}", R"([{"op":"add","path":"/a"}])"), HasSubstr("\"value\" is missing"));
  EXPECT_THAT(patched("{}", R"([{"op":"move","path":"/a"}])"), HasSubstr("\"from\" is missing"));
  EXPECT_THAT(patched("{}", R"([{"op":"add","path":"a","value":1}])"), HasSubstr("begin with"));
}

TEST(JsonPatch, HoldsToItsLimits) {
  json::array many;
  for (size_t i = 0; i <= JsonPatch::kMaxOperations; ++i) {
    many.push_back(json::object{{"op", "test"}, {"path", ""}, {"value", nullptr}});
  }
  EXPECT_EQ(JsonPatch::parse(many).error().code, Errc::kExhausted);

  // Each copy doubles the document.
  json::array doubling;
  for (int i = 0; i < 60; ++i) {
    doubling.push_back(
        json::object{{"op", "copy"}, {"from", ""}, {"path", "/a" + std::to_string(i)}});
  }
  EXPECT_THAT(patched(R"({"x":"0123456789"})", jsonio::to_string(doubling)),
              HasSubstr("3145728 bytes"));

  // Moves that nest: /a into /b/b/.../x, and again.
  std::string deep = "{}";
  for (int i = 0; i < 100; ++i) deep = R"({"b":)" + deep + "}";
  std::string path;
  for (int i = 0; i < 100; ++i) path += "/b";
  const std::string document = R"({"a":)" + deep + "," + deep.substr(1);
  EXPECT_THAT(patched(document, R"([{"op":"move","from":"/a","path":")" + path + R"(/x"}])"),
              HasSubstr("deeper than 128"));
}

}  // namespace
}  // namespace caracal::apimachinery
