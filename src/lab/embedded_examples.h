// The files of examples/, carried in the program (embed_examples.cmake turns them into C++ at build
// time), so that a lab has them wherever the program is.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal::lab {

struct EmbeddedExample {
  std::string_view path;  // "topologies/three-nodes.yaml"
  std::string_view text;
};

std::span<const EmbeddedExample> embedded_examples();
// nullptr when there is none of that path.
const EmbeddedExample* find_example(std::string_view path);
// Writes all of them below a folder, which is made.
Status write_examples(const std::string& folder);

}  // namespace caracal::lab
