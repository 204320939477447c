// Lines of the agent's local socket, from whoever may open it. Whatever comes, in whatever pieces:
// the lines are the same, and what is taken is the same after writing and reading.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "rpc/message.h"

namespace {

using namespace caracal;

constexpr size_t kLimit = 64;

// The lines of `bytes` given in pieces of `piece`; whether a line was too long.
std::pair<std::vector<std::string>, bool> lines_of(std::string_view bytes, size_t piece) {
  std::vector<std::string> out;
  rpc::LineBuffer buffer(kLimit);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    if (!buffer.append(bytes.substr(0, piece))) return {out, true};
    while (auto line = buffer.next()) out.push_back(std::move(*line));
  }
  return {out, false};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto [lines, too_long] = lines_of(text, 1);
  const auto [same, same_too_long] = lines_of(text, size == 0 ? 1 : 1 + data[0] % 8);
  CARACAL_CHECK(too_long == same_too_long);
  // Where a line is too long, how many came before it depends on the pieces.
  if (!too_long) CARACAL_CHECK(lines == same);
  for (const std::string& line : lines) CARACAL_CHECK(line.size() <= kLimit);

  if (const auto request = rpc::decode_request(text)) {
    const std::string written = rpc::encode(*request);
    CARACAL_CHECK(written.ends_with('\n') && written.find('\n') == written.size() - 1);
    const auto again = rpc::decode_request(std::string_view(written).substr(0, written.size() - 1));
    CARACAL_CHECK(again && again->method == request->method && again->params == request->params);
  }
  if (const auto reply = rpc::decode_reply(text)) {
    const std::string written = rpc::encode(*reply);
    const auto again = rpc::decode_reply(std::string_view(written).substr(0, written.size() - 1));
    CARACAL_CHECK(again && again->error == reply->error);
    CARACAL_CHECK(reply->error || again->result == reply->result);
  }
  return 0;
}
