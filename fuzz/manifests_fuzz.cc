// A file of manifests, as `caracal policy` reads from a stranger's repository. Whatever comes: it
// is read to the end, every object and every problem stands at a line the file has, and the world
// that comes of it can be built.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "manifests/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  manifests::Documents documents;
  manifests::parse_documents("f.yaml", text, documents);
  for (const manifests::Document& document : documents.documents) {
    CARACAL_CHECK(document.source.line >= 1 && document.source.line <= lines);
    CARACAL_CHECK(manifests::line_of(document, "spec.ingress[0].ports[1].port") <= lines);
  }
  for (const manifests::Problem& problem : documents.problems) {
    CARACAL_CHECK(problem.source.line <= lines + 1 && !problem.to_string().empty());
  }
  const manifests::Manifests loaded = manifests::load(std::move(documents));
  for (const manifests::Problem& problem : loaded.problems)
    CARACAL_CHECK(!problem.to_string().empty());
  return 0;
}
