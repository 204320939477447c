#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "apimachinery/openapi_paths.h"
#include "apimachinery/openapi_v2.h"
#include "apimachinery/openapi_v3.h"
#include "apimachinery/schema_fixture.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kPolicySpec = "io.k8s.api.networking.v1.NetworkPolicySpec";

// Every $ref must lead somewhere.
void expect_references_resolve(const json::value& value, const json::object& definitions,
                               std::string_view prefix) {
  if (const json::object* object = value.if_object()) {
    for (const auto& [name, member] : *object) {
      if (name == "$ref" && member.is_string()) {
        const std::string_view target(member.get_string());
        ASSERT_TRUE(target.starts_with(prefix)) << target;
        EXPECT_TRUE(definitions.contains(target.substr(prefix.size()))) << target;
      } else {
        expect_references_resolve(member, definitions, prefix);
      }
    }
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array)
      expect_references_resolve(element, definitions, prefix);
  }
}

TEST(OpenApiV2, DescribesEveryKind) {
  const auto catalog = full_registry()->snapshot();
  const json::value document = openapi_v2_document(*catalog);
  const json::object& definitions = jsonio::get_object(document, {"definitions"});
  expect_references_resolve(document, definitions, "#/definitions/");
  for (const ResourceTypePtr& type : catalog->types()) {
    const json::value* definition = definitions.if_contains(definition_name(*type));
    ASSERT_NE(definition, nullptr) << type->kind;
    const json::array& kinds = jsonio::get_array(*definition, {"x-kubernetes-group-version-kind"});
    ASSERT_EQ(kinds.size(), 1U) << type->kind;
    EXPECT_EQ(jsonio::get_string(kinds[0], {"kind"}), type->kind);
    EXPECT_EQ(jsonio::get_string(kinds[0], {"group"}), type->group);
  }
}

TEST(OpenApiV2, DocumentsThePolicySpec) {
  const json::value document = openapi_v2_document(*builtin_registry()->snapshot());
  const std::string_view types = jsonio::get_string(
      document, {"definitions", kPolicySpec, "properties", "policyTypes", "description"});
  EXPECT_THAT(types, testing::HasSubstr("Ingress and Egress"));
  EXPECT_THAT(types, testing::HasSubstr("left out"));
  EXPECT_EQ(jsonio::get_string(document,
                               {"definitions", kPolicySpec, "properties", "podSelector", "$ref"}),
            "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector");
  EXPECT_EQ(jsonio::get_string(document, {"definitions", "io.k8s.api.core.v1.PodSpec", "properties",
                                          "containers", "x-kubernetes-patch-merge-key"}),
            "name");
}

// kubectl looks here to see whether --dry-run=server and field validation are supported.
TEST(OpenApiV2, PatchNamesItsKindAndParameters) {
  const json::value document = openapi_v2_document(*builtin_registry()->snapshot());
  const json::value* patch = jsonio::get(
      document,
      {"paths", "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{name}",
       "patch"});
  ASSERT_NE(patch, nullptr);
  EXPECT_EQ(jsonio::get_string(*patch, {"x-kubernetes-group-version-kind", "kind"}),
            "NetworkPolicy");
  EXPECT_EQ(jsonio::get_string(*patch, {"operationId"}),
            "patchNetworkingV1NamespacedNetworkPolicy");
  std::vector<std::string> names;
  for (const json::value& parameter : jsonio::get_array(*patch, {"parameters"}))
    names.emplace_back(jsonio::get_string(parameter, {"name"}));
  EXPECT_THAT(names, testing::IsSupersetOf({"dryRun", "fieldValidation", "fieldManager"}));
}

// Reads one field of a protobuf message: the bytes of the first occurrence, or nothing.
std::optional<std::string> first_field(std::string_view bytes, uint32_t wanted) {
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (unsigned shift = 0; at < bytes.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) break;
    }
    return value;
  };
  while (at < bytes.size()) {
    const uint64_t tag = varint();
    std::string content;
    if ((tag & 7U) == 2) {
      const uint64_t length = varint();
      content = bytes.substr(at, length);
      at += length;
    } else if ((tag & 7U) == 1) {
      content = bytes.substr(at, 8);
      at += 8;
    } else if ((tag & 7U) == 0) {
      content = std::to_string(varint());
    } else {
      return std::nullopt;
    }
    if ((tag >> 3U) == wanted) return content;
  }
  return std::nullopt;
}

std::string path_of(const std::string& message, std::initializer_list<uint32_t> fields) {
  std::string at = message;
  for (const uint32_t field : fields) {
    auto next = first_field(at, field);
    if (!next) return "absent";
    at = std::move(*next);
  }
  return at;
}

