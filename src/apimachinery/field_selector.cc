#include "apimachinery/field_selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "apimachinery/resource_type.h"
#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

// Labels whose value stands elsewhere in the object than the label says.
struct Alias {
  std::string_view kind;
  std::string_view label;
  std::string_view path;
};
constexpr Alias kAliases[] = {
    {"Event", "source", "source.component"},
    {"Event", "reportingComponent", "reportingComponent"},
    {"Pod", "status.podIPs", "status.podIP"},
};

SelectableField field_at(std::string_view label, std::string_view dotted, const Schema* schema) {
  SelectableField field{std::string(label), {}, ""};
  for (const std::string_view step : split(dotted, '.')) {
    field.path.emplace_back(step);
    if (schema != nullptr) schema = schema->member(step);
  }
  if (schema != nullptr && schema->type == SchemaType::kBoolean) field.absent = "false";
  return field;
}

std::string text_of(const json::value& object, const SelectableField& field) {
  const json::value* at = &object;
  for (const std::string& step : field.path) {
    const json::object* members = at->if_object();
    at = members != nullptr ? members->if_contains(step) : nullptr;
    if (at == nullptr) return field.absent;
  }
  if (at->is_null()) return field.absent;
  if (const json::string* text = at->if_string()) return std::string(text->data(), text->size());
  return json::serialize(*at);
}

tl::unexpected<Error> bad_term(std::string_view term, std::string_view why) {
  return fail(Errc::kInvalid, fmt::format("invalid field selector: \"{}\": {}", term, why));
}

Result<std::string> unescape(std::string_view text, std::string_view term) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=') return bad_term(term, "an \"=\" in a value must be written \"\\=\"");
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    const char escaped = ++i < text.size() ? text[i] : '\0';
    if (escaped != '\\' && escaped != ',' && escaped != '=') {
      return bad_term(term,
                      "a backslash must be followed by a backslash, a comma or an equals sign");
    }
    out.push_back(escaped);
  }
  return out;
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == ',' || c == '=') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

// The pieces between commas that no backslash escapes.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      terms.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  terms.push_back(text.substr(begin));
  return terms;
}

Result<FieldSelector::Requirement> parse_term(std::string_view term) {
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == '\\') {
      ++i;
      continue;
    }
    const std::string_view rest = term.substr(i);
    size_t length = 0;
    if (rest.starts_with("!=") || rest.starts_with("==")) {
      length = 2;
    } else if (rest.starts_with("=")) {
      length = 1;
    } else {
      continue;
    }
    FieldSelector::Requirement requirement;
    requirement.field = term.substr(0, i);
    requirement.equal = !rest.starts_with("!");
    if (requirement.field.empty()) return bad_term(term, "no field stands before the operator");
    CARACAL_ASSIGN(requirement.value, unescape(rest.substr(length), term));
    return requirement;
  }
  return bad_term(term, "must be field=value, field==value or field!=value");
}

}  // namespace

std::vector<SelectableField> selectable_fields(const ResourceType& type) {
  std::vector<SelectableField> fields = {{"metadata.name", {"metadata", "name"}, ""},
                                         {"metadata.namespace", {"metadata", "namespace"}, ""}};
  for (const std::string& label : type.field_selectors) {
    if (label == "metadata.name" || label == "metadata.namespace") continue;
    std::string_view dotted = label;
    const auto* const alias =
        std::find_if(std::begin(kAliases), std::end(kAliases), [&](const Alias& candidate) {
          return type.builtin && candidate.kind == type.kind && candidate.label == label;
        });
    if (alias != std::end(kAliases)) dotted = alias->path;
    if (dotted.starts_with('.')) dotted.remove_prefix(1);
    fields.push_back(field_at(label, dotted, type.schema.get()));
  }
  return fields;
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector selector;
  for (const std::string_view term : split_terms(text)) {
    if (term.empty()) continue;
    CARACAL_ASSIGN(Requirement requirement, parse_term(term));
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

Status FieldSelector::check(std::span<const SelectableField> fields) const {
  for (const Requirement& requirement : requirements_) {
    const bool known = std::any_of(fields.begin(), fields.end(), [&](const SelectableField& field) {
      return field.label == requirement.field;
    });
    if (!known) return fail(Errc::kInvalid, "field label not supported: " + requirement.field);
  }
  return {};
}

bool FieldSelector::matches(const json::value& object,
                            std::span<const SelectableField> fields) const {
  return std::all_of(
      requirements_.begin(), requirements_.end(), [&](const Requirement& requirement) {
        const auto field = std::find_if(
            fields.begin(), fields.end(),
            [&](const SelectableField& candidate) { return candidate.label == requirement.field; });
        if (field == fields.end()) return false;
        return (text_of(object, *field) == requirement.value) == requirement.equal;
      });
}

const std::string* FieldSelector::required_value(std::string_view field) const {
  for (const Requirement& requirement : requirements_) {
    if (requirement.equal && requirement.field == field) return &requirement.value;
  }
  return nullptr;
}

std::string FieldSelector::to_string() const {
  std::vector<std::string> terms;
  for (const Requirement& requirement : requirements_) {
    terms.push_back(requirement.field + (requirement.equal ? "=" : "!=") +
                    escape(requirement.value));
  }
  return join(terms, ",");
}

}  // namespace caracal::apimachinery
