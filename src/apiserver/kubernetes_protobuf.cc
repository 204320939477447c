#include "apiserver/kubernetes_protobuf.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>

#include "apimachinery/age.h"
#include "apiserver/protobuf_messages.h"
#include "kube/base64.h"

namespace caracal::apiserver {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);
constexpr int kMaxDepth = 64;

// One field as it is on the wire.
struct WireField {
  uint32_t number = 0;
  bool is_bytes = false;
  uint64_t integer = 0;    // varint and fixed-size fields
  std::string_view bytes;  // length-delimited fields
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  Result<WireField> next() {
    CARACAL_ASSIGN(const uint64_t tag, varint());
    WireField field;
    field.number = static_cast<uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0: {
        CARACAL_ASSIGN(field.integer, varint());
        return field;
      }
      case 1:
        return fixed(field, 8);
      case 5:
        return fixed(field, 4);
      case 2: {
        CARACAL_ASSIGN(const uint64_t size, varint());
        if (size > rest_.size()) return cut_off();
        field.is_bytes = true;
        field.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return field;
      }
      default:
        return fail(Errc::kInvalid, fmt::format("protobuf: wire type {} is not known", tag & 7));
    }
  }

 private:
  static tl::unexpected<Error> cut_off() {
    return fail(Errc::kInvalid, "protobuf: the message is cut off");
  }

  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return cut_off();
  }

  Result<WireField> fixed(WireField field, size_t size) {
    if (rest_.size() < size) return cut_off();
    for (size_t i = 0; i < size; ++i) {
      field.integer |= static_cast<uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    }
    rest_.remove_prefix(size);
    return field;
  }

  std::string_view rest_;
};

// Integer or text of one field number in a small message; the last one counts.
struct SmallMessage {
  std::map<uint32_t, WireField> fields;
  int64_t integer(uint32_t number) const {
    const auto found = fields.find(number);
    return found == fields.end() ? 0 : static_cast<int64_t>(found->second.integer);
  }
  std::string_view text(uint32_t number) const {
    const auto found = fields.find(number);
    return found == fields.end() ? std::string_view() : found->second.bytes;
  }
};

Result<SmallMessage> read_small(std::string_view bytes) {
  SmallMessage message;
  WireReader reader(bytes);
  while (!reader.at_end()) {
    CARACAL_ASSIGN(const WireField field, reader.next());
    message.fields[field.number] = field;
  }
  return message;
}

Result<json::object> decode_message(const ProtobufMessage& message, std::string_view bytes,
                                    int depth);

// The value, or null when it is a zero that means "absent".
Result<json::value> decode_value(const ProtobufField& type, const WireField& wire, bool keeps_zero,
                                 int depth) {
  const bool wants_bytes = type.type != ProtobufType::kBool && type.type != ProtobufType::kInt;
  if (wants_bytes != wire.is_bytes) {
    return fail(Errc::kInvalid,
                fmt::format("protobuf: field {} has the wrong wire type", type.name));
  }
  const auto text = [&](std::string_view value) {
    return value.empty() && !keeps_zero ? json::value() : json::value(json::string(value));
  };
  switch (type.type) {
    case ProtobufType::kString:
      return text(wire.bytes);
    case ProtobufType::kBytes:
      return text(kube::encode_base64(wire.bytes));
    case ProtobufType::kBool:
      return wire.integer == 0 && !keeps_zero ? json::value() : json::value(wire.integer != 0);
    case ProtobufType::kInt:
      return wire.integer == 0 && !keeps_zero ? json::value()
                                              : json::value(static_cast<int64_t>(wire.integer));
    case ProtobufType::kTime:
    case ProtobufType::kMicroTime: {
      if (wire.bytes.empty()) return json::value();
      CARACAL_ASSIGN(const SmallMessage time, read_small(wire.bytes));
      const apimachinery::Timestamp stamp{std::chrono::seconds(time.integer(1)) +
                                          std::chrono::microseconds(time.integer(2) / 1000)};
      return json::value(type.type == ProtobufType::kTime ? apimachinery::to_rfc3339(stamp)
                                                          : apimachinery::to_rfc3339_micro(stamp));
    }
    case ProtobufType::kQuantity: {
      CARACAL_ASSIGN(const SmallMessage quantity, read_small(wire.bytes));
      return text(quantity.text(1));
    }
    case ProtobufType::kIntOrString: {
      CARACAL_ASSIGN(const SmallMessage value, read_small(wire.bytes));
      if (value.integer(1) == 1) return text(value.text(3));
      return value.integer(2) == 0 && !keeps_zero ? json::value() : json::value(value.integer(2));
    }
    case ProtobufType::kMessage: {
      const ProtobufMessage* inner = protobuf_message(type.message);
      if (inner == nullptr) return json::value();
      CARACAL_ASSIGN(json::object object, decode_message(*inner, wire.bytes, depth + 1));
      return object.empty() && !keeps_zero ? json::value() : json::value(std::move(object));
    }
  }
  return json::value();
}

