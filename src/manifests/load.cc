#include "manifests/load.h"

#include <algorithm>
#include <set>

#include "base/sha1.h"
#include "calico/decode.h"
#include "kube/decode.h"
#include "manifests/networks.h"
#include "manifests/workload_pods.h"

namespace caracal::manifests {
namespace {

constexpr std::string_view kNameLabel = "kubernetes.io/metadata.name";
constexpr uint32_t kFirstAddress = 240U << 24;  // 240.0.0.0/8
constexpr uint32_t kAddresses = 1U << 24;

bool is_cluster_scoped(std::string_view kind) {
  static const std::set<std::string_view> kKinds = {"Namespace",
                                                    "Node",
                                                    "ClusterRole",
                                                    "ClusterRoleBinding",
                                                    "PersistentVolume",
                                                    "StorageClass",
                                                    "IngressClass",
                                                    "PriorityClass",
                                                    "GlobalNetworkPolicy",
                                                    "StagedGlobalNetworkPolicy",
                                                    "GlobalNetworkSet",
                                                    "Tier",
                                                    "HostEndpoint",
                                                    "Profile",
                                                    "FelixConfiguration",
                                                    "CustomResourceDefinition",
                                                    "IPPool",
                                                    "BGPPeer",
                                                    "BGPConfiguration",
                                                    "ClusterInformation",
                                                    "ClusterNetworkPolicy",
                                                    "AdminNetworkPolicy",
                                                    "BaselineAdminNetworkPolicy",
                                                    "ClusterUserDefinedNetwork",
                                                    "ValidatingWebhookConfiguration",
                                                    "MutatingWebhookConfiguration"};
  return kKinds.contains(kind);
}

// Kinds whose pods carry labels of their own: a namespace that holds one of them is there.
bool implies_namespace(std::string_view kind) {
  return kind == "Pod" || is_workload(kind) || kind == "NetworkPolicy" || kind == "Service" ||
         kind == "ServiceAccount";
}

std::string kind_of(const json::value& object) {
  return std::string(jsonio::get_string(object, {"kind"}));
}

class Loader {
 public:
  Loader(const LoadOptions& options, bool replace) : options_(options), replace_(replace) {}

  Manifests run(Documents documents) {
    out_.problems = std::move(documents.problems);
    for (Document& document : documents.documents) register_object(std::move(document));
    find_owners();
    for (auto& [key, document] : out_.objects) add_object(key, document);
    add_workload_pods();
    add_namespaces();
    give_addresses();
    add_networks();
    add_endpoints();
    add_exposures();
    return std::move(out_);
  }

 private:
  void problem(const Document& document, const ObjectKey& key, std::string message,
               bool error = true) {
    Source source = document.source;
    source.line = line_of(document, field_of(message));
    out_.problems.push_back({error, std::move(source), key.to_string(), std::move(message)});
  }

  // A message begins with the field it is about: up to the first ": ".
  static std::string_view field_of(std::string_view message) {
    const std::string_view field = message.substr(0, message.find(": "));
    return field.find(' ') == std::string_view::npos ? field : std::string_view();
  }

  void register_object(Document document) {
    const std::string kind = kind_of(document.value);
    json::object& object = *document.value.if_object();
    auto name = kube::decode_name(document.value);
    if (!name) {
      out_.problems.push_back({true, document.source, kind, name.error().message});
      return;
    }
    if (is_cluster_scoped(kind)) {
      name->ns.clear();
    } else if (name->ns.empty()) {
      name->ns = options_.default_namespace;
      if (json::object* metadata = object["metadata"].if_object())
        (*metadata)["namespace"] = name->ns;
    }
    // NetworkPolicy is the name of two kinds.
    const std::string_view version = jsonio::get_string(document.value, {"apiVersion"});
    const bool calico = version.find("projectcalico.org") != std::string_view::npos;
    ObjectKey key{calico && kind == "NetworkPolicy" ? "Calico NetworkPolicy" : kind, *name};
    const auto [it, fresh] = out_.objects.try_emplace(key, document);
    if (fresh) return;
    if (!replace_) {
      problem(document, key,
              "is there twice, first in " + it->second.source.file + ":" +
                  std::to_string(it->second.source.line) + "; the last one counts",
              false);
    }
    it->second = std::move(document);
  }

  // Which workloads have pods, or workloads, of their own here.
  void find_owners() {
    for (const auto& [key, document] : out_.objects) {
      if (key.kind != "Pod" && !is_workload(key.kind)) continue;
      if (const auto owner = controller_of(document.value))
        has_children_.insert({owner->kind, {key.name.ns, owner->name}});
    }
  }

