#include "bgp/testing/bird_network.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "bgp/bird_control.h"

namespace caracal::bgp::testing {
namespace {

constexpr std::string_view kPrefix = "crl-t-";

std::string command(const std::vector<std::string>& argv) {
  Command what;
  what.argv = argv;
  const auto out = run_checked(what);
  EXPECT_TRUE(out) << join(argv, " ") << ": " << out.error().message;
  return out.value_or("");
}

void ip(const std::string& arguments) {
  std::vector<std::string> argv = {"ip"};
  for (const std::string_view word : split(arguments, ' ')) argv.emplace_back(word);
  command(argv);
}

// crl-t-PID-NAME of processes that are no more.
void remove_stale() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix)) continue;
    const std::string rest = name.substr(kPrefix.size());
    const auto pid = parse_decimal(rest.substr(0, rest.find('-')));
    if (!pid || ::kill(static_cast<pid_t>(*pid), 0) == 0) continue;
    // Of a test like this one only: others clean up after themselves.
    if (rest.find("-bgp-") == std::string::npos) continue;
    const auto inside = run({.argv = {"ip", "netns", "pids", name}});
    if (inside) {
      for (const std::string_view word : split(inside->out, '\n')) {
        if (const auto left = parse_decimal(word)) ::kill(static_cast<pid_t>(*left), SIGKILL);
      }
    }
    [[maybe_unused]] const auto gone = run({.argv = {"ip", "netns", "del", name}});
  }
}

}  // namespace

std::unique_ptr<BirdNetwork> BirdNetwork::make(std::string& why) {
  if (::geteuid() != 0) {
    why = "needs root";
    return nullptr;
  }
  if (!run({.argv = {"bird", "--version"}})) {
    why = "BIRD is not installed (package bird2)";
    return nullptr;
  }
  remove_stale();
  static int count = 0;
  std::unique_ptr<BirdNetwork> network(new BirdNetwork);
  network->prefix_ = fmt::format("{}{}-bgp-{}", kPrefix, ::getpid(), ++count);
  network->folder_ = "/tmp/" + network->prefix_;
  EXPECT_TRUE(make_directories(network->folder_));
  network->namespaces_.push_back("sw");
  const std::string segment = network->namespace_of("sw");
  ip("netns add " + segment);
  ip("-n " + segment + " link add br0 type bridge");
  ip("-n " + segment + " link set br0 up");
  return network;
}

