#include "apimachinery/schema_notation.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

struct Scalar {
  std::string_view name;
  SchemaType type;
  std::string_view format;
};
constexpr Scalar kScalars[] = {
    {"string", SchemaType::kString, ""},       {"bytes", SchemaType::kString, "byte"},
    {"int32", SchemaType::kInteger, "int32"},  {"int64", SchemaType::kInteger, "int64"},
    {"integer", SchemaType::kInteger, ""},     {"number", SchemaType::kNumber, ""},
    {"double", SchemaType::kNumber, "double"}, {"boolean", SchemaType::kBoolean, ""},
    {"object", SchemaType::kObject, ""},       {"any", SchemaType::kAny, ""},
    {"intorstring", SchemaType::kAny, ""},
};

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(text, ',')) parts.emplace_back(part);
  return parts;
}

// Unquoted words are texts: default=TCP, enum=A,B.
json::value literal(std::string_view text) {
  if (auto value = jsonio::parse(text)) return std::move(*value);
  return json::string(text);
}

std::optional<double> real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status set_pattern(Schema& node, std::string_view pattern) {
  node.pattern = pattern;
  auto regex = std::make_shared<re2::RE2>(node.pattern, re2::RE2::Quiet);
  if (!regex->ok())
    return fail(Errc::kInvalid, fmt::format("pattern {}: {}", pattern, regex->error()));
  node.regex = std::move(regex);
  return {};
}

Status set_flag(Schema& node, std::string_view name) {
  if (name == "nullable") {
    node.nullable = true;
  } else if (name == "unique") {
    node.unique_items = true;
  } else if (name == "preserve") {
    node.preserve_unknown_fields = true;
  } else if (name == "embedded") {
    node.embedded_resource = true;
  } else if (name == "quantity") {
    node.quantity = true;
  } else if (name == "intorstring") {
    node.int_or_string = true;
  } else {
    return fail(Errc::kInvalid, fmt::format("unknown attribute \"{}\"", name));
  }
  return {};
}

Status set_limit(Schema& node, std::string_view name, std::string_view text) {
  static constexpr std::string_view kLimits[] = {"min",      "max",     "xmin",     "xmax",
                                                 "minlen",   "maxlen",  "minitems", "maxitems",
                                                 "minprops", "maxprops"};
  if (std::find(std::begin(kLimits), std::end(kLimits), name) == std::end(kLimits)) {
    return fail(Errc::kInvalid, fmt::format("unknown attribute \"{}\"", name));
  }
  const std::optional<double> value = real(text);
  if (!value) return fail(Errc::kInvalid, fmt::format("{}={}: not a number", name, text));
  const auto count = static_cast<uint64_t>(*value);
  if (name == "min" || name == "xmin") {
    node.minimum = *value;
    node.exclusive_minimum = name == "xmin";
  } else if (name == "max" || name == "xmax") {
    node.maximum = *value;
    node.exclusive_maximum = name == "xmax";
  } else if (name == "minlen") {
    node.min_length = count;
  } else if (name == "maxlen") {
    node.max_length = count;
  } else if (name == "minitems") {
    node.min_items = count;
  } else if (name == "maxitems") {
    node.max_items = count;
  } else if (name == "minprops") {
    node.min_properties = count;
  } else {
    node.max_properties = count;
  }
  return {};
}

Status set_attribute(Schema& node, std::string_view attribute) {
  const size_t equals = attribute.find('=');
  if (equals == std::string_view::npos) return set_flag(node, attribute);
  const std::string_view name = attribute.substr(0, equals);
  const std::string_view value = attribute.substr(equals + 1);
  if (name == "default") {
    // Texts may look like numbers only when the field is not a text.
    node.default_value =
        node.type == SchemaType::kString ? json::value(json::string(value)) : literal(value);
  } else if (name == "enum") {
    for (const std::string& word : list_of(value)) {
      node.enum_values.push_back(node.type == SchemaType::kString ? json::value(json::string(word))
                                                                  : literal(word));
    }
  } else if (name == "format") {
    node.format = value;
  } else if (name == "pattern") {
    return set_pattern(node, value);
  } else if (name == "list") {
    node.list_type_set = true;
    node.list_type = value == "map"   ? ListType::kMap
                     : value == "set" ? ListType::kSet
                                      : ListType::kAtomic;
  } else if (name == "keys") {
    node.list_map_keys = list_of(value);
  } else if (name == "map") {
    node.map_atomic = value == "atomic";
  } else if (name == "patch") {
    node.patch_strategy = value;
  } else if (name == "mergekey") {
    node.patch_merge_key = value;
  } else {
    return set_limit(node, name, value);
  }
  return {};
}

