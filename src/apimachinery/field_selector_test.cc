#include "apimachinery/field_selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {
namespace {

using Requirement = FieldSelector::Requirement;
using testing::ElementsAre;
using testing::HasSubstr;

json::value J(std::string_view text) { return jsonio::parse(text).value(); }

std::vector<SelectableField> fields_of(std::string_view kind) {
  static const auto registry = ResourceRegistry::with_builtins();
  return selectable_fields(*(*registry)->snapshot()->find_kind("", "v1", kind));
}

TEST(FieldSelector, Parses) {
  EXPECT_THAT(
      FieldSelector::parse("metadata.name=x,spec.nodeName!=y,status.phase==Running")
          ->requirements(),
      ElementsAre(Requirement{"metadata.name", true, "x"}, Requirement{"spec.nodeName", false, "y"},
                  Requirement{"status.phase", true, "Running"}));
  EXPECT_TRUE(FieldSelector::parse("")->empty());
  EXPECT_THAT(FieldSelector::parse("a=,")->requirements(), ElementsAre(Requirement{"a", true, ""}));
  EXPECT_THAT(FieldSelector::parse(R"(a=b\,c\=d\\e)")->requirements(),
              ElementsAre(Requirement{"a", true, R"(b,c=d\e)"}));
}

TEST(FieldSelector, RefusesWhatItCannotRead) {
  for (const std::string_view bad : {"a", "=x", "!=x", "a=b=c", R"(a=b\x)", R"(a=b\)", "a,b=c"}) {
    const auto parsed = FieldSelector::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Errc::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("invalid field selector"));
  }
}

TEST(FieldSelector, TextReadsBack) {
  for (const std::string_view text : {"", "a=b", "a!=b,c=d", R"(a=b\,c\=d\\e)"}) {
    const FieldSelector selector = *FieldSelector::parse(text);
    EXPECT_EQ(selector.to_string(), text);
    EXPECT_EQ(*FieldSelector::parse(selector.to_string()), selector);
  }
}

TEST(FieldSelector, ChecksTheFields) {
  const auto fields = fields_of("Pod");
  EXPECT_TRUE(
      FieldSelector::parse("metadata.namespace=a,status.phase=b,spec.nodeName=c")->check(fields));
  const Status bad = FieldSelector::parse("spec.foo=x")->check(fields);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "field label not supported: spec.foo");
  EXPECT_FALSE(FieldSelector::parse("status.phase=x")->check(fields_of("ConfigMap")));
}

TEST(FieldSelector, Matches) {
  const auto fields = fields_of("Pod");
  const json::value pod =
      J(R"({"metadata":{"name":"web","namespace":"dev"},"spec":{"nodeName":"n1"},
                                "status":{"phase":"Running"}})");
  const auto matches = [&](std::string_view text) {
    return FieldSelector::parse(text)->matches(pod, fields);
  };
  EXPECT_TRUE(matches(""));
  EXPECT_TRUE(matches("metadata.name=web,metadata.namespace=dev"));
  EXPECT_TRUE(matches("spec.nodeName=n1,status.phase!=Pending"));
  EXPECT_FALSE(matches("spec.nodeName=n1,status.phase=Pending"));
  EXPECT_FALSE(matches("metadata.name!=web"));
  EXPECT_TRUE(matches("status.podIP="));  // absent is empty
  EXPECT_FALSE(matches("status.podIP!="));
}

TEST(FieldSelector, AnAbsentBooleanIsFalse) {
  const auto fields = fields_of("Node");
  EXPECT_TRUE(FieldSelector::parse("spec.unschedulable=false")->matches(J("{}"), fields));
  EXPECT_TRUE(FieldSelector::parse("spec.unschedulable=true")
                  ->matches(J(R"({"spec":{"unschedulable":true}})"), fields));
}

TEST(FieldSelector, EventsAsKubectlDescribeAsks) {
  const auto fields = fields_of("Event");
  const auto selector = FieldSelector::parse(
      "involvedObject.name=web,involvedObject.namespace=dev,involvedObject.kind=Pod,"
      "involvedObject.uid=u-1");
  ASSERT_TRUE(selector->check(fields));
  EXPECT_TRUE(selector->matches(
      J(R"({"involvedObject":{"kind":"Pod","name":"web","namespace":"dev","uid":"u-1"}})"),
      fields));
  EXPECT_TRUE(FieldSelector::parse("source=kubelet")
                  ->matches(J(R"({"source":{"component":"kubelet"}})"), fields));
}

TEST(FieldSelector, TellsTheNameItWants) {
  const FieldSelector selector = *FieldSelector::parse("metadata.name=web,status.phase!=x");
  ASSERT_NE(selector.required_value("metadata.name"), nullptr);
  EXPECT_EQ(*selector.required_value("metadata.name"), "web");
  EXPECT_EQ(selector.required_value("status.phase"), nullptr);
}

TEST(FieldSelector, CustomResourcesNameTheirOwnFields) {
  ResourceType type;
  type.builtin = false;
  type.field_selectors = {".spec.color"};
  const auto fields = selectable_fields(type);
  EXPECT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[2].path, (std::vector<std::string>{"spec", "color"}));
}

}  // namespace
}  // namespace caracal::apimachinery
