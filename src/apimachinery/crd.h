// CustomResourceDefinition objects: checks, the resource types they serve, their status, and the
// CRDs that come with Caracal.
#pragma once

#include <string>
#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {

// Fills what a user may leave out: names.singular, names.listKind, conversion.strategy. Idempotent.
void default_crd(json::value& crd);

// Checks beyond the CRD kind's own schema: name, group, names, versions, structural schemas.
// REQUIRES: default_crd() ran.
std::vector<FieldError> validate_crd(const json::value& crd);
// What an update may not change: group, names.plural/kind once established, scope; a stored version
// that is no longer listed.
std::vector<FieldError> validate_crd_update(const json::value& crd, const json::value& old_crd);

// Texts to show to the user who wrote it (Warning headers): what is accepted but not evaluated.
std::vector<std::string> crd_warnings(const json::value& crd);

// The served versions as resource types. REQUIRES: validate_crd() found nothing.
Result<std::vector<ResourceType>> crd_types(const json::value& crd);

// Sets status.acceptedNames, storedVersions and the conditions NamesAccepted and Established.
// `catalog` tells whether another resource of the group holds one of the names (then Established is
// False with reason NotAccepted and crd_types() must not be registered). `now` is an RFC 3339 time
// for new transitions. Returns whether the CRD is established.
bool set_crd_status(json::value& crd, const ResourceCatalog& catalog, std::string_view now);

// The CRDs that come with Caracal (projectcalico.org/v3, crd.projectcalico.org/v1,
// policy.networking.k8s.io), complete objects without status, ready to be created.
Result<std::vector<json::value>> bundled_crds();

}  // namespace caracal::apimachinery
