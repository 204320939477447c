// node_path: what a packet between pods of two nodes costs, by every way there is, with and without
// us.
//
//   pod 0 --veth-- node 0 --veth-- node 1 --veth-- pod 1        each a network namespace
//
// Each way (routes, VXLAN, IPIP, WireGuard) is there four times: made by `ip` alone; the same with
// the kernel's connection tracking, which every node of Kubernetes has; and as our drivers make it,
// with policy and the guard of the tunnels, without and with natOutgoing (whose hooks a node with
// kube-proxy has in any case). Nothing else runs, no agent and no
// BIRD: both are beside the packets' way. Both ends are on one processor unless --cpus says
// otherwise, so that what is measured is the work of a round trip, and nobody waits for another
// processor to wake up.
//
//   node_path [--ways routes,vxlan,...] [--modes stream,rr,crr] [--rounds N] [--seconds S]
//             [--cpus CLIENT,SERVER] [--nft LABEL=WAY=FILE]... [--only LABEL]
//
// --nft is one more column of a way: the tracked one with the table of a file in both nodes, for
// what a rule costs; --only leaves one column, for a profiler. Needs root, and the program
// `traffic` beside it. In QEMU with a clock that counts instructions (tests/qemu/run.sh --icount)
// one round says all.
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "dataplane/fib/route_driver.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/netrules/net_rules_driver.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/tunnel_driver.h"
#include "jsonio/json.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::Path;
using desired::PortSpace;
using netlink::NetworkNamespace;

constexpr const char* kTrackingTable =
    "table inet tracking {\n"
    "  chain forward { type filter hook forward priority 0; ct state established,related accept; "
    "}\n"
    "}\n";
constexpr const char* kEchoPort = "5000";  // and the next one: the sink

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "node_path: {}\n", what);
  std::exit(1);
}
template <typename T>
T must(Result<T> result, std::string_view what) {
  if (!result) die(fmt::format("{}: {}", what, result.error().message));
  return *std::move(result);
}
void must(const Status& status, std::string_view what) {
  if (!status) die(fmt::format("{}: {}", what, status.error().message));
}
std::string run_in(const NetworkNamespace& ns, const std::string& words, std::string input = {}) {
  Command command{.argv = {}, .input = std::move(input), .netns = ns.fd_path()};
  for (const auto word : split(words, ' ')) command.argv.emplace_back(word);
  return must(run_checked(command), words);
}
void run_on(uint64_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) die(fmt::format("no processor {}", cpu));
}
net::IpAddr ip(const std::string& text) { return *net::IpAddr::parse(text); }

struct Way {
  const char* name;
  Path path;
  uint32_t mtu;
};
constexpr std::array<Way, 4> kWays = {{{"routes", Path::kDirect, 1500},
                                       {"vxlan", Path::kVxlan, 1450},
                                       {"ipip", Path::kIpip, 1480},
                                       {"wireguard", Path::kWireguard, 1440}}};

enum class Who { kNobody, kTracking, kUs, kUsWithoutNat };
struct State {
  std::string label;
  Way way;
  Who who;
  std::string extra;  // a file for nft
};

bool ours(const State& state) { return state.who >= Who::kUs; }

net::IpAddr node_address(size_t i) { return ip(fmt::format("192.0.2.{}", i + 1)); }
net::IpAddr tunnel_address(size_t i) { return ip(fmt::format("10.244.{}.0", i)); }
net::IpAddr pod_address(size_t i) { return ip(fmt::format("10.244.{}.5", i)); }
net::Cidr block(size_t i) { return *net::Cidr::parse(fmt::format("10.244.{}.0/26", i)); }
net::Cidr pool() { return *net::Cidr::parse("10.244.0.0/16"); }
net::MacAddr tunnel_mac(size_t i) {
  return *net::MacAddr::parse(fmt::format("66:00:00:00:04:0{}", i));
}
// Of either pod, each on its node.
std::string interface() { return link::host_interface_name("default", "pod"); }

// One policy: the pod may be reached by the other one on the ports of the measurement.
desired::PolicyTables policy(size_t i) {
  desired::PolicyTables out;
  for (const net::Family family : net::kFamilies) out.ranges[net::IpAddr::first(family)] = 1;
  for (const PortSpace space : desired::kPortSpaces) out.ports[{space, 0}] = 1;
  out.ports[{PortSpace::kTcp, 5000}] = 2;
  out.ports[{PortSpace::kTcp, 5002}] = 1;
  for (const size_t pod : {0U, 1U}) out.addresses[pod_address(pod)] = 2;
  out.peers[{1, 2}] = 1;
  out.rows.insert({1, 2});
  out.interfaces[{Direction::kIngress, interface()}] = {Disposition::kPoliced, 1};
  out.interfaces[{Direction::kEgress, interface()}] = {Disposition::kOpen, 0};
  out.sources.insert({interface(), pod_address(i)});
  return out;
}

