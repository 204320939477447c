// Schemas from and to OpenAPI: CRDs bring OpenAPI v3 JSON; the OpenAPI v2 and v3 documents, and the
// bundled CRDs, are written from schemas.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/schema.h"

namespace caracal::apimachinery {

// Parses a JSONSchemaProps object (a CRD's openAPIV3Schema). Problems (unknown type, bad pattern,
// default of a wrong shape) are appended to `errors` with their paths; the schema is then
// incomplete and must not be used.
Schema* parse_openapi(SchemaPool& pool, const json::value& props, const FieldPath& path,
                      std::vector<FieldError>& errors);

enum class OpenApiForm {
  kV2,      // #/definitions references; nothing that Swagger 2.0 lacks
  kV3,      // #/components/schemas references
  kInline,  // a CRD's structural schema: references are written out. REQUIRES: not recursive
};

// One schema as JSON. A node that is an instance of a definition becomes a reference (not in
// kInline).
json::value to_openapi(const Schema& schema, OpenApiForm form);
// The content of a definition, where to_openapi() would give a reference to it.
json::value definition_to_openapi(const Schema& schema, OpenApiForm form);

// Adds one node of every named definition reachable from `schema` (itself included) to `seen`.
void collect_definitions(const Schema& schema, std::map<std::string, const Schema*>& seen);

}  // namespace caracal::apimachinery
