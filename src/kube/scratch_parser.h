// ScratchParser: parses one small JSON text after another into the same memory, for streams of
// objects that are decoded and dropped. Thread-compatible.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::kube {

class ScratchParser {
 public:
  ScratchParser();
  ~ScratchParser();
  ScratchParser(const ScratchParser&) = delete;
  ScratchParser& operator=(const ScratchParser&) = delete;

  // The value lives until the next call.
  Result<const json::value*> parse(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::kube
