#include "calico/http_match.h"

#include <array>
#include <set>

#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

constexpr size_t kMaxMethods = 20;
constexpr size_t kMaxPaths = 20;
constexpr size_t kMaxPathBytes = 1024;
constexpr std::array<std::string_view, 2> kHttpFields = {"methods", "paths"};
constexpr std::array<std::string_view, 2> kPathFields = {"exact", "prefix"};

void check_path(const json::object& entry, const FieldPath& path, ObjectReader& reader) {
  reader.has_unknown(entry, path, kPathFields);
  const bool exact = kube::member(entry, "exact") != nullptr;
  const bool prefix = kube::member(entry, "prefix") != nullptr;
  if (exact == prefix) {
    reader.forbidden(path, "needs exactly one of exact and prefix");
    return;
  }
  const std::string_view name = exact ? "exact" : "prefix";
  const std::string_view text = reader.text(entry, name, path);
  if (text.empty() || text.front() != '/' || text.size() > kMaxPathBytes ||
      text.find_first_of("?# ") != std::string_view::npos) {
    reader.invalid(path.member(name), json::string(text),
                   "must begin with '/', without '?', '#' and space, at most 1024 bytes");
  }
}

}  // namespace

void check_http_match(const json::object& http, const FieldPath& path, ObjectReader& reader) {
  reader.has_unknown(http, path, kHttpFields);
  const FieldPath methods = path.member("methods");
  reader.limit(reader.array(http, "methods", path), kMaxMethods, "methods", methods);
  std::set<std::string_view> seen;
  for (const auto& [method, index] : reader.texts(http, "methods", path)) {
    if (!seen.insert(method).second) reader.duplicate(methods.element(index), json::string(method));
  }
  const json::array* paths = reader.array(http, "paths", path);
  if (paths == nullptr) return;
  const FieldPath list = path.member("paths");
  reader.limit(paths, kMaxPaths, "paths", list);
  for (size_t i = 0; i < paths->size(); ++i) {
    const FieldPath element = list.element(i);
    if (const json::object* entry = reader.as_object((*paths)[i], element)) {
      check_path(*entry, element, reader);
    }
  }
}

}  // namespace caracal::calico
