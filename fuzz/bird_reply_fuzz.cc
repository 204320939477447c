// Bytes of BIRD's control socket: whoever listens there, nothing may do more than be refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bgp/bird_reply.h"
#include "bgp/bird_status.h"
#include "bgp/peer_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal::bgp;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Config config;
  config.sessions.resize(2);
  config.sessions[0].name = "Mesh_10_0_0_2";
  config.sessions[1].name = "Global_10_0_0_9";
  config.sessions[1].passive = true;
  // In two parts, split where the first byte says.
  const size_t cut = size == 0 ? 0 : data[0] % size;
  ReplyReader reader;
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    if (!reader.feed(part)) break;
    while (const auto reply = reader.next()) {
      [[maybe_unused]] const auto status = parse_daemon_status(*reply);
      [[maybe_unused]] const auto count = parse_route_count(*reply);
      if (const auto protocols = parse_protocols(*reply)) {
        for (const PeerReport& report : report_peers(config, *protocols, ""))
          [[maybe_unused]] const auto json = to_json(report);
      }
    }
  }
  return 0;
}
