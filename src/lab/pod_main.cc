// caracal-lab-pod: the process that stands in for the containers of a lab's pod. Started by the
// lab's supervisor inside the pod's network namespace; see lab/pod_server.h.
#include <cstdio>
#include <cstring>
#include <string>

#include "lab/pod_server.h"

int main(int argc, char** argv) {
  caracal::lab::PodServerOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    caracal::lab::ServedPort port;
    if (flag == "--name") {
      options.name = value;
    } else if (flag == "--port" && caracal::lab::parse_served_port(value, port)) {
      options.ports.push_back(port);
    } else if (flag == "--ready-fd" && value == "3") {
      options.ready_fd = 3;
    } else {
      options.name.clear();
      break;
    }
  }
  if (options.name.empty() || argc % 2 == 0) {
    std::fprintf(stderr,
                 "usage: caracal-lab-pod --name POD [--port TCP:80]... [--ready-fd 3]\n"
                 "Answers on the ports given with the pod's name; started by `caracal lab`.\n");
    return 2;
  }
  return caracal::lab::run_pod_server(options);
}
