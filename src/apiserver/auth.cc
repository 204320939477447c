#include "apiserver/auth.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/random.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

// The fields of one CSV line (RFC 4180 quoting, within a line).
Result<std::vector<std::string>> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return fail(Errc::kInvalid, "a quote is not closed");
  for (std::string& field : fields) field = trim(field);
  return fields;
}

}  // namespace

Status Authenticator::add_token_file(std::string_view text) {
  size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#') continue;
    auto fields = csv_fields(line);
    if (!fields) return fail(fields.error().within(fmt::format("token file line {}", number)));
    if (fields->size() < 3 || (*fields)[0].empty() || (*fields)[1].empty()) {
      return fail(
          Errc::kInvalid,
          fmt::format("token file line {}: want token,user,uid and optionally \"group1,group2\"",
                      number));
    }
    User user{(*fields)[1], (*fields)[2], {}};
    for (size_t i = 3; i < fields->size(); ++i) {
      for (const std::string_view group : split((*fields)[i], ',')) {
        if (!trim(group).empty()) user.groups.emplace_back(trim(group));
      }
    }
    add_token((*fields)[0], std::move(user));
  }
  return {};
}

void Authenticator::add_token(std::string token, User user) {
  tokens_[std::move(token)] = std::move(user);
}

std::optional<User> Authenticator::authenticate(const HttpRequest& request) const {
  const std::string_view header = request.header("authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (header.empty()) return anonymous_;
  if (header.size() <= kScheme.size() || !header.starts_with(kScheme)) return std::nullopt;
  const std::string_view token = trim(header.substr(kScheme.size()));
  // Compares all in constant time: the answer's time tells nothing about a token.
  const User* found = nullptr;
  for (const auto& [known, user] : tokens_) {
    if (known.size() == token.size() &&
        CRYPTO_memcmp(known.data(), token.data(), token.size()) == 0)
      found = &user;
  }
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

bool may(const User& user, std::string_view verb) {
  if (verb == "get" || verb == "list" || verb == "watch") return true;
  const auto has = [&user](std::string_view group) {
    return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
  };
  return has(kMastersGroup) || !has(kReadersGroup);
}

std::string random_token() {
  std::string bytes(24, '\0');
  CARACAL_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return to_hex(bytes);
}

}  // namespace caracal::apiserver
