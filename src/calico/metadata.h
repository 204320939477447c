// The user's metadata of a Calico object, wherever it is kept (calico.md 2.0).
#pragma once

#include "kube/object_reader.h"
#include "model/object.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Where crd.projectcalico.org/v1 keeps the labels and annotations the user gave, as JSON.
inline constexpr std::string_view kMetadataAnnotation = "projectcalico.org/metadata";

// The labels the user gave: those in kMetadataAnnotation when it is there, else metadata.labels.
model::Labels decode_labels(const json::object& object, ObjectReader& reader);

}  // namespace caracal::calico
