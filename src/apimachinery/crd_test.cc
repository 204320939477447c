#include "apimachinery/crd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "apimachinery/defaulting.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_fixture.h"
#include "apimachinery/schema_validate.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kCrd = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    selectableFields: [{jsonPath: .spec.image}]
    additionalPrinterColumns: [{name: Spec, type: string, jsonPath: .spec.cronSpec}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, pattern: '^\S+$'}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 1, maximum: 10}
)";

json::value crd_with(const std::function<void(json::value&)>& change) {
  json::value crd = from_yaml(kCrd);
  change(crd);
  default_crd(crd);
  return crd;
}

json::value& version_of(json::value& crd) {
  return jsonio::ensure(crd, {"spec", "versions"}).get_array()[0];
}
json::value& schema_of(json::value& crd) {
  return jsonio::ensure(version_of(crd), {"schema", "openAPIV3Schema"});
}

TEST(Crd, IsServedAsItSays) {
  const json::value crd = crd_with([](json::value&) {});
  EXPECT_EQ(to_string(validate_crd(crd)), "[]");
  const auto types = crd_types(crd);
  ASSERT_TRUE(types) << types.error().message;
  ASSERT_EQ(types->size(), 1U);
  const ResourceType& type = types->front();
  EXPECT_EQ(type.api_version(), "stable.example.com/v1");
  EXPECT_EQ(type.group_resource(), "crontabs.stable.example.com");
  EXPECT_EQ(type.singular, "crontab");
  EXPECT_EQ(type.list_kind, "CronTabList");
  EXPECT_TRUE(type.has_status());
  EXPECT_TRUE(type.namespaced);
  EXPECT_FALSE(type.builtin);
  EXPECT_THAT(type.field_selectors, testing::ElementsAre("spec.image"));
  EXPECT_EQ(type.printer_columns.size(), 1U);
}

TEST(Crd, ObjectsAreDefaultedPrunedAndValidated) {
  const auto types = crd_types(crd_with([](json::value&) {}));
  ASSERT_TRUE(types);
  const ResourceType& type = types->front();
  json::value object = from_yaml(
      "{apiVersion: stable.example.com/v1, kind: CronTab, metadata: {name: a, labels: {x: y}}, "
      "spec: {cronSpec: '* *', replicas: 11, colour: red}}");
  EXPECT_THAT(unknown_fields(*type.schema, object), testing::ElementsAre("spec.colour"));
  prune(*type.schema, object);
  apply_defaults(type, object);
  EXPECT_EQ(jsonio::get_string(object, {"spec", "image"}), "busybox");
  EXPECT_EQ(jsonio::get_string(object, {"metadata", "labels", "x"}), "y");
  EXPECT_EQ(to_string(validate(*type.schema, object)),
            "[spec.cronSpec: Invalid value: \"* *\": spec.cronSpec in body should match '^\\S+$', "
            "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal "
            "to 10]");
}

