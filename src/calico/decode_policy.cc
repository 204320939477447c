#include "calico/decode_policy.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "calico/decode_entity_rule.h"
#include "calico/decode_rule.h"
#include "kube/decode.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using model::PolicyKind;
using selector::Selector;

constexpr std::array<std::string_view, 13> kSpecFields = {"tier",
                                                          "order",
                                                          "ingress",
                                                          "egress",
                                                          "selector",
                                                          "types",
                                                          "serviceAccountSelector",
                                                          "performanceHints",
                                                          "namespaceSelector",
                                                          "doNotTrack",
                                                          "preDNAT",
                                                          "applyOnForward",
                                                          "stagedAction"};
// The last ones of them are of global policies, and of staged ones.
constexpr size_t kGlobalFields = 4;
constexpr size_t kStagedFields = 1;

bool is_global(PolicyKind kind) {
  return kind == PolicyKind::kGlobalNetworkPolicy || kind == PolicyKind::kStagedGlobalNetworkPolicy;
}

model::StagedAction staged_action(const json::object& spec, const FieldPath& path,
                                  ObjectReader& reader) {
  const std::string_view word =
      reader.word(spec, "stagedAction", path, {"Set", "Delete", "Learn", "Ignore"});
  if (word == "Delete") return model::StagedAction::kDelete;
  if (word == "Learn") return model::StagedAction::kLearn;
  if (word == "Ignore") return model::StagedAction::kIgnore;
  return model::StagedAction::kSet;
}

// Nothing but what tells which policy is to be deleted.
void check_deletion(const json::object& spec, const FieldPath& path, ObjectReader& reader) {
  for (const auto& [key, value] : spec) {
    const std::string_view name(key.data(), key.size());
    const bool empty = value.is_null() || value == json::value("") ||
                       (value.is_array() && value.get_array().empty()) ||
                       (value.is_object() && value.get_object().empty()) ||
                       value == json::value(false);
    // Defaulting writes types.
    if (empty || name == "tier" || name == "stagedAction" || name == "types" ||
        name == "policyTypes") {
      continue;
    }
    reader.forbidden(path.member(name), "must be empty with stagedAction Delete");
  }
}

class PolicyReader {
 public:
  PolicyReader(PolicyKind kind, model::ObjectName name, ObjectReader& reader) : reader_(reader) {
    policy_.id = {kind, std::move(name)};
    policy_.selects.inherited = true;
    policy_.order = std::numeric_limits<double>::infinity();
  }

  model::Policy read(const json::object& object) {
    const FieldPath path("spec");
    static const json::object kEmpty;
    const json::object* found = reader_.object(object, "spec", FieldPath(""));
    const json::object& spec = found == nullptr ? kEmpty : *found;
    const bool global = is_global(policy_.id.kind);
    const bool staged = model::is_staged(policy_.id.kind);
    if (!global && policy_.id.name.ns.empty()) {
      reader_.required(FieldPath("metadata").member("namespace"));
    }
    check_fields(spec, path, global, staged);
    read_place(spec, path);
    if (staged) policy_.staged = staged_action(spec, path, reader_);
    if (policy_.staged == model::StagedAction::kDelete) check_deletion(spec, path, reader_);
    read_selectors(spec, path, global);
    read_types(spec, path);
    if (global) read_hook(spec, path);
    const std::string ns = global ? std::string() : policy_.id.name.ns;
    std::vector<model::Rule> ingress =
        decode_rules(spec, "ingress", path, ns, model::Direction::kIngress, reader_);
    std::vector<model::Rule> egress =
        decode_rules(spec, "egress", path, ns, model::Direction::kEgress, reader_);
    if (reader_.ok()) {
      // Rules of a direction that types leave out have no effect.
      if (policy_.applies_ingress) policy_.ingress = std::move(ingress);
      if (policy_.applies_egress) policy_.egress = std::move(egress);
    }
    policy_.warnings = reader_.warnings();
    return std::move(policy_);
  }

 private:
  void check_fields(const json::object& spec, const FieldPath& path, bool global, bool staged) {
    std::vector<std::string_view> known(kSpecFields.begin(),
                                        kSpecFields.end() - kGlobalFields - kStagedFields);
    if (global) {
      known.insert(known.end(), kSpecFields.end() - kGlobalFields - kStagedFields,
                   kSpecFields.end() - kStagedFields);
    }
    if (staged) known.push_back(kSpecFields.back());
    reader_.has_unknown(spec, path, known);
    for (const auto& [hint, index] : reader_.texts(spec, "performanceHints", path)) {
      if (hint == "AssumeNeededOnEveryNode") continue;
      reader_.invalid(path.member("performanceHints").element(index), json::string(hint),
                      "must be \"AssumeNeededOnEveryNode\"");
    }
  }

  void read_place(const json::object& spec, const FieldPath& path) {
    const std::string_view tier = reader_.text(spec, "tier", path);
    if (!tier.empty()) policy_.tier = tier;
    if (const auto order = reader_.number(spec, "order", path)) policy_.order = *order;
  }

