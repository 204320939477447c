#include "apimachinery/schema_notation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apimachinery/schema_fixture.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kFile = R"(
package: test.v1
definitions:
  Quantity: string quantity -- An amount.
  ObjectMeta:
    about: Metadata.
    name: string -- Name.
  Thing:
    about: A thing.
    spec: Part required -- The part of this thing.
    list: Part[] list=map keys=name patch=merge mergekey=name -- Parts.
    sizes: Quantity{} -- Sizes.
    colour: string enum=blue,red default=red -- Colour.
    codes: string[] item.maxlen=3 maxitems=2 -- Codes.
    level: int32 min=1 max=9
    self: Thing -- A thing within.
  Part:
    about: A part.
    is: map=atomic maxprops=2
    name: string required pattern=^[a-z]+$
    any: any
)";

class Notation : public testing::Test {
 protected:
  void SetUp() override {
    const Status added = loader_.add(from_yaml(kFile), {"Thing"});
    ASSERT_TRUE(added) << added.error().message;
    const Status resolved = loader_.resolve();
    ASSERT_TRUE(resolved) << resolved.error().message;
    thing_ = loader_.find("Thing");
    ASSERT_NE(thing_, nullptr);
  }
  const Schema& field(std::string_view name) { return *thing_->member(name); }
  NotationLoader loader_;
  const Schema* thing_ = nullptr;
};

TEST_F(Notation, AKindGetsTheMembersOfEveryObject) {
  EXPECT_NE(thing_->member("apiVersion"), nullptr);
  EXPECT_NE(thing_->member("kind"), nullptr);
  EXPECT_EQ(field("metadata").definition, "test.v1.ObjectMeta");
  EXPECT_TRUE(thing_->is_required("spec"));
  EXPECT_FALSE(thing_->is_required("list"));
}

TEST_F(Notation, AReferenceHasTheDefinitionsContentAndItsOwnText) {
  EXPECT_EQ(field("spec").definition, "test.v1.Part");
  EXPECT_EQ(field("spec").description, "The part of this thing.");
  EXPECT_EQ(field("spec").definition_description, "A part.");
  EXPECT_TRUE(field("spec").map_atomic);
  EXPECT_EQ(field("spec").max_properties, 2U);
  ASSERT_NE(field("spec").member("name"), nullptr);
  EXPECT_EQ(field("spec").member("name")->pattern, "^[a-z]+$");
}

TEST_F(Notation, ListsMapsAndLimits) {
  const Schema& list = field("list");
  EXPECT_EQ(list.type, SchemaType::kArray);
  EXPECT_EQ(list.list_type, ListType::kMap);
  EXPECT_EQ(list.patch_strategy, "merge");
  EXPECT_EQ(list.patch_merge_key, "name");
  EXPECT_THAT(list.list_map_keys, testing::ElementsAre("name"));
  EXPECT_EQ(list.items->definition, "test.v1.Part");
  EXPECT_TRUE(field("sizes").additional_properties->quantity);
  EXPECT_EQ(field("codes").items->max_length, 3U);
  EXPECT_EQ(field("codes").max_items, 2U);
  EXPECT_EQ(field("level").minimum, 1);
  EXPECT_EQ(field("colour").default_value, json::value("red"));
  EXPECT_EQ(field("colour").enum_values.size(), 2U);
}

TEST_F(Notation, ADefinitionMayContainItself) {
  EXPECT_EQ(field("self").member("self")->member("colour")->default_value, json::value("red"));
}

TEST(NotationErrors, NameTheDefinitionAndTheField) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"{package: p, definitions: {A: {x: Nothing}}}", "no definition Nothing"},
      {"{package: p, definitions: {A: {x: string colour=red}}}", "unknown attribute \"colour\""},
      {"{package: p, definitions: {A: {x: string max=much}}}", "not a number"},
      {"{package: p, definitions: {A: {x: 'string pattern=('}}}", "pattern ("},
      {"{package: p, definitions: {A: {x: 3}}}", "not a text"},
  };
  for (const auto& [text, message] : cases) {
    NotationLoader loader;
    ASSERT_TRUE(loader.add(from_yaml(text), {}));
    const Status status = loader.resolve();
    ASSERT_FALSE(status) << text;
    EXPECT_THAT(status.error().message, testing::HasSubstr(message));
    EXPECT_THAT(status.error().message, testing::HasSubstr("p.A: x"));
  }
}

}  // namespace
}  // namespace caracal::apimachinery
