#include "lab/trace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "lab/trace_diagnosis.h"
#include "lab/trace_probe.h"
#include "policy/oracle/oracle.h"

namespace caracal::lab {
namespace {

constexpr std::chrono::milliseconds kFlowLogTime{10'000};
constexpr size_t kMarkLength = 16;

struct Place {
  CapturePlace where;
  std::string kind;
};

std::vector<Place> places_of(const Lab& lab, const model::World& world, const ResolvedEnd& from,
                             const ResolvedEnd& to) {
  const Plan& plan = lab.plan;
  std::vector<Place> out;
  for (const NodeSpec& node : plan.topology.nodes)
    out.push_back({{node.name, netns_path(plan.node_netns(node.name)), ""}, "node"});
  for (const RouterSpec& router : plan.topology.routers)
    out.push_back({{router.name, netns_path(plan.router_netns(router.name)), ""}, "router"});
  out.push_back({{"outside", netns_path(plan.outside_netns()), ""}, "outside"});
  out.push_back({{"host", "", plan.host_interface()}, "host"});
  const auto add_pod = [&](const model::ObjectName& name) {
    const auto pod = world.pods.find(name);
    if (pod == world.pods.end() || pod->second.host_network) return;
    const std::string netns = netns_path(plan.pod_netns(name));
    if (std::any_of(out.begin(), out.end(),
                    [&](const Place& place) { return place.where.netns == netns; }))
      return;
    if (::access(netns.c_str(), F_OK) == 0) out.push_back({{name.to_string(), netns, ""}, "pod"});
  };
  if (from.pod) add_pod(*from.pod);
  if (to.pod) add_pod(*to.pod);
  // A bare address may be a pod's all the same.
  for (const auto& [name, pod] : world.pods) {
    for (const net::IpAddr& address : to.addresses) {
      if (std::find(pod.addresses.begin(), pod.addresses.end(), address) != pod.addresses.end())
        add_pod(name);
    }
  }
  return out;
}

std::string endpoint_text(const net::IpAddr& address, uint16_t port, bool with_port) {
  if (!with_port) return address.to_string();
  return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), address.to_string(),
                     port);
}

// A note wherever the same packet goes on under other addresses.
void note_translations(std::vector<TraceHop>& hops) {
  const Sighting* before = nullptr;
  for (TraceHop& hop : hops) {
    for (const Sighting& s : hop.sightings) {
      if (before != nullptr) {
        const bool ports = s.protocol == net::kTcp || s.protocol == net::kUdp;
        if (before->source != s.source || (ports && before->source_port != s.source_port)) {
          hop.notes.push_back(fmt::format("source translated: {} -> {}",
                                          endpoint_text(before->source, before->source_port, ports),
                                          endpoint_text(s.source, s.source_port, ports)));
        }
        if (before->destination != s.destination ||
            (ports && before->destination_port != s.destination_port)) {
          hop.notes.push_back(
              fmt::format("destination translated: {} -> {}",
                          endpoint_text(before->destination, before->destination_port, ports),
                          endpoint_text(s.destination, s.destination_port, ports)));
        }
      }
      before = &s;
    }
  }
}

std::vector<TraceHop> hops_of(const std::vector<Sighting>& sightings,
                              const std::vector<Place>& places) {
  std::vector<TraceHop> out;
  for (const Sighting& s : sightings) {
    const Place& place = places[s.place];
    if (out.empty() || out.back().place != place.where.name)
      out.push_back({place.where.name, place.kind, {}, {}});
    out.back().sightings.push_back(s);
  }
  note_translations(out);
  return out;
}

std::string answer_text(const Sighting& s) {
  if (s.protocol == net::kTcp) return (s.tcp_flags & 0x04) != 0 ? "TCP reset" : "SYN-ACK";
  if (s.protocol == net::kUdp) return "datagram";
  return "echo reply";
}

// Verdicts stand at the node where they are reached: egress where the packet came from its pod,
// ingress where it would go to its.
struct Verdicts {
  std::string egress_node, ingress_node;
  std::string egress, ingress;  // texts
  bool egress_denied = false, ingress_denied = false;
};

Verdicts verdicts_of(const model::World& world, const TraceRequest& request, const Journey& journey,
                     const Trace& trace) {
  Verdicts out;
  policy::oracle::Flow flow;
  flow.source = journey.probe.empty() ? trace.source : journey.probe.front().source;
  flow.destination = trace.destination;
  flow.protocol = trace.protocol;
  if (trace.protocol == net::kIcmp || trace.protocol == net::kIcmpV6) {
    flow.icmp_type = trace.protocol == net::kIcmp ? 8 : 128;
    flow.icmp_code = 0;
  } else {
    flow.port = request.port;
    if (!journey.probe.empty()) flow.source_port = journey.probe.front().source_port;
  }
  flow.source_pod = request.from.pod;
  flow.destination_pod = request.to.pod;
  const auto explained = policy::oracle::explain(world, flow);
  out.egress = verdict_text(explained.egress);
  out.ingress = verdict_text(explained.ingress);
  out.egress_denied = explained.egress.verdict == policy::oracle::Verdict::kDenied;
  out.ingress_denied = explained.ingress.verdict == policy::oracle::Verdict::kDenied;
  const auto node_of = [&](const std::optional<model::ObjectName>& name) {
    const auto pod = name ? world.pods.find(*name) : world.pods.end();
    return pod == world.pods.end() ? std::string() : pod->second.node;
  };
  out.egress_node = node_of(explained.egress.endpoint);
  out.ingress_node = node_of(explained.ingress.endpoint);
  return out;
}

void note_verdicts(Trace& trace, const Verdicts& verdicts) {
  for (TraceHop& hop : trace.there) {
    if (hop.place == verdicts.egress_node && !verdicts.egress.empty())
      hop.notes.push_back(verdicts.egress);
    // Where the egress side denies, the ingress side is never asked.
    const bool reached = !(hop.place == verdicts.egress_node && verdicts.egress_denied);
    if (hop.place == verdicts.ingress_node && !verdicts.ingress.empty() && reached)
      hop.notes.push_back(verdicts.ingress);
  }
}

void diagnose(Trace& trace, const Lab& lab, const std::vector<Place>& places,
              const Journey& journey, const Verdicts& verdicts,
              std::chrono::system_clock::time_point since) {
  if (journey.probe.empty()) return;
  const bool probe_lost = !trace.delivered;
  // An answer that was sent and did not come back, or a probe that got nowhere.
  const Sighting& last =
      probe_lost || journey.answer.empty() ? journey.probe.back() : journey.answer.back();
  const Place& place = places[last.place];
  trace.lost_at = place.where.name;
  std::vector<std::string> denied;
  if (probe_lost) {
    if (place.where.name == verdicts.egress_node && verdicts.egress_denied)
      denied.push_back(verdicts.egress);
    else if (place.where.name == verdicts.ingress_node && verdicts.ingress_denied)
      denied.push_back(verdicts.ingress);
  }
  if (!probe_lost && journey.answer.empty()) {
    trace.why.push_back(fmt::format("{} got it and gave no answer", place.where.name));
    return;
  }
  const LossPlace loss{place.where.name, place.where.netns, place.kind == "node", last};
  trace.why = explain_loss(lab, loss, denied);
  if (probe_lost && place.kind == "node" && !last.outgoing) {
    const std::string entry =
        flow_log_entry(lab, place.where.name, last, since,
                       denied.empty() ? std::chrono::milliseconds(0) : kFlowLogTime);
    if (!entry.empty()) trace.why.push_back("flow log: " + entry);
  }
}

// How the probe is known again; where it starts is told by its namespace.
ProbeSignature make_signature(const Trace& trace, const TraceRequest& request,
                              const std::vector<Place>& places) {
  ProbeSignature out;
  out.protocol = trace.protocol;
  out.port = request.port;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].where.netns == request.from.netns) out.place = i;
  }
  if (trace.protocol != net::kTcp) {
    std::random_device random;
    out.mark = {'c', 'a', 'r', 'a', 'c', 'a', 'l', ' '};
    while (out.mark.size() < kMarkLength)
      out.mark.push_back(static_cast<uint8_t>('a' + random() % 26));
  }
  return out;
}

