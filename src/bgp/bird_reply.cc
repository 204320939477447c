#include "bgp/bird_reply.h"

#include <algorithm>
#include <cctype>

namespace caracal::bgp {
namespace {

constexpr size_t kLongestLine = size_t{64} << 10;
constexpr size_t kLargestReply = size_t{64} << 20;

tl::unexpected<Error> not_bird(std::string_view line) {
  std::string shown(line.substr(0, 40));
  std::replace_if(
      shown.begin(), shown.end(),
      [](char c) { return std::isprint(static_cast<unsigned char>(c)) == 0; }, '?');
  return fail(Errc::kInvalid, "not a reply of BIRD: \"" + shown + "\"");
}

}  // namespace

std::string Reply::text() const {
  std::string out;
  for (const ReplyLine& line : lines) {
    if (line.text.empty()) continue;
    if (!out.empty()) out += "; ";
    out += line.text;
  }
  return out;
}

Status ReplyReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kLongestLine) return not_bird(line_);
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    CARACAL_TRY(take_line(line_));
    line_.clear();
  }
  return {};
}

Status ReplyReader::take_line(std::string_view line) {
  if (line.starts_with('+')) return {};
  open_bytes_ += line.size();
  if (open_bytes_ > kLargestReply) return fail(Errc::kInvalid, "a reply of BIRD is too large");
  if (line.starts_with(' ')) {
    if (open_.lines.empty()) return not_bird(line);
    open_.lines.push_back({open_.lines.back().code, std::string(line.substr(1))});
    return {};
  }
  const bool digits = line.size() >= 5 && std::all_of(line.begin(), line.begin() + 4,
                                                      [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (line[4] != '-' && line[4] != ' ')) return not_bird(line);
  int code = 0;
  for (size_t i = 0; i < 4; ++i) code = code * 10 + (line[i] - '0');
  open_.lines.push_back({code, std::string(line.substr(5))});
  if (line[4] == ' ') {
    done_.push_back(std::move(open_));
    open_ = {};
    open_bytes_ = 0;
  }
  return {};
}

std::optional<Reply> ReplyReader::next() {
  if (done_.empty()) return std::nullopt;
  Reply reply = std::move(done_.front());
  done_.pop_front();
  return reply;
}

}  // namespace caracal::bgp
