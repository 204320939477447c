// The CRDs that come with Caracal: crds/*.yaml in the notation of schema_notation.h, written out as
// CustomResourceDefinition objects.
//
//   crds:
//     - kind: Tier
//       plural: tiers
//       groups: [projectcalico.org/v3, crd.projectcalico.org/v1]   # one CRD each
//       scope: Cluster            # Namespaced when left out
//       short: [...]              # in the first group only: kubectl takes the first it finds
//       about: Text.
//       spec: TierSpec            # definitions
//       status: TierStatus        # gives the kind a status subresource
//       required: [spec]
//       columns: [Order number .spec.order, ...]
//       selectable: [.spec.tier]
//       annotations: {...}
#include <fmt/format.h>

#include "apimachinery/builtin_types.h"
#include "apimachinery/crd.h"
#include "apimachinery/embedded.h"
#include "apimachinery/schema_notation.h"
#include "apimachinery/schema_openapi.h"
#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

Result<json::value> part(const NotationLoader& loader, std::string_view definition,
                         std::string_view package, std::string_view about) {
  const Schema* schema = loader.find(definition, package);
  if (schema == nullptr) return fail(Errc::kInternal, fmt::format("no definition {}", definition));
  json::value props = to_openapi(*schema, OpenApiForm::kInline);
  if (!about.empty()) props.get_object()["description"] = about;
  return props;
}

Result<json::object> root_schema(const json::value& entry, const NotationLoader& loader,
                                 std::string_view package) {
  json::object properties;
  properties["apiVersion"] =
      json::object{{"description", "Group and version of this object."}, {"type", "string"}};
  properties["kind"] = json::object{
      {"description", "What this object is, as a CamelCase singular."}, {"type", "string"}};
  properties["metadata"] = json::object{{"type", "object"}};
  if (const std::string_view spec = jsonio::get_string(entry, {"spec"}); !spec.empty()) {
    CARACAL_ASSIGN(properties["spec"], part(loader, spec, package, ""));
  }
  if (const std::string_view status = jsonio::get_string(entry, {"status"}); !status.empty()) {
    CARACAL_ASSIGN(properties["status"], part(loader, status, package, ""));
  }
  json::object root{{"description", jsonio::get_string(entry, {"about"})},
                    {"properties", std::move(properties)},
                    {"type", "object"}};
  if (const json::array& required = jsonio::get_array(entry, {"required"}); !required.empty())
    root["required"] = required;
  return root;
}

// "Tier string .spec.tier"
json::array printer_columns(const json::value& entry) {
  json::array columns;
  for (const json::value& value : jsonio::get_array(entry, {"columns"})) {
    if (!value.is_string()) continue;
    const std::vector<std::string_view> words = split(value.get_string(), ' ');
    if (words.size() == 3)
      columns.push_back(
          json::object{{"name", words[0]}, {"type", words[1]}, {"jsonPath", words[2]}});
  }
  return columns;
}

Result<json::value> expand(const json::value& entry, std::string_view group_version, bool is_first,
                           const NotationLoader& loader, std::string_view package) {
  const size_t slash = group_version.find('/');
  if (slash == std::string_view::npos)
    return fail(Errc::kInternal, fmt::format("{}: not group/version", group_version));
  const std::string_view group = group_version.substr(0, slash);
  const std::string_view kind = jsonio::get_string(entry, {"kind"});
  const std::string_view plural = jsonio::get_string(entry, {"plural"});

  CARACAL_ASSIGN(json::object schema, root_schema(entry, loader, package));
  json::object version{
      {"name", group_version.substr(slash + 1)}, {"served", true}, {"storage", true}};
  version["schema"] = json::object{{"openAPIV3Schema", std::move(schema)}};
  if (!jsonio::get_string(entry, {"status"}).empty())
    version["subresources"] = json::object{{"status", json::object()}};
  if (json::array columns = printer_columns(entry); !columns.empty())
    version["additionalPrinterColumns"] = std::move(columns);
  if (const json::array& fields = jsonio::get_array(entry, {"selectable"}); !fields.empty()) {
    json::array selectable;
    for (const json::value& field : fields) selectable.push_back(json::object{{"jsonPath", field}});
    version["selectableFields"] = std::move(selectable);
  }

  json::object names{{"kind", kind}, {"plural", plural}};
  if (const json::array& short_names = jsonio::get_array(entry, {"short"});
      is_first && !short_names.empty())
    names["shortNames"] = short_names;
  json::object metadata{{"name", fmt::format("{}.{}", plural, group)}};
  if (const json::object& annotations = jsonio::get_object(entry, {"annotations"});
      !annotations.empty())
    metadata["annotations"] = annotations;
  json::value crd = json::object{
      {"apiVersion", "apiextensions.k8s.io/v1"},
      {"kind", "CustomResourceDefinition"},
      {"metadata", std::move(metadata)},
      {"spec", json::object{{"group", group},
                            {"names", std::move(names)},
                            {"scope", jsonio::get_string(entry, {"scope"}, "Namespaced")},
                            {"versions", json::array{std::move(version)}}}}};
  default_crd(crd);
  return crd;
}

}  // namespace

Result<std::vector<json::value>> bundled_crds() {
  NotationLoader loader;
  CARACAL_TRY(add_builtin_definitions(loader));
  std::vector<json::value> files;
  for (const EmbeddedFile& embedded : embedded_crds()) {
    CARACAL_ASSIGN(json::value file, jsonio::parse(embedded.json));
    if (auto status = loader.add(file, {}); !status)
      return fail(status.error().within(embedded.name));
    files.push_back(std::move(file));
  }
  CARACAL_TRY(loader.resolve());
  std::vector<json::value> crds;
  for (const json::value& file : files) {
    const std::string_view package = jsonio::get_string(file, {"package"});
    for (const json::value& entry : jsonio::get_array(file, {"crds"})) {
      bool is_first = true;
      for (const json::value& group_version : jsonio::get_array(entry, {"groups"})) {
        if (!group_version.is_string()) continue;
        CARACAL_ASSIGN(json::value crd,
                       expand(entry, group_version.get_string(), is_first, loader, package));
        crds.push_back(std::move(crd));
        is_first = false;
      }
    }
  }
  return crds;
}

}  // namespace caracal::apimachinery
