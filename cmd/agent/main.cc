// caracal-agent: flags and environment into agent::Options, then agent::run().
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/agent.h"
#include "agent/node_setup.h"
#include "agent/options.h"
#include "base/log.h"

namespace {

std::string default_node_name() {
  if (const char* name = std::getenv("NODE_NAME"); name != nullptr && *name != '\0') return name;
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) return {};
  std::string lower(host);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

}  // namespace

int main(int argc, char** argv) {
  caracal::agent::Options options;
  options.version = CARACAL_VERSION;
  options.node_name = default_node_name();
  std::string log_level = "info";
  bool dry_run = false;
  bool uninstall = false;

  CLI::App app{"caracal-agent: network and network policy of one Kubernetes node"};
  app.set_version_flag("--version", std::string("caracal-agent ") + CARACAL_VERSION);
  app.add_option("--node-name", options.node_name,
                 "name of this node's Node object (environment: NODE_NAME)")
      ->capture_default_str();
  app.add_option("--kubeconfig", options.kubeconfig,
                 "how to reach the API server; default: KUBECONFIG, the pod's service account, "
                 "~/.kube/config");
  app.add_option("--socket", options.socket, "local socket for the CNI plugin and the command line")
      ->capture_default_str()
      ->envname("CARACAL_SOCKET");
  app.add_option("--state-dir", options.state_dir, "folder for what must survive a restart")
      ->capture_default_str()
      ->envname("CARACAL_STATE_DIR");
  app.add_option("--metrics-listen", options.metrics_listen,
                 "ADDRESS:PORT of /metrics, /healthz and /readyz, \"\" for none")
      ->capture_default_str()
      ->envname("CARACAL_METRICS_LISTEN");
  app.add_option("--interface-prefix", options.interface_prefix,
                 "beginning of the names of pods' host interfaces")
      ->capture_default_str()
      ->check([](const std::string& prefix) {
        return !prefix.empty() && prefix.size() <= 10 &&
                       prefix.find_first_of("/: ") == std::string::npos
                   ? std::string()
                   : "must have 1 to 10 bytes without / : or blanks";
      });
  app.add_option("--mtu", options.mtu,
                 "MTU of pods' interfaces; 0: the smallest of the node's links, less what tunnels "
                 "need, as it changes")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const int mtu = std::atoi(text.c_str());
        return text == "0" || (mtu >= 1280 && mtu <= 65535) ? std::string()
                                                            : "must be 0 or 1280 to 65535";
      });
  std::string ipam = "pools";
  app.add_option("--ipam", ipam,
                 "pools: addresses from the cluster's IPPools; pod-cidr: from the node's "
                 "spec.podCIDRs")
      ->capture_default_str()
      ->envname("CARACAL_IPAM")
      ->check(CLI::IsMember({"pools", "pod-cidr"}));
  app.add_option("--write-ipam-handles", options.write_handles,
                 "true: also write IPAMHandle objects, for a cluster that may go back to Calico")
      ->capture_default_str()
      ->envname("CARACAL_WRITE_IPAM_HANDLES");
  std::string bgp = "auto";
  app.add_option("--bgp", bgp, "auto: BIRD runs when a pool or peer needs it; off: never")
      ->capture_default_str()
      ->envname("CARACAL_BGP")
      ->check(CLI::IsMember({"auto", "off"}));
  app.add_option("--bird", options.bird, "the BIRD 2 program")->capture_default_str();
  app.add_option("--run-dir", options.run_dir, "folder for BIRD's configuration and socket")
      ->capture_default_str()
      ->envname("CARACAL_RUN_DIR");
  app.add_option("--secret-namespace", options.secret_namespace, "where BGP passwords are")
      ->capture_default_str()
      ->envname("POD_NAMESPACE");
  app.add_option("--ip", options.ip, "the node's IPv4 address: autodetect, an address or none")
      ->capture_default_str()
      ->envname("IP");
  app.add_option("--ip6", options.ip6, "the node's IPv6 address: autodetect, an address or none")
      ->capture_default_str()
      ->envname("IP6");
  app.add_option("--ip-autodetection", options.detection,
                 "first-found, kubernetes-internal-ip, can-reach=DESTINATION, "
                 "interface=REGEX[,...], skip-interface=REGEX[,...] or cidr=PREFIX[,...]")
      ->capture_default_str()
      ->envname("IP_AUTODETECTION_METHOD");
  app.add_option("--ip6-autodetection", options.detection6, "the same for IPv6")
      ->capture_default_str()
      ->envname("IP6_AUTODETECTION_METHOD");
  app.add_option("--default-pool-ipv4", options.default_pool,
                 "IPPool that is made when there is no IPv4 pool: a prefix or none")
      ->capture_default_str()
      ->envname("CALICO_IPV4POOL_CIDR");
  app.add_option("--default-pool-ipv6", options.default_pool6, "the same for IPv6")
      ->capture_default_str()
      ->envname("CALICO_IPV6POOL_CIDR");
  app.add_option("--default-pool-encapsulation", options.default_encapsulation,
                 "of these pools: none, ipip, ipip-cross-subnet, vxlan or vxlan-cross-subnet")
      ->capture_default_str()
      ->envname("CARACAL_DEFAULT_POOL_ENCAPSULATION")
      ->check(CLI::IsMember({"none", "ipip", "ipip-cross-subnet", "vxlan", "vxlan-cross-subnet"}));
  app.add_option("--default-pool-nat-outgoing", options.default_nat_outgoing,
                 "whether what leaves these pools gets the node's address")
      ->capture_default_str()
      ->envname("CALICO_IPV4POOL_NAT_OUTGOING");
  app.add_option("--end-connections", options.end_connections,
                 "true: a change of policy ends the connections that it no longer allows")
      ->capture_default_str()
      ->envname("CARACAL_END_CONNECTIONS");
  app.add_option("--flow-log", options.flow_log,
                 "true: keep records of denied and logged flows for \"caracal flows\"")
      ->capture_default_str()
      ->envname("CARACAL_FLOW_LOG");
  app.add_option("--flow-records", options.flow_records, "how many records are kept")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--flow-rate", options.flow_rate, "records a second, at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  app.add_option("--flow-log-file", options.flow_file,
                 "also append records to this file, a JSON object a line")
      ->type_name("PATH")
      ->envname("CARACAL_FLOW_LOG_FILE");
  app.add_option("--flow-log-file-size", options.flow_file_mib, "MiB after which a file is full")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  app.add_option("--flow-log-files", options.flow_files, "files kept, the present one included")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--flow-log-journal", options.flow_journal,
                 "true: also write records as lines of the agent's own log")
      ->capture_default_str()
      ->envname("CARACAL_FLOW_LOG_JOURNAL");
  app.add_option("--log-level", log_level, "debug, info, warn or error")
      ->capture_default_str()
      ->envname("CARACAL_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  auto* dry = app.add_flag("--dry-run", dry_run,
                           "print what would be changed in the kernel, change nothing, and end");
  app.add_flag("--uninstall", uninstall, "remove everything Caracal made on this node, and end")
      ->excludes(dry);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "caracal-agent: %s\n\n%s", error.what(), app.help().c_str());
    return 2;
  }
  if (options.node_name.empty()) {
    std::fprintf(stderr, "caracal-agent: --node-name: must be there, the host has no name\n");
    return 2;
  }
  options.pools = ipam == "pools";
  options.bgp = bgp == "auto";
  caracal::log::set_level(log_level);

  const caracal::Status outcome = uninstall ? caracal::agent::uninstall(options)
                                  : dry_run ? caracal::agent::dry_run(options)
                                            : caracal::agent::run(options);
  if (outcome) return 0;
  caracal::log::error("caracal-agent ends", {{"error", outcome.error().message}});
  return 1;
}