TEST(OpenApiV2, ProtobufHasTheFieldsOfGnostic) {
  const json::value document = from_yaml(R"(
swagger: "2.0"
info: {title: T, version: V}
paths:
  /p:
    patch:
      operationId: op
      parameters: [{in: query, name: dryRun, type: string, uniqueItems: true}]
      x-kubernetes-group-version-kind: {kind: K}
    parameters: [{in: path, name: name, type: string, required: true}]
definitions:
  D:
    type: object
    description: text
    required: [a]
    properties:
      a: {type: array, items: {$ref: "#/definitions/E"}, minItems: 300, minimum: 1.5, default: [x]}
    x-kubernetes-group-version-kind: [{kind: K}]
)");
  const std::string bytes = openapi_v2_protobuf(document);
  EXPECT_EQ(path_of(bytes, {1}), "2.0");
  EXPECT_EQ(path_of(bytes, {2, 1}), "T");
  EXPECT_EQ(path_of(bytes, {2, 2}), "V");
  EXPECT_EQ(path_of(bytes, {8, 2, 1}), "/p");
  const std::string item = path_of(bytes, {8, 2, 2});
  EXPECT_EQ(path_of(item, {8, 5}), "op");
  EXPECT_EQ(path_of(item, {8, 8, 1, 2, 3, 4}), "dryRun");  // query parameter
  EXPECT_EQ(path_of(item, {8, 8, 1, 2, 3, 20}), "1");
  EXPECT_EQ(path_of(item, {8, 13, 1}), "x-kubernetes-group-version-kind");
  EXPECT_EQ(path_of(item, {8, 13, 2, 2}), R"({"kind":"K"})");
  EXPECT_EQ(path_of(item, {9, 1, 2, 4, 4}), "name");  // path parameter
  EXPECT_EQ(path_of(item, {9, 1, 2, 4, 1}), "1");
  EXPECT_EQ(path_of(bytes, {9, 1, 1}), "D");
  const std::string schema = path_of(bytes, {9, 1, 2});
  EXPECT_EQ(path_of(schema, {4}), "text");
  EXPECT_EQ(path_of(schema, {19}), "a");
  EXPECT_EQ(path_of(schema, {22, 1}), "object");
  EXPECT_EQ(path_of(schema, {25, 1, 1}), "a");
  EXPECT_EQ(path_of(schema, {25, 1, 2, 22, 1}), "array");
  EXPECT_EQ(path_of(schema, {25, 1, 2, 23, 1, 1}), "#/definitions/E");
  EXPECT_EQ(path_of(schema, {25, 1, 2, 15}), "300");
  EXPECT_EQ(path_of(schema, {25, 1, 2, 5, 2}), R"(["x"])");
  EXPECT_EQ(path_of(schema, {25, 1, 2, 9}), std::string("\0\0\0\0\0\0\xf8\x3f", 8));
  EXPECT_EQ(path_of(schema, {31, 2, 2}), R"([{"kind":"K"}])");
}

TEST(OpenApiV3, IndexNamesEveryGroupVersionByHash) {
  const auto registry = full_registry();
  const OpenApiV3 rendered = render_openapi_v3(*registry->snapshot());
  const auto index = jsonio::parse(rendered.index);
  ASSERT_TRUE(index);
  for (const std::string_view path :
       {"api/v1", "apis/networking.k8s.io/v1", "apis/projectcalico.org/v3",
        "apis/policy.networking.k8s.io/v1alpha2"}) {
    const auto document = rendered.documents.find(path);
    ASSERT_NE(document, rendered.documents.end()) << path;
    EXPECT_EQ(jsonio::get_string(*index, {"paths", path, "serverRelativeURL"}),
              "/openapi/v3/" + std::string(path) + "?hash=" + document->second.hash);
  }
  registry->remove_crd("tiers.projectcalico.org");
  const OpenApiV3 later = render_openapi_v3(*registry->snapshot());
  EXPECT_NE(later.documents.at("apis/projectcalico.org/v3").hash,
            rendered.documents.at("apis/projectcalico.org/v3").hash);
  EXPECT_EQ(later.documents.at("api/v1").hash, rendered.documents.at("api/v1").hash);
}

TEST(OpenApiV3, EveryDocumentStandsAlone) {
  const auto catalog = full_registry()->snapshot();
  for (const ApiGroup& group : catalog->groups()) {
    for (const std::string& version : group.versions) {
      const json::value document = openapi_v3_document(*catalog, group.name, version);
      expect_references_resolve(document, jsonio::get_object(document, {"components", "schemas"}),
                                "#/components/schemas/");
    }
  }
}

TEST(OpenApiV3, OnlyBuiltinKindsTakeStrategicPatches) {
  const auto catalog = full_registry()->snapshot();
  const auto types_of = [&catalog](std::string_view group, std::string_view version,
                                   std::string_view path) {
    const json::value document = openapi_v3_document(*catalog, group, version);
    return jsonio::get_object(document, {"paths", path, "patch", "requestBody", "content"});
  };
  const json::object builtin = types_of("", "v1", "/api/v1/namespaces/{namespace}/pods/{name}");
  EXPECT_TRUE(builtin.contains("application/strategic-merge-patch+json"));
  const json::object custom =
      types_of("projectcalico.org", "v3", "/apis/projectcalico.org/v3/tiers/{name}");
  EXPECT_TRUE(custom.contains("application/merge-patch+json"));
  EXPECT_FALSE(custom.contains("application/strategic-merge-patch+json"));
}

TEST(OpenApiV3, ReferencesWithTextUseAllOf) {
  const json::value document =
      openapi_v3_document(*builtin_registry()->snapshot(), "networking.k8s.io", "v1");
  const json::value* selector =
      jsonio::get(document, {"components", "schemas", kPolicySpec, "properties", "podSelector"});
  ASSERT_NE(selector, nullptr);
  EXPECT_EQ(jsonio::get_array(*selector, {"allOf"}).size(), 1U);
  EXPECT_THAT(jsonio::get_string(*selector, {"description"}),
              testing::HasSubstr("selects all pods of the namespace"));
}

}  // namespace
}  // namespace caracal::apimachinery
