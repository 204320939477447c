#include "apimachinery/strategic_merge_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "apimachinery/field_error.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kSetElementOrder = "$setElementOrder/";
constexpr std::string_view kDeleteFromPrimitiveList = "$deleteFromPrimitiveList/";

bool is_directive(std::string_view key) {
  return key == kPatch || key == kRetainKeys || key.starts_with(kSetElementOrder) ||
         key.starts_with(kDeleteFromPrimitiveList);
}

bool has_strategy(const Schema* schema, std::string_view strategy) {
  if (schema == nullptr) return false;
  const std::string_view all = schema->patch_strategy;  // "merge,retainKeys"
  for (size_t at = 0; at <= all.size();) {
    const size_t comma = std::min(all.find(',', at), all.size());
    if (all.substr(at, comma - at) == strategy) return true;
    at = comma + 1;
  }
  return false;
}

tl::unexpected<Error> bad_patch(const FieldPath& path, std::string_view what) {
  return fail(Errc::kInvalid, fmt::format("strategic merge patch: {}: {}",
                                          path.empty() ? "object" : path.text(), what));
}

// A value that goes into the object as it is: without directives and without members that are null.
json::value plain(const json::value& value) {
  if (const json::object* object = value.if_object()) {
    json::object out;
    for (const auto& member : *object) {
      if (member.value().is_null() || is_directive(member.key())) continue;
      out[member.key()] = plain(member.value());
    }
    return out;
  }
  if (const json::array* array = value.if_array()) {
    json::array out;
    for (const json::value& element : *array) out.push_back(plain(element));
    return out;
  }
  return value;
}

enum class Directive : uint8_t { kMerge, kReplace, kDelete };

Result<Directive> directive_of(const json::object& patch, const FieldPath& path) {
  const json::value* value = patch.if_contains(kPatch);
  if (value == nullptr) return Directive::kMerge;
  const json::string* text = value->if_string();
  const std::string_view word = text != nullptr ? std::string_view(*text) : std::string_view();
  if (word == "merge") return Directive::kMerge;
  if (word == "replace") return Directive::kReplace;
  if (word == "delete") return Directive::kDelete;
  return bad_patch(
      path.child(kPatch),
      fmt::format("{} is unknown: must be merge, replace or delete", json::serialize(*value)));
}

// How an element of a list is told from the others: by the member `merge_key` of objects, by itself
// (merge_key empty) among texts and numbers.
std::string identity(const json::value& element, const std::string& merge_key) {
  if (merge_key.empty()) return json::serialize(element);
  const json::object* object = element.if_object();
  const json::value* key = object != nullptr ? object->if_contains(merge_key) : nullptr;
  return key != nullptr ? json::serialize(*key) : std::string();
}

using Positions = std::unordered_map<std::string, size_t>;

Positions positions(const json::array& list, const std::string& merge_key) {
  Positions out;
  for (size_t i = 0; i < list.size(); ++i) out.emplace(identity(list[i], merge_key), i);
  return out;
}

// Checks that each object of a keyed list has its key.
Status check_keys(const json::array& list, const std::string& merge_key, const FieldPath& path) {
  for (size_t i = 0; i < list.size(); ++i) {
    const json::object* object = list[i].if_object();
    if (object == nullptr) return bad_patch(path.index(i), "must be an object");
    if (!object->contains(merge_key)) {
      return bad_patch(path.index(i),
                       fmt::format("must have the list's merge key \"{}\"", merge_key));
    }
  }
  return {};
}

class Merger {
 public:
  Result<json::object> merge_object(json::object object, const json::object& patch,
                                    const Schema* schema, const FieldPath& path) {
    CARACAL_ASSIGN(const Directive directive, directive_of(patch, path));
    if (directive == Directive::kDelete) return json::object();
    if (directive == Directive::kReplace) return std::move(plain(patch).get_object());
    CARACAL_TRY(retain_keys(object, patch, path));
    for (const auto& change : patch) {
      const std::string_view key = change.key();
      if (key.starts_with(kDeleteFromPrimitiveList)) {
        CARACAL_TRY(delete_from_list(object, key.substr(kDeleteFromPrimitiveList.size()),
                                     change.value(), path.child(key)));
      }
    }
    for (const auto& change : patch) {
      if (is_directive(change.key())) continue;
      if (change.value().is_null()) {
        object.stable_erase(change.key());
        continue;
      }
      CARACAL_TRY(merge_member(object, patch, change, schema, path));
    }
    CARACAL_TRY(order_untouched_lists(object, patch, schema, path));
    return object;
  }

 private:
  using Member = json::key_value_pair;

