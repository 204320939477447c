// The data files of this folder (types/*.yaml, crds/*.yaml), turned into JSON texts in the program
// at build time by embed_main.cc.
#pragma once

#include <span>
#include <string_view>

namespace caracal::apimachinery {

struct EmbeddedFile {
  std::string_view name;  // "networking"
  std::string_view json;
};

std::span<const EmbeddedFile> embedded_types();  // of types/, by name
std::span<const EmbeddedFile> embedded_crds();   // of crds/, by name

}  // namespace caracal::apimachinery