BirdNetwork::~BirdNetwork() {
  for (auto& [name, node] : nodes_) {
    const auto pid = bird_process(folder_ + "/" + name + "/bird.ctl");
    if (pid) ::kill(*pid, SIGKILL);
    node.keeper.reset();
  }
  for (const pid_t pid : processes_) ::kill(pid, SIGKILL);
  for (const std::string& name : namespaces_) {
    [[maybe_unused]] const auto gone = run({.argv = {"ip", "netns", "del", namespace_of(name)}});
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void BirdNetwork::add_host(const std::string& name, const std::vector<std::string>& addresses) {
  namespaces_.push_back(name);
  const std::string ns = namespace_of(name);
  ip("netns add " + ns);
  ip("-n " + ns + " link set lo up");
  ip(fmt::format("-n {} link add eth0 type veth peer name {} netns {}", ns, name,
                 namespace_of("sw")));
  ip(fmt::format("-n {} link set dev {} master br0 up", namespace_of("sw"), name));
  for (const std::string& address : addresses) {
    const bool v6 = address.find(':') != std::string::npos;
    ip(fmt::format("-n {} addr add {} dev eth0{}", ns, address, v6 ? " nodad" : ""));
  }
  ip("-n " + ns + " link set eth0 up");
  run_in(name, {"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"});
}

void BirdNetwork::connect(const std::string& device, const std::string& one,
                          const std::string& one_address, const std::string& other,
                          const std::string& other_address) {
  ip(fmt::format("-n {} link add {} type veth peer name {} netns {}", namespace_of(one), device,
                 device, namespace_of(other)));
  for (const auto& [host, own] : {std::pair(one, one_address), std::pair(other, other_address)}) {
    const char* flag = own.find(':') != std::string::npos ? " nodad" : "";
    ip(fmt::format("-n {} addr add {} dev {}{}", namespace_of(host), own, device, flag));
    ip(fmt::format("-n {} link set {} up", namespace_of(host), device));
  }
}

void BirdNetwork::cut(const std::string& host) {
  ip(fmt::format("-n {} link set dev {} nomaster", namespace_of("sw"), host));
}
void BirdNetwork::mend(const std::string& host) {
  ip(fmt::format("-n {} link set dev {} master br0", namespace_of("sw"), host));
}

void BirdNetwork::start_bird(const std::string& host, const std::string& config) {
  const std::string at = folder_ + "/" + host;
  ASSERT_TRUE(make_directories(at));
  ASSERT_TRUE(write_file_atomic(at + "/bird.conf", config));
  run_in(host, {"bird", "-c", at + "/bird.conf", "-s", at + "/bird.ctl", "-P", at + "/bird.pid"});
  // A daemon: the socket's peer is the process that forked it and has ended.
  std::optional<uint64_t> pid;
  ASSERT_TRUE(eventually([&] {
    const auto text = read_file(at + "/bird.pid");
    pid = text ? parse_decimal(trim(*text)) : std::nullopt;
    return pid.has_value();
  }));
  own_process(static_cast<pid_t>(*pid));
}

void BirdNetwork::add_node(const std::string& name, const std::vector<std::string>& addresses) {
  add_host(name, addresses);
  begin_agent(name);
}

void BirdNetwork::add_pod(const std::string& node, const std::string& pod,
                          const std::string& address) {
  namespaces_.push_back(pod);
  const std::string ns = namespace_of(pod);
  const std::string host = namespace_of(node);
  const bool v6 = address.find(':') != std::string::npos;
  ip("netns add " + ns);
  ip(fmt::format("-n {} link add eth0 type veth peer name cali{} netns {}", ns, pod, host));
  ip(fmt::format("-n {} link set cali{} up", host, pod));
  ip(fmt::format("-n {} link set eth0 up", ns));
  ip(fmt::format("-n {} addr add {}/{} dev eth0{}", ns, address, v6 ? 128 : 32,
                 v6 ? " nodad" : ""));
  if (v6) {
    ip(fmt::format("-n {} addr add fe80::1/64 dev cali{} nodad", host, pod));
    ip(fmt::format("-n {} route add default via fe80::1 dev eth0", ns));
  } else {
    ip(fmt::format("-n {} addr add 169.254.1.1/32 dev cali{} scope link", host, pod));
    ip(fmt::format("-n {} route add 169.254.1.1 dev eth0 scope link", ns));
    ip(fmt::format("-n {} route add default via 169.254.1.1 dev eth0", ns));
  }
  ip(fmt::format("-n {} route add {}/{} dev cali{} proto 202", host, address, v6 ? 128 : 32, pod));
}

BirdKeeper::Options BirdNetwork::keeper_options(const std::string& node) const {
  BirdKeeper::Options options;
  options.command = {"ip", "netns", "exec", namespace_of(node), "bird"};
  options.folder = folder_ + "/" + node;
  options.check_period = event::Duration(1000);
  options.watch = {.period = event::Duration(500),
                   .patience = event::Duration(1500),
                   .tries = 3,
                   .busy_limit = event::Duration(60'000)};
  options.render.recovery_seconds = 10;
  return options;
}

void BirdNetwork::begin_agent(const std::string& node) {
  Node& n = nodes_[node];
  n.engine = std::make_unique<BgpEngine>(BgpEngine::Options{.node = node, .router_id = {}});
  n.keeper = std::make_unique<BirdKeeper>(loop_, keeper_options(node));
  for (const model::NetworkUpdate& update : told_) n.engine->apply(update);
  if (!told_.empty()) flush();
}

void BirdNetwork::end_agent(const std::string& node) {
  nodes_.at(node).keeper.reset();
  nodes_.at(node).engine.reset();
}

void BirdNetwork::tell(const std::vector<model::NetworkUpdate>& updates) {
  for (const model::NetworkUpdate& update : updates) {
    told_.push_back(update);
    for (auto& [name, node] : nodes_) {
      if (node.engine) node.engine->apply(update);
    }
  }
  flush();
}

void BirdNetwork::flush() {
  for (auto& [name, node] : nodes_) {
    if (!node.engine) continue;
    if (auto config = node.engine->flush()) node.keeper->want(std::move(*config));
  }
}

bool BirdNetwork::eventually(const std::function<bool()>& condition, event::Duration limit) {
  const auto end = loop_.now() + limit;
  while (true) {
    if (condition()) return true;
    if (loop_.now() > end) return false;
    loop_.run_until([] { return false; }, event::Duration(100));
  }
}

BirdKeeper::View BirdNetwork::view(const std::string& node) {
  std::optional<BirdKeeper::View> out;
  keeper(node).view([&](BirdKeeper::View view) { out = std::move(view); });
  EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, event::Duration(60'000)));
  return out.value_or(BirdKeeper::View());
}

PeerReport BirdNetwork::peer(const std::string& node, const std::string& address) {
  for (PeerReport& report : view(node).peers) {
    if (report.address == address) return std::move(report);
  }
  return {};
}

bool BirdNetwork::established(const std::string& node, const std::string& address) {
  return peer(node, address).up;
}

std::string BirdNetwork::run_in(const std::string& name, const std::vector<std::string>& argv) {
  std::vector<std::string> all = {"ip", "netns", "exec", namespace_of(name)};
  all.insert(all.end(), argv.begin(), argv.end());
  return command(all);
}

std::string BirdNetwork::routes(const std::string& name, const std::string& family) {
  return command({"ip", family, "-n", namespace_of(name), "route"});
}

bool BirdNetwork::has_route(const std::string& name, const std::string& start) {
  for (const char* family : {"-4", "-6"}) {
    const std::string all = routes(name, family);
    for (const std::string_view line : split(all, '\n')) {
      if (line.starts_with(start)) return true;
    }
  }
  return false;
}

bool BirdNetwork::ping(const std::string& pod, const std::string& address) {
  const auto out = run(
      {.argv = {"ip", "netns", "exec", namespace_of(pod), "ping", "-c", "1", "-W", "2", address}});
  return out && out->exit_code == 0;
}

std::string BirdNetwork::bird(const std::string& node, const std::string& what) {
  const auto reply = ask_bird(folder_ + "/" + node + "/bird.ctl", what);
  EXPECT_TRUE(reply) << reply.error().message;
  return reply ? reply->text() : "";
}

}  // namespace caracal::bgp::testing
