#include "agent/testing/test_node.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/strings.h"
#include "dataplane/nft/nft_driver.h"
#include "kube/http.h"
#include "kube/kubeconfig.h"
#include "rpc/client.h"

namespace caracal::agent::testing {

namespace fs = std::filesystem;
using netlink::NetworkNamespace;

namespace {

std::string program(const char* name) { return std::string(CARACAL_BINARY_DIR) + "/bin/" + name; }

// Network namespaces of test processes that are no more.
void remove_stale() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/run/netns", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("crl-t-")) continue;
    const auto parts = split(name, '-');
    const auto pid = parts.size() > 2 ? parse_decimal(parts[2], INT32_MAX) : std::nullopt;
    if (pid && ::kill(static_cast<pid_t>(*pid), 0) != 0) {
      [[maybe_unused]] const Status gone = NetworkNamespace::remove(name);
    }
  }
}

// Asks again and again; a bound in time for a machine that is busy.
template <typename F>
Status eventually(F condition, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fail(Errc::kTimeout, what);
}

}  // namespace

Result<Child> Child::start(std::vector<std::string> argv, const std::string& netns,
                           const std::string& log) {
  std::vector<char*> pointers;
  for (std::string& arg : argv) pointers.push_back(arg.data());
  pointers.push_back(nullptr);
  const int ns = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when the test program crashes
    if (::setns(ns, CLONE_NEWNET) != 0) ::_exit(126);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(ns);
  ::close(out);
  if (pid < 0) return fail(Errc::kInternal, "fork");
  return Child(pid);
}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    stop(SIGKILL);
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

int Child::stop(int signal) {
  if (pid_ <= 0) return 0;
  ::kill(pid_, signal);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::unique_ptr<TestNode> TestNode::make(std::string& why, std::vector<std::string> pod_cidrs) {
  for (const char* name : {"caracal-agent", "caracal-cni", "caracal-apiserver"}) {
    if (::access(program(name).c_str(), X_OK) != 0) {
      why = program(name) + " is not built";
      return nullptr;
    }
  }
  remove_stale();
  std::unique_ptr<TestNode> node(new TestNode());
  static int count = 0;
  node->name_ = "crl-t-" + std::to_string(::getpid()) + "-n" + std::to_string(count++);
  node->folder_ = (fs::temp_directory_path() / node->name_).string();
  fs::remove_all(node->folder_);
  fs::create_directories(node->folder_ + "/path");
  fs::create_symlink(program("caracal-cni"), node->folder_ + "/path/caracal-cni");
  auto ns = NetworkNamespace::create(node->name_);
  if (!ns) {
    why = ns.error().message;
    return nullptr;
  }
  node->ns_ = std::move(*ns);
  // A link as nodes have one, with a subnet for other nodes' addresses.
  node->in_node({"ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0p"});
  node->in_node({"ip", "link", "set", "eth0p", "up"});
  node->in_node({"ip", "link", "set", "eth0", "up"});
  node->in_node({"ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"});
  node->in_node({"ip", "addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad"});
  json::array cidrs;
  for (const std::string& cidr : pod_cidrs) cidrs.emplace_back(cidr);
  const json::value self{{"apiVersion", "v1"},
                         {"kind", "Node"},
                         {"metadata", {{"name", "n1"}}},
                         {"spec", {{"podCIDR", cidrs.at(0)}, {"podCIDRs", cidrs}}}};
  Status ready = node->start_api();
  if (ready) ready = node->create("/api/v1/nodes", self);
  if (ready) ready = node->add_namespace("dev");
  if (!ready) {
    why = ready.error().message;
    return nullptr;
  }
  return node;
}

TestNode::~TestNode() {
  agent_.reset();
  api_.reset();
  for (const std::string& path : sandboxes_) {
    [[maybe_unused]] const Status gone = NetworkNamespace::remove(fs::path(path).filename());
  }
  ns_.reset();
  [[maybe_unused]] const Status gone = NetworkNamespace::remove(name_);
  if (::getenv("CARACAL_KEEP_TEST_FILES") == nullptr) fs::remove_all(folder_);
}

Status TestNode::start_api(std::vector<std::string> flags) {
  if (!flags.empty()) api_flags_ = std::move(flags);
  std::vector<std::string> argv = {program("caracal-apiserver"),
                                   "--listen",
                                   "127.0.0.1:6443",
                                   "--data-dir",
                                   folder_ + "/api",
                                   "--write-kubeconfig",
                                   folder_ + "/kubeconfig"};
  argv.insert(argv.end(), api_flags_.begin(), api_flags_.end());
  CARACAL_ASSIGN(
      api_, Child::start(std::move(argv), NetworkNamespace::path_of(name_), folder_ + "/api.log"));
  return eventually(
      [&] {
        return with_api([](auto& api) { return api.get("/api/v1/namespaces/default"); })
            .has_value();
      },
      "the API server does not answer");
}

Result<json::value> TestNode::with_api(
    const std::function<Result<json::value>(kube::BlockingClient&)>& fn) {
  return ns_->run([&]() -> Result<json::value> {
    CARACAL_ASSIGN(kube::ClusterAccess access, kube::load_kubeconfig({folder_ + "/kubeconfig"}));
    kube::BlockingClient client(std::move(access));
    return fn(client);
  });
}

Status TestNode::create(const std::string& path, const json::value& object) {
  const auto made = with_api([&](auto& api) { return api.create(path, object); });
  return made ? Status() : fail(made.error());
}

Status TestNode::remove(const std::string& path) {
  const auto gone = with_api([&](auto& api) {
    return api.remove(path, {{"gracePeriodSeconds", "0"}});
  });
  return gone ? Status() : fail(gone.error());
}

Status TestNode::add_namespace(const std::string& ns) {
  return create("/api/v1/namespaces",
                {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}});
}