  // The workload a pod or workload belongs to: its owner, or the owner's owner that is known.
  analysis::Workload top_owner(const ObjectKey& key, const json::value& object) const {
    ObjectKey at = key;
    const json::value* value = &object;
    for (int depth = 0; depth < 8 && value != nullptr; ++depth) {
      const auto owner = controller_of(*value);
      if (!owner) break;
      at = {owner->kind, {key.name.ns, owner->name}};
      const auto it = out_.objects.find(at);
      value = it == out_.objects.end() ? nullptr : &it->second.value;
    }
    return {at.name, at.kind};
  }

  void add_object(const ObjectKey& key, const Document& document) {
    const json::value& object = document.value;
    if (implies_namespace(key.kind)) implied_.insert(key.name.ns);
    if (is_workload(key.kind)) return;  // after the pods, whose names go first
    if (key.kind == "UserDefinedNetwork" || key.kind == "ClusterUserDefinedNetwork") {
      networks_.push_back(object);
    } else if (key.kind == "Ingress" || key.kind == "Route") {
      for (Backend& backend : backends_of(object)) out_.backends.push_back(std::move(backend));
    } else if (key.kind == "Service") {
      auto service = decode_service(object);
      if (service) {
        out_.services.push_back(std::move(*service));
      } else {
        problem(document, key, service.error().message);
      }
    } else if (key.kind == "Endpoints") {
      add_endpoints_object(key, object);
    } else if (key.kind == "Pod") {
      add_pod(key, document, object);
    } else {
      apply(key, document, object);
    }
  }

  // Through the decoders that the agent uses.
  void apply(const ObjectKey& key, const Document& document, const json::value& object) {
    const auto decoded = decoder_.apply(object);
    if (!decoded) {
      if (decoded.error().code != Errc::kUnsupported)
        problem(document, key, decoded.error().message);
      return;
    }
    for (const model::Update& update : decoded->updates) out_.world.apply(update);
    for (const calico::Finding& finding : decoded->findings) {
      problem(document, key, finding.text, finding.invalid);
    }
  }

  // `object` is the pod, `document` what it was read from.
  void add_pod(const ObjectKey& key, const Document& document, const json::value& object) {
    auto pod = kube::decode_pod(object);
    if (!pod) {
      std::string message = pod.error().message;
      const std::string prefix = "Pod " + key.name.to_string() + ": ";
      if (message.starts_with(prefix)) message.erase(0, prefix.size());
      problem(document, key, std::move(message));
      return;
    }
    const ObjectKey own{key.kind, key.name};
    analysis::Workload workload = top_owner(own, document.value);
    const model::ObjectName name = pod->name;
    if (workload != analysis::Workload{name, "Pod"})
      out_.view.workloads.emplace(name, std::move(workload));
    declare_ports(name, object);
    if (options_.every_pod && !pod->networked()) {
      pod->host_network = false;
      pod->finished = false;
      pod->addresses.clear();  // the node's, or somebody else's by now
      unaddressed_.insert(name);
    }
    out_.world.apply(model::PodUpdate{name, std::move(*pod)});
  }

  void declare_ports(const model::ObjectName& pod, const json::value& object) {
    for (const json::value& container : jsonio::get_array(object, {"spec", "containers"})) {
      for (const json::value& port : jsonio::get_array(container, {"ports"})) {
        const auto protocol = net::Protocol::parse(jsonio::get_string(port, {"protocol"}, "TCP"));
        const int64_t number = jsonio::get_int(port, {"containerPort"});
        if (protocol && number >= 1 && number <= 65535)
          out_.declared_ports[pod].emplace_back(*protocol, static_cast<uint16_t>(number));
      }
    }
  }

