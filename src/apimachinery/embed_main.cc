// apimachinery_embed OUT.cc FUNCTION FILE.yaml...: runs at build time only. Writes a source file
// that defines FUNCTION() with the files as compact JSON, so that the programs carry their schemas
// and a mistake in a YAML file stops the build.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "jsonio/yaml.h"

namespace {

int run(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: apimachinery_embed OUT.cc FUNCTION FILE.yaml...\n");
    return 2;
  }
  std::string out = "#include \"apimachinery/embedded.h\"\n\nnamespace caracal::apimachinery {\n";
  out += fmt::format(
      "std::span<const EmbeddedFile> {}() {{\n  static constexpr EmbeddedFile kFiles[] = {{\n",
      argv[2]);
  for (int i = 3; i < argc; ++i) {
    const std::filesystem::path path(argv[i]);
    const auto text = caracal::read_file(path.string());
    if (!text) {
      fmt::print(stderr, "{}\n", text.error().message);
      return 1;
    }
    const auto documents = caracal::jsonio::parse_yaml(*text);
    if (!documents || documents->size() != 1) {
      fmt::print(stderr, "{}: {}\n", path.string(),
                 documents ? "not one document" : documents.error().message);
      return 1;
    }
    out += fmt::format("      {{\"{}\", R\"caracal({})caracal\"}},\n", path.stem().string(),
                       caracal::jsonio::to_string(documents->front()));
  }
  out += "  };\n  return kFiles;\n}\n}  // namespace caracal::apimachinery\n";
  if (const auto written = caracal::write_file_atomic(argv[1], out); !written) {
    fmt::print(stderr, "{}\n", written.error().message);
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
