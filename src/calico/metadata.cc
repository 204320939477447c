#include "calico/metadata.h"

namespace caracal::calico {

model::Labels decode_labels(const json::object& object, ObjectReader& reader) {
  const FieldPath path("metadata");
  const json::object* metadata = reader.object(object, "metadata", FieldPath(""));
  if (metadata == nullptr) return {};
  const model::Labels annotations = reader.labels(*metadata, "annotations", path);
  const auto kept = annotations.find(kMetadataAnnotation);
  if (kept == annotations.end()) return reader.labels(*metadata, "labels", path);
  const auto inner = jsonio::parse(kept->second);
  if (!inner || !inner->is_object()) {
    reader.warn(path.member("annotations").member(kMetadataAnnotation),
                "is no JSON object; metadata.labels hold instead");
    return reader.labels(*metadata, "labels", path);
  }
  return reader.labels(inner->get_object(), "labels", path);
}

}  // namespace caracal::calico