  static Status retain_keys(json::object& object, const json::object& patch,
                            const FieldPath& path) {
    const json::value* value = patch.if_contains(kRetainKeys);
    if (value == nullptr) return {};
    const json::array* names = value->if_array();
    if (names == nullptr) return bad_patch(path.child(kRetainKeys), "must be a list of texts");
    std::set<std::string, std::less<>> retained;
    for (const json::value& name : *names) {
      const json::string* text = name.if_string();
      if (text == nullptr) return bad_patch(path.child(kRetainKeys), "must be a list of texts");
      retained.emplace(text->data(), text->size());
    }
    for (const Member& change : patch) {
      const std::string_view key = change.key();
      if (is_directive(key) || change.value().is_null() || retained.contains(key)) continue;
      return bad_patch(path.child(kRetainKeys),
                       fmt::format("does not list \"{}\", which the patch sets", key));
    }
    std::vector<std::string> gone;
    for (const Member& member : object) {
      if (!retained.contains(std::string_view(member.key()))) gone.emplace_back(member.key());
    }
    for (const std::string& key : gone) object.stable_erase(key);
    return {};
  }

  static Status delete_from_list(json::object& object, std::string_view field,
                                 const json::value& value, const FieldPath& path) {
    const json::array* values = value.if_array();
    if (values == nullptr) return bad_patch(path, "must be a list");
    json::value* member = object.if_contains(field);
    if (member == nullptr) return {};
    const json::array* list = member->if_array();
    if (list == nullptr) return bad_patch(path, fmt::format("\"{}\" is not a list", field));
    std::unordered_set<std::string> deleted;
    for (const json::value& element : *values) {
      if (element.is_object() || element.is_array()) {
        return bad_patch(path, "is for lists of texts or numbers");
      }
      deleted.insert(identity(element, ""));
    }
    json::array left;
    for (const json::value& element : *list) {
      if (!deleted.contains(identity(element, ""))) left.push_back(element);
    }
    *member = std::move(left);
    return {};
  }

  Status merge_member(json::object& object, const json::object& patch, const Member& change,
                      const Schema* schema, const FieldPath& path) {
    const std::string_view key = change.key();
    const Schema* member_schema = schema != nullptr ? schema->member(key) : nullptr;
    const FieldPath member_path = path.child(key);
    json::value* old = object.if_contains(key);

    if (const json::object* changes = change.value().if_object()) {
      if (has_strategy(member_schema, "replace")) {
        object[key] = plain(*changes);
        return {};
      }
      CARACAL_ASSIGN(const Directive directive, directive_of(*changes, member_path));
      if (old == nullptr && directive == Directive::kDelete) return {};
      json::object before;
      if (old != nullptr && old->is_object()) before = std::move(old->get_object());
      CARACAL_ASSIGN(object[key],
                     merge_object(std::move(before), *changes, member_schema, member_path));
      return {};
    }
    if (const json::array* changes = change.value().if_array()) {
      if (!has_strategy(member_schema, "merge")) {
        object[key] = plain(*changes);
        return {};
      }
      json::array before;
      if (old != nullptr && old->is_array()) before = std::move(old->get_array());
      CARACAL_ASSIGN(const json::array* order, element_order(patch, key, path));
      CARACAL_ASSIGN(object[key],
                     merge_list(std::move(before), *changes, order, *member_schema, member_path));
      return {};
    }
    object[key] = change.value();
    return {};
  }

  static Result<const json::array*> element_order(const json::object& patch, std::string_view field,
                                                  const FieldPath& path) {
    const std::string key = std::string(kSetElementOrder).append(field);
    const json::value* value = patch.if_contains(key);
    if (value == nullptr) return nullptr;
    const json::array* order = value->if_array();
    if (order == nullptr) return bad_patch(path.child(key), "must be a list");
    return order;
  }

  Result<json::array> merge_list(json::array list, const json::array& patch,
                                 const json::array* order, const Schema& schema,
                                 const FieldPath& path) {
    const std::string& merge_key = schema.patch_merge_key;
    const Positions live_order = positions(list, merge_key);
    CARACAL_ASSIGN(json::array merged, merge_key.empty()
                                           ? merge_set(std::move(list), patch, path)
                                           : merge_keyed(std::move(list), patch, schema, path));
    if (order == nullptr) return merged;
    CARACAL_TRY(check_order(patch, *order, merge_key, path));
    return reorder(std::move(merged), *order, live_order, merge_key, path);
  }

  static Result<json::array> merge_set(json::array list, const json::array& patch,
                                       const FieldPath& path) {
    Positions present = positions(list, "");
    for (size_t i = 0; i < patch.size(); ++i) {
      if (patch[i].is_object() || patch[i].is_array()) {
        return bad_patch(path.index(i), "must be a text or a number");
      }
      if (present.emplace(identity(patch[i], ""), list.size()).second) list.push_back(patch[i]);
    }
    return list;
  }

