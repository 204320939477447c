// CNI standard input and variables, and lines of the local socket: no input may do more than be
// refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cni/plugin.h"
#include "cni/request.h"
#include "rpc/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto nobody = [](const std::string&, const cni::RawRequest&) -> Result<rpc::Reply> {
    return fail(Errc::kUnavailable, "nobody");
  };
  for (const char* command : {"ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"}) {
    cni::run_plugin(
        {command, "c1", "/run/netns/x", "eth0", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", nullptr},
        text, nobody);
  }
  const size_t half = size / 2;
  cni::run_plugin({"ADD", std::string(text.substr(0, half)), "/x", std::string(text.substr(half)),
                   std::string(text), nullptr},
                  R"({"cniVersion":"1.1.0","name":"n","type":"t"})", nobody);
  if (const auto request = rpc::decode_request(text)) {
    [[maybe_unused]] const auto parsed = cni::parse_request(cni::raw_from_json(request->params));
  }
  [[maybe_unused]] const auto reply = rpc::decode_reply(text);
  return 0;
}
