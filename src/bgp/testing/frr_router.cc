#include "bgp/testing/frr_router.h"

#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

namespace caracal::bgp::testing {

void WithFrr::SetUp() {
  BgpRoot::SetUp();
  if (net && ::access("/usr/lib/frr/bgpd", X_OK) != 0)
    GTEST_SKIP() << "FRR is not installed (package frr)";
}

void WithFrr::start_frr(const std::string& host, const std::string& bgp, bool bfd) {
  const std::string at = folder(host);
  ASSERT_TRUE(make_directories(at));
  ASSERT_TRUE(write_file_atomic(at + "/zebra.conf", "hostname tor\n"));
  ASSERT_TRUE(write_file_atomic(at + "/bfdd.conf", "hostname tor\n"));
  ASSERT_TRUE(write_file_atomic(at + "/bgpd.conf", bgp));
  net->run_in(host, {"chown", "-R", "frr:frr", at});
  std::vector<std::string> daemons = {"zebra"};
  if (bfd) daemons.emplace_back("bfdd");
  daemons.emplace_back("bgpd");
  for (const std::string& daemon : daemons) {
    const std::string pid_file = at + "/" + daemon + ".pid";
    std::vector<std::string> argv = {"/usr/lib/frr/" + daemon,
                                     "-d",
                                     "-f",
                                     at + "/" + daemon + ".conf",
                                     "-i",
                                     pid_file,
                                     "-z",
                                     at + "/zserv.api",
                                     "--vty_socket",
                                     at,
                                     "--log",
                                     "file:" + at + "/" + daemon + ".log"};
    if (daemon == "bfdd") argv.insert(argv.end(), {"--bfdctl", at + "/bfdd.sock"});
    net->run_in(host, argv);
    ASSERT_TRUE(net->eventually([&] { return ::access(pid_file.c_str(), F_OK) == 0; }));
    const auto pid = parse_decimal(trim(read_file(pid_file).value_or("")));
    ASSERT_TRUE(pid);
    net->own_process(static_cast<pid_t>(*pid));
  }
}

std::string WithFrr::ask_frr(const std::string& host, const std::string& question) {
  return net->run_in(host, {"vtysh", "--vty_socket", folder(host), "-c", question});
}

}  // namespace caracal::bgp::testing
