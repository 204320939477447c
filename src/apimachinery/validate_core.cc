// Namespace, Node, ConfigMap, Secret and Event.
#include <fmt/format.h>

#include <array>
#include <set>
#include <string>

#include "apimachinery/field_cursor.h"
#include "net/cidr.h"

namespace caracal::apimachinery {
namespace {

constexpr size_t kMaxContentBytes = 1024 * 1024;  // ConfigMap and Secret

void validate_keys(const Field& map, FieldErrors& errors) {
  for (const auto& [key, value] : map.members()) errors.check(value, check_config_key(key));
}

size_t text_bytes(const Field& map) {
  size_t bytes = 0;
  for (const auto& [key, value] : map.members()) bytes += value.text().size();
  return bytes;
}

// Base64 text stands for three bytes in four characters.
size_t base64_bytes(const Field& map) {
  size_t bytes = 0;
  for (const auto& [key, value] : map.members()) {
    const std::string_view text = value.text();
    size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
      ++padding;
    bytes += text.size() / 4 * 3 - std::min(padding, text.size() / 4 * 3);
  }
  return bytes;
}

void check_size(const Field& map, size_t bytes, FieldErrors& errors) {
  if (bytes > kMaxContentBytes) errors.add(FieldError::too_long(map.path(), kMaxContentBytes));
}

void check_frozen(const Field& object, const Field& old,
                  std::initializer_list<std::string_view> fields, FieldErrors& errors) {
  if (!old.at("immutable").flag()) return;
  if (!object.at("immutable").flag()) {
    errors.forbidden(object.at("immutable"), "may not be taken back once it is true");
  }
  for (const std::string_view name : fields) {
    const Field now = object.at(name);
    const Field before = old.at(name);
    const bool same =
        now.empty() ? before.empty() : before.value() != nullptr && *now.value() == *before.value();
    if (!same) errors.forbidden(now, "may not change while immutable is true");
  }
}

}  // namespace

void validate_namespace(const Field& object, FieldErrors& errors) {
  for (const Field& finalizer : object.at("spec").at("finalizers").elements()) {
    errors.check(finalizer, check_qualified_name(finalizer.text()));
    if (finalizer.text() != "kubernetes" && finalizer.text().find('/') == std::string_view::npos) {
      errors.invalid(finalizer,
                     "must be \"kubernetes\" or have a domain in front, e.g. example.com/name");
    }
  }
}

void validate_node(const Field& object, FieldErrors& errors) {
  const Field spec = object.at("spec");
  const Field cidrs = spec.at("podCIDRs");
  std::set<net::Family> families;
  for (const Field& text : cidrs.elements()) {
    const Result<net::Cidr> cidr = net::Cidr::parse(text.text());
    if (!cidr) {
      errors.invalid(text, "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/64");
    } else if (!families.insert(cidr->family()).second) {
      errors.invalid(cidrs, "at most one CIDR for each IP family");
    }
  }
  const Field cidr = spec.at("podCIDR");
  if (!cidr.text().empty()) {
    if (!net::Cidr::parse(cidr.text())) {
      errors.invalid(cidr, "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/64");
    }
    if (!cidrs.empty() && cidrs.elements()[0].text() != cidr.text()) {
      errors.invalid(cidr, fmt::format("must equal the first of podCIDRs, which is {}",
                                       cidrs.elements()[0].text()));
    }
  }
  std::set<std::string> taints;
  for (const Field& taint : spec.at("taints").elements()) {
    const Field key = taint.at("key");
    if (key.text().empty()) {
      errors.required(key);
    } else {
      errors.check(key, check_qualified_name(key.text()));
    }
    errors.check(taint.at("value"), check_label_value(taint.at("value").text()));
    const Field effect = taint.at("effect");
    if (effect.text().empty()) {
      errors.required(effect);
    } else {
      errors.one_of(effect, {"NoExecute", "NoSchedule", "PreferNoSchedule"});
    }
    if (!taints.insert(fmt::format("{}:{}", key.text(), effect.text())).second)
      errors.duplicate(taint);
  }
}

void validate_node_update(const Field& object, const Field& old, FieldErrors& errors) {
  for (const std::string_view name : {"podCIDRs", "podCIDR", "providerID"}) {
    const Field before = old.at("spec").at(name);
    if (before.text().empty() && before.empty()) continue;
    errors.immutable(object.at("spec").at(name), before, "cannot be changed after it was set");
  }
}

void validate_config_map(const Field& object, FieldErrors& errors) {
  const Field texts = object.at("data");
  const Field bytes = object.at("binaryData");
  validate_keys(texts, errors);
  validate_keys(bytes, errors);
  for (const auto& [key, value] : bytes.members()) {
    if (texts.at(key).present()) {
      errors.add(FieldError::invalid(texts.path().key(key), json::value(key),
                                     "a key may stand in data or in binaryData, not in both"));
    }
  }
  check_size(texts, text_bytes(texts) + base64_bytes(bytes), errors);
}

void validate_config_map_update(const Field& object, const Field& old, FieldErrors& errors) {
  check_frozen(object, old, {"data", "binaryData"}, errors);
}

void validate_secret(const Field& object, FieldErrors& errors) {
  const Field content = object.at("data");
  validate_keys(content, errors);
  check_size(content, base64_bytes(content), errors);
  struct Needs {
    std::string_view type;
    std::string_view key;
  };
  static constexpr std::array kNeeds = {
      Needs{"kubernetes.io/tls", "tls.crt"},
      Needs{"kubernetes.io/tls", "tls.key"},
      Needs{"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
      Needs{"kubernetes.io/dockercfg", ".dockercfg"},
      Needs{"kubernetes.io/ssh-auth", "ssh-privatekey"},
  };
  const std::string_view type = object.at("type").text();
  for (const Needs& needs : kNeeds) {
    if (type == needs.type && !content.at(needs.key).present()) {
      errors.add(FieldError::required(content.path().key(needs.key),
                                      fmt::format("secrets of type {} need it", type)));
    }
  }
  if (type == "kubernetes.io/basic-auth" && !content.at("username").present() &&
      !content.at("password").present()) {
    errors.add(
        FieldError::required(content.path().key("username"),
                             "secrets of type kubernetes.io/basic-auth need username or password"));
  }
  if (type == "kubernetes.io/service-account-token") {
    const Field annotations = object.at("metadata").at("annotations");
    if (annotations.at("kubernetes.io/service-account.name").text().empty()) {
      errors.add(
          FieldError::required(annotations.path().key("kubernetes.io/service-account.name")));
    }
  }
}

void validate_secret_update(const Field& object, const Field& old, FieldErrors& errors) {
  errors.immutable(object.at("type"), old.at("type"));
  check_frozen(object, old, {"data"}, errors);
}

void validate_event(const Field& object, FieldErrors& errors) {
  const std::string_view own = object.at("metadata").at("namespace").text();
  const Field about = object.at("involvedObject").at("namespace");
  if (about.text().empty()) {
    // Events about objects without namespace are kept in this one.
    if (own != "default") {
      errors.add(FieldError::invalid(
          about.path(), json::value(about.text()),
          fmt::format("must equal the event's namespace, \"{}\" (an event about an object without "
                      "namespace belongs in \"default\")",
                      own)));
    }
  } else if (about.text() != own) {
    errors.invalid(about, fmt::format("must equal the event's namespace, \"{}\"", own));
  }
}

}  // namespace caracal::apimachinery
