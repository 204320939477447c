// FileSink: appends records to a file, a JSON object a line, and starts a new file when it is full.
//
// PATH, PATH.1 (the one before), ..., up to `files` in all. Blocking: its owner calls it on a
// worker, one call at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::flowlog {

struct FileSinkOptions {
  std::string path;
  uint64_t max_bytes = 10u << 20;  // a file
  uint32_t files = 5;              // kept, the present one included; at least 1
};

class FileSink {
 public:
  // Makes the folder when needed; goes on with a file that is there. Mode 0600.
  static Result<FileSink> open(FileSinkOptions options);

  // Whole lines, newline included. They stay together in one file. Errors leave the sink usable:
  // the next call tries again.
  Status write(std::string_view lines);

 private:
  explicit FileSink(FileSinkOptions options) : options_(std::move(options)) {}
  Status open_file();
  Status rotate();

  FileSinkOptions options_;
  UniqueFd fd_;
  uint64_t size_ = 0;
};

}  // namespace caracal::flowlog
