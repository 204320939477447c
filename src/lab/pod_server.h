// Pod server: stands in for a pod's containers. Listens on the containerPorts of one pod and
// answers every one with the pod's name: HTTP on TCP (any path; /hostname.html gives the bare
// name), a datagram on UDP. Connections are kept alive and may carry many requests.
//
// The body of the program caracal-lab-pod, one process a pod; one thread, epoll, a few hundred
// kilobytes. Uses nothing but the C++ library, so that a lab of many pods stays small.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace caracal::lab {

struct ServedPort {
  enum class Protocol { kTcp, kUdp, kSctp };
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;
  bool operator==(const ServedPort&) const = default;
};

struct PodServerOptions {
  std::string name;
  std::vector<ServedPort> ports;
  int ready_fd =
      -1;  // gets "ready\n" once every port is open, or a text that says why not; then closed
};

// "TCP:80". False when the text is something else.
bool parse_served_port(const std::string& text, ServedPort& port);

// The answer to one complete request head ("GET /hostname.html HTTP/1.1..."), Connection header
// included; `keep` says whether the connection stays open after it.
std::string http_answer(const std::string& head, const std::string& pod_name, bool& keep);

// Serves until SIGTERM. Exit status: 0, or 1 when a port cannot be opened. A protocol that the
// kernel has not (SCTP often) is skipped with a line on standard error.
int run_pod_server(const PodServerOptions& options);

}  // namespace caracal::lab
