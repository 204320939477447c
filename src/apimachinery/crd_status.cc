#include <fmt/format.h>

#include <algorithm>

#include "apimachinery/crd.h"

namespace caracal::apimachinery {
namespace {

// Sets one condition; its time moves only when the status changes.
void set_condition(json::value& crd, std::string_view type, bool holds, std::string_view reason,
                   std::string_view message, std::string_view now) {
  json::value& list = jsonio::ensure(crd, {"status", "conditions"});
  if (!list.is_array()) list = json::array();
  const std::string_view status = holds ? "True" : "False";
  json::object wanted{{"lastTransitionTime", now},
                      {"message", message},
                      {"reason", reason},
                      {"status", status},
                      {"type", type}};
  for (json::value& condition : list.get_array()) {
    if (jsonio::get_string(condition, {"type"}) != type) continue;
    if (jsonio::get_string(condition, {"status"}) == status) {
      wanted["lastTransitionTime"] =
          json::string(jsonio::get_string(condition, {"lastTransitionTime"}, now));
    }
    condition = std::move(wanted);
    return;
  }
  list.get_array().push_back(std::move(wanted));
}

struct Conflict {
  std::string reason;
  std::string message;
};

// Another resource of the group that already has one of the names.
std::optional<Conflict> find_conflict(const json::value& crd, const ResourceCatalog& catalog) {
  const std::string_view group = jsonio::get_string(crd, {"spec", "group"});
  const std::string_view plural = jsonio::get_string(crd, {"spec", "names", "plural"});
  const std::string_view singular = jsonio::get_string(crd, {"spec", "names", "singular"});
  const std::string_view kind = jsonio::get_string(crd, {"spec", "names", "kind"});
  const std::string_view list_kind = jsonio::get_string(crd, {"spec", "names", "listKind"});
  for (const ResourceTypePtr& other : catalog.types()) {
    if (other->group != group) continue;
    if (other->plural == plural) {
      // The same resource of this very CRD is no conflict; a builtin one is.
      if (!other->builtin) continue;
      return Conflict{"PluralConflict", fmt::format("\"{}\" is already in use", plural)};
    }
    const auto holds = [&other](std::string_view name) {
      return other->plural == name || other->singular == name ||
             std::find(other->short_names.begin(), other->short_names.end(), name) !=
                 other->short_names.end();
    };
    if (holds(plural))
      return Conflict{"PluralConflict", fmt::format("\"{}\" is already in use", plural)};
    if (holds(singular))
      return Conflict{"SingularConflict", fmt::format("\"{}\" is already in use", singular)};
    for (const json::value& short_name : jsonio::get_array(crd, {"spec", "names", "shortNames"})) {
      if (short_name.is_string() && holds(short_name.get_string())) {
        return Conflict{
            "ShortNamesConflict",
            fmt::format("\"{}\" is already in use", std::string_view(short_name.get_string()))};
      }
    }
    if (other->kind == kind || other->list_kind == kind)
      return Conflict{"KindConflict", fmt::format("\"{}\" is already in use", kind)};
    if (other->kind == list_kind || other->list_kind == list_kind) {
      return Conflict{"ListKindConflict", fmt::format("\"{}\" is already in use", list_kind)};
    }
  }
  return std::nullopt;
}

}  // namespace

bool set_crd_status(json::value& crd, const ResourceCatalog& catalog, std::string_view now) {
  const std::optional<Conflict> conflict = find_conflict(crd, catalog);
  if (conflict) {
    set_condition(crd, "NamesAccepted", false, conflict->reason, conflict->message, now);
    set_condition(crd, "Established", false, "NotAccepted", "not all names are accepted", now);
    json::value& accepted = jsonio::ensure(crd, {"status", "acceptedNames"});
    if (!accepted.is_object()) accepted = json::object{{"kind", ""}, {"plural", ""}};
  } else {
    jsonio::ensure(crd, {"status", "acceptedNames"}) =
        json::value(jsonio::get_object(crd, {"spec", "names"}));
    set_condition(crd, "NamesAccepted", true, "NoConflicts", "no conflicts found", now);
    set_condition(crd, "Established", true, "InitialNamesAccepted",
                  "the initial names have been accepted", now);
  }
  json::value& stored = jsonio::ensure(crd, {"status", "storedVersions"});
  if (!stored.is_array()) stored = json::array();
  for (const json::value& version : jsonio::get_array(crd, {"spec", "versions"})) {
    if (!jsonio::get_bool(version, {"storage"})) continue;
    const json::value name = json::string(jsonio::get_string(version, {"name"}));
    json::array& list = stored.get_array();
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  }
  return !conflict.has_value();
}

}  // namespace caracal::apimachinery
