#include "apimachinery/object_meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

std::string faults(std::string_view meta, std::string_view old = "",
                   NameRule rule = NameRule::kSubdomain, bool namespaced = true) {
  const json::value object = json::object{{"metadata", J(meta)}};
  json::value before;
  if (!old.empty()) before = json::object{{"metadata", J(old)}};
  std::string out;
  for (const FieldError& error :
       validate_object_meta(object, old.empty() ? nullptr : &before, rule, namespaced)) {
    out += error.to_string() + "\n";
  }
  return out;
}

TEST(ObjectMeta, GoodOnesPass) {
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b","labels":{"x/y":"Z","e":""},
                       "annotations":{"Example.com/Foo":"any text\n"},"finalizers":["example.com/f"],
                       "ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u",
                                           "controller":true}]})"),
            "");
  EXPECT_EQ(faults(R"({"name":"a"})", "", NameRule::kSubdomain, false), "");
}

TEST(ObjectMeta, Names) {
  EXPECT_EQ(faults(R"({"namespace":"b"})"),
            "metadata.name: Required value: either name or generateName must be given\n");
  EXPECT_THAT(faults(R"({"name":"Web","namespace":"b"})"),
              HasSubstr(R"(metadata.name: Invalid value: "Web": must be an RFC 1123 subdomain)"));
  EXPECT_THAT(faults(R"({"name":"a.b","namespace":"b"})", "", NameRule::kLabel),
              HasSubstr("must be an RFC 1123 label"));
  EXPECT_EQ(faults(R"({"name":"web-x","generateName":"web-","namespace":"b"})"), "");
  EXPECT_THAT(faults(R"({"name":"x","generateName":"-web","namespace":"b"})"),
              HasSubstr(R"(metadata.generateName: Invalid value: "-web")"));
  EXPECT_EQ(faults(R"({"name":"a"})"), "metadata.namespace: Required value\n");
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b.c"})"),
              HasSubstr("metadata.namespace: Invalid value"));
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b"})", "", NameRule::kSubdomain, false),
            "metadata.namespace: Forbidden: objects of this kind have no namespace\n");
}

TEST(ObjectMeta, LabelsAndAnnotations) {
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b","labels":{"a b":"c"}})"),
              HasSubstr(R"(metadata.labels: Invalid value: "a b": the name must be)"));
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b","labels":{"k":"a b"}})"),
              HasSubstr(R"(metadata.labels[k]: Invalid value: "a b": a label value is empty, or)"));
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b","annotations":{"a b":"c"}})"),
              HasSubstr("metadata.annotations: Invalid value"));
  const std::string big(kMaxAnnotationsBytes, 'x');
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b","annotations":{"k":")" + big + R"("}})"),
              HasSubstr("metadata.annotations: Too long: "));
}

TEST(ObjectMeta, OwnersAndFinalizers) {
  EXPECT_THAT(
      faults(
          R"({"name":"a","namespace":"b","ownerReferences":[{"apiVersion":"v1","kind":"Pod"}]})"),
      HasSubstr("metadata.ownerReferences[0].name: Required value"));
  EXPECT_THAT(
      faults(R"({"name":"a","namespace":"b","ownerReferences":[
      {"apiVersion":"v1","kind":"Pod","name":"p","uid":"1","controller":true},
      {"apiVersion":"v1","kind":"Pod","name":"q","uid":"2","controller":true}]})"),
      HasSubstr(
          "metadata.ownerReferences[1].controller: Invalid value: true: only one owner may be "
          "the controller, and Pod/p is it already"));
  EXPECT_THAT(faults(R"({"name":"a","namespace":"b","finalizers":["a b"]})"),
              HasSubstr("metadata.finalizers[0]: Invalid value"));
  EXPECT_THAT(
      faults(R"({"name":"a","namespace":"b","finalizers":["orphan","foregroundDeletion"]})"),
      HasSubstr("exclude each other"));
}

TEST(ObjectMeta, Updates) {
  const std::string_view old = R"({"name":"a","namespace":"b","uid":"1"})";
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b","uid":"1","labels":{"n":"w"}})", old), "");
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b"})", old), "");
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b","uid":"2"})", old),
            "metadata.uid: Invalid value: \"2\": field is immutable\n");
  const std::string_view dying = R"({"name":"a","namespace":"b","finalizers":["x/y"],
                                     "deletionTimestamp":"2026-01-01T00:00:00Z"})";
  EXPECT_EQ(faults(R"({"name":"a","namespace":"b","finalizers":[]})", dying), "");
  EXPECT_THAT(
      faults(R"({"name":"a","namespace":"b","finalizers":["x/y","x/z"]})", dying),
      HasSubstr(
          "metadata.finalizers: Forbidden: no finalizer can be added while the object is being "
          "deleted, found \"x/z\""));
}

TEST(LabelSelector, Operators) {
  const auto selector_faults = [](std::string_view text) {
    const json::value selector = J(text);
    std::string out;
    for (const FieldError& error : validate_label_selector(&selector, FieldPath("s"))) {
      out += error.to_string() + "\n";
    }
    return out;
  };
  EXPECT_EQ(selector_faults(R"({"matchLabels":{"a":"b"},"matchExpressions":[
      {"key":"a","operator":"In","values":["b"]},{"key":"c","operator":"Exists"}]})"),
            "");
  EXPECT_EQ(selector_faults(R"({"matchExpressions":[{"key":"a","operator":"In"}]})"),
            "s.matchExpressions[0].values: Required value: operators In and NotIn need at least "
            "one value\n");
  EXPECT_EQ(
      selector_faults(R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]})"),
      "s.matchExpressions[0].values: Forbidden: operators Exists and DoesNotExist take no "
      "values\n");
  EXPECT_THAT(selector_faults(R"({"matchExpressions":[{"key":"a","operator":"Is"}]})"),
              HasSubstr(R"(s.matchExpressions[0].operator: Invalid value: "Is")"));
  EXPECT_THAT(selector_faults(R"({"matchExpressions":[{"key":"","operator":"Exists"}]})"),
              HasSubstr("s.matchExpressions[0].key: Invalid value"));
  EXPECT_THAT(
      selector_faults(R"({"matchExpressions":[{"key":"a","operator":"In","values":["b c"]}]})"),
      HasSubstr("s.matchExpressions[0].values[0]: Invalid value"));
  EXPECT_THAT(selector_faults(R"({"matchLabels":{"a":"b c"}})"),
              HasSubstr("s.matchLabels[a]: Invalid value"));
}

}  // namespace
}  // namespace caracal::apimachinery