// What the calculation gives a node of two for one pool with this way.
desired::PodNetwork network(size_t i, Path path) {
  const size_t other = 1 - i;
  desired::PodNetwork out;
  out.routes[block(i)] = {.path = Path::kBlackhole, .via = std::nullopt, .node = "self"};
  desired::BlockRoute& route = out.routes[block(other)];
  route = {.path = path, .via = std::nullopt, .node = "other"};
  out.rules.nat_sources = {pool()};
  out.rules.no_nat = {pool()};
  out.rules.nodes = {node_address(0), node_address(1)};
  if (path == Path::kDirect || path == Path::kIpip) route.via = node_address(other);
  if (path == Path::kIpip) {
    out.v4.ipip = desired::IpipDevice{.address = tunnel_address(i), .mtu = 1480};
    out.rules.ipip = true;
  }
  if (path == Path::kVxlan) {
    route.via = tunnel_address(other);
    out.v4.vxlan = desired::VxlanDevice{.name = tunnel::kVxlanV4,
                                        .mac = tunnel_mac(i),
                                        .local = node_address(i),
                                        .address = tunnel_address(i),
                                        .mtu = 1450};
    out.v4.vxlan_peers[tunnel_address(other)] = {"other", node_address(other), tunnel_mac(other)};
    out.rules.vxlan_port = out.v4.vxlan->port;
    out.rules.vxlan_vni = out.v4.vxlan->vni;
  }
  if (path == Path::kWireguard)
    out.v4.wireguard = desired::WireguardDevice{
        .name = tunnel::kWireguardV4, .port = 51820, .address = tunnel_address(i), .mtu = 1440};
  return out;
}

struct Node {
  Node(NetworkNamespace n, NetworkNamespace p) : node(std::move(n)), pod(std::move(p)) {}
  NetworkNamespace node;
  NetworkNamespace pod;
};

