#include "calico/decode_network_set.h"

#include <algorithm>
#include <array>

#include "calico/decode_entity_rule.h"
#include "calico/metadata.h"
#include "calico/network_fields.h"

namespace caracal::calico {
namespace {

constexpr std::array<std::string_view, 1> kSetFields = {"nets"};

}  // namespace

model::NetworkSet decode_network_set(model::ObjectName name, const json::object& object,
                                     ObjectReader& reader) {
  model::NetworkSet set;
  set.name = std::move(name);
  set.labels = decode_labels(object, reader);
  if (set.labels.contains(kNamespaceLabel)) {
    reader.forbidden(FieldPath("metadata").member("labels").member(kNamespaceLabel),
                     "is the namespace's, it cannot be set");
    set.labels.erase(std::string(kNamespaceLabel));
  }
  const FieldPath path("spec");
  const json::object* spec = reader.object(object, "spec", FieldPath(""));
  if (spec == nullptr) return set;
  reader.has_unknown(*spec, path, kSetFields);
  const FieldPath list = path.member("nets");
  for (const auto& [text, index] : reader.texts(*spec, "nets", path)) {
    if (const auto cidr = network(text, list.element(index), reader)) set.nets.push_back(*cidr);
  }
  std::sort(set.nets.begin(), set.nets.end());
  set.nets.erase(std::unique(set.nets.begin(), set.nets.end()), set.nets.end());
  return set;
}

}  // namespace caracal::calico
