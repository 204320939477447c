#include "analysis/connectivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace caracal::analysis {
namespace {

using model::Direction;
using policy::PortSet;

// More would not be a picture any more, and fill the memory.
constexpr size_t kMostCells = 64'000'000;

bool uses_ipv6(const Reachability& reachability) {
  if (reachability.addresses().splits_ipv6()) return true;
  for (PodNumber pod = 0; pod < reachability.pod_count(); ++pod) {
    if (reachability.networked(pod, net::Family::kIPv6)) return true;
  }
  return false;
}

std::string label_of(const model::ObjectName& pod, const Workload& workload, Level level) {
  switch (level) {
    case Level::kPod:
      return pod.to_string();
    case Level::kWorkload:
      return workload.to_string();
    case Level::kNamespace:
      return pod.ns;
  }
  return {};
}

// The union and the intersection of what pairs may use, one by one.
class Gather {
 public:
  void add(const PortSet& ports) {
    ports_.any.add(ports);
    if (first_) {
      ports_.all = ports;
    } else {
      ports_.all.intersect(ports);
    }
    first_ = false;
  }
  PairPorts take() && { return std::move(ports_); }

 private:
  PairPorts ports_;
  bool first_ = true;
};

// Equal pairs of port sets under one number.
class Pool {
 public:
  explicit Pool(std::vector<PairPorts>& out) : out_(out) {}
  uint32_t add(PairPorts ports) {
    std::vector<uint32_t> key(ports.any.numbers().begin(), ports.any.numbers().end());
    key.push_back(0xffffffff);
    key.insert(key.end(), ports.all.numbers().begin(), ports.all.numbers().end());
    const auto [it, fresh] = ids_.try_emplace(std::move(key), static_cast<uint32_t>(out_.size()));
    if (fresh) out_.push_back(std::move(ports));
    return it->second;
  }

 private:
  std::vector<PairPorts>& out_;
  std::map<std::vector<uint32_t>, uint32_t> ids_;
};

PairPorts between_ends(const Reachability& reachability, const End& from, const End& to,
                       bool same) {
  Gather gather;
  if (from.network != to.network) return std::move(gather).take();
  for (const End::Alike& source : from.pods) {
    for (const End::Alike& destination : to.pods) {
      // A pod reaches itself; only pairs of different pods are worth telling.
      if (same && source.sample == destination.sample && source.count == 1) continue;
      for (const net::Family family : net::kFamilies) {
        if (!reachability.networked(source.sample, family) ||
            !reachability.networked(destination.sample, family))
          continue;
        gather.add(reachability.connections(source.sample, destination.sample, family));
      }
    }
  }
  return std::move(gather).take();
}

}  // namespace

std::vector<End> make_ends(const Reachability& reachability, const ClusterView& view, Level level,
                           const std::vector<std::string>& namespaces) {
  std::map<std::string, End> ends;
  std::map<std::string, std::map<std::array<uint64_t, 2>, size_t>> known;
  for (PodNumber pod = 0; pod < reachability.pod_count(); ++pod) {
    const model::ObjectName& name = reachability.pod(pod).name;
    if (view.ingress_controller == name) continue;
    if (!namespaces.empty() &&
        std::find(namespaces.begin(), namespaces.end(), name.ns) == namespaces.end())
      continue;
    const bool v4 = reachability.networked(pod, net::Family::kIPv4);
    if (!v4 && !reachability.networked(pod, net::Family::kIPv6)) continue;
    const std::string label = label_of(name, workload_of(view.workloads, name), level);
    End& end = ends[label];
    if (end.pods.empty()) {
      end.label = label;
      end.ns = name.ns;
      const auto network = view.networks.find(name);
      if (network != view.networks.end()) end.network = network->second;
    }
    const std::array alike = {reachability.pod_class(pod, net::Family::kIPv4),
                              reachability.pod_class(pod, net::Family::kIPv6)};
    const auto [it, fresh] = known[label].try_emplace(alike, end.pods.size());
    if (fresh) end.pods.push_back({pod, 0});
    ++end.pods[it->second].count;
  }
  std::vector<End> out;
  out.reserve(ends.size());
  for (auto& [label, end] : ends) out.push_back(std::move(end));
  return out;
}

