#include "cli/policy_explain.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/strings.h"
#include "cli/agent_status.h"
#include "cli/cluster_options.h"
#include "cli/output.h"
#include "cli/policy_review.h"
#include "cli/policy_stage.h"
#include "cli/world_loader.h"
#include "policy/oracle/oracle.h"

namespace caracal::cli {
namespace {

struct Options {
  PolicySource from;
  AgentOptions agents;
  std::string source;
  std::string destination;
  std::string port;
  std::string format = "table";
};

// What the agents say of the pods at the two ends: the oracle knows the policies' meaning, they
// know whether the kernel has it.
std::vector<EndpointTrouble> find_troubles(const Options& options, const model::World& world,
                                           const FlowEnd& from, const FlowEnd& to) {
  std::vector<EndpointTrouble> out;
  for (const FlowEnd* end : {&from, &to}) {
    if (!end->pod) continue;
    if (auto trouble = endpoint_trouble(options.agents, options.from.cluster, world, *end->pod))
      out.push_back(std::move(*trouble));
  }
  return out;
}

json::value trouble_json(const EndpointTrouble& trouble) {
  return {{"pod", trouble.pod.to_string()},
          {"node", trouble.node},
          {"failsClosed", trouble.fails_closed},
          {"message", trouble.message}};
}

// What explain needs of a cluster, or of manifests.
struct ExplainWorld {
  model::World world;
  std::vector<std::string> warnings;
  std::string default_namespace;
};

Result<ExplainWorld> read_world(const PolicySource& from) {
  ExplainWorld out;
  if (from.offline()) {
    CARACAL_ASSIGN(manifests::Manifests read, from.load());
    out.world = std::move(read.world);
    for (const manifests::Problem& problem : read.problems)
      out.warnings.push_back(problem.to_string());
    out.default_namespace = from.cluster.ns.empty() ? "default" : from.cluster.ns;
    return out;
  }
  CARACAL_ASSIGN(kube::BlockingClient client, from.cluster.connect());
  CARACAL_ASSIGN(LoadedWorld loaded, load_world(client));
  out.world = std::move(loaded.world);
  out.warnings = std::move(loaded.warnings);
  out.default_namespace = from.cluster.default_namespace(client);
  return out;
}

Result<int> explain(const Options& options) {
  CARACAL_ASSIGN(const PortArgument port, parse_port_argument(options.port));
  CARACAL_ASSIGN(const ExplainWorld loaded, read_world(options.from));
  const std::string& ns = loaded.default_namespace;
  CARACAL_ASSIGN(const FlowEnd from, resolve_end(loaded.world, options.source, ns));
  CARACAL_ASSIGN(const FlowEnd to, resolve_end(loaded.world, options.destination, ns));
  CARACAL_ASSIGN(const auto flows, make_flows(from, to, port));
  std::vector<EndpointTrouble> troubles;
  if (!options.from.offline()) troubles = find_troubles(options, loaded.world, from, to);

  std::vector<policy::oracle::Explanation> explanations;
  for (const policy::oracle::Flow& flow : flows) {
    explanations.push_back(policy::oracle::explain(loaded.world, flow));
  }
  const Format format = *parse_format(options.format);
  if (format != Format::kTable) {
    json::array list;
    for (const auto& explanation : explanations)
      list.push_back(policy::oracle::to_json(explanation));
    json::array notes;
    for (const EndpointTrouble& trouble : troubles) notes.push_back(trouble_json(trouble));
    fmt::print("{}", render({{"flows", list}, {"endpoints", notes}}, format));
  } else {
    for (size_t i = 0; i < explanations.size(); ++i) {
      fmt::print("{}{}", i == 0 ? "" : "\n", policy::oracle::to_text(explanations[i]));
    }
    const Style style = terminal_style();
    for (const EndpointTrouble& trouble : troubles) {
      fmt::print("\n{}{}{}: {}\n", trouble.fails_closed ? style.red : style.yellow,
                 trouble.pod.to_string(), style.reset, trouble.message);
    }
  }
  for (const std::string& warning : loaded.warnings) fmt::print(stderr, "warning: {}\n", warning);
  return 0;
}

}  // namespace

Result<PortArgument> parse_port_argument(std::string_view text) {
  const auto invalid = [&] {
    return fail(
        Errc::kInvalid,
        fmt::format(
            "\"{}\": must be PORT or PROTOCOL/PORT, such as 80 or UDP/53, the port from 1 to "
            "65535; or a protocol without ports, such as ICMP",
            text));
  };
  PortArgument out;
  std::string_view number = text;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos ||
      text.find_first_not_of("0123456789") != std::string_view::npos) {
    const auto protocol = net::Protocol::parse(text.substr(0, slash));
    if (!protocol) return invalid();
    out.protocol = *protocol;
    if (slash == std::string_view::npos) {
      if (out.protocol.has_ports()) return invalid();
      return out;
    }
    if (!out.protocol.has_ports()) return invalid();
    number = text.substr(slash + 1);
  }
  const auto port = parse_decimal(number, 65535);
  if (!port || *port == 0) return invalid();
  out.port = static_cast<uint16_t>(*port);
  return out;
}