  Result<json::array> merge_keyed(json::array list, const json::array& patch, const Schema& schema,
                                  const FieldPath& path) {
    const std::string& merge_key = schema.patch_merge_key;
    // First what becomes of the list as a whole and which elements go, then the merges in order.
    std::unordered_set<std::string> deleted;
    std::vector<size_t> merges;
    bool replace = false;
    for (size_t i = 0; i < patch.size(); ++i) {
      const json::object* element = patch[i].if_object();
      if (element == nullptr) return bad_patch(path.index(i), "must be an object");
      CARACAL_ASSIGN(const Directive directive, directive_of(*element, path.index(i)));
      if (directive == Directive::kReplace) {
        // Stands for the list, not for an element: all others of the patch become the list.
        replace = true;
        if (element->size() > 1) merges.push_back(i);
        continue;
      }
      if (!element->contains(merge_key)) {
        return bad_patch(path.index(i),
                         fmt::format("must have the list's merge key \"{}\"", merge_key));
      }
      if (directive == Directive::kDelete) {
        deleted.insert(identity(patch[i], merge_key));
      } else {
        merges.push_back(i);
      }
    }
    if (replace) {
      json::array out;
      for (const size_t i : merges) out.push_back(plain(patch[i]));
      CARACAL_TRY(check_keys(out, merge_key, path));
      return out;
    }
    json::array out;
    for (json::value& element : list) {
      if (!deleted.contains(identity(element, merge_key))) out.push_back(std::move(element));
    }
    Positions at = positions(out, merge_key);
    for (const size_t i : merges) {
      const json::object& change = patch[i].get_object();
      const auto [slot, added] = at.emplace(identity(patch[i], merge_key), out.size());
      if (added) out.emplace_back(json::object());
      json::value& element = out[slot->second];
      json::object before;
      if (element.is_object()) before = std::move(element.get_object());
      CARACAL_ASSIGN(element, merge_object(std::move(before), change, schema.items, path.index(i)));
    }
    return out;
  }

  // Every element the patch sets must stand in the order, and in that order.
  static Status check_order(const json::array& patch, const json::array& order,
                            const std::string& merge_key, const FieldPath& path) {
    const Positions wanted = positions(order, merge_key);
    size_t last = 0;
    for (size_t i = 0; i < patch.size(); ++i) {
      const json::object* element = patch[i].if_object();
      if (element != nullptr && element->contains(kPatch)) continue;
      const auto found = wanted.find(identity(patch[i], merge_key));
      if (found == wanted.end()) {
        return bad_patch(path.index(i), "is missing in the $setElementOrder list");
      }
      if (found->second < last) {
        return bad_patch(path.index(i), "stands in another place in the $setElementOrder list");
      }
      last = found->second;
    }
    return {};
  }

  // The elements the client knows come in its order; those only the server has keep their order,
  // each before the first of the client's that stood behind it in the live list.
  static Result<json::array> reorder(json::array list, const json::array& order,
                                     const Positions& live_order, const std::string& merge_key,
                                     const FieldPath& path) {
    if (!merge_key.empty()) CARACAL_TRY(check_keys(order, merge_key, path));
    const Positions wanted = positions(order, merge_key);
    struct Ranked {
      size_t rank;
      json::value element;
      std::string id;
    };
    std::vector<Ranked> client;
    std::vector<Ranked> server;
    for (json::value& element : list) {
      std::string id = identity(element, merge_key);
      const auto found = wanted.find(id);
      if (found != wanted.end()) {
        client.push_back({found->second, std::move(element), std::move(id)});
      } else {
        const auto live = live_order.find(id);
        const size_t rank = live != live_order.end() ? live->second : live_order.size();
        server.push_back({rank, std::move(element), std::move(id)});
      }
    }
    const auto by_rank = [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; };
    std::stable_sort(client.begin(), client.end(), by_rank);
    std::stable_sort(server.begin(), server.end(), by_rank);
    json::array out;
    auto next = server.begin();
    for (Ranked& item : client) {
      const auto live = live_order.find(item.id);
      while (live != live_order.end() && next != server.end() && next->rank < live->second) {
        out.push_back(std::move((next++)->element));
      }
      out.push_back(std::move(item.element));
    }
    while (next != server.end()) out.push_back(std::move((next++)->element));
    return out;
  }

  // A patch may only reorder: $setElementOrder/<field> without <field>.
  static Status order_untouched_lists(json::object& object, const json::object& patch,
                                      const Schema* schema, const FieldPath& path) {
    for (const Member& change : patch) {
      const std::string_view key = change.key();
      if (!key.starts_with(kSetElementOrder)) continue;
      const std::string_view field = key.substr(kSetElementOrder.size());
      CARACAL_ASSIGN(const json::array* order, element_order(patch, field, path));
      if (patch.contains(field)) continue;
      json::value* member = object.if_contains(field);
      json::array* list = member != nullptr ? member->if_array() : nullptr;
      if (list == nullptr) continue;
      const Schema* member_schema = schema != nullptr ? schema->member(field) : nullptr;
      const std::string merge_key = member_schema != nullptr ? member_schema->patch_merge_key : "";
      const Positions live_order = positions(*list, merge_key);
      CARACAL_ASSIGN(*list,
                     reorder(std::move(*list), *order, live_order, merge_key, path.child(key)));
    }
    return {};
  }
};

}  // namespace

Result<json::value> apply_strategic_merge_patch(json::value object, const json::value& patch,
                                                const Schema& schema) {
  const json::object* changes = patch.if_object();
  if (changes == nullptr) return fail(Errc::kInvalid, "strategic merge patch: must be an object");
  json::object before;
  if (object.is_object()) before = std::move(object.get_object());
  CARACAL_ASSIGN(json::object merged,
                 Merger().merge_object(std::move(before), *changes, &schema, {}));
  return json::value(std::move(merged));
}

}  // namespace caracal::apimachinery
