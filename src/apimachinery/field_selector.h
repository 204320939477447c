// FieldSelector: "metadata.name=web,spec.nodeName!=n1" as used by ?fieldSelector= and kubectl
// --field-selector, and the fields that a resource can be selected by.
//
// Fed by the API server's list, watch and deletecollection handlers. Pure, a plain value.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

struct ResourceType;

// One field a resource may be selected by: its name in selectors, and the steps to its value in the
// object. An absent value counts as `absent` ("" for texts, "false" for booleans).
struct SelectableField {
  std::string label;
  std::vector<std::string> path;
  std::string absent;
};

// metadata.name, metadata.namespace, and the type's own field_selectors.
std::vector<SelectableField> selectable_fields(const ResourceType& type);

class FieldSelector {
 public:
  struct Requirement {
    std::string field;
    bool equal = true;
    std::string value;
    bool operator==(const Requirement&) const = default;
  };

  // Terms joined by commas: "field=value", "field==value", "field!=value"; in values "\\", "\," and
  // "\=" stand for backslash, comma and equals sign. Empty text selects everything.
  static Result<FieldSelector> parse(std::string_view text);

  // Fails with `field label not supported: spec.foo` (kInvalid) when a field is not in the list.
  Status check(std::span<const SelectableField> fields) const;

  // REQUIRES: check(fields) succeeded.
  bool matches(const json::value& object, std::span<const SelectableField> fields) const;

  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  // The value that `field` must equal, when a term says so: lets the store narrow a list to one
  // object.
  const std::string* required_value(std::string_view field) const;
  std::string to_string() const;  // parses back to the same selector
  bool operator==(const FieldSelector&) const = default;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace caracal::apimachinery
