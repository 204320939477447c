#include <fmt/format.h>

#include <limits>

#include "calico/decode_bgp.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using model::BgpFilterRule;
using net::Family;

constexpr int64_t kMostPriority = std::numeric_limits<int32_t>::max();

class RuleReader {
 public:
  RuleReader(const json::object& rule, const FieldPath& path, Family family, ObjectReader& reader)
      : json_(rule), path_(path), family_(family), reader_(reader) {}

  BgpFilterRule read() {
    read_prefix();
    rule_.from_remote_peers = word("source", {"RemotePeers"}) == "RemotePeers";
    read_interface();
    if (const auto type = word("peerType", {"eBGP", "iBGP"}); !type.empty()) {
      rule_.external = type == "eBGP";
    }
    read_community();
    rule_.as_path_prefix = as_path(json_, "asPathPrefix", path_, reader_);
    if (const auto priority = reader_.integer(json_, "priority", path_, 1, kMostPriority)) {
      rule_.priority = static_cast<uint32_t>(*priority);
    }
    const std::string_view action = word("action", {"Accept", "Reject"});
    rule_.accept = action == "Accept";
    if (!given("action")) {
      reader_.required(path_.member("action"), "\"Accept\" or \"Reject\"");
    }
    read_operations();
    return std::move(rule_);
  }

 private:
  bool given(std::string_view name) const {
    const json::value* value = kube::member(json_, name);
    return value != nullptr && *value != json::value("");
  }
  std::string_view word(std::string_view name, std::initializer_list<std::string_view> words) {
    return reader_.word(json_, name, path_, words);
  }

  void read_prefix() {
    const std::string_view op = word("matchOperator", {"Equal", "NotEqual", "In", "NotIn"});
    const std::string_view text = reader_.text(json_, "cidr", path_);
    const json::object* lengths = reader_.object(json_, "prefixLength", path_);
    if (text.empty() != !given("matchOperator")) {
      reader_.required(path_.member(text.empty() ? "cidr" : "matchOperator"),
                       text.empty() ? "beside matchOperator" : "beside cidr");
    }
    if (text.empty()) {
      if (lengths != nullptr) reader_.required(path_.member("cidr"), "beside prefixLength");
      return;
    }
    const auto cidr = reader_.cidr(text, path_.member("cidr"));
    if (!cidr) return;
    if (cidr->family() != family_) {
      reader_.invalid(path_.member("cidr"), json::string(text),
                      fmt::format("must be an {} CIDR in this list", net::to_string(family_)));
    }
    BgpFilterRule::Prefix prefix;
    prefix.cidr = *cidr;
    if (op == "NotEqual") prefix.op = BgpFilterRule::Operator::kNotEqual;
    if (op == "In") prefix.op = BgpFilterRule::Operator::kIn;
    if (op == "NotIn") prefix.op = BgpFilterRule::Operator::kNotIn;
    if (lengths != nullptr) read_lengths(*lengths, prefix);
    rule_.prefix = prefix;
  }

  void read_lengths(const json::object& lengths, BgpFilterRule::Prefix& prefix) {
    const FieldPath path = path_.member("prefixLength");
    const auto read = [&](std::string_view name, std::optional<uint8_t>& out) {
      if (const auto bits = reader_.integer(lengths, name, path, 0, address_bits(family_))) {
        out = static_cast<uint8_t>(*bits);
      }
    };
    read("min", prefix.min_length);
    read("max", prefix.max_length);
    if (prefix.min_length && prefix.max_length && *prefix.min_length > *prefix.max_length) {
      reader_.invalid(path.member("min"), *prefix.min_length,
                      fmt::format("must not be greater than max ({})", *prefix.max_length));
    }
  }

  void read_interface() {
    rule_.interface = reader_.text(json_, "interface", path_);
    if (rule_.interface.find_first_of("\"\\\n\t ;/") == std::string::npos) return;
    reader_.invalid(path_.member("interface"), json::string(rule_.interface),
                    "must be the name of an interface; \"*\" stands for any text");
  }

