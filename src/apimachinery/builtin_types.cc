#include "apimachinery/builtin_types.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "apimachinery/embedded.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {
namespace {

std::vector<std::string> texts_at(const json::value& value, std::string_view name) {
  std::vector<std::string> texts;
  for (const json::value& element : jsonio::get_array(value, {name})) {
    if (element.is_string()) texts.emplace_back(element.get_string());
  }
  return texts;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

constexpr const char* kAllVerbs[] = {"create", "delete", "deletecollection", "get",
                                     "list",   "patch",  "update",           "watch"};

Result<ResourceType> read_type(const json::value& entry, const json::value& file,
                               const NotationLoader& loader) {
  ResourceType type;
  type.group = jsonio::get_string(file, {"group"});
  type.version = jsonio::get_string(file, {"version"}, "v1");
  type.kind = jsonio::get_string(entry, {"kind"});
  type.list_kind = type.kind + "List";
  type.plural = jsonio::get_string(entry, {"plural"});
  type.singular = lower(type.kind);
  type.short_names = texts_at(entry, "short");
  type.categories = texts_at(entry, "categories");
  type.namespaced = jsonio::get_bool(entry, {"namespaced"}, true);
  type.stored = jsonio::get_bool(entry, {"stored"}, true);
  type.graceful_deletion = jsonio::get_bool(entry, {"graceful"});
  type.has_generation = jsonio::get_bool(entry, {"generation"});
  type.field_selectors = texts_at(entry, "selectable");
  type.verbs = texts_at(entry, "verbs");
  if (type.verbs.empty()) type.verbs.assign(std::begin(kAllVerbs), std::end(kAllVerbs));
  for (const json::value& sub : jsonio::get_array(entry, {"subresources"})) {
    Subresource subresource;
    subresource.name = jsonio::get_string(sub, {"name"});
    subresource.group = jsonio::get_string(sub, {"group"}, type.group);
    subresource.version = jsonio::get_string(sub, {"version"}, type.version);
    subresource.kind = jsonio::get_string(sub, {"kind"}, type.kind);
    subresource.verbs = texts_at(sub, "verbs");
    type.subresources.push_back(std::move(subresource));
  }
  const Schema* root = loader.find(type.kind, jsonio::get_string(file, {"package"}));
  if (type.plural.empty() || root == nullptr) {
    return fail(Errc::kInternal,
                fmt::format("builtin kind {}: no plural or no definition", type.kind));
  }
  type.schema = share(loader.pool(), root);
  return type;
}

struct Builtins {
  NotationLoader loader;
  std::vector<ResourceTypePtr> types;
  Status status;  // last: load() fills the others

  Builtins() : status(load()) {}

  Status load() {
    CARACAL_TRY(add_builtin_definitions(loader));
    CARACAL_TRY(loader.resolve());
    for (const EmbeddedFile& embedded : embedded_types()) {
      CARACAL_ASSIGN(const json::value file, jsonio::parse(embedded.json));
      for (const json::value& entry : jsonio::get_array(file, {"resources"})) {
        CARACAL_ASSIGN(ResourceType type, read_type(entry, file, loader));
        types.push_back(std::make_shared<const ResourceType>(std::move(type)));
      }
    }
    return {};
  }
};

const Builtins& builtins() {
  static const Builtins instance;
  return instance;
}

}  // namespace

Status add_builtin_definitions(NotationLoader& loader) {
  std::vector<json::value> files;
  // A package may be spread over files: the kinds of pod.yaml are listed in core.yaml.
  std::map<std::string, std::set<std::string>> kinds;
  for (const EmbeddedFile& embedded : embedded_types()) {
    CARACAL_ASSIGN(json::value file, jsonio::parse(embedded.json));
    std::set<std::string>& own = kinds[std::string(jsonio::get_string(file, {"package"}))];
    for (const json::value& entry : jsonio::get_array(file, {"resources"})) {
      own.emplace(jsonio::get_string(entry, {"kind"}));
    }
    files.push_back(std::move(file));
  }
  for (const json::value& file : files) {
    CARACAL_TRY(loader.add(file, kinds[std::string(jsonio::get_string(file, {"package"}))]));
  }
  return {};
}

Result<std::vector<ResourceTypePtr>> builtin_types() {
  if (!builtins().status) return fail(builtins().status.error());
  return builtins().types;
}

const Schema* builtin_definition(std::string_view name) {
  return builtins().status ? builtins().loader.find(name) : nullptr;
}

}  // namespace caracal::apimachinery
