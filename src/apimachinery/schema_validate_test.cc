#include "apimachinery/schema_validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apimachinery/schema_fixture.h"
#include "apimachinery/schema_openapi.h"

namespace caracal::apimachinery {
namespace {

struct Case {
  std::string_view schema;  // of the member x
  std::string_view value;
  std::string_view errors;  // joined; empty: valid
};

std::string check(std::string_view schema_text, std::string_view value_text) {
  SchemaPool pool;
  std::vector<FieldError> problems;
  const json::value props =
      json::object{{"type", "object"}, {"properties", json::object{{"x", from_yaml(schema_text)}}}};
  const Schema* schema = parse_openapi(pool, props, FieldPath("schema"), problems);
  EXPECT_TRUE(problems.empty()) << to_string(problems);
  const auto errors = validate(*schema, from_yaml("x: " + std::string(value_text)));
  return errors.empty() ? "" : to_string(errors);
}

TEST(Validate, WordsErrorsAsTheApiServerDoes) {
  const std::vector<Case> cases{
      {"{type: integer}", "three",
       "x: Invalid value: \"string\": x in body must be of type integer: \"string\""},
      {"{type: integer}", "3.5",
       "x: Invalid value: \"number\": x in body must be of type integer: \"number\""},
      {"{type: integer}", "3.0", ""},
      {"{type: string}", "3",
       "x: Invalid value: \"integer\": x in body must be of type string: \"integer\""},
      {"{type: string}", "null",
       "x: Invalid value: \"null\": x in body must be of type string: \"null\""},
      {"{type: string, nullable: true}", "null", ""},
      {"{type: boolean}", "[]",
       "x: Invalid value: \"array\": x in body must be of type boolean: \"array\""},
      {"{type: string, enum: [a, b]}", "c",
       "x: Unsupported value: \"c\": supported values: \"a\", \"b\""},
      {"{type: integer, enum: [4, 6]}", "5",
       "x: Unsupported value: 5: supported values: \"4\", \"6\""},
      {"{type: string, pattern: '^[a-z]+$'}", "A1",
       "x: Invalid value: \"A1\": x in body should match '^[a-z]+$'"},
      {"{type: integer, maximum: 10}", "11",
       "x: Invalid value: 11: x in body should be less than or equal to 10"},
      {"{type: integer, maximum: 10, exclusiveMaximum: true}", "10",
       "x: Invalid value: 10: x in body should be less than 10"},
      {"{type: integer, minimum: 1}", "0",
       "x: Invalid value: 0: x in body should be greater than or equal to 1"},
      {"{type: number, minimum: 0.5, exclusiveMinimum: true}", "0.5",
       "x: Invalid value: 5E-1: x in body should be greater than 0.5"},
      {"{type: integer, multipleOf: 3}", "7",
       "x: Invalid value: 7: x in body should be a multiple of 3"},
      {"{type: string, maxLength: 2}", "äöü", "x: Too long: may not be more than 2 bytes"},
      {"{type: string, maxLength: 3}", "äöü", ""},
      {"{type: string, minLength: 2}", "a",
       "x: Invalid value: \"a\": x in body should be at least 2 chars long"},
      {"{type: array, items: {type: string}, maxItems: 1}", "[a, b]",
       "x: Too many: 2: must have at most 1 item"},
      {"{type: array, items: {type: string}, minItems: 1}", "[]",
       "x: Invalid value: 0: x in body should have at least 1 items"},
      {"{type: array, items: {type: string}}", "[a, 1]",
       "x[1]: Invalid value: \"integer\": x[1] in body must be of type string: \"integer\""},
      {"{type: array, items: {type: string}, x-kubernetes-list-type: set}", "[a, b, a]",
       "x[2]: Duplicate value: \"a\""},
      {"{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: {type: "
       "object, properties: {k: {type: string}}}}",
       "[{k: a}, {k: b}, {k: a}]", "x[2]: Duplicate value: {\"k\":\"a\"}"},
      {"{type: object, required: [a], properties: {a: {type: string}}}", "{}",
       "x.a: Required value"},
      {"{type: object, maxProperties: 1, additionalProperties: {type: integer}}", "{a: 1, b: 2}",
       "x: Too many: 2: must have at most 1 item"},
      {"{type: object, minProperties: 1}", "{}",
       "x: Invalid value: 0: x in body should have at least 1 properties"},
      {"{type: object, additionalProperties: {type: integer}}", "{a: b}",
       "x[a]: Invalid value: \"string\": x[a] in body must be of type integer: \"string\""},
      {"{x-kubernetes-int-or-string: true}", "80", ""},
      {"{x-kubernetes-int-or-string: true}", "http", ""},
      {"{x-kubernetes-int-or-string: true}", "{}",
       "x: Invalid value: \"object\": x in body must be of type integer,string: \"object\""},
      {"{type: string, format: ipv4}", "10.0.0.1", ""},
      {"{type: string, format: ipv4}", "fd00::1",
       "x: Invalid value: \"fd00::1\": x in body must be of type ipv4: \"fd00::1\""},
      {"{type: string, format: cidr}", "10.0.0.0/33",
       "x: Invalid value: \"10.0.0.0/33\": x in body must be of type cidr: \"10.0.0.0/33\""},
      {"{type: string, format: date-time}", "'2026-01-01T00:00:00Z'", ""},
      {"{type: integer, oneOf: [{maximum: 3}, {minimum: 7}]}", "5",
       "[x: Invalid value: 5: x in body must validate one and only one schema (oneOf). Found none "
       "valid, x: Invalid value: 5: x in body should be less than or equal to 3]"},
      {"{type: integer, oneOf: [{maximum: 7}, {minimum: 3}]}", "5",
       "x: Invalid value: 5: x in body must validate one and only one schema (oneOf). Found 2 "
       "valid alternatives"},
      {"{type: integer, anyOf: [{maximum: 3}, {minimum: 7}]}", "9", ""},
      {"{type: integer, allOf: [{maximum: 3}]}", "5",
       "x: Invalid value: 5: x in body should be less than or equal to 3"},
      {"{type: string, not: {enum: [a]}}", "a",
       "x: Invalid value: \"a\": x in body must not validate the schema (not)"},
      {"{type: object, x-kubernetes-preserve-unknown-fields: true}", "{any: [thing]}", ""},
  };
  for (const Case& c : cases)
    EXPECT_EQ(check(c.schema, c.value), c.errors) << c.schema << " " << c.value;
}

TEST(Validate, KeysOfListsIncludeDefaults) {
  EXPECT_EQ(check("{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [p], "
                  "items: {type: object, properties: {p: {type: string, default: TCP}}}}",
                  "[{p: TCP}, {}]"),
            "x[1]: Duplicate value: {\"p\":\"TCP\"}");
}

TEST(Validate, ReportsEveryErrorOfAnObject) {
  const SchemaPtr& schema = builtin_type("networking.k8s.io", "NetworkPolicy")->schema;
  const json::value policy = from_yaml(
      "{spec: {ingress: [{ports: [{protocol: ICMP}], from: [{ipBlock: {}}]}], policyTypes: "
      "[Both]}}");
  EXPECT_EQ(to_string(validate(*schema, policy)),
            "[spec.podSelector: Required value, "
            "spec.ingress[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: "
            "\"SCTP\", \"TCP\", \"UDP\", "
            "spec.ingress[0].from[0].ipBlock.cidr: Required value, "
            "spec.policyTypes[0]: Unsupported value: \"Both\": supported values: \"Egress\", "
            "\"Ingress\"]");
}

TEST(Validate, BuiltinListsMayRepeatKeys) {
  const json::value pod = from_yaml(
      "{spec: {containers: [{name: a, env: [{name: X, value: a}, {name: X, value: b}]}]}}");
  EXPECT_TRUE(validate(*builtin_type("", "Pod")->schema, pod).empty());
}

TEST(ParseOpenApi, ReportsWhatASchemaCannotSay) {
  SchemaPool pool;
  std::vector<FieldError> problems;
  parse_openapi(pool,
                from_yaml("{type: object, properties: {a: {type: text}, b: {type: string, pattern: "
                          "'('}, c: {type: array, items: [{type: string}]}}}"),
                FieldPath("s"), problems);
  EXPECT_EQ(to_string(problems),
            "[s.properties[a].type: Unsupported value: \"text\": supported values: \"array\", "
            "\"boolean\", \"integer\", \"number\", \"object\", \"string\", "
            "s.properties[b].pattern: Invalid value: \"(\": must be a valid regular expression, "
            "but isn't: missing ): (, "
            "s.properties[c].items: Forbidden: items must be a schema object and not an array]");
}

TEST(ParseOpenApi, RoundTrips) {
  const json::value props = from_yaml(R"(
description: A thing.
type: object
properties:
  a: {type: string, default: x, enum: [x, z], pattern: '^.$', maxLength: 1}
  l: {type: array, items: {type: integer, minimum: 0, maximum: 7}, x-kubernetes-list-type: set}
  m: {type: object, additionalProperties: {type: string}}
required: [a]
)");
  SchemaPool pool;
  std::vector<FieldError> problems;
  const Schema* schema = parse_openapi(pool, props, FieldPath("s"), problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(to_openapi(*schema, OpenApiForm::kInline), props);
}

}  // namespace
}  // namespace caracal::apimachinery
