#include "lab/embedded_examples.h"

#include "base/file.h"

namespace caracal::lab {

const EmbeddedExample* find_example(std::string_view path) {
  for (const EmbeddedExample& example : embedded_examples()) {
    if (example.path == path) return &example;
  }
  return nullptr;
}

Status write_examples(const std::string& folder) {
  for (const EmbeddedExample& example : embedded_examples()) {
    const std::string path = folder + "/" + std::string(example.path);
    CARACAL_TRY(make_directories(path.substr(0, path.rfind('/'))));
    CARACAL_TRY(write_file_atomic(path, example.text));
  }
  return {};
}

}  // namespace caracal::lab