// What a reference says for itself stays; the rest is the definition's.
void join_reference(Schema& node, const Schema& definition) {
  Schema own = std::move(node);
  node = definition;
  node.definition_description = definition.description;
  if (!own.description.empty()) node.description = std::move(own.description);
  if (own.default_value) node.default_value = std::move(own.default_value);
  if (!own.enum_values.empty()) node.enum_values = std::move(own.enum_values);
  if (own.regex) {
    node.pattern = std::move(own.pattern);
    node.regex = std::move(own.regex);
  }
  if (own.minimum) node.minimum = own.minimum;
  if (own.maximum) node.maximum = own.maximum;
  if (own.min_length) node.min_length = own.min_length;
  if (own.max_length) node.max_length = own.max_length;
  if (own.min_properties) node.min_properties = own.min_properties;
  if (own.max_properties) node.max_properties = own.max_properties;
  if (!own.format.empty()) node.format = std::move(own.format);
  node.nullable = own.nullable || node.nullable;
  node.map_atomic = own.map_atomic || node.map_atomic;
  node.preserve_unknown_fields = own.preserve_unknown_fields || node.preserve_unknown_fields;
  node.patch_strategy = std::move(own.patch_strategy);
  node.patch_merge_key = std::move(own.patch_merge_key);
}

}  // namespace

Status NotationLoader::add(const json::value& file, const std::set<std::string>& kinds) {
  const std::string package(jsonio::get_string(file, {"package"}));
  if (package.empty()) return fail(Errc::kInvalid, "schema file without a package");
  for (const auto& [key, body] : jsonio::get_object(file, {"definitions"})) {
    const std::string short_name(key);
    const std::string name =
        short_name.find('.') == std::string::npos ? package + "." + short_name : short_name;
    Definition definition{package, body, kinds.contains(short_name), pool_->make()};
    definition.node->definition = name;
    if (!definitions_.emplace(name, std::move(definition)).second) {
      return fail(Errc::kInvalid, fmt::format("definition {} is there twice", name));
    }
  }
  return {};
}

Status NotationLoader::resolve() {
  for (auto& [name, definition] : definitions_) {
    if (auto status = parse_definition(name, definition); !status)
      return fail(status.error().within(name));
  }
  for (auto& [node, definition] : references_) join_reference(*node, *definition->node);
  return {};
}

Status NotationLoader::parse_definition(const std::string& name, Definition& definition) {
  Schema& node = *definition.node;
  if (const json::string* text = definition.body.if_string()) {
    CARACAL_ASSIGN(const Schema* scalar, parse_field(*text, definition.package));
    if (!scalar->definition.empty())
      return fail(Errc::kInvalid, "a definition cannot be another one");
    node = *scalar;
    node.definition = name;
    return {};
  }
  const json::object* fields = definition.body.if_object();
  if (fields == nullptr) return fail(Errc::kInvalid, "neither a text nor an object");
  node.type = SchemaType::kObject;
  for (const auto& [key, value] : *fields) {
    const json::string* text = value.if_string();
    if (text == nullptr)
      return fail(Errc::kInvalid, fmt::format("{}: not a text", std::string_view(key)));
    if (key == "about") {
      node.description = *text;
      continue;
    }
    if (key == "is") {
      for (const std::string_view word : split(*text, ' ')) {
        if (!word.empty()) CARACAL_TRY(set_attribute(node, word));
      }
      continue;
    }
    auto field = parse_field(*text, definition.package);
    if (!field) return fail(field.error().within(std::string_view(key)));
    // `required` is the object's, written at the field.
    if (const std::string_view head = std::string_view(*text).substr(0, text->find(" -- "));
        (" " + std::string(head) + " ").find(" required ") != std::string::npos) {
      node.required.emplace_back(key);
    }
    node.properties.emplace(key, *field);
  }
  if (definition.is_kind) {
    CARACAL_ASSIGN(
        Schema * api_version,
        parse_field(
            "string -- Group and version of this object, as in apps/v1; v1 for the core group.",
            definition.package));
    CARACAL_ASSIGN(
        Schema * kind,
        parse_field("string -- What this object is, as a CamelCase singular.", definition.package));
    CARACAL_ASSIGN(
        Schema * metadata,
        parse_field("ObjectMeta -- Name, namespace, labels and other metadata every object has.",
                    definition.package));
    node.properties.emplace("apiVersion", api_version);
    node.properties.emplace("kind", kind);
    node.properties.emplace("metadata", metadata);
  }
  return {};
}