  void add_workload_pods() {
    for (const auto& [key, document] : out_.objects) {
      if (!is_workload(key.kind) || has_children_.contains(key)) continue;
      // What a cluster has stands for itself: its controllers make the pods.
      if (document.source.file.empty()) continue;
      auto pod = pod_of_template(document.value);
      if (!pod) {
        problem(document, key, pod.error().message);
        continue;
      }
      std::string name = key.name.name;
      if (out_.world.pods.contains({key.name.ns, name})) {
        std::string kind = key.kind;
        std::transform(kind.begin(), kind.end(), kind.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        name += "-" + kind;
        jsonio::ensure(*pod, {"metadata", "name"}) = name;
      }
      add_pod(key, document, *pod);
    }
  }

  void add_namespaces() {
    for (const std::string& name : implied_) {
      if (out_.world.namespaces.contains(name)) continue;
      out_.world.apply(model::NamespaceUpdate{name, model::Namespace{name, {}}});
    }
    for (auto& [name, ns] : out_.world.namespaces) ns.labels[std::string(kNameLabel)] = name;
  }

  void give_addresses() {
    std::set<net::IpAddr> taken;
    for (const auto& [name, pod] : out_.world.pods)
      taken.insert(pod.addresses.begin(), pod.addresses.end());
    taken.insert(net::IpAddr::v4(kFirstAddress));  // the ingress controller's
    for (auto& [name, pod] : out_.world.pods) {
      if (!pod.addresses.empty() || !pod.networked() || unaddressed_.contains(name)) continue;
      pod.addresses.push_back(free_address(name, taken));
    }
  }

  static net::IpAddr free_address(const model::ObjectName& name, std::set<net::IpAddr>& taken) {
    const std::string digest = sha1_hex(name.to_string());
    uint32_t offset = 0;
    for (int i = 0; i < 6; ++i) {
      const char c = digest[static_cast<size_t>(i)];
      offset = offset * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    while (true) {
      const net::IpAddr address = net::IpAddr::v4(kFirstAddress + offset % kAddresses);
      if (taken.insert(address).second) return address;
      ++offset;
    }
  }

  void add_networks() {
    const auto networks = primary_networks(out_.world, networks_);
    for (const auto& [name, pod] : out_.world.pods) {
      const auto it = networks.find(name.ns);
      if (it != networks.end()) out_.view.networks.emplace(name, it->second);
    }
  }

  // The old form of EndpointSlice.
  void add_endpoints_object(const ObjectKey& key, const json::value& object) {
    const json::array& subsets = jsonio::get_array(object, {"subsets"});
    for (size_t i = 0; i < subsets.size(); ++i) {
      model::EndpointSlice slice;
      slice.name = {key.name.ns, key.name.name + "-endpoints-" + std::to_string(i)};
      slice.service = key.name.name;
      for (const json::value& address : jsonio::get_array(subsets[i], {"addresses"})) {
        if (const auto ip = net::IpAddr::parse(jsonio::get_string(address, {"ip"})))
          slice.addresses.push_back(*ip);
      }
      for (const json::value& port : jsonio::get_array(subsets[i], {"ports"})) {
        const auto protocol = net::Protocol::parse(jsonio::get_string(port, {"protocol"}, "TCP"));
        const int64_t number = jsonio::get_int(port, {"port"});
        if (!protocol || number < 1 || number > 65535) continue;
        slice.ports.push_back({std::string(jsonio::get_string(port, {"name"})), *protocol,
                               static_cast<uint16_t>(number)});
      }
      out_.world.apply(model::EndpointSliceUpdate{slice.name, slice});
    }
  }

  void add_endpoints() {
    std::set<model::ObjectName> written_down;
    for (const auto& [name, slice] : out_.world.endpoint_slices)
      written_down.insert({name.ns, slice.service});
    for (const Service& service : out_.services) {
      if (service.selector.empty() || written_down.contains(service.name)) continue;
      for (model::EndpointSlice& slice : slices_of(out_.world, service))
        out_.world.apply(model::EndpointSliceUpdate{slice.name, slice});
    }
  }

  void add_exposures() {
    out_.view.exposures = exposures(out_.world, out_.services, out_.backends);
    if (out_.view.exposures.empty()) return;
    model::Pod pod;
    pod.name = ingress_controller_pod();
    pod.addresses = {net::IpAddr::v4(kFirstAddress)};
    out_.world.apply(model::NamespaceUpdate{pod.name.ns, model::Namespace{pod.name.ns, {}}});
    out_.view.ingress_controller = pod.name;
    out_.world.apply(model::PodUpdate{pod.name, pod});
  }

  const LoadOptions& options_;
  const bool replace_;
  Manifests out_;
  calico::ObjectDecoder decoder_;
  std::set<std::string> implied_;
  std::set<model::ObjectName> unaddressed_;  // pods that have no address of their own
  std::set<ObjectKey> has_children_;
  std::vector<json::value> networks_;
};

}  // namespace

model::ObjectName ingress_controller_pod() {
  return {std::string(analysis::kIngressController), "ingress-controller"};
}

bool Manifests::has_errors() const {
  return std::any_of(problems.begin(), problems.end(),
                     [](const Problem& problem) { return problem.error; });
}

Manifests load(Documents documents, const LoadOptions& options, bool replace) {
  return Loader(options, replace).run(std::move(documents));
}

Manifests load(const std::vector<std::string>& paths, const LoadOptions& options) {
  return load(read_documents(paths), options);
}

}  // namespace caracal::manifests
