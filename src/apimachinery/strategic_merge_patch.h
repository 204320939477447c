// Strategic merge patch (application/strategic-merge-patch+json): what kubectl apply, edit, label
// and patch send for built-in kinds.
//
// Like RFC 7396, but lists whose schema says patchStrategy: merge are merged, by patchMergeKey when
// their elements are objects, else as sets. Directives in the patch:
//   $patch: replace | delete | merge          in an object, or in an element of a keyed list
//   $retainKeys: [names]                      all other members of the object go
//   $deleteFromPrimitiveList/<field>: [...]   elements to take out of a list of texts or numbers
//   $setElementOrder/<field>: [...]           the order the client's elements shall have
// Used by the API server's PATCH handler. Pure.
#pragma once

#include "apimachinery/schema.h"
#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// `schema` is that of the whole object. Where it knows nothing of a field, objects are merged and
// lists replaced. Errors (kInvalid) name the field and what is wrong with the patch; nothing is
// half applied.
Result<json::value> apply_strategic_merge_patch(json::value object, const json::value& patch,
                                                const Schema& schema);

}  // namespace caracal::apimachinery