Status decode_map_entry(const ProtobufField& type, const WireField& wire, json::object& map,
                        int depth) {
  CARACAL_ASSIGN(const SmallMessage entry, read_small(wire.bytes));
  WireField value;
  value.is_bytes = true;
  if (const auto found = entry.fields.find(2); found != entry.fields.end()) value = found->second;
  CARACAL_ASSIGN(map[entry.text(1)], decode_value(type, value, true, depth));
  return {};
}

Result<json::object> decode_message(const ProtobufMessage& message, std::string_view bytes,
                                    int depth) {
  if (depth > kMaxDepth) return fail(Errc::kInvalid, "protobuf: messages are nested too deeply");
  json::object object;
  WireReader reader(bytes);
  while (!reader.at_end()) {
    CARACAL_ASSIGN(const WireField wire, reader.next());
    const auto known = message.find(wire.number);
    if (known == message.end()) continue;
    const ProtobufField& field = known->second;
    if (field.map) {
      json::value& map = object[field.name];
      if (!map.is_object()) map.emplace_object();
      CARACAL_TRY(decode_map_entry(field, wire, map.get_object(), depth));
      continue;
    }
    CARACAL_ASSIGN(
        json::value value,
        decode_value(field, wire, field.keeps_zero || field.repeated || field.name.empty(), depth));
    if (field.repeated) {
      json::value& list = object[field.name];
      if (!list.is_array()) list.emplace_array();
      list.get_array().push_back(std::move(value));
    } else if (field.name.empty()) {
      for (auto& member : value.get_object()) object[member.key()] = std::move(member.value());
    } else if (!value.is_null()) {
      object[field.name] = std::move(value);
    }
  }
  return object;
}

}  // namespace

Result<json::value> decode_kubernetes_protobuf(std::string_view body) {
  if (!body.starts_with(kMagic)) {
    return fail(Errc::kInvalid, "protobuf: the body does not begin with the four bytes \"k8s\\0\"");
  }
  CARACAL_ASSIGN(const SmallMessage envelope, read_small(body.substr(kMagic.size())));
  CARACAL_ASSIGN(const SmallMessage type_meta, read_small(envelope.text(1)));
  const std::string_view kind = type_meta.text(2);
  const ProtobufMessage* message = protobuf_message(kind);
  if (message == nullptr) {
    return fail(Errc::kUnsupported,
                fmt::format("protobuf: kind \"{}\" is only understood as JSON or YAML", kind));
  }
  CARACAL_ASSIGN(json::object members, decode_message(*message, envelope.text(2), 0));
  json::object object{{"apiVersion", json::string(type_meta.text(1))},
                      {"kind", json::string(kind)}};
  for (auto& member : members) object[member.key()] = std::move(member.value());
  return json::value(std::move(object));
}

}  // namespace caracal::apiserver