// Whether the probe came in where the destination address is, and what came back.
void note_arrival(Trace& trace, const Journey& journey, const std::vector<Place>& places,
                  const std::string& end, size_t start) {
  for (const Sighting& s : journey.probe) {
    const Place& place = places[s.place];
    const bool at_end = (!end.empty() && place.where.netns == end) || place.kind == "pod";
    if (at_end && !s.outgoing && s.place != start) trace.delivered = true;
  }
  if (!journey.answer.empty() && journey.answer.front().outgoing) trace.delivered = true;
  if (!journey.answer.empty()) {
    trace.answer = fmt::format("{} from {}", answer_text(journey.answer.back()),
                               journey.answer.back().source.to_string());
  } else if (!journey.errors.empty()) {
    const Sighting& e = journey.errors.back();
    trace.answer = fmt::format("ICMP{} type {} code {} from {}", e.source.is_v6() ? "v6" : "",
                               e.icmp_type, e.icmp_code, e.source.to_string());
    if (trace.outcome == Outcome::kSilent) trace.outcome = Outcome::kUnreachable;
  }
}

}  // namespace

Result<Trace> run_trace(const Lab& lab, const model::World& world, const TraceRequest& request) {
  const bool echo = request.protocol == net::kIcmp || request.protocol == net::kIcmpV6;
  Trace trace;
  trace.from = request.from.label;
  trace.to = request.to.label;
  trace.port = echo ? uint16_t{0} : request.port;
  trace.protocol = !echo                                  ? request.protocol
                   : request.family == net::Family::kIPv4 ? net::kIcmp
                                                          : net::kIcmpV6;
  const auto of_family = [&](const std::vector<net::IpAddr>& list) -> std::optional<net::IpAddr> {
    for (const net::IpAddr& address : list) {
      if (address.family() == request.family) return address;
    }
    return std::nullopt;
  };
  const auto source = of_family(request.from.addresses);
  const auto destination = of_family(request.to.addresses);
  if (!source || !destination) {
    return fail(Errc::kInvalid, fmt::format("{} has no {} address", source ? trace.to : trace.from,
                                            net::to_string(request.family)));
  }
  if (request.from.netns.empty()) {
    return fail(Errc::kInvalid, trace.from + ": an address is no place to send packets from");
  }
  trace.source = *source;
  trace.destination = *destination;
  Probe probe{request.from.netns, std::nullopt, *destination, trace.protocol, request.port};
  if (request.from.bind_source) probe.source = source;

  const std::vector<Place> places = places_of(lab, world, request.from, request.to);
  std::vector<CapturePlace> where;
  for (const Place& place : places) where.push_back(place.where);
  ProbeSignature signature = make_signature(trace, request, places);
  CARACAL_ASSIGN(PacketCapture capture, PacketCapture::open(where));
  const auto since = std::chrono::system_clock::now() - std::chrono::milliseconds(1);
  CARACAL_ASSIGN(Shot shot, shoot(capture, probe, signature.mark, request.timeout));
  signature.local_port = shot.local_port;
  if (const uint64_t lost = capture.lost(); lost > 0)
    trace.warnings.push_back(fmt::format("{} packets came too fast to be looked at", lost));
  trace.outcome = shot.outcome;
  trace.time = shot.time;

  const Journey journey = follow(std::move(shot.packets), signature);
  trace.there = hops_of(journey.probe, places);
  trace.back = hops_of(journey.answer.empty() ? journey.errors : journey.answer, places);
  note_arrival(trace, journey, places, request.to.netns, signature.place);
  const Verdicts verdicts = verdicts_of(world, request, journey, trace);
  note_verdicts(trace, verdicts);
  const bool answered = trace.outcome == Outcome::kOpen || trace.outcome == Outcome::kRefused;
  if (journey.probe.empty() && trace.outcome != Outcome::kOpen) {
    trace.lost_at = trace.from;
    trace.why.push_back(
        shot.error != 0 ? fmt::format("the kernel of {} does not send it: {}", trace.from,
                                      std::strerror(shot.error))
                        : fmt::format("{} sent nothing: its gateway does not answer", trace.from));
  } else if (!answered) {
    diagnose(trace, lab, places, journey, verdicts, since);
  }
  return trace;
}

}  // namespace caracal::lab
