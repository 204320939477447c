#include "agent/local_api.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "telemetry/metrics.h"

namespace caracal::agent {
namespace {

template <typename Items, typename ToText>
json::array texts(const Items& items, ToText to_text) {
  json::array out;
  for (const auto& item : items) out.emplace_back(to_text(item));
  return out;
}

const char* word(desired::Disposition disposition) {
  switch (disposition) {
    case desired::Disposition::kOpen:
      return "open";
    case desired::Disposition::kClosed:
      return "closed";
    case desired::Disposition::kPoliced:
      return "policed";
  }
  return "closed";
}

const char* word(desired::Direction direction) {
  return direction == desired::Direction::kIngress ? "ingress" : "egress";
}

const char* word(desired::PortSpace space) {
  switch (space) {
    case desired::PortSpace::kTcp:
      return "TCP";
    case desired::PortSpace::kUdp:
      return "UDP";
    case desired::PortSpace::kSctp:
      return "SCTP";
    case desired::PortSpace::kIcmp:
      return "ICMP";
    case desired::PortSpace::kIcmpV6:
      return "ICMPv6";
    case desired::PortSpace::kOther:
      return "other";
  }
  return "other";
}

json::object direction_status(const desired::PolicyTables& tables, desired::Direction direction,
                              const std::string& interface, desired::Disposition disposition,
                              const std::vector<model::PolicyId>& policies) {
  json::object out;
  out["disposition"] = word(disposition);
  const auto entry = tables.interfaces.find({direction, interface});
  if (entry != tables.interfaces.end() && entry->second.group != 0)
    out["group"] = entry->second.group;
  out["policies"] = texts(policies, [](const model::PolicyId& id) { return id.to_string(); });
  return out;
}

const char* word(desired::HostHook hook) {
  constexpr std::array kWords = {"untracked-ingress", "pre-dnat",       "ingress",
                                 "forward-ingress",   "forward-egress", "egress",
                                 "untracked-egress"};
  return kWords.at(static_cast<size_t>(hook));
}

// Tables that most worlds leave empty.
void add_rare_tables(const desired::PolicyTables& tables, json::object& out) {
  json::array& otherwise = out["otherwise"].emplace_array();
  for (const auto& [group, row] : tables.otherwise)
    otherwise.push_back(json::object{{"group", group}, {"row", row}});
  json::array& wide = out["wideRows"].emplace_array();
  for (const auto& key : tables.wide_rows) {
    wide.push_back(json::object{
        {"row", key.row}, {"space", word(key.space)}, {"first", key.first}, {"last", key.last}});
  }
  const auto rows = [&out](const char* name, const std::set<desired::RowKey>& keys) {
    json::array& array = out[name].emplace_array();
    for (const auto& key : keys)
      array.push_back(json::object{{"row", key.row}, {"class", key.port_class}});
  };
  rows("logged", tables.logged);
  rows("refused", tables.refused);
  json::array& own = out["ownSplits"].emplace_array();
  for (const auto& [key, group] : tables.own_splits) {
    own.push_back(
        json::object{{"group", key.group}, {"ownIdentity", key.identity}, {"becomes", group}});
  }
  json::array& ports = out["portSplits"].emplace_array();
  for (const auto& [key, group] : tables.port_splits) {
    ports.push_back(json::object{{"group", key.group},
                                 {"space", word(key.space)},
                                 {"first", key.first},
                                 {"becomes", group}});
  }
  json::array& hosts = out["hosts"].emplace_array();
  for (const auto& [key, policy] : tables.hosts) {
    hosts.push_back(json::object{{"hook", word(key.hook)},
                                 {"interface", key.interface},
                                 {"disposition", word(policy.disposition)},
                                 {"group", policy.group}});
  }
  json::array& failsafes = out["failsafes"].emplace_array();
  for (const auto& key : tables.failsafes) {
    failsafes.push_back(json::object{{"direction", word(key.direction)},
                                     {"space", word(key.space)},
                                     {"port", key.port},
                                     {"net", key.net.to_string()}});
  }
}

}  // namespace

json::object tables_to_json(const desired::PolicyTables& tables) {
  json::object out;
  json::array& interfaces = out["interfaces"].emplace_array();
  for (const auto& [key, policy] : tables.interfaces) {
    interfaces.push_back(json::object{{"direction", word(key.direction)},
                                      {"interface", key.interface},
                                      {"disposition", word(policy.disposition)},
                                      {"group", policy.group}});
  }
  json::array& sources = out["sources"].emplace_array();
  for (const auto& key : tables.sources) {
    sources.push_back(
        json::object{{"interface", key.interface}, {"address", key.address.to_string()}});
  }
  const auto identities = [&out](const char* name,
                                 const std::map<net::IpAddr, desired::IdentityId>& map) {
    json::array& array = out[name].emplace_array();
    for (const auto& [address, identity] : map) {
      array.push_back(json::object{{"address", address.to_string()}, {"identity", identity}});
    }
  };
  identities("addresses", tables.addresses);
  identities("ranges", tables.ranges);
  json::array& ports = out["ports"].emplace_array();
  for (const auto& [key, port_class] : tables.ports) {
    ports.push_back(
        json::object{{"space", word(key.space)}, {"first", key.first}, {"class", port_class}});
  }
  json::array& peers = out["peers"].emplace_array();
  for (const auto& [key, row] : tables.peers) {
    peers.push_back(json::object{{"group", key.group}, {"identity", key.identity}, {"row", row}});
  }
  json::array& rows = out["rows"].emplace_array();
  for (const auto& key : tables.rows) {
    rows.push_back(json::object{{"row", key.row}, {"class", key.port_class}});
  }
  add_rare_tables(tables, out);
  return out;
}

std::string LocalApi::not_ready_reason() const {
  if (!parts_.calculation.synced()) {
    return "not in sync with the API server " + parts_.server + ": " + parts_.cluster.error();
  }
  if (const std::string reason = parts_.cni.not_ready_reason(); !reason.empty()) return reason;
  const Applied& applied = parts_.calculation.applied();
  if (!applied.policy_error.empty()) return "the kernel refuses policy: " + applied.policy_error;
  return {};
}

json::array LocalApi::host_endpoints() const {
  json::array out;
  const auto text = [](const std::string& t) { return t; };
  for (const auto& [name, status] : parts_.calculation.engine().host_statuses()) {
    json::array hooks;
    for (const auto& [hook, one] : status.hooks) {
      hooks.push_back(json::object{{"hook", word(hook)},
                                   {"disposition", word(one.disposition)},
                                   {"policies", texts(one.policies, [](const model::PolicyId& id) {
                                      return id.to_string();
                                    })}});
    }
    out.push_back(json::object{{"name", name},
                               {"interfaces", texts(status.interfaces, text)},
                               {"hooks", std::move(hooks)},
                               {"errors", texts(status.errors, text)}});
  }
  return out;
}

json::array LocalApi::endpoints() const {
  json::array out;
  const auto statuses = parts_.calculation.engine().statuses();
  const desired::PolicyTables& tables = parts_.calculation.engine().tables();
  const Applied& applied = parts_.calculation.applied();
  for (const auto& [interface, endpoint] : parts_.cni.endpoints()) {
    json::object one;
    one["interface"] = interface;
    one["namespace"] = endpoint.pod.ns;
    one["pod"] = endpoint.pod.name;
    one["containerID"] = endpoint.attachment.container_id;
    one["ifname"] = endpoint.attachment.ifname;
    one["netns"] = endpoint.netns;
    one["network"] = endpoint.network;
    one["mtu"] = endpoint.mtu;
    one["addresses"] =
        texts(endpoint.addresses, [](const net::IpAddr& a) { return a.to_string(); });
    std::vector<std::string> errors;
    if (parts_.cni.vanished().contains(interface)) errors.emplace_back("its link has vanished");
    const bool refused = applied.closed.contains(interface);
    if (refused)
      errors.push_back("the kernel refused its policy, it is closed: " +
                       applied.closed.at(interface));
    if (const auto found = statuses.find(interface); found != statuses.end()) {
      const policy::EndpointStatus& status = found->second;
      const auto closed = desired::Disposition::kClosed;
      one["ingress"] = direction_status(tables, desired::Direction::kIngress, interface,
                                        refused ? closed : status.ingress, status.ingress_policies);
      one["egress"] = direction_status(tables, desired::Direction::kEgress, interface,
                                       refused ? closed : status.egress, status.egress_policies);
      errors.insert(errors.end(), status.errors.begin(), status.errors.end());
    }
    one["errors"] = texts(errors, [](const std::string& text) { return text; });
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> LocalApi::network_problems() const {
  json::value network = json::object();
  parts_.network.add_status(*network.if_object());
  std::vector<std::string> out;
  for (const json::value& problem : jsonio::get_array(network, {"problems"})) {
    if (const json::string* text = problem.if_string()) out.emplace_back(*text);
  }
  const Applied& applied = parts_.calculation.applied();
  if (!applied.route_error.empty()) out.push_back("routes: " + applied.route_error);
  for (const auto* list : {&applied.route_problems, &applied.network_problems}) {
    out.insert(out.end(), list->begin(), list->end());
  }
  return out;
}

// {addresses, mtu, routes, ipam, tunnels, rules, bgp, problems}
json::object LocalApi::network_status() const {
  json::object network;
  parts_.network.add_status(network);
  network["ipam"] = parts_.addresses.status();
  const Applied& applied = parts_.calculation.applied();
  network["tunnels"] = applied.tunnels;
  network["problems"] = texts(network_problems(), [](const std::string& text) { return text; });
  return network;
}

json::object LocalApi::status() const {
  json::object out;
  const std::string reason = not_ready_reason();
  out["node"] = parts_.options.node_name;
  out["version"] = parts_.options.version;
  out["pid"] = ::getpid();
  out["uptimeSeconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(event::Clock::now() - start_).count();
  out["residentBytes"] = telemetry::resident_bytes();
  out["mtu"] = parts_.options.mtu;
  out["ready"] = reason.empty();
  if (!reason.empty()) out["reason"] = reason;

  json::object& api = out["api"].emplace_object();
  api["server"] = parts_.server;
  api["inSync"] = parts_.calculation.synced();
  api["connected"] = parts_.cluster.connected();
  api["resources"] = parts_.cluster.status();
  json::array& unreadable = api["unreadable"].emplace_array();
  for (const auto& [object, why] : parts_.cluster.unreadable()) {
    unreadable.push_back(json::object{{"object", object}, {"error", why}});
  }

  out["network"] = network_status();
  out["endpoints"] = endpoints();
  out["hostEndpoints"] = host_endpoints();
  json::array& invalid = out["invalidPolicies"].emplace_array();
  for (const auto& [id, why] : parts_.calculation.invalid_policies()) {
    invalid.push_back(json::object{{"policy", id.to_string()}, {"error", why}});
  }

  const Applied& applied = parts_.calculation.applied();
  json::object& dataplane = out["dataplane"].emplace_object();
  dataplane["inSync"] = applied.policy_synced;
  if (!applied.policy_error.empty()) dataplane["error"] = applied.policy_error;
  json::object& elements = dataplane["elements"].emplace_object();
  for (const auto& [table, size] : applied.elements) elements[table] = size;
  if (!applied.connection_error.empty()) dataplane["connectionError"] = applied.connection_error;
  out["flowLog"] = parts_.flows.status();

  const auto counts = parts_.calculation.engine().counts();
  json::object& policy = out["policy"].emplace_object();
  policy["pods"] = counts.pods;
  policy["localEndpoints"] = counts.local_endpoints;
  policy["identities"] = counts.identities;
  policy["groups"] = counts.groups;

  json::array& loops = out["loops"].emplace_array();
  for (const event::LoopHealth& loop : parts_.watchdog.health()) {
    loops.push_back(json::object{
        {"name", loop.name}, {"silentMs", loop.silent.count()}, {"stuck", loop.stuck}});
  }
  return out;
}

void LocalApi::handle(const rpc::Request& request, const rpc::Server::Respond& respond) {
  if (request.method == "cni") return handle_cni(request.params, respond);
  if (request.method == "flows") return parts_.flows.handle(request.params, respond);
  if (request.method == "status") {
    return parts_.bgp.status([this, respond](json::object bgp) {
      json::object out = status();
      out["network"].as_object()["bgp"] = std::move(bgp);
      respond(rpc::success(std::move(out)));
    });
  }
  if (request.method == "health") {
    const std::string reason = not_ready_reason();
    return respond(rpc::success(json::object{{"ready", reason.empty()}, {"reason", reason}}));
  }
  if (request.method == "tables") {
    if (!parts_.calculation.synced()) {
      return respond(rpc::failure(static_cast<int>(cni::Code::kTryAgainLater), not_ready_reason()));
    }
    return respond(rpc::success(tables_to_json(parts_.calculation.engine().tables())));
  }
  respond(
      rpc::failure(static_cast<int>(cni::Code::kUnsupportedField),
                   fmt::format("method \"{}\": must be one of cni, status, health, tables, flows",
                               request.method)));
}

void LocalApi::handle_cni(const json::value& params, const rpc::Server::Respond& respond) {
  // Checked again: the plugin may be older than we are.
  const auto request = cni::parse_request(cni::raw_from_json(params));
  if (!request) return respond(rpc::Reply{cni::to_failure(request.error()), nullptr});
  parts_.cni.handle(*request, [respond](cni::Outcome<json::value> outcome) {
    if (outcome) {
      respond(rpc::success(std::move(*outcome)));
    } else {
      respond(rpc::Reply{cni::to_failure(outcome.error()), nullptr});
    }
  });
}

}  // namespace caracal::agent
