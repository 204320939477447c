#include "apimachinery/field_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::apimachinery {
namespace {

TEST(FieldPath, ReadsAsKubernetesWritesPaths) {
  EXPECT_EQ(
      FieldPath("spec").child("ingress").index(0).child("ports").index(12).child("port").text(),
      "spec.ingress[0].ports[12].port");
  EXPECT_EQ(FieldPath("metadata").child("labels").key("a/b").text(), "metadata.labels[a/b]");
  EXPECT_EQ(FieldPath().child("spec").text(), "spec");
}

TEST(FieldError, IsWordedAsTheApiServerDoes) {
  const FieldPath path = FieldPath("spec").child("x");
  const std::vector<std::pair<FieldError, std::string>> cases{
      {FieldError::required(path), "spec.x: Required value"},
      {FieldError::required(path, "name it"), "spec.x: Required value: name it"},
      {FieldError::invalid(path, 70000, "must be between 1 and 65535, inclusive"),
       "spec.x: Invalid value: 70000: must be between 1 and 65535, inclusive"},
      {FieldError::invalid(path, "a\"b", "no quotes"),
       "spec.x: Invalid value: \"a\\\"b\": no quotes"},
      {FieldError::invalid(path, nullptr, "why"), "spec.x: Invalid value: null: why"},
      {FieldError::type_invalid(path, "string", "must be an integer"),
       "spec.x: Invalid value: \"string\": must be an integer"},
      {FieldError::not_supported(path, "X", {"A", "B"}),
       "spec.x: Unsupported value: \"X\": supported values: \"A\", \"B\""},
      {FieldError::duplicate(path, "a"), "spec.x: Duplicate value: \"a\""},
      {FieldError::not_found(path, "a"), "spec.x: Not found: \"a\""},
      {FieldError::forbidden(path, "not here"), "spec.x: Forbidden: not here"},
      {FieldError::too_long(path, 63), "spec.x: Too long: may not be more than 63 bytes"},
      {FieldError::too_many(path, 3, 2), "spec.x: Too many: 3: must have at most 2 items"},
      {FieldError::too_many(path, 3, 1), "spec.x: Too many: 3: must have at most 1 item"},
  };
  for (const auto& [error, text] : cases) EXPECT_EQ(error.to_string(), text);
}

TEST(FieldError, OfTheObjectItselfHasNoPath) {
  EXPECT_EQ(FieldError::forbidden(FieldPath(), "no").to_string(), "Forbidden: no");
}

TEST(FieldError, JoinsAsAStatusMessageDoes) {
  const FieldError one = FieldError::required(FieldPath("a"));
  const FieldError two = FieldError::required(FieldPath("b"));
  EXPECT_EQ(to_string(std::vector{one}), "a: Required value");
  EXPECT_EQ(to_string(std::vector{one, two}), "[a: Required value, b: Required value]");
}

TEST(FieldError, NamesTheReasonOfACause) {
  EXPECT_EQ(FieldError::required(FieldPath("a")).cause_reason(), "FieldValueRequired");
  EXPECT_EQ(FieldError::not_supported(FieldPath("a"), "x", {}).cause_reason(),
            "FieldValueNotSupported");
}

}  // namespace
}  // namespace caracal::apimachinery
