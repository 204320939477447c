// Shared by the tests of builtin_validation.h.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "apimachinery/builtin_validation.h"

namespace caracal::apimachinery {

inline json::value parsed(std::string_view text) { return jsonio::parse(text).value(); }

// The errors of a create (`old` empty) or an update, one a line.
inline std::string faults(std::string_view group, std::string_view kind, std::string_view object,
                          std::string_view old = "") {
  const json::value now = parsed(object);
  json::value before;
  if (!old.empty()) before = parsed(old);
  std::string out;
  for (const FieldError& error :
       validate_builtin(group, kind, now, old.empty() ? nullptr : &before)) {
    out += (out.empty() ? "" : "\n") + error.to_string();
  }
  return out;
}

// An object, and the beginning of the one error it must give; "" for none.
struct FaultCase {
  std::string_view object;
  std::string_view fault;
};

inline void expect_each(std::string_view group, std::string_view kind,
                        std::initializer_list<FaultCase> cases) {
  for (const FaultCase& c : cases) {
    const std::string found = faults(group, kind, c.object);
    if (c.fault.empty()) {
      EXPECT_EQ(found, "") << c.object;
    } else {
      EXPECT_TRUE(found.starts_with(c.fault))
          << c.object << "\n got: " << found << "\nwant: " << c.fault;
      EXPECT_EQ(found.find('\n'), std::string::npos) << "more than one: " << found;
    }
  }
}

}  // namespace caracal::apimachinery
