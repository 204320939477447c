// What BIRD costs on a node of a large cluster: two network namespaces, in one a BIRD kept by
// BirdKeeper as the agent would keep it, in the other one BIRD that plays all its peers.
//
//   bird_scale learned 5000    # one peer that tells 5,000 blocks
//   bird_scale mesh 500        # a mesh: as many peers, each with a block
//
// Needs root and BIRD. Processor time and memory are BIRD's own (/proc/PID), the times those until
// the kernel has every route. Namespaces and processes are gone afterwards.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "bgp/bgp_engine.h"
#include "bgp/bird_control.h"
#include "bgp/bird_keeper.h"
#include "bgp/bird_watch.h"

namespace caracal::bgp {
namespace {

constexpr unsigned kFirstPort = 20'000;

using Seconds = std::chrono::duration<double>;

// Whatever was made is taken away on the way to main().
[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error(why); }

std::string must(const Command& command) {
  auto out = run_checked(command);
  if (!out) give_up(out.error().message);
  return std::move(*out);
}

void ip(const std::string& arguments) {
  Command command{.argv = {"ip"}};
  for (const std::string_view word : split(arguments, ' ')) command.argv.emplace_back(word);
  must(command);
}

net::IpAddr peer_address(unsigned i) { return net::IpAddr::v4(0x0a010000U + i + 1); }
net::Cidr block(unsigned i) { return {net::IpAddr::v4(0x0a800000U + i * 64), 26}; }

class Wire {
 public:
  explicit Wire(unsigned peers) : name_(fmt::format("crl-t-{}-scale", ::getpid())) {
    folder_ = "/tmp/" + name_;
    for (const char* side : {"n", "p"}) {
      ip("netns add " + ns(side));
      ip("-n " + ns(side) + " link set lo up");
    }
    ip(fmt::format("-n {} link add eth0 type veth peer name eth0 netns {}", ns("n"), ns("p")));
    ip(fmt::format("-n {} addr add 10.0.0.1/8 dev eth0", ns("n")));
    for (const char* side : {"n", "p"}) ip("-n " + ns(side) + " link set eth0 up");
    std::string batch;
    for (unsigned i = 0; i < peers; ++i)
      batch += fmt::format("addr add {}/8 dev eth0\n", peer_address(i).to_string());
    must({.argv = {"ip", "-n", ns("p"), "-batch", "-"}, .input = batch});
    if (!make_directories(folder_ + "/p")) give_up("cannot make " + folder_);
  }
  ~Wire() {
    // A daemon: its socket's peer is the process that forked it.
    const auto text = read_file(folder_ + "/p/bird.pid");
    if (const auto pid = text ? parse_decimal(trim(*text)) : std::nullopt)
      ::kill(static_cast<pid_t>(*pid), SIGKILL);
    for (const char* side : {"n", "p"}) {
      if (const auto pid = bird_process(folder_ + "/" + side + "/bird.ctl")) ::kill(*pid, SIGKILL);
      [[maybe_unused]] const auto gone = run({.argv = {"ip", "netns", "del", ns(side)}});
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  std::string ns(const char* side) const { return name_ + side; }
  const std::string& folder() const { return folder_; }

  // All peers in one BIRD: session i tells its blocks [i * each, (i + 1) * each). It has no two
  // sessions to one address and port, so each has a port of its own, which the kernel translates.
  void start_peers(unsigned sessions, unsigned each) {
    std::string text =
        "router id 10.1.0.1;\n"
        "log \"" +
        folder_ +
        "/p/bird.log\" { warning, error, fatal, bug };\n"
        "protocol device { }\n"
        "template bgp node { multihop; connect delay time 1; connect retry time 3;\n"
        "  error wait time 1, 3; graceful restart on; }\n";
    for (unsigned s = 0; s < sessions; ++s) {
      text += fmt::format("ipv4 table t{0};\nprotocol static s{0} {{ ipv4 {{ table t{0}; }};\n", s);
      for (unsigned i = s * each; i < (s + 1) * each; ++i)
        text += fmt::format("  route {} blackhole;\n", block(i).to_string());
      text += fmt::format(
          "}}\nprotocol bgp p{0} from node {{ local {1} as 64512;\n"
          "  neighbor 10.0.0.1 port {2} as 64512;\n"
          "  ipv4 {{ table t{0}; add paths on; next hop self; import none; export all; }}; }}\n",
          s, peer_address(s).to_string(), kFirstPort + s);
    }
    must(
        {.argv = {"ip", "netns", "exec", ns("p"), "nft", "-f", "-"},
         .input = fmt::format("table ip ports {{ chain out {{ type nat hook output priority -100;\n"
                              "ip daddr 10.0.0.1 tcp dport >= {} dnat to 10.0.0.1:179\n}}\n}}\n",
                              kFirstPort)});
    if (!write_file_atomic(folder_ + "/p/bird.conf", text)) give_up("cannot write to " + folder_);
    must({.argv = {"ip", "netns", "exec", ns("p"), "bird", "-c", folder_ + "/p/bird.conf", "-s",
                   folder_ + "/p/bird.ctl", "-P", folder_ + "/p/bird.pid"}});
  }
  size_t kernel_routes() const {
    const std::string routes =
        must({.argv = {"ip", "-n", ns("n"), "route", "show", "proto", "bird"}});
    return static_cast<size_t>(std::count(routes.begin(), routes.end(), '\n'));
  }

 private:
  std::string name_;
  std::string folder_;
};

struct Use {
  double cpu = 0;  // seconds so far
  double mib = 0;  // resident now
};

Use use_of(pid_t pid) {
  Use out;
  if (const auto stat = read_file(fmt::format("/proc/{}/stat", pid))) {
    if (const auto time = parse_process_time(*stat))
      out.cpu = static_cast<double>(time->ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
  if (const size_t at = status.find("VmRSS:"); at != std::string::npos)
    out.mib = std::atof(status.c_str() + at + 6) / 1024;
  return out;
}

class Node {
 public:
  Node(Wire& wire, unsigned peers) : wire_(wire), engine_({.node = "n", .router_id = {}}) {
    BirdKeeper::Options options;
    options.command = {"ip", "netns", "exec", wire.ns("n"), "bird"};
    options.folder = wire.folder() + "/n";
    keeper_ = std::make_unique<BirdKeeper>(loop_, options);
    model::IpPool pool;
    pool.name = "pool";
    pool.cidr = net::Cidr(net::IpAddr::v4(0x0a800000U), 9);
    engine_.apply(model::IpPoolUpdate{pool.name, pool});
    add_node("n", net::IpAddr::v4(0x0a000001U));
    for (unsigned i = 0; i < peers; ++i) add_node(fmt::format("p{}", i), peer_address(i));
    add_block(100'000);
  }
  void add_node(const std::string& name, const net::IpAddr& address) {
    model::NodeNetwork node;
    node.name = name;
    node.v4.address = model::NodeAddress{address, 8};
    engine_.apply(model::NodeNetworkUpdate{name, node});
  }
  void add_block(unsigned i) {
    engine_.apply(model::AddressBlockUpdate{block(i), model::AddressBlock{block(i), "n", {}}});
  }
  // Gives BIRD what should be; how long until it is in force.
  double load() {
    const auto began = event::Clock::now();
    if (auto config = engine_.flush()) keeper_->want(std::move(*config));
    wait([&] { return keeper_->configured(); });
    return Seconds(event::Clock::now() - began).count();
  }
  void wait(const std::function<bool()>& condition) {
    if (loop_.run_until(condition, event::Duration(100'000))) return;
    give_up("BIRD is not as it should be after 100 s: " + keeper_->last_error());
  }
  void rest(event::Duration time) {
    loop_.run_until([] { return false; }, time);
  }
  Use use() const { return use_of(keeper_->pid()); }
  double check_seconds() const {
    const auto began = event::Clock::now();
    must({.argv = {"bird", "-p", "-c", wire_.folder() + "/n/bird.conf"}});
    return Seconds(event::Clock::now() - began).count();
  }
  size_t config_bytes() const {
    return read_file(wire_.folder() + "/n/bird.conf").value_or("").size();
  }
  size_t established() {
    std::optional<size_t> count;
    keeper_->view([&](const BirdKeeper::View& view) {
      count = static_cast<size_t>(std::count_if(view.peers.begin(), view.peers.end(),
                                                [](const PeerReport& peer) { return peer.up; }));
    });
    wait([&] { return count.has_value(); });
    return *count;
  }

 private:
  Wire& wire_;
  event::Loop loop_;
  BgpEngine engine_;
  std::unique_ptr<BirdKeeper> keeper_;
};

void row(const std::string& what, const std::string& value) {
  fmt::print("{:<58} {}\n", what, value);
}

void measure(unsigned sessions, unsigned each) {
  Wire wire(sessions);
  Node node(wire, sessions);
  const unsigned routes = sessions * each;
  const double start = node.load();
  row(fmt::format("{} sessions configured, first start of BIRD", sessions),
      fmt::format("{:.2f} s", start));
  row("its configuration", fmt::format("{} KB", node.config_bytes() / 1000));
  row("bird -p", fmt::format("{:.0f} ms", node.check_seconds() * 1000));
  const Use before = node.use();
  row("memory, no session up", fmt::format("{:.1f} MiB", before.mib));

  const auto began = event::Clock::now();
  wire.start_peers(sessions, each);
  while (wire.kernel_routes() < routes) {
    node.rest(event::Duration(200));
    if (event::Clock::now() - began > std::chrono::seconds(100))
      give_up(fmt::format("{} of {} routes after 100 s", wire.kernel_routes(), routes));
  }
  const double all = Seconds(event::Clock::now() - began).count();
  const Use learned = node.use();
  row(fmt::format("{} routes of {} sessions in the kernel after", routes, node.established()),
      fmt::format("{:.1f} s", all));
  row("processor time for that", fmt::format("{:.2f} s", learned.cpu - before.cpu));
  row("memory", fmt::format("{:.1f} MiB", learned.mib));

  // Nothing happens: it looks at the kernel's routes, and keeps the sessions.
  node.rest(event::Duration(3000));
  const double idle_from = node.use().cpu;
  node.rest(event::Duration(20'000));
  row("processor time at rest",
      fmt::format("{:.2f} % of one processor", (node.use().cpu - idle_from) / 20 * 100));

  const double reload_from = node.use().cpu;
  node.add_block(100'001);
  row("a block more of this node: in force after", fmt::format("{:.2f} s", node.load()));
  node.add_node("another", net::IpAddr::v4(0x0a020000U));
  row("a node more: in force after", fmt::format("{:.2f} s", node.load()));
  node.rest(event::Duration(2000));
  row("processor time of both", fmt::format("{:.2f} s", node.use().cpu - reload_from));
  row("sessions up afterwards", fmt::format("{}", node.established()));
}

}  // namespace
}  // namespace caracal::bgp

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const auto count = caracal::parse_decimal(argc > 2 ? argv[2] : "", 60'000);
  if ((mode != "learned" && mode != "mesh") || !count || *count == 0) {
    fmt::print(stderr, "usage: bird_scale learned ROUTES | mesh NODES\n");
    return 2;
  }
  const auto n = static_cast<unsigned>(*count);
  try {
    mode == "mesh" ? caracal::bgp::measure(n, 1) : caracal::bgp::measure(1, n);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "{}\n", problem.what());
    return 1;
  }
  return 0;
}