TEST(Crd, BadOnesGetTheServersWords) {
  const std::string_view at = "spec.versions[0].schema.openAPIV3Schema";
  const auto with_schema = [](std::string_view text) {
    return [text](json::value& crd) { schema_of(crd) = from_yaml(text); };
  };
  const std::vector<std::pair<std::function<void(json::value&)>, std::string>> cases{
      {[](json::value& crd) {
         jsonio::ensure(crd, {"metadata", "name"}) = "x";
       },
       "metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group"},
      {[](json::value& crd) {
         jsonio::ensure(crd, {"spec", "group"}) = "stable";
         jsonio::ensure(crd, {"metadata", "name"}) = "crontabs.stable";
       },
       "spec.group: Invalid value: \"stable\": should be a domain with at least one dot"},
      {[](json::value& crd) {
         jsonio::ensure(crd, {"spec", "group"}) = "new.k8s.io";
         jsonio::ensure(crd, {"metadata", "name"}) = "crontabs.new.k8s.io";
       },
       "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must "
       "have approval annotation \"api-approved.kubernetes.io\", see "
       "https://github.com/kubernetes/enhancements/pull/1111"},
      {[](json::value& crd) {
         jsonio::ensure(crd, {"spec", "names", "listKind"}) = "CronTab";
       },
       "spec.names.listKind: Invalid value: \"CronTab\": kind and listKind may not be the same"},
      {[](json::value& crd) { jsonio::ensure(version_of(crd), {"storage"}) = false; },
       "spec.versions: Invalid value: [\"v1\"]: must have exactly one version marked as storage "
       "version"},
      {[](json::value& crd) { version_of(crd).get_object().erase("schema"); },
       std::string(at) + ": Required value: schemas are required"},
      {with_schema("{}"), std::string(at) + ".type: Required value: must not be empty at the root"},
      {with_schema("{type: string}"),
       std::string(at) + ".type: Invalid value: \"string\": must be object at the root"},
      {with_schema("{type: object, properties: {spec: {}}}"),
       std::string(at) +
           ".properties[spec].type: Required value: must not be empty for specified object fields"},
      {with_schema("{type: object, properties: {spec: {type: array}}}"),
       std::string(at) + ".properties[spec].items: Required value: must be specified"},
      {with_schema("{type: object, properties: {spec: {type: text}}}"),
       std::string(at) + ".properties[spec].type: Unsupported value: \"text\": supported values: "
                         "\"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""},
      {with_schema("{type: object, properties: {spec: {type: object, $ref: x}}}"),
       std::string(at) + ".properties[spec].$ref: Forbidden: $ref is not supported"},
      {with_schema("{type: object, properties: {spec: {type: string, default: 3}}}"),
       std::string(at) +
           ".properties[spec].default: Invalid value: \"integer\": " + std::string(at) +
           ".properties[spec].default in body must be of type string: \"integer\""},
      {with_schema("{type: object, properties: {spec: {type: array, uniqueItems: true, items: "
                   "{type: string}}}}"),
       std::string(at) + ".properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to "
                         "true since the runtime complexity becomes quadratic"},
      {with_schema("{type: object, properties: {spec: {type: array, x-kubernetes-list-type: map, "
                   "items: {type: object}}}}"),
       std::string(at) + ".properties[spec].x-kubernetes-list-map-keys: Required value: must not "
                         "be empty if x-kubernetes-list-type is map"},
      {with_schema("{type: object, oneOf: [{type: object}]}"),
       std::string(at) + ".oneOf[0].type: Forbidden: must be empty to be structural"},
      {with_schema("{type: object, properties: {metadata: {type: object, properties: {labels: "
                   "{type: object}}}}}"),
       std::string(at) + ".properties[metadata]: Forbidden: must not specify anything other than "
                         "name and generateName, but metadata is implicitly specified"},
      {[](json::value& crd) {
         jsonio::ensure(version_of(crd), {"additionalPrinterColumns"})
             .get_array()[0]
             .get_object()["type"] = "text";
       },
       "spec.versions[0].additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of "
       "boolean,date,integer,number,string"},
      {[](json::value& crd) {
         jsonio::ensure(crd, {"spec", "preserveUnknownFields"}) = true;
       },
       "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
       "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"},
  };
  for (const auto& [change, error] : cases)
    EXPECT_EQ(to_string(validate_crd(crd_with(change))), error);
}

TEST(Crd, WarnsOfWhatIsNotEvaluated) {
  const json::value crd = crd_with([](json::value& c) {
    jsonio::ensure(schema_of(c), {"x-kubernetes-validations"}) =
        from_yaml("[{rule: 'self.a > 1'}]");
  });
  EXPECT_EQ(to_string(validate_crd(crd)), "[]");
  EXPECT_THAT(crd_warnings(crd), testing::ElementsAre(testing::HasSubstr(
                                     "x-kubernetes-validations rules are kept but not evaluated")));
  EXPECT_TRUE(crd_warnings(from_yaml(kCrd)).empty());
}

TEST(Crd, UpdatesKeepWhatIdentifiesTheKind) {
  json::value old_crd = crd_with([](json::value&) {});
  set_crd_status(old_crd, *builtin_registry()->snapshot(), "2026-01-01T00:00:00Z");
  json::value crd = old_crd;
  EXPECT_EQ(to_string(validate_crd_update(crd, old_crd)), "[]");
  jsonio::ensure(crd, {"spec", "scope"}) = "Cluster";
  jsonio::ensure(version_of(crd), {"name"}) = "v2";
  EXPECT_EQ(to_string(validate_crd_update(crd, old_crd)),
            "[spec.scope: Invalid value: \"Cluster\": field is immutable, "
            "status.storedVersions[0]: Invalid value: \"v1\": must appear in spec.versions]");
}

std::string condition(const json::value& crd, std::string_view type) {
  for (const json::value& entry : jsonio::get_array(crd, {"status", "conditions"})) {
    if (jsonio::get_string(entry, {"type"}) == type) {
      return std::string(jsonio::get_string(entry, {"status"})) + " " +
             std::string(jsonio::get_string(entry, {"reason"})) + " " +
             std::string(jsonio::get_string(entry, {"lastTransitionTime"}));
    }
  }
  return "absent";
}

TEST(CrdStatus, SaysEstablishedOnce) {
  const auto registry = builtin_registry();
  json::value crd = crd_with([](json::value&) {});
  EXPECT_TRUE(set_crd_status(crd, *registry->snapshot(), "2026-01-01T00:00:00Z"));
  EXPECT_EQ(condition(crd, "NamesAccepted"), "True NoConflicts 2026-01-01T00:00:00Z");
  EXPECT_EQ(condition(crd, "Established"), "True InitialNamesAccepted 2026-01-01T00:00:00Z");
  EXPECT_EQ(jsonio::get_string(crd, {"status", "acceptedNames", "kind"}), "CronTab");
  EXPECT_EQ(jsonio::to_string(jsonio::get_array(crd, {"status", "storedVersions"})), R"(["v1"])");
  registry->put_crd("crontabs.stable.example.com", *crd_types(crd));
  EXPECT_TRUE(set_crd_status(crd, *registry->snapshot(), "2026-02-02T00:00:00Z"));
  EXPECT_EQ(condition(crd, "Established"), "True InitialNamesAccepted 2026-01-01T00:00:00Z");
}

TEST(CrdStatus, NamesOfOthersAreNotAccepted) {
  const auto registry = builtin_registry();
  const json::value first = crd_with([](json::value&) {});
  registry->put_crd("crontabs.stable.example.com", *crd_types(first));
  json::value second = crd_with([](json::value& crd) {
    jsonio::ensure(crd, {"metadata", "name"}) = "cron2s.stable.example.com";
    jsonio::ensure(crd, {"spec", "names"}) =
        from_yaml("{plural: cron2s, kind: Cron2, shortNames: [ct]}");
  });
  EXPECT_FALSE(set_crd_status(second, *registry->snapshot(), "2026-01-01T00:00:00Z"));
  EXPECT_EQ(condition(second, "NamesAccepted"), "False ShortNamesConflict 2026-01-01T00:00:00Z");
  EXPECT_EQ(condition(second, "Established"), "False NotAccepted 2026-01-01T00:00:00Z");
}

}  // namespace
}  // namespace caracal::apimachinery
