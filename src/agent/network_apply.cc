#include "agent/network_apply.h"

#include <algorithm>

#include "base/log.h"

namespace caracal::agent {

namespace tunnel = dataplane::tunnel;

void NetworkApply::begin(desired::PodNetwork network) {
  wanted_ = std::move(network);
  begin_again();
}

void NetworkApply::begin_again() {
  synced_ = true;
  tunnel_problems_.clear();
  note(tunnels_.sync(wanted_));
  note_rules(rules_.sync(wanted_.rules));
  collect();
}

void NetworkApply::begin(const desired::PodNetworkDelta& delta, const desired::PodNetwork& parts) {
  if (!synced_ || delta.empty()) return;
  desired::apply(wanted_, delta, parts);
  const auto report = tunnels_.apply(delta, wanted_);
  // A report speaks of its delta only; what else is wrong still is.
  if (report && !report->problems.empty()) {
    for (const tunnel::TunnelProblem& problem : report->problems) {
      std::erase_if(tunnel_problems_,
                    [&](const auto& old) { return old.object == problem.object; });
    }
  }
  note(report);
  if (delta.rules) note_rules(rules_.apply(wanted_.rules));
  collect();
}

void NetworkApply::end() {
  if (!synced_) return;
  note(tunnels_.drop_unneeded());
  collect();
}

void NetworkApply::note(const Result<tunnel::TunnelReport>& report) {
  if (!report) {
    if (tunnel_error_ != report.error().message)
      log::error("tunnels not programmed", {{"error", report.error().message}});
    tunnel_error_ = report.error().message;
    return;
  }
  tunnel_error_.clear();
  for (const std::string& text : report->notes) log::info("tunnel", {{"change", text}});
  for (const tunnel::TunnelProblem& problem : report->problems) {
    const std::string text = problem.object + ": " + problem.error.message;
    if (std::find(problems_.begin(), problems_.end(), text) == problems_.end())
      log::warn("tunnel not as it should be", {{"problem", text}});
    tunnel_problems_.push_back(problem);
  }
}

void NetworkApply::note_rules(const Result<dataplane::netrules::NetRulesReport>& done) {
  const std::string error = done ? "" : done.error().message;
  if (done && done->rebuilt) log::info("address rules made", {{"reason", done->reason}});
  if (!error.empty() && error != rules_error_)
    log::error("address rules not programmed", {{"error", error}});
  rules_error_ = error;
}

void NetworkApply::collect() {
  problems_.clear();
  if (!tunnel_error_.empty()) problems_.push_back("tunnels: " + tunnel_error_);
  if (!rules_error_.empty()) problems_.push_back("address rules: " + rules_error_);
  for (const tunnel::TunnelProblem& problem : tunnel_problems_)
    problems_.push_back(problem.object + ": " + problem.error.message);
}

bool NetworkApply::changed_quietly() {
  if (!synced_) return false;
  const auto tunnels = tunnels_.look();
  const auto rules = rules_.changed();
  return !tunnels || *tunnels || !rules || *rules;
}

json::array NetworkApply::tunnels() const {
  json::array out;
  const auto add = [&](const std::string& device, const char* kind, const std::string& address,
                       size_t peers) {
    json::object one{{"device", device}, {"kind", kind}, {"peers", peers}};
    if (!address.empty()) one["address"] = address;
    std::string problem;
    for (const tunnel::TunnelProblem& known : tunnel_problems_) {
      if (known.object.find(device) != std::string::npos) problem = known.error.message;
    }
    one["state"] = problem.empty() && tunnel_error_.empty() ? "up" : "not as it should be";
    if (!problem.empty()) one["problem"] = problem;
    out.push_back(std::move(one));
  };
  for (const desired::FamilyTunnels* family : {&wanted_.v4, &wanted_.v6}) {
    if (const auto& vxlan = family->vxlan)
      add(vxlan->name, "vxlan", vxlan->address.to_string(), family->vxlan_peers.size());
    if (const auto& ipip = family->ipip) {
      const auto routed = std::count_if(
          wanted_.routes.begin(), wanted_.routes.end(),
          [](const auto& route) { return route.second.path == desired::Path::kIpip; });
      add(ipip->name, "ipip", ipip->address.to_string(), static_cast<size_t>(routed));
    }
    if (const auto& wireguard = family->wireguard) {
      add(wireguard->name, "wireguard",
          wireguard->address ? wireguard->address->to_string() : std::string(),
          family->wireguard_peers.size());
    }
  }
  return out;
}

}  // namespace caracal::agent
