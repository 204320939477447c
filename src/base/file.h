// Whole-file reads and writes. Blocking.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal {

Result<std::string> read_file(const std::string& path);

// Writes through a temporary file in the same folder, fsync, rename, fsync of the folder: after a
// crash the path holds the old content or the new, never a part. `mode` as for open(2).
Status write_file_atomic(const std::string& path, std::string_view content, unsigned mode = 0644);

// Writes into an existing file in one write(2), as /proc/sys wants it.
Status write_sysctl(const std::string& path, std::string_view value);

// mkdir -p.
Status make_directories(const std::string& path);

}  // namespace caracal