std::vector<AddressRange> join_ranges(std::vector<AddressRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<AddressRange> out;
  for (const AddressRange& range : ranges) {
    if (!out.empty() && out.back().last.family() == range.first.family() &&
        out.back().last.next() == range.first) {
      out.back().last = range.last;
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::string range_text(const AddressRange& range) {
  if (range.first == range.last) return range.first.to_string();
  for (int bits = 0; bits < net::address_bits(range.first.family()); ++bits) {
    const net::Cidr cidr(range.first, bits);
    if (cidr.first() == range.first && cidr.last() == range.last) return cidr.to_string();
  }
  return range.first.to_string() + "-" + range.last.to_string();
}

std::vector<ExternalPart> external_parts(const Reachability& a, const Reachability* b) {
  const bool ipv6 = uses_ipv6(a) || (b != nullptr && uses_ipv6(*b));
  std::set<net::IpAddr> starts;
  for (const Reachability* each : {&a, b}) {
    if (each == nullptr) continue;
    for (const auto& interval : each->addresses().intervals()) starts.insert(interval.range.first);
  }
  std::map<std::array<AddressClass, 2>, std::vector<AddressRange>> parts;
  for (auto it = starts.begin(); it != starts.end(); ++it) {
    if (it->is_v6() && !ipv6) continue;
    const auto next = std::next(it);
    const net::IpAddr last = next != starts.end() && next->family() == it->family()
                                 ? next->previous()
                                 : net::IpAddr::last(it->family());
    const std::array classes = {a.addresses().find(*it),
                                b == nullptr ? AddressClass{0} : b->addresses().find(*it)};
    parts[classes].push_back({*it, last});
  }
  std::vector<ExternalPart> out;
  for (auto& [classes, ranges] : parts) {
    ExternalPart part{join_ranges(std::move(ranges)), {}};
    part.sample = part.ranges.front().first;
    out.push_back(std::move(part));
  }
  std::sort(out.begin(), out.end(), [](const ExternalPart& x, const ExternalPart& y) {
    return x.ranges.front() < y.ranges.front();
  });
  return out;
}

Result<Connectivity> Connectivity::make(const Reachability& reachability, const ClusterView& view,
                                        std::vector<End> ends,
                                        std::vector<ExternalPart> externals) {
  const size_t n = ends.size();
  if (n * n > kMostCells || n * externals.size() > kMostCells) {
    return fail(
        Errc::kExhausted,
        fmt::format("{} ends and {} address ranges are more than a matrix can show; look at "
                    "fewer namespaces (-n), or at namespaces as a whole (--by namespace)",
                    n, externals.size()));
  }
  Connectivity out;
  out.ends_ = std::move(ends);
  out.externals_ = std::move(externals);
  Pool pool(out.pool_);
  out.cells_.reserve(n * n);
  for (size_t from = 0; from < n; ++from) {
    for (size_t to = 0; to < n; ++to) {
      out.cells_.push_back(
          pool.add(between_ends(reachability, out.ends_[from], out.ends_[to], from == to)));
    }
  }
  for (size_t external = 0; external < out.externals_.size(); ++external) {
    const net::IpAddr& address = out.externals_[external].sample;
    // As an address outside, whoever may hold the sample itself.
    const Place place = reachability.line().external(reachability.addresses().find(address));
    for (const End& end : out.ends_) {
      Gather in;
      Gather egress;
      for (const End::Alike& pod : end.pods) {
        if (!reachability.networked(pod.sample, address.family())) continue;
        in.add(reachability.allowed(Direction::kIngress, pod.sample, address.family(), place));
        egress.add(reachability.allowed(Direction::kEgress, pod.sample, address.family(), place));
      }
      out.from_external_.push_back(pool.add(std::move(in).take()));
      out.to_external_.push_back(pool.add(std::move(egress).take()));
    }
  }

  out.exposed_.resize(n);
  const auto controller =
      view.ingress_controller ? reachability.find(*view.ingress_controller) : std::nullopt;
  if (!controller) return out;
  std::map<model::ObjectName, const PortSet*> exposed;
  for (const Exposure& exposure : view.exposures) exposed.emplace(exposure.pod, &exposure.ports);
  // By pod: what is exposed differs between pods that policies do not tell apart.
  std::map<std::string, size_t> by_label;
  for (size_t i = 0; i < n; ++i) by_label.emplace(out.ends_[i].label, i);
  for (const auto& [name, ports] : exposed) {
    const auto pod = reachability.find(name);
    if (!pod) continue;
    for (const Level level : {Level::kPod, Level::kWorkload, Level::kNamespace}) {
      const auto it = by_label.find(label_of(name, workload_of(view.workloads, name), level));
      if (it == by_label.end()) continue;
      for (const net::Family family : net::kFamilies) {
        if (!reachability.networked(*pod, family) || !reachability.networked(*controller, family))
          continue;
        PortSet open = *ports;
        open.intersect(reachability.allowed(Direction::kIngress, *pod, family,
                                            reachability.peer_place(*controller, family)));
        out.exposed_[it->second].add(open);
      }
      break;
    }
  }
  return out;
}

const PairPorts& Connectivity::between(size_t from, size_t to) const {
  return pool_[cells_[from * ends_.size() + to]];
}
const PairPorts& Connectivity::from_external(size_t external, size_t to) const {
  return pool_[from_external_[external * ends_.size() + to]];
}
const PairPorts& Connectivity::to_external(size_t from, size_t external) const {
  return pool_[to_external_[external * ends_.size() + from]];
}

}  // namespace caracal::analysis