class Pair {
 public:
  Pair(const State& state, uint64_t cpu) {
    for (auto& node : nodes_)
      node = std::make_unique<Node>(must(NetworkNamespace::create_anonymous(), "node"),
                                    must(NetworkNamespace::create_anonymous(), "pod"));
    run_in(at(0),
           fmt::format("ip link add eth0 type veth peer name eth0 netns {}", at(1).fd_path()));
    for (const size_t i : {0U, 1U}) {
      run_in(at(i), fmt::format("ip address add {}/24 dev eth0", node_address(i).to_string()));
      run_in(at(i), "ip link set eth0 up");
      must(at(i).run([&]() -> Status {
        CARACAL_TRY(link::enable_forwarding());
        auto made = link::create_pod_link({.host_interface = interface(),
                                           .netns_path = nodes_[i]->pod.fd_path(),
                                           .addresses = {pod_address(i)},
                                           .mtu = state.way.mtu,
                                           .pod_mac = std::nullopt});
        if (!made) return fail(made.error());
        return {};
      }),
           "pod's link");
    }
    if (state.way.path == Path::kWireguard || ours(state))
      by_drivers(state);
    else
      for (const size_t i : {0U, 1U}) by_hand(state, i);
    for (const size_t i : {0U, 1U}) {
      if (state.who == Who::kTracking) run_in(at(i), "nft -f -", kTrackingTable);
      if (!state.extra.empty()) run_in(at(i), "nft -f " + state.extra);
    }
    serve(cpu);
    // It listens at some time, and a first connection makes the neighbours known.
    for (int attempt = 0; attempt < 100; ++attempt) {
      const auto first =
          run({.argv = {traffic_program(), "rr", pod_address(1).to_string(), kEchoPort, "0.001"},
               .netns = nodes_[0]->pod.fd_path()});
      if (first && first->exit_code == 0) return;
      ::usleep(20'000);
    }
    die(fmt::format("{}, {}: the pods do not reach each other", state.way.name, state.label));
  }
  ~Pair() {
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  // Operations a second, or Gbit/s.
  double measure(const std::string& mode, const std::string& seconds) const {
    const auto text = must(run_checked({.argv = {traffic_program(), mode,
                                                 pod_address(1).to_string(), kEchoPort, seconds},
                                        .netns = nodes_[0]->pod.fd_path()}),
                           "traffic");
    const auto value = jsonio::parse(text);
    const json::object* object = value ? value->if_object() : nullptr;
    const json::value* rate =
        object == nullptr ? nullptr : object->if_contains(mode == "stream" ? "gbit_s" : "per_s");
    if (rate == nullptr || !rate->is_number()) die("traffic said " + text);
    return rate->to_number<double>();
  }

 private:
  static std::string traffic_program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "traffic";
  }
  const NetworkNamespace& at(size_t i) const { return nodes_[i]->node; }

  void by_hand(const State& state, size_t i) const {
    const size_t other = 1 - i;
    const std::string here = node_address(i).to_string();
    const std::string there = node_address(other).to_string();
    std::string via = "via " + there;
    if (state.way.path == Path::kVxlan) {
      run_in(at(i), fmt::format("ip link add tun0 type vxlan id 4096 dstport 4789 nolearning local "
                                "{} remote {} dev eth0",
                                here, there));
      via = fmt::format("via {} dev tun0 onlink", tunnel_address(other).to_string());
    }
    if (state.way.path == Path::kIpip) {  // one device for all peers, as a mesh of nodes needs it
      run_in(at(i), fmt::format("ip link add tun0 type ipip local {}", here));
      via += " dev tun0 onlink";
    }
    if (state.way.path != Path::kDirect) {
      run_in(at(i), fmt::format("ip address add {}/32 dev tun0", tunnel_address(i).to_string()));
      run_in(at(i), fmt::format("ip link set tun0 mtu {} up", state.way.mtu));
    }
    run_in(at(i), fmt::format("ip route add {} {}", block(other).to_string(), via));
  }

  // Of WireGuard the device is ours in any case (there may be no `wg` here), and with nobody or
  // tracking alone it is all that is.
  void by_drivers(const State& state) {
    std::array<desired::PodNetwork, 2> networks = {network(0, state.way.path),
                                                   network(1, state.way.path)};
    for (const int pass : {0, 1}) {  // the keys are known after the first
      for (const size_t i : {0U, 1U}) {
        auto tunnels = must(tunnel::TunnelDriver::open_in(at(i)), "tunnels");
        const auto report = must(tunnels.sync(networks[i]), "tunnels");
        for (const auto& problem : report.problems)
          die(problem.object + ": " + problem.error.message);
        if (pass == 0)
          for (const auto& [device, key] : report.public_keys)
            networks[1 - i].v4.wireguard_peers[key] = {
                .node = "other",
                .node_address = node_address(i),
                .port = 51820,
                .allowed = {block(i), net::Cidr::host(tunnel_address(i))}};
      }
    }
    for (const size_t i : {0U, 1U}) {
      auto routes = must(fib::RouteDriver::open_in(at(i)), "routes");
      fib::RouteTable wanted = tunnel::block_routes(networks[i]);
      fib::Route to_pod;  // as link::create_pod_link made it: the driver has all of our protocol
      to_pod.scope = fib::RouteScope::kLink;
      to_pod.device = interface();
      wanted.insert({{.destination = net::Cidr::host(pod_address(i))}, to_pod});
      const auto report = must(routes.sync(wanted), "routes");
      for (const auto& problem : report.problems) die(problem.error.message);
      if (!ours(state)) continue;
      if (state.who == Who::kUsWithoutNat) networks[i].rules.nat_sources.clear();
      auto rules = must(netrules::NetRulesDriver::open_in(at(i)), "rules");
      must(rules.sync(networks[i].rules), "rules");
      auto policies = must(nft::NftDriver::open_in(at(i)), "policy");
      must(policies.sync(policy(i)), "policy");
    }
  }

  void serve(uint64_t cpu) {
    auto entered = must(nodes_[1]->pod.enter(), "pod");
    const std::string program = traffic_program();
    server_ = ::fork();
    if (server_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      run_on(cpu);
      ::execl(program.c_str(), program.c_str(), "serve", kEchoPort, nullptr);
      ::_exit(127);
    }
    if (server_ < 0) die("fork failed");
  }

  std::array<std::unique_ptr<Node>, 2> nodes_;
  pid_t server_ = -1;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}
// Median of the rounds' ratios, and their middle half where there are several.
std::string ratio(const std::vector<double>& above, const std::vector<double>& below) {
  std::vector<double> each;
  for (size_t i = 0; i < above.size(); ++i) each.push_back(above[i] / below[i]);
  std::sort(each.begin(), each.end());
  const size_t quarter = each.size() / 4;
  std::string out = fmt::format("{:.3f}", each[each.size() / 2]);
  if (each.size() >= 4)
    out += fmt::format(" ({:.2f}-{:.2f})", each[quarter], each[each.size() - 1 - quarter]);
  return out;
}

struct Options {
  std::vector<Way> ways;
  size_t rounds = 1;
  std::string seconds = "0.1";
  std::string cpus = "0,0";
  std::vector<State> extra;
  std::vector<std::string> modes = {"stream", "rr", "crr"};
  std::string only;
};

Options options_of(int argc, char** argv) {
  Options out;
  const auto way = [](std::string_view name) {
    for (const Way& one : kWays)
      if (name == one.name) return one;
    die(fmt::format("no way {}: there are routes, vxlan, ipip, wireguard", name));
  };
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (i + 1 == argc) die(word + " needs a value");
    const std::string value = argv[++i];
    if (word == "--ways") {
      for (const auto name : split(value, ',')) out.ways.push_back(way(name));
    } else if (word == "--rounds") {
      out.rounds = std::strtoul(value.c_str(), nullptr, 10);
    } else if (word == "--seconds") {
      out.seconds = value;
    } else if (word == "--modes") {
      out.modes.clear();
      for (const auto mode : split(value, ',')) out.modes.emplace_back(mode);
    } else if (word == "--only") {
      out.only = value;
    } else if (word == "--cpus") {
      out.cpus = value;
    } else if (word == "--nft") {
      const auto parts = split(value, '=');
      if (parts.size() != 3) die("--nft LABEL=WAY=FILE");
      out.extra.push_back(
          {std::string(parts[0]), way(parts[1]), Who::kTracking, std::string(parts[2])});
    } else {
      die("no option " + word);
    }
  }
  if (out.ways.empty()) out.ways.assign(kWays.begin(), kWays.end());
  if (out.rounds == 0) die("--rounds must be 1 or more");
  return out;
}

