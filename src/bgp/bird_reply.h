// Replies of BIRD's control socket, read from bytes (doc/reply_codes of BIRD: four digits, then "-"
// when lines of the same reply follow or " " on its last line; a line that starts with a space goes
// on with the code of the line before; one that starts with "+" is told in between and is no part
// of a reply). Pure; takes any bytes without harm.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace caracal::bgp {

struct ReplyLine {
  int code = 0;
  std::string text;
  bool operator==(const ReplyLine&) const = default;
};

// The lines of one reply; the last one's code says how it ended.
struct Reply {
  std::vector<ReplyLine> lines;
  int code() const { return lines.empty() ? 0 : lines.back().code; }
  bool failed() const { return code() >= 8000; }  // 8xxx: could not be done, 9xxx: not understood
  std::string text() const;                       // all lines, for a message
};

class ReplyReader {
 public:
  // Errors: kInvalid when the bytes are no replies of BIRD, or one is larger than 64 MiB. Nothing
  // can be read after an error.
  Status feed(std::string_view bytes);
  // The oldest whole reply that has not been taken.
  std::optional<Reply> next();

 private:
  Status take_line(std::string_view line);

  std::string line_;
  Reply open_;
  size_t open_bytes_ = 0;
  std::deque<Reply> done_;
};

}  // namespace caracal::bgp
