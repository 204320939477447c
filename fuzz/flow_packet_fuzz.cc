// Packets as the kernel hands them out, made by whoever sent them: no bytes may do more than be
// refused, and what is read of a cut packet is what is read of the whole.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "flowlog/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using caracal::flowlog::parse_packet;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto whole = parse_packet(bytes);
  const auto part = parse_packet(bytes.first(size / 2));
  if (part && (!whole || part->source != whole->source || part->destination != whole->destination))
    std::abort();
  if (part && part->destination_port && part->destination_port != whole->destination_port)
    std::abort();
  return 0;
}
