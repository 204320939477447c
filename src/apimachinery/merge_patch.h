// RFC 7396 (application/merge-patch+json): a patch is the part of the document that changes, null
// deletes.
//
// Used by the API server's PATCH handler. Pure; cannot fail: every JSON value is a merge patch.
#pragma once

#include "jsonio/json.h"

namespace caracal::apimachinery {

json::value apply_merge_patch(json::value target, const json::value& patch);

// A patch that turns `from` into `to`. Exact as long as `to` has no null members (RFC 7396 cannot
// set null).
json::value make_merge_patch(const json::value& from, const json::value& to);

}  // namespace caracal::apimachinery
