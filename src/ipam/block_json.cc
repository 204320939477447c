#include "ipam/block_json.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/strings.h"

namespace caracal::ipam {

namespace {

constexpr std::string_view kHostHashLabel = "projectcalico.org/hostname-hash";
constexpr std::string_view kTypeLabel = "projectcalico.org/affinity-type";
constexpr std::string_view kFamilyLabel = "projectcalico.org/ip-version";

std::string digest(const EVP_MD* kind, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, kind, nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

// RFC 4648, without padding.
std::string base32(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  uint32_t buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = buffer << 8 | static_cast<unsigned char>(c);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += kAlphabet[buffer >> bits & 31];
    }
  }
  if (bits > 0) out += kAlphabet[buffer << (5 - bits) & 31];
  return out;
}

// Says where in which object a value is wrong.
struct Complaint {
  std::string_view kind;
  std::string name;
  tl::unexpected<Error> operator()(std::string_view field, std::string_view value,
                                   std::string_view valid) const {
    return fail(Errc::kInvalid,
                fmt::format("{} {}: {}: Invalid value: {}: {}", kind, name, field, value, valid));
  }
};

Result<Complaint> begin(std::string_view kind, json::value& object) {
  std::string name(jsonio::get_string(object, {"metadata", "name"}));
  if (name.empty()) return fail(Errc::kInvalid, fmt::format("{} without metadata.name", kind));
  json::value& spec = jsonio::ensure(object, {"spec"});
  if (!spec.is_object()) {
    return fail(Errc::kInvalid, fmt::format("{} {}: spec: must be an object", kind, name));
  }
  return Complaint{kind, std::move(name)};
}

std::optional<uint64_t> to_unsigned(const json::value& value) {
  if (const auto* u = value.if_uint64()) return *u;
  if (const auto* i = value.if_int64(); i != nullptr && *i >= 0) return static_cast<uint64_t>(*i);
  // A number that went through a program which has only doubles: exact up to 2^53.
  if (const auto* d = value.if_double(); d != nullptr && *d >= 0 && *d < 1.8e19 &&
                                         *d == static_cast<double>(static_cast<uint64_t>(*d)))
    return static_cast<uint64_t>(*d);
  return std::nullopt;
}

std::string shown(const json::value& value) { return jsonio::to_string(value).substr(0, 80); }

Attributes text_map(const json::value* value) {
  Attributes out;
  if (value == nullptr || !value->is_object()) return out;
  for (const auto& member : value->get_object()) {
    if (const auto* text = member.value().if_string()) out.emplace(member.key(), *text);
  }
  return out;
}

json::object to_json(const Attributes& attributes) {
  json::object out;
  for (const auto& [key, value] : attributes) out[key] = value;
  return out;
}

// `deleted` is a boolean, or (BlockAffinity of crd.projectcalico.org/v1) its text.
bool read_deleted(const json::value& spec) {
  const json::value* value = jsonio::get(spec, {"deleted"});
  if (value == nullptr) return false;
  if (const auto* flag = value->if_bool()) return *flag;
  const auto* text = value->if_string();
  return text != nullptr && *text == "true";
}

Result<net::Cidr> read_cidr(const json::value& spec, const Complaint& complain) {
  const auto text = jsonio::get_string(spec, {"cidr"});
  auto cidr = net::Cidr::parse(text);
  if (!cidr) return complain("spec.cidr", fmt::format("\"{}\"", text), "must be an address range");
  return *cidr;
}

std::string cidr_words(const net::Cidr& cidr) {
  std::string out = cidr.to_string();
  for (char& c : out) {
    if (c == '.' || c == ':' || c == '/') c = '-';
  }
  return out;
}

void set_identity(json::value& object, std::string_view kind, const std::string& name) {
  if (!object.is_object()) object = json::object();
  object.get_object()["kind"] = kind;
  json::value& metadata = jsonio::ensure(object, {"metadata"});
  if (!metadata.is_object()) metadata = json::object();
  if (jsonio::get_string(metadata, {"name"}).empty()) metadata.get_object()["name"] = name;
  json::value& spec = jsonio::ensure(object, {"spec"});
  if (!spec.is_object()) spec = json::object();
}

}  // namespace

std::string block_name(const net::Cidr& cidr) { return cidr_words(cidr); }

std::string affinity_name(const Owner& owner, const net::Cidr& cidr) {
  const std::string range = cidr_words(cidr);
  std::string name = fmt::format("{}-{}", owner.name, range);
  if (name.size() < 253) return name;
  const std::string hash =
      to_hex(digest(EVP_sha256(), fmt::format("{}+{}", owner.name, range))).substr(0, 11);
  return fmt::format("{}-{}-{}", owner.name.substr(0, 252 - range.size() - 13), range, hash);
}