  void read_community() {
    const json::object* communities = reader_.object(json_, "communities", path_);
    if (communities == nullptr) return;
    const FieldPath path = path_.member("communities");
    const auto values = reader_.texts(*communities, "values", path);
    if (values.size() != 1) {
      reader_.invalid(path.member("values"), values.size(), "must hold exactly one community");
      return;
    }
    rule_.community = community(values.front().text, path.member("values").element(0));
  }

  std::optional<model::BgpCommunity> community(std::string_view text, const FieldPath& path) {
    auto parsed = parse_community(text);
    if (!parsed) reader_.invalid(path, json::string(text), std::string(kCommunityForm));
    return parsed;
  }

  void read_operations() {
    const json::array* list = reader_.array(json_, "operations", path_);
    if (list == nullptr || list->empty()) return;
    const FieldPath list_path = path_.member("operations");
    if (!rule_.accept) reader_.forbidden(list_path, "may stand only beside action \"Accept\"");
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath path = list_path.element(i);
      if (const json::object* entry = reader_.as_object((*list)[i], path)) {
        read_operation(*entry, path);
      }
    }
  }

  void read_operation(const json::object& entry, const FieldPath& path) {
    BgpFilterRule::Operation operation;
    int given = 0;
    const auto part = [&](std::string_view name) {
      const json::object* found = reader_.object(entry, name, path);
      given += kube::member(entry, name) == nullptr ? 0 : 1;
      return found;
    };
    if (const json::object* add = part("addCommunity")) {
      const FieldPath parent = path.member("addCommunity");
      const FieldPath value = parent.member("value");
      operation.add_community = community(reader_.text(*add, "value", parent), value);
    }
    if (const json::object* prepend = part("prependASPath")) {
      const FieldPath parent = path.member("prependASPath");
      operation.prepend_as_path = as_path(*prepend, "prefix", parent, reader_);
      if (operation.prepend_as_path.empty()) reader_.required(parent.member("prefix"));
    }
    if (const json::object* priority = part("setPriority")) {
      const FieldPath parent = path.member("setPriority");
      const auto value = reader_.integer(*priority, "value", parent, 1, kMostPriority);
      if (value) operation.set_priority = static_cast<uint32_t>(*value);
      if (kube::member(*priority, "value") == nullptr) reader_.required(parent.member("value"));
    }
    if (given != 1) {
      reader_.invalid(path, json::value(entry),
                      "must have exactly one of addCommunity, prependASPath, setPriority");
    }
    rule_.operations.push_back(std::move(operation));
  }

  const json::object& json_;
  const FieldPath& path_;
  Family family_;
  ObjectReader& reader_;
  BgpFilterRule rule_;
};

}  // namespace

std::optional<model::BgpFilter> decode_bgp_filter(const std::string& name,
                                                  const json::object& object,
                                                  ObjectReader& reader) {
  constexpr FieldPath kSpec("spec");
  const size_t problems = reader.problems().size();
  const json::object& spec = spec_of(object, reader);
  model::BgpFilter filter;
  filter.name = name;
  const auto read = [&](std::string_view field, Family family, std::vector<BgpFilterRule>& out) {
    const json::array* list = reader.array(spec, field, kSpec);
    if (list == nullptr) return;
    const FieldPath list_path = kSpec.member(field);
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath path = list_path.element(i);
      const json::object* rule = reader.as_object((*list)[i], path);
      if (rule != nullptr) out.push_back(RuleReader(*rule, path, family, reader).read());
    }
  };
  read("exportV4", Family::kIPv4, filter.export_v4);
  read("importV4", Family::kIPv4, filter.import_v4);
  read("exportV6", Family::kIPv6, filter.export_v6);
  read("importV6", Family::kIPv6, filter.import_v6);
  if (reader.problems().size() > problems) return std::nullopt;
  return filter;
}

}  // namespace caracal::calico
