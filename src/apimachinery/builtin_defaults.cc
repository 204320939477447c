#include "apimachinery/builtin_defaults.h"

#include <string>

namespace caracal::apimachinery {
namespace {

json::object* object_at(json::value& value, std::initializer_list<std::string_view> path) {
  json::value* at = &value;
  for (const std::string_view name : path) {
    json::object* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(name);
    if (at == nullptr) return nullptr;
  }
  return at->if_object();
}

json::array* array_in(json::object& object, std::string_view name) {
  json::value* member = object.if_contains(name);
  return member == nullptr ? nullptr : member->if_array();
}

bool is_set(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member != nullptr && !member->is_null();
}

std::string_view text_in(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member != nullptr && member->is_string() ? std::string_view(member->get_string())
                                                  : std::string_view();
}

void set_default(json::object& object, std::string_view name, json::value value) {
  if (!is_set(object, name)) object[name] = std::move(value);
}

void set_text_default(json::object& object, std::string_view name, std::string_view text) {
  if (text_in(object, name).empty()) object[name] = text;
}

template <typename Function>
void for_each_object(json::object& parent, std::string_view name, const Function& function) {
  json::array* elements = array_in(parent, name);
  if (elements == nullptr) return;
  for (json::value& element : *elements) {
    if (json::object* object = element.if_object()) function(*object);
  }
}

// A policy isolates for ingress always, for egress when it has egress rules
// (https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/).
void default_network_policy(json::value& object) {
  json::object* spec = object_at(object, {"spec"});
  if (spec == nullptr) return;
  const json::array* types = array_in(*spec, "policyTypes");
  if (types == nullptr || types->empty()) {
    json::array inferred{"Ingress"};
    const json::array* egress = array_in(*spec, "egress");
    if (egress != nullptr && !egress->empty()) inferred.emplace_back("Egress");
    (*spec)["policyTypes"] = std::move(inferred);
  }
}

void default_namespace(json::value& object) {
  json::object* metadata = object_at(object, {"metadata"});
  if (metadata != nullptr && !text_in(*metadata, "name").empty()) {
    const std::string name(text_in(*metadata, "name"));
    jsonio::ensure(object, {"metadata", "labels", "kubernetes.io/metadata.name"}) =
        json::string(name);
  }
  json::value& finalizers = jsonio::ensure(object, {"spec", "finalizers"});
  if (finalizers.is_null()) finalizers = json::array{"kubernetes"};
  json::value& phase = jsonio::ensure(object, {"status", "phase"});
  if (phase.is_null()) phase = "Active";
}

void default_service(json::value& object) {
  json::object* spec = object_at(object, {"spec"});
  if (spec == nullptr) return;
  const std::string type(text_in(*spec, "type"));
  for_each_object(*spec, "ports", [](json::object& port) {
    if (!is_set(port, "targetPort") && is_set(port, "port"))
      port["targetPort"] = json::value(port["port"]);
  });
  if (text_in(*spec, "sessionAffinity") == "ClientIP" && !is_set(*spec, "sessionAffinityConfig")) {
    (*spec)["sessionAffinityConfig"] =
        json::object{{"clientIP", json::object{{"timeoutSeconds", 10800}}}};
  }
  if (type == "NodePort" || type == "LoadBalancer")
    set_text_default(*spec, "externalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") set_default(*spec, "allocateLoadBalancerNodePorts", true);
  if (type != "ExternalName") set_text_default(*spec, "internalTrafficPolicy", "Cluster");
  jsonio::ensure(object, {"status", "loadBalancer"});
  if (json::value& balancer = jsonio::ensure(object, {"status", "loadBalancer"});
      balancer.is_null()) {
    balancer = json::object();
  }
}

// No tag or the tag latest may change under the same name, so it is pulled always.
bool is_moving_tag(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return false;
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = last.rfind(':');
  return colon == std::string_view::npos || last.substr(colon + 1) == "latest";
}

void default_container(json::object& container, bool host_network) {
  set_text_default(container, "imagePullPolicy",
                   is_moving_tag(text_in(container, "image")) ? "Always" : "IfNotPresent");
  if (host_network) {
    for_each_object(container, "ports", [](json::object& port) {
      if (is_set(port, "containerPort")) set_default(port, "hostPort", port["containerPort"]);
    });
  }
  // What is limited is requested.
  json::value* resources = container.if_contains("resources");
  json::object* amounts = resources == nullptr ? nullptr : resources->if_object();
  const json::value* limits = amounts == nullptr ? nullptr : amounts->if_contains("limits");
  if (limits != nullptr && limits->is_object() && !limits->get_object().empty()) {
    const json::object wanted = limits->get_object();
    set_default(*amounts, "requests", json::object());
    if (json::object* requests = (*amounts)["requests"].if_object()) {
      for (const auto& [name, amount] : wanted) set_default(*requests, name, amount);
    }
  }
}

void default_volume(json::object& volume) {
  // A volume of no kind is an empty folder.
  if (volume.size() == 1 && volume.contains("name")) volume["emptyDir"] = json::object();
}

// The three classes of https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/.
std::string_view quality_of_service(json::object& spec) {
  bool any = false;
  bool guaranteed = true;
  const auto inspect = [&any, &guaranteed](json::object& container) {
    json::value holder(container);
    for (const std::string_view resource : {"cpu", "memory"}) {
      const json::value* request = jsonio::get(holder, {"resources", "requests", resource});
      const json::value* limit = jsonio::get(holder, {"resources", "limits", resource});
      any = any || request != nullptr || limit != nullptr;
      if (request == nullptr || limit == nullptr || *request != *limit) guaranteed = false;
    }
  };
  for_each_object(spec, "containers", inspect);
  for_each_object(spec, "initContainers", inspect);
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

void default_pod(json::value& object) {
  json::object* spec = object_at(object, {"spec"});
  if (spec == nullptr) return;
  const json::value* host_network_field = spec->if_contains("hostNetwork");
  const bool host_network = host_network_field != nullptr && host_network_field->is_bool() &&
                            host_network_field->get_bool();
  for (const std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    for_each_object(*spec, list, [host_network](json::object& container) {
      default_container(container, host_network);
    });
  }
  for_each_object(*spec, "volumes", default_volume);
  // The older name of the field is kept equal.
  if (text_in(*spec, "serviceAccountName").empty()) {
    set_text_default(*spec, "serviceAccountName",
                     text_in(*spec, "serviceAccount").empty()
                         ? "default"
                         : std::string(text_in(*spec, "serviceAccount")));
  }
  (*spec)["serviceAccount"] = json::value((*spec)["serviceAccountName"]);
  const std::string_view quality = quality_of_service(*spec);
  json::value& phase = jsonio::ensure(object, {"status", "phase"});
  if (phase.is_null()) phase = "Pending";
  json::value& class_of_service = jsonio::ensure(object, {"status", "qosClass"});
  if (class_of_service.is_null()) class_of_service = quality;
}

// stringData is a convenience of writing: it is merged into data and not kept.
void default_secret(json::value& object) {
  json::object* secret = object.if_object();
  if (secret == nullptr) return;
  json::value* plain = secret->if_contains("stringData");
  if (plain == nullptr) return;
  if (json::object* texts = plain->if_object(); texts != nullptr && !texts->empty()) {
    json::object merged;
    for (const auto& [name, text] : *texts) {
      if (text.is_string()) merged.emplace(name, json::string(encode_base64(text.get_string())));
    }
    json::value& data = jsonio::ensure(object, {"data"});
    if (!data.is_object()) data = json::object();
    for (auto& [name, text] : merged) data.get_object()[name] = std::move(text);
  }
  secret->erase("stringData");
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t rest = bytes.size() - at;
    const auto byte = [&bytes, at, rest](size_t i) {
      return i < rest ? static_cast<unsigned char>(bytes[at + i]) : 0U;
    };
    const uint32_t group =
        (uint32_t{byte(0)} << 16U) | (uint32_t{byte(1)} << 8U) | uint32_t{byte(2)};
    text += kDigits[(group >> 18U) & 63U];
    text += kDigits[(group >> 12U) & 63U];
    text += rest > 1 ? kDigits[(group >> 6U) & 63U] : '=';
    text += rest > 2 ? kDigits[group & 63U] : '=';
  }
  return text;
}

void default_builtin(std::string_view group, std::string_view kind, json::value& object) {
  if (group == "networking.k8s.io" && kind == "NetworkPolicy")
    return default_network_policy(object);
  if (!group.empty()) return;
  if (kind == "Namespace") return default_namespace(object);
  if (kind == "Service") return default_service(object);
  if (kind == "Pod") return default_pod(object);
  if (kind == "Secret") return default_secret(object);
}

}  // namespace caracal::apimachinery