int main_of(const Options& options) {
  const auto cpus = split(options.cpus, ',');
  const auto client = parse_decimal(cpus.front());
  const auto server = parse_decimal(cpus.back());
  if (cpus.size() != 2 || !client || !server) die("--cpus takes two numbers, CLIENT,SERVER");

  std::vector<State> states;
  for (const Way& way : options.ways) {
    for (const auto& [label, who] : {std::pair{"nothing", Who::kNobody},
                                     {"tracked", Who::kTracking},
                                     {"ours, no natOutgoing", Who::kUsWithoutNat},
                                     {"ours", Who::kUs}})
      states.push_back({label, way, who, {}});
    for (const State& extra : options.extra)
      if (extra.way.path == way.path) states.push_back(extra);
  }
  if (!options.only.empty())
    std::erase_if(states, [&](const State& state) { return state.label != options.only; });
  std::vector<std::unique_ptr<Pair>> pairs;
  for (const State& state : states) pairs.push_back(std::make_unique<Pair>(state, *server));
  run_on(*client);

  const std::vector<std::string>& modes = options.modes;
  std::map<std::pair<size_t, std::string>, std::vector<double>> rates;
  for (const auto& pair : pairs)  // neighbours, first allocations
    for (const std::string& mode : modes) (void)pair->measure(mode, "0.01");
  std::vector<size_t> order(states.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::minstd_rand random(1);
  for (size_t round = 0; round < options.rounds; ++round) {
    for (const std::string& mode : modes) {
      for (const size_t i : order)
        rates[{i, mode}].push_back(pairs[i]->measure(mode, options.seconds));
    }
    std::shuffle(order.begin(), order.end(), random);
  }

  std::string head = "| way | with |";
  for (const std::string& mode : modes)
    head += mode == "stream" ? " stream, Gbit/s |" : fmt::format(" {}, us |", mode);
  head += fmt::format(" {} / nothing | the same / tracked |", fmt::join(modes, ", "));
  fmt::print("{}\n", head);
  for (size_t i = 0; i < 4 + modes.size(); ++i) fmt::print("|---");
  fmt::print("|\n");
  constexpr size_t kNone = SIZE_MAX;
  size_t nothing = kNone, tracked = kNone;
  for (size_t i = 0; i < states.size(); ++i) {
    if (states[i].who == Who::kNobody) nothing = i, tracked = kNone;
    if (states[i].who == Who::kTracking && states[i].extra.empty()) tracked = i;
    const auto against = [&](size_t below) {
      std::string out;
      for (const std::string& mode : modes)
        if (below < i)
          out += (out.empty() ? "" : ", ") + ratio(rates[{i, mode}], rates[{below, mode}]);
      return out;
    };
    fmt::print("| {} | {} |", states[i].way.name, states[i].label);
    for (const std::string& mode : modes) {
      const double rate = median(rates[{i, mode}]);
      fmt::print(" {:.3f} |", mode == "stream" ? rate : 1e6 / rate);
    }
    fmt::print(" {} | {} |\n", against(nothing), against(tracked));
  }
  return 0;
}

}  // namespace
}  // namespace caracal::dataplane

int main(int argc, char** argv) {
  return caracal::dataplane::main_of(caracal::dataplane::options_of(argc, argv));
}
