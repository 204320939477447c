#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apimachinery/crd.h"
#include "apimachinery/crd_structural.h"
#include "apimachinery/jsonpath.h"
#include "apimachinery/names.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kApproval = "api-approved.kubernetes.io";

bool is_protected_group(std::string_view group) {
  return group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".k8s.io") ||
         group.ends_with(".kubernetes.io");
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

class CrdCheck {
 public:
  explicit CrdCheck(const json::value& crd) : crd_(crd) {}

  std::vector<FieldError> run() {
    name_and_group();
    names();
    versions();
    conversion();
    if (jsonio::get_bool(crd_, {"spec", "preserveUnknownFields"})) {
      add(FieldError::invalid(spec_.child("preserveUnknownFields"), true,
                              "cannot set to true, set x-kubernetes-preserve-unknown-fields to "
                              "true in spec.versions[*].schema instead"));
    }
    return std::move(errors_);
  }

 private:
  void add(FieldError error) { errors_.push_back(std::move(error)); }

  void name_and_group() {
    const std::string_view group = jsonio::get_string(crd_, {"spec", "group"});
    const std::string_view plural = jsonio::get_string(crd_, {"spec", "names", "plural"});
    const std::string_view name = jsonio::get_string(crd_, {"metadata", "name"});
    if (name != fmt::format("{}.{}", plural, group)) {
      add(FieldError::invalid(FieldPath("metadata").child("name"), json::string(name),
                              "must be spec.names.plural+\".\"+spec.group"));
    }
    const FieldPath path = spec_.child("group");
    if (group.empty()) {
      add(FieldError::required(path));
    } else if (const NameFault fault = check_dns1123_subdomain(group)) {
      add(FieldError::invalid(path, json::string(group), *fault));
    } else if (group.find('.') == std::string_view::npos) {
      add(FieldError::invalid(path, json::string(group),
                              "should be a domain with at least one dot"));
    }
    if (is_protected_group(group) &&
        jsonio::get_string(crd_, {"metadata", "annotations", kApproval}).empty()) {
      add(FieldError::required(
          FieldPath("metadata").child("annotations").key(kApproval),
          fmt::format("protected groups must have approval annotation \"{}\", see "
                      "https://github.com/kubernetes/enhancements/pull/1111",
                      kApproval)));
    }
    const std::string_view scope = jsonio::get_string(crd_, {"spec", "scope"});
    if (scope.empty()) add(FieldError::required(spec_.child("scope")));
  }

  void names() {
    const FieldPath path = spec_.child("names");
    for (const std::string_view field : {"plural", "singular", "kind", "listKind"}) {
      const std::string_view value = jsonio::get_string(crd_, {"spec", "names", field});
      const bool is_kind = field == "kind" || field == "listKind";
      if (value.empty()) {
        add(FieldError::required(path.child(field)));
      } else if (const NameFault fault =
                     check_dns1035_label(is_kind ? lower(value) : std::string(value))) {
        add(FieldError::invalid(
            path.child(field), json::string(value),
            is_kind ? "may have mixed case, but should otherwise match: " + *fault : *fault));
      }
    }
    const std::string_view kind = jsonio::get_string(crd_, {"spec", "names", "kind"});
    if (!kind.empty() && kind == jsonio::get_string(crd_, {"spec", "names", "listKind"})) {
      add(FieldError::invalid(path.child("listKind"), json::string(kind),
                              "kind and listKind may not be the same"));
    }
    for (const std::string_view field : {"shortNames", "categories"}) {
      size_t position = 0;
      for (const json::value& value : jsonio::get_array(crd_, {"spec", "names", field})) {
        const FieldPath at = path.child(field).index(position++);
        if (!value.is_string()) continue;
        if (const NameFault fault = check_dns1035_label(value.get_string()))
          add(FieldError::invalid(at, value, *fault));
      }
    }
  }