std::string handle_name(std::string_view handle_id) {
  std::string out(handle_id);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string host_label(std::string_view host) { return base32(digest(EVP_sha3_256(), host)); }

std::string affinities_of(const Owner& owner) {
  return fmt::format("{}={},{}={}", kHostHashLabel, host_label(owner.name), kTypeLabel,
                     owner.kind_text());
}

// The one place that sees into a Block.
class BlockCodec {
 public:
  static Result<Block> decode(const json::object& spec, const net::Cidr& cidr,
                              const Complaint& complain) {
    const int bits = net::address_bits(cidr.family()) - cidr.bits();
    if (bits > 16) return complain("spec.cidr", cidr.to_string(), "has more than 65536 addresses");
    Block block;
    block.cidr_ = cidr;
    block.allocations_.reserve(size_t{1} << bits);
    for (const auto& member : spec) {
      const std::string_view key = member.key();
      const json::value& value = member.value();
      if (key == "cidr") continue;
      if (key == "affinity") {
        if (value.is_null()) continue;
        const auto text = value.is_string() ? std::string_view(value.get_string()) : "";
        block.affinity_ = Owner::parse(text);
        if (!block.affinity_ && !text.empty())
          return complain("spec.affinity", shown(value), "must be host:NAME or virtual:NAME");
      } else if (key == "affinityClaimTime") {
        if (value.is_string()) block.claimed_at_ = parse_time(value.get_string());
      } else if (key == "allocations") {
        CARACAL_TRY(read_allocations(block, value, complain));
      } else if (key == "unallocated") {
        CARACAL_TRY(read_queue(block, value, complain));
      } else if (key == "attributes") {
        CARACAL_TRY(read_attributes(block, value, complain));
      } else if (key == "sequenceNumber") {
        const auto number = to_unsigned(value);
        if (!number) return complain("spec.sequenceNumber", shown(value), "must be a number");
        block.sequence_ = *number;
      } else if (key == "sequenceNumberForAllocation") {
        CARACAL_TRY(read_sequences(block, value, complain));
      } else if (key == "deleted") {
        block.deleted_ = read_deleted(spec);
      } else if (key == "hostAffinity") {
        // Very old blocks: the node's name alone.
        if (value.is_string() && !value.get_string().empty() && !block.affinity_)
          block.affinity_ = Owner::host(std::string(value.get_string()));
      } else if (key == "strictAffinity" && value == json::value(false)) {
        continue;  // what encode() writes
      } else {
        block.unknown_[key] = value;
      }
    }
    for (const uint32_t index : block.allocations_) {
      if (index != Block::kFree && index >= block.attributes_.size()) {
        return complain("spec.allocations", std::to_string(index), "there are no such attributes");
      }
    }
    // Attributes nobody has are untidy, not wrong: an old release may have left them.
    block.drop_unused_attributes();
    if (const std::string problem = block.problem(); !problem.empty()) {
      return complain("spec", cidr.to_string(), problem);
    }
    return block;
  }

  static void encode(const Block& block, json::object& spec) {
    spec.clear();
    spec["cidr"] = block.cidr_.to_string();
    // Left out when there is none: Calico's CRD takes no null here.
    if (block.affinity_) spec["affinity"] = block.affinity_->to_string();
    if (block.claimed_at_) spec["affinityClaimTime"] = to_rfc3339(*block.claimed_at_);
    json::array allocations;
    allocations.reserve(block.allocations_.size());
    for (const uint32_t index : block.allocations_) {
      if (index == Block::kFree) {
        allocations.emplace_back(nullptr);
      } else {
        allocations.emplace_back(index);
      }
    }
    spec["allocations"] = std::move(allocations);
    json::array attributes;
    for (const AllocationAttributes& entry : block.attributes_) {
      json::object out = entry.unknown;
      if (entry.handle_id) out["handle_id"] = *entry.handle_id;
      if (!entry.owner.empty()) out["secondary"] = to_json(entry.owner);
      if (!entry.alternate.empty()) out["alternateOwnerAttrs"] = to_json(entry.alternate);
      if (entry.released_at) out["releasedAt"] = to_rfc3339(*entry.released_at);
      attributes.emplace_back(std::move(out));
    }
    spec["attributes"] = std::move(attributes);
    json::array queue;
    queue.reserve(block.unallocated_.size());
    for (const uint32_t ordinal : block.unallocated_) queue.emplace_back(ordinal);
    spec["unallocated"] = std::move(queue);
    // int64 in the schema; numbers of this size keep their value in JSON of Kubernetes.
    spec["sequenceNumber"] = block.sequence_;
    json::object sequences;
    for (const auto& [ordinal, sequence] : block.sequence_of_)
      sequences[std::to_string(ordinal)] = sequence;
    spec["sequenceNumberForAllocation"] = std::move(sequences);
    spec["deleted"] = block.deleted_;
    // Without effect for a long time, but Calico's CRD demands it; a block that has it keeps its
    // own.
    spec["strictAffinity"] = false;
    for (const auto& member : block.unknown_) spec[member.key()] = member.value();
  }

 private:
  static Status read_allocations(Block& block, const json::value& value,
                                 const Complaint& complain) {
    const auto* entries = value.if_array();
    if (entries == nullptr) return complain("spec.allocations", shown(value), "must be an array");
    for (const json::value& entry : *entries) {
      if (entry.is_null()) {
        block.allocations_.push_back(Block::kFree);
        continue;
      }
      const auto index = to_unsigned(entry);
      if (!index || *index >= Block::kMaxAddresses) {
        return complain(fmt::format("spec.allocations[{}]", block.allocations_.size()),
                        shown(entry), "must be null or an index of attributes");
      }
      block.allocations_.push_back(static_cast<uint32_t>(*index));
    }
    return {};
  }

  static Status read_queue(Block& block, const json::value& value, const Complaint& complain) {
    if (value.is_null()) return {};
    const auto* entries = value.if_array();
    if (entries == nullptr) return complain("spec.unallocated", shown(value), "must be an array");
    for (const json::value& entry : *entries) {
      const auto ordinal = to_unsigned(entry);
      if (!ordinal || *ordinal >= Block::kMaxAddresses) {
        return complain(fmt::format("spec.unallocated[{}]", block.unallocated_.size()),
                        shown(entry), "must be an offset in the block");
      }
      block.unallocated_.push_back(static_cast<uint32_t>(*ordinal));
    }
    return {};
  }

  static Status read_attributes(Block& block, const json::value& value, const Complaint& complain) {
    if (value.is_null()) return {};
    const auto* entries = value.if_array();
    if (entries == nullptr) return complain("spec.attributes", shown(value), "must be an array");
    for (const json::value& entry : *entries) {
      const std::string field = fmt::format("spec.attributes[{}]", block.attributes_.size());
      const auto* members = entry.if_object();
      if (members == nullptr) return complain(field, shown(entry), "must be an object");
      AllocationAttributes out;
      for (const auto& member : *members) {
        const std::string_view key = member.key();
        const json::value& content = member.value();
        if (key == "handle_id") {
          if (content.is_string()) out.handle_id = std::string(content.get_string());
        } else if (key == "secondary") {
          out.owner = text_map(&content);
        } else if (key == "alternateOwnerAttrs") {
          out.alternate = text_map(&content);
        } else if (key == "releasedAt") {
          if (content.is_null()) continue;
          out.released_at = content.is_string() ? parse_time(content.get_string()) : std::nullopt;
          if (!out.released_at)
            return complain(field + ".releasedAt", shown(content), "must be a time (RFC 3339)");
        } else {
          out.unknown[key] = content;
        }
      }
      block.attributes_.push_back(std::move(out));
    }
    return {};
  }

  static Status read_sequences(Block& block, const json::value& value, const Complaint& complain) {
    if (value.is_null()) return {};
    const auto* members = value.if_object();
    if (members == nullptr)
      return complain("spec.sequenceNumberForAllocation", shown(value), "must be an object");
    for (const auto& member : *members) {
      const auto ordinal = parse_decimal(member.key(), Block::kMaxAddresses - 1);
      const auto sequence = to_unsigned(member.value());
      if (!ordinal || !sequence) {
        return complain(
            fmt::format("spec.sequenceNumberForAllocation.{}", std::string_view(member.key())),
            shown(member.value()), "must be an offset and a number");
      }
      block.sequence_of_[static_cast<uint32_t>(*ordinal)] = *sequence;
    }
    return {};
  }
};

Result<StoredBlock> decode_block(json::value object) {
  CARACAL_ASSIGN(const Complaint complain, begin("IPAMBlock", object));
  const json::value& spec = *jsonio::get(object, {"spec"});
  CARACAL_ASSIGN(const net::Cidr cidr, read_cidr(spec, complain));
  CARACAL_ASSIGN(Block block, BlockCodec::decode(spec.get_object(), cidr, complain));
  // The content lives in the value; of the object, what is around the spec is enough.
  object.get_object()["spec"] = json::object();
  return StoredBlock{std::move(block), std::move(object)};
}

Result<StoredAffinity> decode_affinity(json::value object) {
  CARACAL_ASSIGN(const Complaint complain, begin("BlockAffinity", object));
  const json::value& spec = *jsonio::get(object, {"spec"});
  StoredAffinity out;
  CARACAL_ASSIGN(out.value.cidr, read_cidr(spec, complain));
  out.value.owner.name = jsonio::get_string(spec, {"node"});
  if (out.value.owner.name.empty()) return complain("spec.node", "\"\"", "must be a node's name");
  // Affinities of releases before 3.30 have no type.
  const auto type = jsonio::get_string(spec, {"type"}, "host");
  if (type == "virtual") {
    out.value.owner.kind = Owner::Kind::kVirtual;
  } else if (type != "host" && !type.empty()) {
    return complain("spec.type", fmt::format("\"{}\"", type), "must be host or virtual");
  }
  const auto state = jsonio::get_string(spec, {"state"});
  if (state == "pending") {
    out.value.state = ClaimState::kPending;
  } else if (state == "pendingDeletion") {
    out.value.state = ClaimState::kPendingDeletion;
  } else if (state == "confirmed" || state.empty()) {  // empty: very old ones
    out.value.state = ClaimState::kConfirmed;
  } else {
    return complain("spec.state", fmt::format("\"{}\"", state),
                    "must be pending, confirmed or pendingDeletion");
  }
  out.value.deleted = read_deleted(spec);
  out.object = std::move(object);
  return out;
}

Result<StoredHandle> decode_handle(json::value object) {
  CARACAL_ASSIGN(const Complaint complain, begin("IPAMHandle", object));
  const json::value& spec = *jsonio::get(object, {"spec"});
  StoredHandle out;
  out.value.id = jsonio::get_string(spec, {"handleID"});
  if (out.value.id.empty()) return complain("spec.handleID", "\"\"", "must not be empty");
  for (const auto& member : jsonio::get_object(spec, {"block"})) {
    const auto cidr = net::Cidr::parse(member.key());
    const auto count = to_unsigned(member.value());
    if (!cidr || !count || *count > Block::kMaxAddresses) {
      return complain(fmt::format("spec.block[{}]", std::string_view(member.key())),
                      shown(member.value()), "must be a range and how many addresses of it");
    }
    out.value.blocks[*cidr] = static_cast<uint32_t>(*count);
  }
  out.value.deleted = read_deleted(spec);
  out.object = std::move(object);
  return out;
}

json::value encode(const StoredBlock& stored) {
  json::value object = stored.object;
  set_identity(object, "IPAMBlock", block_name(stored.value.cidr()));
  BlockCodec::encode(stored.value, jsonio::ensure(object, {"spec"}).get_object());
  return object;
}

json::value encode(const StoredAffinity& stored) {
  json::value object = stored.object;
  const BlockAffinity& value = stored.value;
  set_identity(object, "BlockAffinity", affinity_name(value.owner, value.cidr));
  json::value& labels = jsonio::ensure(object, {"metadata", "labels"});
  if (!labels.is_object()) labels = json::object();
  labels.get_object()[kHostHashLabel] = host_label(value.owner.name);
  labels.get_object()[kTypeLabel] = value.owner.kind_text();
  labels.get_object()[kFamilyLabel] = value.cidr.family() == net::Family::kIPv4 ? "4" : "6";
  json::object& spec = jsonio::ensure(object, {"spec"}).get_object();
  spec["state"] = to_string(value.state);
  spec["node"] = value.owner.name;
  spec["type"] = value.owner.kind_text();
  spec["cidr"] = value.cidr.to_string();
  // The datastore turns it into a boolean where the API has one.
  spec["deleted"] = value.deleted ? "true" : "false";
  return object;
}

json::value encode(const StoredHandle& stored) {
  json::value object = stored.object;
  set_identity(object, "IPAMHandle", handle_name(stored.value.id));
  json::object& spec = jsonio::ensure(object, {"spec"}).get_object();
  spec["handleID"] = stored.value.id;
  json::object blocks;
  for (const auto& [cidr, count] : stored.value.blocks) blocks[cidr.to_string()] = count;
  spec["block"] = std::move(blocks);
  spec["deleted"] = stored.value.deleted;
  return object;
}

std::string_view to_string(ClaimState state) {
  switch (state) {
    case ClaimState::kPending:
      return "pending";
    case ClaimState::kConfirmed:
      return "confirmed";
    case ClaimState::kPendingDeletion:
      return "pendingDeletion";
  }
  return "";
}

}  // namespace caracal::ipam
