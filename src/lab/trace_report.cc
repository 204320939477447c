#include <fmt/format.h>

#include "lab/trace.h"

namespace caracal::lab {
namespace {

json::array texts(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& value : values) out.emplace_back(json::string(value));
  return out;
}

std::string sighting_text(const Sighting& s) {
  std::string out = fmt::format("{:<4}{}", s.outgoing ? "out" : "in", s.device);
  for (const Encapsulation& e : s.around) out += "   " + to_text(e);
  return out;
}

void add_hops(std::string& out, const std::vector<TraceHop>& hops, int64_t& before,
              const cli::Style& style, bool last_part) {
  for (size_t i = 0; i < hops.size(); ++i) {
    const TraceHop& hop = hops[i];
    const bool last = last_part && i + 1 == hops.size();
    out += fmt::format("{}─ {}{}{} {}({}){}\n", last ? "└" : "├", style.bold, hop.place,
                       style.reset, style.dim, hop.kind, style.reset);
    const char* bar = last ? " " : "│";
    const auto note = [&](const std::string& text) {
      const bool denied = text.find(": denied") != std::string::npos;
      out +=
          fmt::format("{}    {}{}{}\n", bar, denied ? style.red : style.green, text, style.reset);
    };
    for (size_t k = 0; k < hop.sightings.size(); ++k) {
      const Sighting& s = hop.sightings[k];
      const std::string text = sighting_text(s);
      const double ms = before == 0 ? 0 : static_cast<double>(s.time - before) / 1e6;
      before = s.time;
      const size_t width = 58;
      out += fmt::format("{}    {}{:>{}}{}+{:.3f} ms{}\n", bar, text, "",
                         text.size() < width ? width - text.size() : 1, style.dim, ms, style.reset);
      // What happened inside stands between coming in and going out.
      if (k == 0) {
        for (const std::string& one : hop.notes) note(one);
      }
    }
  }
}

json::array hops_json(const std::vector<TraceHop>& hops) {
  json::array out;
  for (const TraceHop& hop : hops) {
    json::array sightings;
    for (const Sighting& s : hop.sightings) {
      json::array around;
      for (const Encapsulation& e : s.around) {
        json::object one{{"kind", e.kind == Encapsulation::Kind::kVxlan  ? "vxlan"
                                  : e.kind == Encapsulation::Kind::kIpip ? "ipip"
                                                                         : "wireguard"},
                         {"source", e.source.to_string()},
                         {"destination", e.destination.to_string()}};
        if (e.kind == Encapsulation::Kind::kVxlan) one["vni"] = e.vni;
        around.emplace_back(std::move(one));
      }
      sightings.push_back(json::object{{"device", s.device},
                                       {"direction", s.outgoing ? "out" : "in"},
                                       {"nanoseconds", s.time},
                                       {"source", s.source.to_string()},
                                       {"sourcePort", s.source_port},
                                       {"destination", s.destination.to_string()},
                                       {"destinationPort", s.destination_port},
                                       {"ttl", s.ttl},
                                       {"encapsulation", around}});
    }
    out.push_back(json::object{{"place", hop.place},
                               {"kind", hop.kind},
                               {"sightings", sightings},
                               {"notes", texts(hop.notes)}});
  }
  return out;
}

}  // namespace

std::string trace_text(const Trace& trace, const cli::Style& style) {
  const bool echo = trace.protocol == net::kIcmp || trace.protocol == net::kIcmpV6;
  std::string out =
      fmt::format("{}{} -> {}{}   {}{}   {} -> {}\n", style.bold, trace.from, trace.to, style.reset,
                  trace.protocol.to_string(), echo ? " echo" : fmt::format(" {}", trace.port),
                  trace.source.to_string(), trace.destination.to_string());
  int64_t before = 0;
  add_hops(out, trace.there, before, style, trace.back.empty());
  if (!trace.back.empty()) {
    out += fmt::format("├─ answer: {}\n", trace.answer);
    add_hops(out, trace.back, before, style, true);
  }
  const bool open = trace.outcome == Outcome::kOpen;
  out += fmt::format("{}{}{} after {:.2f} ms{}{}\n", open ? style.green : style.red,
                     to_string(trace.outcome), style.reset,
                     static_cast<double>(trace.time.count()) / 1000,
                     trace.answer.empty() ? "" : ": ", trace.answer);
  if (!trace.lost_at.empty()) {
    out += fmt::format("{}lost at {}{}\n", style.red, trace.lost_at, style.reset);
    for (const std::string& reason : trace.why) out += "  " + reason + "\n";
  }
  for (const std::string& warning : trace.warnings)
    out += fmt::format("{}{}{}\n", style.yellow, warning, style.reset);
  return out;
}

json::value to_json(const Trace& trace) {
  return {{"from", trace.from},
          {"to", trace.to},
          {"source", trace.source.to_string()},
          {"destination", trace.destination.to_string()},
          {"protocol", trace.protocol.to_string()},
          {"port", trace.port},
          {"there", hops_json(trace.there)},
          {"back", hops_json(trace.back)},
          {"outcome", to_string(trace.outcome)},
          {"microseconds", trace.time.count()},
          {"answer", trace.answer},
          {"delivered", trace.delivered},
          {"lostAt", trace.lost_at},
          {"why", texts(trace.why)},
          {"warnings", texts(trace.warnings)}};
}

}  // namespace caracal::lab