  void versions() {
    const FieldPath path = spec_.child("versions");
    const json::array& list = jsonio::get_array(crd_, {"spec", "versions"});
    std::set<std::string> seen;
    size_t storage = 0;
    bool unique = true;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string_view name = jsonio::get_string(list[i], {"name"});
      if (jsonio::get_bool(list[i], {"storage"})) ++storage;
      if (!seen.emplace(name).second) unique = false;
      version(list[i], name, path.index(i));
    }
    json::array shown;
    for (const std::string& name : seen) shown.emplace_back(name);
    if (!unique) add(FieldError::invalid(path, shown, "must contain unique version names"));
    if (storage != 1)
      add(FieldError::invalid(path, shown,
                              "must have exactly one version marked as storage version"));
  }

  void version(const json::value& entry, std::string_view name, const FieldPath& path) {
    if (const NameFault fault = check_dns1035_label(name))
      add(FieldError::invalid(path.child("name"), json::string(name), *fault));
    const json::value* schema = jsonio::get(entry, {"schema", "openAPIV3Schema"});
    const FieldPath at = path.child("schema").child("openAPIV3Schema");
    if (schema == nullptr) {
      add(FieldError::required(at, "schemas are required"));
    } else {
      for (FieldError& error : check_structural(*schema, at)) add(std::move(error));
    }
    columns(entry, path.child("additionalPrinterColumns"));
    size_t position = 0;
    for (const json::value& field : jsonio::get_array(entry, {"selectableFields"})) {
      simple_path(field, path.child("selectableFields").index(position++));
    }
    if (!jsonio::get_bool(entry, {"deprecated"}) &&
        jsonio::get(entry, {"deprecationWarning"}) != nullptr) {
      add(FieldError::invalid(path.child("deprecationWarning"),
                              *jsonio::get(entry, {"deprecationWarning"}),
                              "can only be set for deprecated versions"));
    }
  }

  void columns(const json::value& entry, const FieldPath& path) {
    size_t position = 0;
    for (const json::value& column : jsonio::get_array(entry, {"additionalPrinterColumns"})) {
      const FieldPath at = path.index(position++);
      const std::string_view type = jsonio::get_string(column, {"type"});
      if (jsonio::get_string(column, {"name"}).empty()) add(FieldError::required(at.child("name")));
      if (type.empty()) {
        add(FieldError::required(at.child("type"),
                                 "must be one of boolean,date,integer,number,string"));
      } else if (type != "boolean" && type != "date" && type != "integer" && type != "number" &&
                 type != "string") {
        add(FieldError::invalid(at.child("type"), json::string(type),
                                "must be one of boolean,date,integer,number,string"));
      }
      const std::string_view text = jsonio::get_string(column, {"jsonPath"});
      if (text.empty()) {
        add(FieldError::required(at.child("jsonPath")));
      } else if (!text.starts_with('.')) {
        add(FieldError::invalid(at.child("jsonPath"), json::string(text),
                                "must be a simple json path starting with ."));
      } else if (const auto parsed = JsonPath::parse(text); !parsed) {
        add(FieldError::invalid(at.child("jsonPath"), json::string(text), parsed.error().message));
      }
    }
  }

  void simple_path(const json::value& field, const FieldPath& path) {
    const std::string_view text = jsonio::get_string(field, {"jsonPath"});
    if (text.empty()) {
      add(FieldError::required(path.child("jsonPath")));
    } else if (!text.starts_with('.') || text.find('[') != std::string_view::npos ||
               text.starts_with(".metadata")) {
      add(FieldError::invalid(
          path.child("jsonPath"), json::string(text),
          "must be a simple path to a field outside metadata, such as .spec.color"));
    }
  }

  void conversion() {
    const std::string_view strategy = jsonio::get_string(crd_, {"spec", "conversion", "strategy"});
    const FieldPath path = spec_.child("conversion");
    if (strategy != "None" && strategy != "Webhook") {
      add(FieldError::not_supported(path.child("strategy"), json::string(strategy),
                                    {"None", "Webhook"}));
    } else if (strategy == "Webhook" && jsonio::get_array(crd_, {"spec", "versions"}).size() > 1) {
      add(FieldError::forbidden(
          path.child("strategy"),
          "this server cannot convert between versions by a webhook; use None"));
    }
  }

  const json::value& crd_;
  FieldPath spec_{"spec"};
  std::vector<FieldError> errors_;
};

bool is_established(const json::value& crd) {
  for (const json::value& condition : jsonio::get_array(crd, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) == "Established")
      return jsonio::get_string(condition, {"status"}) == "True";
  }
  return false;
}

void must_stay(const json::value& crd, const json::value& old_crd,
               std::initializer_list<std::string_view> path, std::vector<FieldError>& errors) {
  const std::string_view now = jsonio::get_string(crd, path);
  if (now == jsonio::get_string(old_crd, path)) return;
  FieldPath at;
  for (const std::string_view step : path) at = at.child(step);
  errors.push_back(FieldError::invalid(at, json::string(now), "field is immutable"));
}

}  // namespace

std::vector<FieldError> validate_crd(const json::value& crd) { return CrdCheck(crd).run(); }

std::vector<FieldError> validate_crd_update(const json::value& crd, const json::value& old_crd) {
  std::vector<FieldError> errors;
  must_stay(crd, old_crd, {"spec", "group"}, errors);
  must_stay(crd, old_crd, {"spec", "names", "plural"}, errors);
  if (is_established(old_crd)) {
    must_stay(crd, old_crd, {"spec", "scope"}, errors);
    must_stay(crd, old_crd, {"spec", "names", "kind"}, errors);
  }
  const json::array& stored = jsonio::get_array(old_crd, {"status", "storedVersions"});
  for (size_t i = 0; i < stored.size(); ++i) {
    const json::array& versions = jsonio::get_array(crd, {"spec", "versions"});
    const bool listed =
        std::any_of(versions.begin(), versions.end(), [&](const json::value& version) {
          return stored[i].is_string() &&
                 jsonio::get_string(version, {"name"}) == std::string_view(stored[i].get_string());
        });
    if (!listed) {
      errors.push_back(FieldError::invalid(FieldPath("status").child("storedVersions").index(i),
                                           stored[i], "must appear in spec.versions"));
    }
  }
  return errors;
}

}  // namespace caracal::apimachinery
