// Objects and lists of the API server, as bytes: every decoder, the list splitter and the error
// decoder. Checks what must hold for any input: a valid policy has its key, an invalid one allows
// nothing, and the splitter finds the same items however the text is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "kube/decode.h"
#include "kube/http.h"
#include "kube/list_splitter.h"
#include "kube/scratch_parser.h"

namespace {

using namespace caracal;

std::vector<std::string> split_items(std::string_view text, size_t piece, bool& whole) {
  std::vector<std::string> items;
  kube::ListSplitter splitter;
  while (!text.empty()) {
    splitter.feed(text.substr(0, piece), [&items](std::string_view item) {
      items.emplace_back(item);
      return true;
    });
    text.remove_prefix(std::min(piece, text.size()));
  }
  whole = splitter.finish().has_value();
  return items;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  bool whole = false;
  bool cut_whole = false;
  const auto items = split_items(text, std::max<size_t>(text.size(), 1), whole);
  CARACAL_CHECK(items == split_items(text, 3, cut_whole));
  CARACAL_CHECK(whole == cut_whole);

  (void)kube::api_error(500, text);
  (void)kube::api_error_of_status(text);

  kube::ScratchParser parser;
  const auto parsed = parser.parse(text);
  if (!parsed) return 0;
  const json::value& object = **parsed;
  (void)kube::decode_namespace(object);
  (void)kube::decode_node(object);
  if (const auto pod = kube::decode_pod(object)) {
    CARACAL_CHECK(!pod->name.name.empty());
    for (const auto& port : pod->ports) CARACAL_CHECK(port.port != 0 && !port.name.empty());
  }
  const model::PolicyUpdate policy = kube::decode_network_policy(object);
  CARACAL_CHECK(policy.value.has_value() || policy.invalid.has_value());
  if (policy.value) {
    CARACAL_CHECK(policy.value->id == policy.key);
    CARACAL_CHECK(policy.value->applies_ingress || policy.value->applies_egress);
    CARACAL_CHECK(policy.value->selects.in_namespace == policy.key.name.ns);
  }
  if (policy.value && policy.invalid) {
    CARACAL_CHECK(policy.value->ingress.empty() && policy.value->egress.empty());
  }
  return 0;
}
