// What the decoders share: reading a field of the type the API gives it, and saying what is wrong
// when it has another. For kube and calico.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"
#include "kube/field_path.h"
#include "model/object.h"
#include "net/protocol.h"

namespace caracal::kube {

// A value as text for a message: JSON, shortened to 80 bytes.
std::string quoted(const json::value& value);
// "path: value: text".
Error wrong_field(const FieldPath& path, const json::value& value, std::string_view text);

// A member that is absent or null counts as absent, as in the API: nullptr.
const json::value* member(const json::object& object, std::string_view name);

// The member as text, array, object or boolean. Absent gives "", nullptr, nullptr, false.
Result<std::string_view> text_member(const json::object& object, std::string_view name,
                                     const FieldPath& parent);
Result<const json::array*> array_member(const json::object& object, std::string_view name,
                                        const FieldPath& parent);
Result<const json::object*> object_member(const json::object& object, std::string_view name,
                                          const FieldPath& parent);
Result<bool> bool_member(const json::object& object, std::string_view name,
                         const FieldPath& parent);
Result<const json::object*> as_object(const json::value& value, const FieldPath& path);

// A map of texts: labels, annotations. Absent gives an empty one.
Result<model::Labels> labels_member(const json::object& object, std::string_view name,
                                    const FieldPath& parent);
// An integer between 1 and 65535.
Result<uint16_t> decode_port(const json::value& value, const FieldPath& path);
// "TCP" (also when absent), "UDP", "SCTP".
Result<net::Protocol> protocol_member(const json::object& object, const FieldPath& parent);
// The name of a port (RFC 6335 section 5.1, in lower case): what is wrong with it, or nothing.
std::optional<std::string_view> check_port_name(std::string_view name);

}  // namespace caracal::kube
