// caracal-cni: the CNI plugin. What it does is in cni/plugin.h.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cni/plugin.h"

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string read_standard_input() {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      return text;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 || variable("CNI_COMMAND").empty()) {
    // Started by a person, not by a container runtime.
    const bool version = argc == 2 && std::string(argv[1]) == "--version";
    std::fprintf(
        version ? stdout : stderr,
        "caracal-cni %s: a CNI plugin, started by the container runtime.\n"
        "It reads CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_ARGS from the\n"
        "environment and the network configuration from standard input (CNI versions %s).\n",
        CARACAL_VERSION, caracal::cni::supported_versions().c_str());
    if (argc > 1) return version ? 0 : 2;
  }
  const std::string input = variable("CNI_COMMAND").empty() ? "" : read_standard_input();
  const caracal::cni::PluginOutput output = caracal::cni::run_plugin(
      {variable("CNI_COMMAND"), variable("CNI_CONTAINERID"), variable("CNI_NETNS"),
       variable("CNI_IFNAME"), variable("CNI_ARGS"), nullptr},
      input);
  if (std::fputs(output.text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) return 1;
  return output.exit_code;
}
