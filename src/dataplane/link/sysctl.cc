#include "dataplane/link/sysctl.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/strings.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/link/pod_routes.h"

namespace caracal::dataplane::link {

std::vector<Sysctl> host_sysctls(const PodLinkSpec& spec) {
  std::vector<Sysctl> out;
  const auto add = [&](std::string_view family, std::string_view folder, std::string_view name,
                       std::string_view value) {
    out.push_back(
        {fmt::format("/proc/sys/net/{}/{}/{}/{}", family, folder, spec.host_interface, name),
         std::string(value)});
  };
  // Answer for the gateway, and at once. rp_filter stays at the host's default: spoofing is dropped
  // by the policy's own source check.
  add("ipv4", "conf", "proxy_arp", "1");
  add("ipv4", "neigh", "proxy_delay", "0");
  add("ipv4", "conf", "forwarding", "1");
  if (has_family(spec, net::Family::kIPv6)) {
    add("ipv6", "conf", "disable_ipv6", "0");
    add("ipv6", "conf", "addr_gen_mode", "1");  // none: the link-local address is set by hand
    add("ipv6", "conf", "accept_ra", "0");
    add("ipv6", "conf", "accept_dad", "0");
    add("ipv6", "conf", "proxy_ndp", "1");
    add("ipv6", "conf", "forwarding", "1");
  }
  return out;
}

std::vector<Sysctl> pod_sysctls(const PodLinkSpec& spec) {
  if (!has_family(spec, net::Family::kIPv6)) return {};
  const auto path = [&](std::string_view name) {
    return fmt::format("/proc/sys/net/ipv6/conf/{}/{}", spec.pod_interface, name);
  };
  // Runtimes switch IPv6 off in fresh namespaces. Without duplicate address detection (there is
  // nobody else on the link) addresses work at once.
  return {{path("disable_ipv6"), "0"},
          {path("accept_dad"), "0"},
          {path("accept_ra"), "0"},
          {"/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0"}};
}

Result<bool> sysctl_is_set(const Sysctl& setting) {
  CARACAL_ASSIGN(const std::string now, read_file(setting.path));
  return trim(now) == setting.value;
}

Status set_sysctl(const Sysctl& setting) {
  CARACAL_ASSIGN(const bool set, sysctl_is_set(setting));
  if (set) return {};
  return write_sysctl(setting.path, setting.value);
}

}  // namespace caracal::dataplane::link
