// The protobuf messages of the builtin kinds, as a table: names, field numbers and types.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace caracal::apiserver {

enum class ProtobufType : uint8_t {
  kString,
  kBool,
  kInt,
  kBytes,  // base64 in JSON
  kTime,   // metav1.Time: RFC 3339 in JSON
  kMicroTime,
  kQuantity,  // text in JSON
  kIntOrString,
  kMessage,
};

struct ProtobufField {
  std::string name;  // in JSON; empty: the members of the message stand beside those of its parent
  ProtobufType type = ProtobufType::kString;
  std::string message;  // of kMessage
  bool repeated = false;
  bool map = false;         // from texts to `type`
  bool keeps_zero = false;  // a zero is a value, not an absence
};

using ProtobufMessage = std::map<uint32_t, ProtobufField>;  // by field number

// nullptr when the table does not have it. Thread-safe.
const ProtobufMessage* protobuf_message(std::string_view name);

}  // namespace caracal::apiserver
