#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace caracal::log {
namespace {

std::atomic<bool> g_json{[] {
  const char* format = std::getenv("CARACAL_LOG_FORMAT");
  return format != nullptr && std::string_view(format) == "json";
}()};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_logger_mt("caracal");
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

const char* name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "error";
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

bool needs_quotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \"=\\\n\t\r") != std::string_view::npos;
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() %
      1'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:06d}Z", text, micros);
}

}  // namespace

bool set_level(std::string_view level) {
  for (const Level candidate : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (level == name(candidate)) {
      logger().set_level(to_spdlog(candidate));
      return true;
    }
  }
  return false;
}

void set_json(bool json) { g_json = json; }

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message, Fields fields) {
  std::string line;
  if (g_json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","msg":)", timestamp(), name(level));
    append_quoted(line, message);
    for (const Field& field : fields) {
      line.push_back(',');
      append_quoted(line, field.key);
      line.push_back(':');
      field.quoted ? append_quoted(line, field.value) : static_cast<void>(line += field.value);
    }
    line.push_back('}');
  } else {
    line = fmt::format("time={} level={} msg=", timestamp(), name(level));
    append_quoted(line, message);
    for (const Field& field : fields) {
      line.push_back(' ');
      line += field.key;
      line.push_back('=');
      needs_quotes(field.value) ? append_quoted(line, field.value)
                                : static_cast<void>(line += field.value);
    }
  }
  // Passed as an argument: a message may hold braces.
  logger().log(to_spdlog(level), "{}", line);
}

}  // namespace caracal::log
