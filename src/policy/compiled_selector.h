// CompiledSelector: a selector::Selector with its keys and values as StringIds, evaluated on labels
// of StringIds. Texts are looked at for "contains", "starts with" and "ends with" only.
//
// In its inherited form (Calico's APIs, model/policy.h EndpointPeer::inherited) a key may also mean
// what an endpoint has from its namespace and service account. That is looked up there and then:
// nothing is stored with the endpoints.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "policy/label_lists.h"
#include "policy/string_table.h"
#include "selector/selector.h"

namespace caracal::policy {

// What an inherited selector sees of an endpoint.
struct EndpointLabels {
  LabelSpan own;
  bool is_pod = false;
  StringId ns = 0;                          // 0: none
  std::optional<LabelSpan> ns_labels;       // when the namespace is known
  StringId account = 0;                     // 0: none
  std::optional<LabelSpan> account_labels;  // when the service account is known
};

inline constexpr std::string_view kNamespaceKey = "projectcalico.org/namespace";
inline constexpr std::string_view kOrchestratorKey = "projectcalico.org/orchestrator";
inline constexpr std::string_view kAccountKey = "projectcalico.org/serviceaccount";
inline constexpr std::string_view kNamespacePrefix = "pcns.";
inline constexpr std::string_view kAccountPrefix = "pcsa.";
inline constexpr std::string_view kNamespaceNameKey = "pcns.projectcalico.org/name";
inline constexpr std::string_view kAccountNameKey = "pcsa.projectcalico.org/name";

class CompiledSelector {
 public:
  // Where the value of a key comes from, beside the endpoint's own labels.
  enum class Origin : uint8_t {
    kOwn,            // nowhere else
    kNamespace,      // the namespace's name; goes before own labels, as the next two
    kOrchestrator,   // "k8s" for pods
    kAccount,        // the service account's name
    kNamespaceName,  // the names again, while the objects are known
    kAccountName,
    kNamespaceLabel,  // their labels
    kAccountLabel,
  };

  CompiledSelector() = default;  // matches everything
  // Takes hold of the selector's texts in `strings`, until release().
  CompiledSelector(const selector::Selector& selector, StringTable& strings,
                   bool inherited = false);
  void release(StringTable& strings);

  // Without what is inherited.
  bool matches(const LabelSpan& labels) const;
  bool matches(const EndpointLabels& endpoint) const;
  bool matches_everything() const { return root_.op == selector::Op::kAll; }

  // The shortest list of labels of which a match must have one, or empty when there is no such
  // list. What has none of them need not be looked at. All have one key.
  const std::vector<Label>& required_labels() const { return required_; }
  // How an endpoint may come to have them: kOwn, kNamespace, kNamespaceName or kNamespaceLabel, the
  // last with `required_inner` as the namespace's key.
  Origin required_origin() const { return required_origin_; }
  StringId required_inner() const { return required_inner_; }
  // A key that an endpoint's own labels must have, with whatever value, where there are no required
  // labels; or 0.
  StringId required_key() const { return required_key_; }
  bool uses_accounts() const { return uses_accounts_; }

 private:
  struct Node {
    selector::Op op = selector::Op::kAll;
    Origin origin = Origin::kOwn;
    StringId key = 0;
    StringId inner = 0;            // key without prefix; "k8s" for kOrchestrator
    std::vector<StringId> values;  // sorted
    std::vector<Node> children;
  };
  Node compile(const selector::Node& node, StringTable& strings, bool inherited);
  static void release(const Node& node, StringTable& strings);
  StringId inherited_value(const Node& node, const EndpointLabels& endpoint) const;
  template <typename Value>
  bool evaluate(const Node& node, const Value& value) const;
  void consider(const Node& node);

  const StringTable* strings_ = nullptr;  // of the texts held
  bool uses_accounts_ = false;            // before root_, whose making sets it
  Node root_;
  std::vector<Label> required_;
  Origin required_origin_ = Origin::kOwn;
  StringId required_inner_ = 0;
  StringId required_key_ = 0;
};

}  // namespace caracal::policy