Result<FlowEnd> resolve_end(const model::World& world, std::string_view text,
                            const std::string& ns) {
  FlowEnd end;
  if (const auto address = net::IpAddr::parse(text)) {
    end.addresses = {*address};
    return end;
  }
  const size_t slash = text.find('/');
  const model::ObjectName name = slash == std::string_view::npos
                                     ? model::ObjectName{ns, std::string(text)}
                                     : model::ObjectName{std::string(text.substr(0, slash)),
                                                         std::string(text.substr(slash + 1))};
  const auto found = world.pods.find(name);
  if (found == world.pods.end()) {
    std::vector<std::string> similar;
    for (const auto& [other, pod] : world.pods) {
      if (other.name == name.name || other.ns == name.ns) similar.push_back(other.to_string());
      if (similar.size() == 5) break;
    }
    return fail(Errc::kNotFound,
                fmt::format("there is no pod {}{}{}", name.to_string(),
                            similar.empty() ? "" : "; there are ", join(similar, ", ")));
  }
  if (found->second.addresses.empty()) {
    return fail(Errc::kUnavailable, fmt::format("pod {} has no address yet", name.to_string()));
  }
  end.addresses = found->second.addresses;
  end.pod = name;
  return end;
}

Result<std::vector<policy::oracle::Flow>> make_flows(const FlowEnd& from, const FlowEnd& to,
                                                     const PortArgument& port) {
  std::vector<policy::oracle::Flow> out;
  for (const net::IpAddr& source : from.addresses) {
    for (const net::IpAddr& destination : to.addresses) {
      if (source.family() != destination.family()) continue;
      out.push_back({source, destination, port.protocol, port.port, from.pod, to.pod});
    }
  }
  if (out.empty())
    return fail(Errc::kInvalid, "source and destination have no address family in common");
  return out;
}

void add_policy_commands(CLI::App& app, Action& chosen, const std::string& version) {
  CLI::App* group = add_group(app, "policy", "ask what the policies say");
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(*group, chosen, "explain",
                  "say whether a connection is allowed, and which policy and rule decide",
                  "  caracal policy explain dev/pod1 prod/pod1 80\n"
                  "  caracal policy explain 198.51.100.10 pod1 TCP/443 -n dev -o json\n"
                  "  caracal policy explain dev/pod1 10.96.0.10 UDP/53\n"
                  "  caracal policy explain dev/web prod/db 5432 --dir deploy/",
                  [options] { return explain(*options); });
  command->add_option("source", options->source, "NAMESPACE/POD, POD or an address")
      ->required()
      ->type_name("SRC");
  command->add_option("destination", options->destination, "NAMESPACE/POD, POD or an address")
      ->required()
      ->type_name("DST");
  command->add_option("port", options->port, "the destination's port, such as 80 or UDP/53")
      ->required()
      ->type_name("[PROTO/]PORT")
      ->check([](const std::string& text) {
        const auto port = parse_port_argument(text);
        return port ? std::string() : port.error().message;
      });
  command->add_option("-o,--output", options->format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  options->from.add_to(*command);
  options->agents.add_to(*command);
  add_policy_review_commands(*group, chosen, version);
  add_policy_stage_commands(*group, chosen);
}

}  // namespace caracal::cli
