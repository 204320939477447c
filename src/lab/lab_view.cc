#include "lab/lab_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::lab {

LabView::LabView(Plan plan, const model::World& world)
    : plan_(std::move(plan)), pods_(world.pods) {}

Result<const model::Pod*> LabView::find_pod(const model::ObjectName& name) const {
  const auto found = pods_.find(name);
  if (found == pods_.end()) return fail(Errc::kNotFound, "there is no pod " + name.to_string());
  return &found->second;
}

Result<ResolvedEnd> LabView::resolve_node(const std::string& name) const {
  for (size_t i = 0; i < plan_.topology.nodes.size(); ++i) {
    if (plan_.topology.nodes[i].name != name) continue;
    ResolvedEnd end;
    end.label = "node/" + name;
    end.netns = netns_path(plan_.node_netns(name));
    end.addresses = plan_.node_addresses(i);
    return end;
  }
  std::string names;
  for (const NodeSpec& node : plan_.topology.nodes)
    names += (names.empty() ? "" : ", ") + node.name;
  return fail(Errc::kNotFound,
              fmt::format("lab {} has no node {}; it has {}", plan_.topology.name, name, names));
}

Result<ResolvedEnd> LabView::resolve(const EndRef& ref) const {
  ResolvedEnd end;
  switch (ref.kind) {
    case EndRef::Kind::kPod: {
      CARACAL_ASSIGN(const model::Pod* pod, find_pod(ref.pod));
      if (pod->addresses.empty()) {
        return fail(Errc::kUnavailable,
                    fmt::format("pod {} has no address yet", ref.pod.to_string()));
      }
      if (plan_.find_node(pod->node) == nullptr) {
        return fail(Errc::kNotFound,
                    fmt::format("pod {} runs on {}, which is no node of lab {}",
                                ref.pod.to_string(), pod->node, plan_.topology.name));
      }
      end.label = ref.pod.to_string();
      end.netns =
          netns_path(pod->host_network ? plan_.node_netns(pod->node) : plan_.pod_netns(ref.pod));
      end.addresses = pod->addresses;
      end.pod = ref.pod;
      break;
    }
    case EndRef::Kind::kNode: {
      CARACAL_ASSIGN(end, resolve_node(ref.node));
      break;
    }
    case EndRef::Kind::kNodeOf: {
      CARACAL_ASSIGN(const model::Pod* pod, find_pod(ref.pod));
      CARACAL_ASSIGN(end, resolve_node(pod->node));
      break;
    }
    case EndRef::Kind::kOtherNode: {
      CARACAL_ASSIGN(const model::Pod* pod, find_pod(ref.pod));
      const auto other = std::find_if(plan_.topology.nodes.begin(), plan_.topology.nodes.end(),
                                      [&](const NodeSpec& node) { return node.name != pod->node; });
      if (other == plan_.topology.nodes.end()) {
        return fail(Errc::kNotFound, fmt::format("lab {} has one node only", plan_.topology.name));
      }
      CARACAL_ASSIGN(end, resolve_node(other->name));
      break;
    }
    case EndRef::Kind::kOutside: {
      const auto& known = plan_.topology.outside;
      if (std::find(known.begin(), known.end(), ref.address) == known.end()) {
        return fail(Errc::kNotFound, fmt::format("the outside client of lab {} has no address {}",
                                                 plan_.topology.name, ref.address.to_string()));
      }
      end.label = ref.to_string();
      end.netns = netns_path(plan_.outside_netns());
      end.addresses = {ref.address};
      end.bind_source = true;
      break;
    }
    case EndRef::Kind::kAddress: {
      end.label = ref.to_string();
      end.addresses = {ref.address};
      break;
    }
  }
  end.ref = ref;
  return end;
}

std::vector<ResolvedEnd> LabView::pods(std::string_view ns) const {
  std::vector<ResolvedEnd> out;
  for (const auto& [name, pod] : pods_) {
    if (!ns.empty() && name.ns != ns) continue;
    if (auto end = resolve({.kind = EndRef::Kind::kPod, .pod = name}))
      out.push_back(std::move(*end));
  }
  return out;
}

std::vector<Probe> make_probes(const ResolvedEnd& from, const ResolvedEnd& to,
                               net::Protocol protocol, uint16_t port) {
  std::vector<Probe> out;
  for (const net::IpAddr& destination : to.addresses) {
    const auto source =
        std::find_if(from.addresses.begin(), from.addresses.end(),
                     [&](const net::IpAddr& a) { return a.family() == destination.family(); });
    if (source == from.addresses.end() || from.netns.empty()) continue;
    Probe probe;
    probe.netns = from.netns;
    if (from.bind_source) probe.source = *source;
    probe.destination = destination;
    probe.protocol = protocol;
    probe.port = port;
    out.push_back(std::move(probe));
  }
  return out;
}

}  // namespace caracal::lab
