// Structured logging: a message and key=value fields, one line an event, on standard error.
//
//   log::info("policy programmed", {{"policy", name}, {"elements", count}});
//
// Format is logfmt (time=... level=info msg="..." key=value) or JSON (CARACAL_LOG_FORMAT=json).
// The sink behind it is spdlog, which no other file includes. Thread-safe.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace caracal::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// A field of a log line; numbers stay numbers in JSON.
struct Field {
  std::string_view key;
  std::string value;
  bool quoted = true;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <typename N>
  requires std::integral<N> || std::floating_point<N> Field(std::string_view k, N v)
      : key(k), value(std::to_string(v)), quoted(false) {}
};
using Fields = std::initializer_list<Field>;

// Levels: "debug", "info", "warn", "error". Returns false for another word.
bool set_level(std::string_view level);
void set_json(bool json);
bool enabled(Level level);
void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view m, Fields f = {}) {
  if (enabled(Level::kDebug)) write(Level::kDebug, m, f);
}
inline void info(std::string_view m, Fields f = {}) {
  if (enabled(Level::kInfo)) write(Level::kInfo, m, f);
}
inline void warn(std::string_view m, Fields f = {}) {
  if (enabled(Level::kWarn)) write(Level::kWarn, m, f);
}
inline void error(std::string_view m, Fields f = {}) {
  if (enabled(Level::kError)) write(Level::kError, m, f);
}

}  // namespace caracal::log