Result<Schema*> NotationLoader::parse_field(std::string_view text, const std::string& package) {
  std::string_view description;
  if (const size_t at = text.find(" -- "); at != std::string_view::npos) {
    description = trim(text.substr(at + 4));
    text = text.substr(0, at);
  }
  Schema* node = nullptr;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty() || word == "required") continue;
    if (node == nullptr) {
      CARACAL_ASSIGN(node, parse_type(word, package));
      continue;
    }
    Schema* target = node;
    std::string_view attribute = word;
    while (attribute.starts_with("item.")) {
      attribute.remove_prefix(5);
      const Schema* element =
          target->items != nullptr ? target->items : target->additional_properties;
      if (element == nullptr)
        return fail(Errc::kInvalid, fmt::format("{}: the field is no list or map", word));
      target = const_cast<Schema*>(element);  // ours: parse_type() just made it
    }
    CARACAL_TRY(set_attribute(*target, attribute));
  }
  if (node == nullptr) return fail(Errc::kInvalid, "a field without a type");
  node->description = description;
  return node;
}

Result<Schema*> NotationLoader::parse_type(std::string_view type, const std::string& package) {
  Schema* node = pool_->make();
  if (type.ends_with("[]")) {
    node->type = SchemaType::kArray;
    CARACAL_ASSIGN(node->items, parse_type(type.substr(0, type.size() - 2), package));
    return node;
  }
  if (type.ends_with("{}")) {
    node->type = SchemaType::kObject;
    CARACAL_ASSIGN(node->additional_properties,
                   parse_type(type.substr(0, type.size() - 2), package));
    return node;
  }
  for (const Scalar& scalar : kScalars) {
    if (scalar.name != type) continue;
    node->type = scalar.type;
    node->format = scalar.format;
    node->preserve_unknown_fields = type == "any" || type == "object";
    node->int_or_string = type == "intorstring";
    return node;
  }
  const Definition* definition = lookup(type, package);
  if (definition == nullptr) return fail(Errc::kInvalid, fmt::format("no definition {}", type));
  // Enumerations and defaults of scalar definitions must parse as texts before references are
  // joined.
  if (const json::string* body = definition->body.if_string()) {
    node->type = body->starts_with("string") ? SchemaType::kString : SchemaType::kAny;
  }
  references_.emplace_back(node, definition);
  return node;
}

const NotationLoader::Definition* NotationLoader::lookup(std::string_view name,
                                                         std::string_view package) const {
  if (name.find('.') == std::string_view::npos) {
    if (const auto own = definitions_.find(fmt::format("{}.{}", package, name));
        own != definitions_.end()) {
      return &own->second;
    }
    const std::string suffix = fmt::format(".{}", name);
    for (const auto& [full, definition] : definitions_) {
      if (full.ends_with(suffix)) return &definition;
    }
    return nullptr;
  }
  const auto found = definitions_.find(name);
  return found == definitions_.end() ? nullptr : &found->second;
}

const Schema* NotationLoader::find(std::string_view name, std::string_view package) const {
  const Definition* definition = lookup(name, package);
  return definition == nullptr ? nullptr : definition->node;
}

}  // namespace caracal::apimachinery
