// Authenticator: who sends a request, from its bearer token. Authorization is as small: whoever has
// a token may do everything, members of the group "caracal:readers" may only read.
//
// Immutable after start; thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/http_server.h"
#include "base/result.h"

namespace caracal::apiserver {

inline constexpr std::string_view kReadersGroup = "caracal:readers";
inline constexpr std::string_view kMastersGroup = "system:masters";

struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
};

class Authenticator {
 public:
  // A token file as kube-apiserver's: lines of token,user,uid[,"group1,group2"]; empty lines are
  // skipped. Errors name the line.
  Status add_token_file(std::string_view text);
  void add_token(std::string token, User user);
  // Requests without a token are this user's; nothing: they are refused.
  void set_anonymous(User user) { anonymous_ = std::move(user); }

  // Nothing: unauthorized.
  std::optional<User> authenticate(const HttpRequest& request) const;

 private:
  std::map<std::string, User, std::less<>> tokens_;
  std::optional<User> anonymous_;
};

// Verbs as in RBAC: get, list, watch, create, update, patch, delete, deletecollection.
bool may(const User& user, std::string_view verb);
std::string random_token();

}  // namespace caracal::apiserver