  // Namespace and service account selectors are conditions of one selector over inherited labels.
  // The first that is given also changes what all() means before it (calico.md 3.4).
  void read_selectors(const json::object& spec, const FieldPath& path, bool global) {
    const Selector in_namespace = in_some_namespace();
    const Selector with_account = with_some_service_account();
    const auto given = [&spec](std::string_view name) {
      const json::value* value = kube::member(spec, name);
      return value != nullptr && *value != json::value("");
    };
    const bool by_namespace = global && given("namespaceSelector");
    const bool by_account = given("serviceAccountSelector");
    const Selector* all_means = nullptr;
    if (by_account && global) all_means = &with_account;
    if (by_namespace) all_means = &in_namespace;
    std::vector<Selector> parts;
    const auto add = [&](const SelectorField& field) {
      if (auto part = decode_selector(spec, path, field, reader_)) {
        parts.push_back(std::move(*part));
      }
    };
    add({.name = "selector", .all_means = all_means});
    if (global) {
      add({.name = "namespaceSelector",
           .key_prefix = kNamespacePrefix,
           .all_means = &in_namespace});
    }
    add({.name = "serviceAccountSelector",
         .key_prefix = kServiceAccountPrefix,
         .all_means = &with_account});
    policy_.selects.pods = Selector::all_of(std::move(parts));
    if (!global) policy_.selects.in_namespace = policy_.id.name.ns;
  }

  void read_types(const json::object& spec, const FieldPath& path) {
    const json::array* list = reader_.array(spec, "types", path);
    const FieldPath list_path = path.member("types");
    if (list == nullptr || list->empty()) {
      const auto has = [&spec](std::string_view name) {
        const json::value* rules = kube::member(spec, name);
        return rules != nullptr && (!rules->is_array() || !rules->get_array().empty());
      };
      policy_.applies_egress = has("egress");
      policy_.applies_ingress = has("ingress") || !policy_.applies_egress;
      if (list == nullptr && kube::member(spec, "types") != nullptr) both();
      return;
    }
    for (size_t i = 0; i < list->size(); ++i) {
      const json::value& type = (*list)[i];
      const bool ingress = type == json::value("Ingress");
      if (!ingress && type != json::value("Egress")) {
        reader_.invalid(list_path.element(i), type, "must be \"Ingress\" or \"Egress\"");
        continue;
      }
      bool& applies = ingress ? policy_.applies_ingress : policy_.applies_egress;
      if (applies) reader_.duplicate(list_path.element(i), type);
      applies = true;
    }
    if (!policy_.applies_ingress && !policy_.applies_egress) both();
  }
  // Directions that cannot be read: closed in both.
  void both() {
    policy_.applies_ingress = true;
    policy_.applies_egress = true;
  }

  void read_hook(const json::object& spec, const FieldPath& path) {
    const bool untracked = reader_.flag(spec, "doNotTrack", path);
    const bool pre_dnat = reader_.flag(spec, "preDNAT", path);
    const bool forward = reader_.flag(spec, "applyOnForward", path);
    if (untracked && pre_dnat) {
      reader_.forbidden(path.member("preDNAT"), "cannot stand beside doNotTrack");
    }
    if ((untracked || pre_dnat) && !forward) {
      reader_.required(path.member("applyOnForward"),
                       fmt::format("must be true with {}", untracked ? "doNotTrack" : "preDNAT"));
    }
    if (pre_dnat) {
      const json::value* egress = kube::member(spec, "egress");
      if (egress != nullptr && egress->is_array() && !egress->get_array().empty()) {
        reader_.forbidden(path.member("egress"), "must be empty with preDNAT");
      } else if (policy_.applies_egress) {
        reader_.forbidden(path.member("types"), "Egress cannot stand beside preDNAT");
      }
    }
    policy_.hook = untracked  ? model::Hook::kUntracked
                   : pre_dnat ? model::Hook::kPreDnat
                   : forward  ? model::Hook::kForward
                              : model::Hook::kNormal;
  }

  ObjectReader& reader_;
  model::Policy policy_;
};

// The specification of a Kubernetes NetworkPolicy, and what is to happen with it.
model::Policy decode_staged_kubernetes(model::ObjectName name, const json::object& object,
                                       ObjectReader& reader) {
  const FieldPath path("spec");
  json::object plain = object;
  std::optional<model::StagedAction> action;
  if (const json::object* spec = reader.object(object, "spec", FieldPath(""))) {
    action = staged_action(*spec, path, reader);
    if (action == model::StagedAction::kDelete) check_deletion(*spec, path, reader);
  }
  const model::PolicyUpdate update = kube::decode_network_policy(json::value(std::move(plain)));
  model::Policy policy = update.value.value_or(model::Policy());
  if (update.invalid) {
    // Behind "NetworkPolicy NS/NAME: ".
    std::string_view text = *update.invalid;
    const std::string prefix = update.key.to_string() + ": ";
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
    reader.reject(std::string(text));
  }
  policy.id = {PolicyKind::kStagedKubernetesNetworkPolicy, std::move(name)};
  policy.staged = action.value_or(model::StagedAction::kSet);
  policy.warnings = reader.warnings();
  return policy;
}

}  // namespace

model::Policy decode_policy(PolicyKind kind, model::ObjectName name, const json::object& object,
                            ObjectReader& reader) {
  if (kind == PolicyKind::kStagedKubernetesNetworkPolicy) {
    return decode_staged_kubernetes(std::move(name), object, reader);
  }
  return PolicyReader(kind, std::move(name), reader).read(object);
}

}  // namespace caracal::calico