Status TestNode::add_pod(const std::string& ns, const std::string& name,
                         const json::object& labels) {
  return create(
      "/api/v1/namespaces/" + ns + "/pods",
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata", {{"name", name}, {"labels", labels}}},
       {"spec", {{"nodeName", "n1"}, {"containers", {{{"name", "c"}, {"image", "x"}}}}}}});
}

Status TestNode::start_agent(bool ready) {
  std::vector<std::string> argv = {program("caracal-agent"),
                                   "--node-name",
                                   "n1",
                                   "--kubeconfig",
                                   folder_ + "/kubeconfig",
                                   "--socket",
                                   socket(),
                                   "--state-dir",
                                   folder_ + "/state",
                                   "--run-dir",
                                   folder_ + "/run",
                                   "--ipam",
                                   pools_ ? "pools" : "pod-cidr",
                                   "--bgp",
                                   "off",
                                   "--metrics-listen",
                                   "127.0.0.1:9091",
                                   "--log-level",
                                   "debug"};
  argv.insert(argv.end(), agent_flags_.begin(), agent_flags_.end());
  CARACAL_ASSIGN(agent_, Child::start(std::move(argv), NetworkNamespace::path_of(name_),
                                      folder_ + "/agent.log"));
  return wait_ready(ready);
}

Status TestNode::wait_ready(bool ready) {
  std::string seen;
  return eventually(
      [&] {
        const json::value now = status();
        return !now.is_null() && (!ready || jsonio::get_bool(now, {"ready"}));
      },
      "the agent does not become ready; its log is " + folder_ + "/agent.log");
}

Status TestNode::wait_connected(bool connected) {
  return eventually(
      [&] {
        return jsonio::get_bool(status(), {"api", "connected"}, !connected) == connected;
      },
      connected ? "the agent does not find the API server again"
                : "the agent does not notice that the API server is away");
}

int TestNode::stop_agent(int signal) {
  const int exit_code = agent_ ? agent_->stop(signal) : 0;
  agent_.reset();
  return exit_code;
}

std::string TestNode::add_sandbox() {
  const std::string name = name_ + "-p" + std::to_string(next_++);
  const auto made = NetworkNamespace::create(name);
  if (!made) std::fprintf(stderr, "sandbox: %s\n", made.error().message.c_str());
  sandboxes_.push_back(NetworkNamespace::path_of(name));
  return sandboxes_.back();
}

void TestNode::remove_sandbox(const std::string& path) {
  [[maybe_unused]] const Status gone = NetworkNamespace::remove(fs::path(path).filename());
  std::erase(sandboxes_, path);
}

CniAnswer TestNode::plugin(const std::string& path, const std::string& command,
                           const std::string& container, const std::string& netns,
                           const std::string& pod, const json::object& config) const {
  Command child;
  child.argv = {path};
  child.netns = NetworkNamespace::path_of(name_);
  child.input = jsonio::to_string(config);
  child.environment =
      std::vector<std::string>{"CNI_COMMAND=" + command,
                               "CNI_CONTAINERID=" + container,
                               "CNI_NETNS=" + netns,
                               "CNI_IFNAME=eth0",
                               "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=dev;K8S_POD_NAME=" + pod,
                               "CNI_PATH=/usr/lib/cni:" + folder_ + "/path",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  const auto output = run(child);
  if (!output) return {-1, json::value(output.error().message)};
  auto parsed = jsonio::parse(output->out);
  return {output->exit_code, parsed ? std::move(*parsed) : json::value(output->out + output->err)};
}

CniAnswer TestNode::cni(const std::string& command, const std::string& container,
                        const std::string& netns, const std::string& pod, json::object more,
                        const std::string& version) const {
  more["cniVersion"] = version;
  if (!more.contains("name")) more["name"] = "net";
  more["type"] = "caracal-cni";
  more["socket"] = socket();
  return plugin(program("caracal-cni"), command, container, netns, pod, more);
}

json::value TestNode::status() const { return ask("status", nullptr); }

json::value TestNode::ask(const std::string& method, json::value params) const {
  auto reply = rpc::call_once(socket(), method, std::move(params), std::chrono::seconds(20));
  return reply && !reply->error ? std::move(reply->result) : json::value(nullptr);
}

std::string TestNode::in_node(const std::vector<std::string>& argv) const {
  return in_pod(NetworkNamespace::path_of(name_), argv);
}

std::string TestNode::in_pod(const std::string& netns, const std::vector<std::string>& argv) const {
  Command command;
  command.argv = argv;
  command.netns = netns;
  const auto output = run(command);
  return output ? output->out + output->err : output.error().message;
}

std::vector<std::string> TestNode::links() const {
  std::vector<std::string> names;
  const std::string text = in_node({"ip", "-o", "link"});
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() < 2 || !fields[1].starts_with("cali")) continue;
    names.emplace_back(fields[1].substr(0, fields[1].find('@')));
  }
  return names;
}

uint32_t TestNode::nft_generation() const {
  auto driver = dataplane::nft::NftDriver::open_in(*ns_);
  return driver ? driver->generation().value_or(0) : 0;
}

}  // namespace caracal::agent::testing
