// Pools and blocks as a picture (SVG 1.1): the map of each pool, its blocks address by address,
// coloured by node. Pure.
#pragma once

#include <string>

#include "ipam/address_world.h"

namespace caracal::cli {

struct PictureOptions {
  bool blocks = true;
  std::string pool;  // only this one; empty: all
};
std::string ipam_svg(const ipam::AddressWorld& world, const PictureOptions& options);

}  // namespace caracal::cli
