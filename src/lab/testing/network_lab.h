// NetworkLab: a test with a whole lab of its own, brought up and taken down by the command line,
// and pods in it that try to reach each other.
//
// For root tests. The lab is named after the process; what a killed run left is taken away first.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "kube/blocking_client.h"
#include "lab/lab.h"
#include "lab/lab_parts.h"
#include "lab/network.h"
#include "lab/probe.h"
#include "lab/process.h"
#include "lab/program_keeper.h"

namespace caracal::lab::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string program(const char* name) {
  return std::string(CARACAL_BINARY_DIR) + "/bin/" + name;
}

// The texts of a list of a JSON object.
inline std::vector<std::string> texts(const json::value& value, std::string_view field) {
  std::vector<std::string> out;
  for (const json::value& one : jsonio::get_array(value, {field})) {
    if (const json::string* text = one.if_string()) out.emplace_back(*text);
  }
  return out;
}

class NetworkLab : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const char* name : {"caracal", "caracal-agent", "caracal-apiserver", "caracal-cni"}) {
      if (::access(program(name).c_str(), X_OK) != 0)
        GTEST_SKIP() << program(name) << " is not built";
    }
    // What an earlier run left that was killed: its lab is named after its pid.
    for (const std::string& lab : list_labs()) {
      const auto pid =
          lab.starts_with("n") ? parse_decimal(std::string_view(lab).substr(1)) : std::nullopt;
      if (pid && !find_process(static_cast<pid_t>(*pid))) {
        EXPECT_TRUE(lab_down(lab, [](const std::string&) {}));
      }
    }
    name_ = fmt::format("n{}", ::getpid());
  }
  void TearDown() override {
    if (!begun_) return;
    EXPECT_EQ(caracal({"lab", "down"}).exit_code, 0);
    EXPECT_THAT(list_netns("crl-" + name_ + "-"), ::testing::ElementsAre());
    EXPECT_FALSE(std::filesystem::exists("/sys/class/net/crl-" + name_));
    EXPECT_FALSE(std::filesystem::exists(std::string(kRunFolder) + "/" + name_));
  }

  CommandOutput caracal(std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {program("caracal")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"--name", name_});
    const auto done = run({.argv = argv, .timeout = seconds(300)});
    return done ? *done : CommandOutput{127, "", done.error().message};
  }
  json::value asked(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-o", "json"});
    const CommandOutput done = caracal(arguments);
    const auto value = jsonio::parse(done.out);
    EXPECT_TRUE(value) << done.out << done.err;
    return value ? *value : json::value();
  }
  // False (and a failure) when the lab does not come up.
  bool up(const std::string& topology) {
    begun_ = true;
    const std::string file = fmt::format("/tmp/caracal-topology-{}.yaml", ::getpid());
    EXPECT_TRUE(write_file_atomic(file, topology));
    const CommandOutput done = caracal({"lab", "up", "--topology", file});
    ::unlink(file.c_str());
    EXPECT_EQ(done.exit_code, 0) << done.err;
    if (done.exit_code != 0) return false;
    lab_ = *find_lab(name_);
    client_ = std::make_unique<kube::BlockingClient>(*access_of(lab_));
    return true;
  }
  // A pod of each name on the node of that place; returns when all run.
  void add_pods(const std::vector<std::pair<std::string, std::string>>& pods) {
    for (const auto& [pod, node] : pods) {
      const auto made = client_->create(
          "/api/v1/namespaces/default/pods",
          {{"apiVersion", "v1"},
           {"kind", "Pod"},
           {"metadata", json::object{{"name", pod}, {"labels", json::object{{"app", pod}}}}},
           {"spec",
            json::object{
                {"nodeName", node},
                {"terminationGracePeriodSeconds", 0},
                {"containers", json::array{json::object{
                                   {"name", "c"},
                                   {"image", "none"},
                                   {"ports", json::array{json::object{{"containerPort", 80}},
                                                         json::object{{"containerPort", 7},
                                                                      {"protocol", "UDP"}}}}}}}}}});
      ASSERT_TRUE(made) << made.error().message;
    }
    for (const auto& [pod, node] : pods) {
      ASSERT_TRUE(wait_until(seconds(60), [&, name = pod] { return !addresses(name).empty(); }))
          << pod << " does not run";
    }
  }
  std::vector<net::IpAddr> addresses(const std::string& pod) const {
    std::vector<net::IpAddr> out;
    const auto object = client_->get("/api/v1/namespaces/default/pods/" + pod);
    if (!object || jsonio::get_string(*object, {"status", "phase"}) != "Running") return out;
    for (const json::value& ip : jsonio::get_array(*object, {"status", "podIPs"})) {
      if (const auto address = net::IpAddr::parse(jsonio::get_string(ip, {"ip"})))
        out.push_back(*address);
    }
    return out;
  }
  Probe probe(const std::string& from, const std::string& to) const {
    return {netns_path(lab_.plan.pod_netns({"default", from})), std::nullopt, addresses(to).at(0),
            net::kTcp, 80};
  }
  // Every address of `to`, from `from`, within some time.
  ::testing::AssertionResult reaches(const std::string& from, const std::string& to,
                                     milliseconds limit = seconds(60)) const {
    std::vector<Probe> probes;
    for (const net::IpAddr& address : addresses(to)) {
      Probe one = probe(from, to);
      one.destination = address;
      probes.push_back(one);
    }
    std::string why;
    const bool open = wait_until(limit, [&] {
      why.clear();
      for (const Observation& seen : run_probes(probes, {.timeout = milliseconds(300)})) {
        if (seen.outcome != Outcome::kOpen)
          why += fmt::format("{} {}; ", to_string(seen.outcome), seen.detail);
      }
      return why.empty();
    });
    if (open) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << from << " does not reach " << to << ": " << why << "\n"
           << caracal({"lab", "trace", from, to}).out << caracal({"lab", "show"}).out;
  }

  // "place direction device [encapsulation]" of each sighting on the way there.
  std::vector<std::string> way(const json::value& trace) const {
    std::vector<std::string> out;
    for (const json::value& hop : jsonio::get_array(trace, {"there"})) {
      for (const json::value& s : jsonio::get_array(hop, {"sightings"})) {
        std::string device(jsonio::get_string(s, {"device"}));
        if (device.starts_with("cali")) device = "cali";
        std::string one = fmt::format("{} {} {}", jsonio::get_string(hop, {"place"}),
                                      jsonio::get_string(s, {"direction"}), device);
        for (const json::value& e : jsonio::get_array(s, {"encapsulation"}))
          one += fmt::format(" {}", jsonio::get_string(e, {"kind"}));
        out.push_back(std::move(one));
      }
    }
    return out;
  }
  // The paths of a node's routes to another's blocks: {"vxlan", "direct (BGP)", ...}.
  std::set<std::string> paths(const std::string& from, const std::string& to) const {
    std::set<std::string> out;
    const json::value shown = asked({"lab", "show"});
    for (const json::value& node : jsonio::get_array(shown, {"nodes"})) {
      if (jsonio::get_string(node, {"name"}) != from) continue;
      for (const json::value& route : jsonio::get_array(node, {"routes"})) {
        if (jsonio::get_string(route, {"node"}) == to) {
          out.insert(std::string(jsonio::get_string(route, {"path"})) +
                     (jsonio::get_bool(route, {"bgp"}) ? " (BGP)" : ""));
        }
      }
    }
    return out;
  }
  ::testing::AssertionResult go_by(const std::string& from, const std::string& to,
                                   const std::set<std::string>& wanted) const {
    std::set<std::string> last;
    if (wait_until(seconds(60), [&] { return (last = paths(from, to)) == wanted; }))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << from << " to " << to << ": " << ::testing::PrintToString(last) << "\n"
           << caracal({"lab", "show"}).out;
  }
  // Established ones of the whole lab.
  size_t sessions_up() const {
    size_t out = 0;
    const json::value shown = asked({"lab", "show"});
    for (const json::value& one : jsonio::get_array(shown, {"sessions"}))
      out += jsonio::get_bool(one, {"established"}) ? 1 : 0;
    return out;
  }
  static bool has_bird() { return run_checked({.argv = {"bird", "--version"}}).has_value(); }
  static bool has_frr() { return ::access("/usr/lib/frr/bgpd", X_OK) == 0; }
  net::IpAddr node_address(const std::string& node) const {
    const auto object = client_->get("/api/v1/nodes/" + node);
    if (!object) return {};
    for (const json::value& one : jsonio::get_array(*object, {"status", "addresses"})) {
      const auto address = net::IpAddr::parse(jsonio::get_string(one, {"address"}));
      if (address && jsonio::get_string(one, {"type"}) == "InternalIP") return *address;
    }
    return {};
  }
  std::string in_node(const std::string& node, std::vector<std::string> argv) const {
    const auto done =
        run({.argv = std::move(argv), .netns = netns_path(lab_.plan.node_netns(node))});
    return done ? done->out + done->err : done.error().message;
  }

  std::string name_;
  bool begun_ = false;  // something of the lab may be there
  Lab lab_;
  std::unique_ptr<kube::BlockingClient> client_;
};

}  // namespace caracal::lab::testing
