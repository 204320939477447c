#include "agent/pod_cidr_addresses.h"

#include <fmt/format.h>

#include "base/log.h"

namespace caracal::agent {

void PodCidrAddresses::use(const model::Node& node) {
  if (node.pod_cidrs == leases_.allocator().ranges()) return;
  std::string text;
  for (const net::Cidr& cidr : node.pod_cidrs) text += (text.empty() ? "" : ",") + cidr.to_string();
  if (Status set = leases_.set_ranges(node.pod_cidrs)) {
    log::info("pod CIDRs of this node", {{"cidrs", text}});
  } else {
    log::error("pod CIDRs of this node not usable",
               {{"cidrs", text}, {"error", set.error().message}});
  }
}

void PodCidrAddresses::reserve(const AddressRequest& request, OnLease done) {
  done(leases_.reserve(request.attachment, request.requested, request.attributes));
}

void PodCidrAddresses::release(const ipam::AttachmentId& id, const std::string& /*network*/,
                               OnReleased done) {
  done(leases_.release(id));
}

std::string PodCidrAddresses::not_ready_reason() const {
  if (!leases_.allocator().ranges().empty()) return {};
  return fmt::format("node {} has no usable pod CIDR (spec.podCIDRs)", node_);
}

std::string PodCidrAddresses::exhausted() const {
  for (const net::Family family : net::kFamilies) {
    bool any = false;
    bool left = false;
    std::string full;
    for (const ipam::RangeUse& use : leases_.allocator().use()) {
      if (use.cidr.family() != family) continue;
      any = true;
      left = left || use.used < use.usable;
      full += fmt::format("{}{}: {} of {} in use", full.empty() ? "" : ", ", use.cidr.to_string(),
                          use.used, use.usable);
    }
    if (any && !left) return full;
  }
  return {};
}

json::object PodCidrAddresses::status() const {
  json::object out{{"mode", "pod-cidr"}};
  json::array& ranges = out["podCIDRs"].emplace_array();
  for (const ipam::RangeUse& use : leases_.allocator().use()) {
    ranges.push_back(
        json::object{{"cidr", use.cidr.to_string()}, {"usable", use.usable}, {"used", use.used}});
  }
  return out;
}

void PodCidrAddresses::acquire_tunnel(const std::string& /*handle*/, const std::string& type,
                                      net::Family family, OnAddress done) {
  for (const net::Cidr& range : leases_.allocator().ranges()) {
    if (range.family() != family) continue;
    return done(type.starts_with("vxlan") ? range.first() : range.first().next());
  }
  done(fail(Errc::kUnavailable,
            fmt::format("node {} has no {} pod CIDR", node_, net::to_string(family))));
}

void PodCidrAddresses::release_tunnel(const std::string& /*handle*/,
                                      std::function<void(Status)> done) {
  done({});
}

bool PodCidrAddresses::keeps_tunnel(const net::IpAddr& address) const {
  for (const net::Cidr& range : leases_.allocator().ranges()) {
    if (range.contains(address)) return true;
  }
  return false;
}

}  // namespace caracal::agent
