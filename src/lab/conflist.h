// A CNI runtime, as small as the specification lets it be: reads a conflist and executes its
// plugins, as a kubelet's container runtime does (CNI specification 1.1, sections 1 to 4).
//
// ADD and CHECK run in order, each plugin given the result of the one before as prevResult; DEL
// runs in reverse order with the result of the whole ADD. Used by lab/sandbox; blocking, any
// thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::lab {

struct ConfList {
  std::string cni_version;
  std::string name;
  bool disable_check = false;
  std::vector<json::object> plugins;  // each with a "type"
};

// Errors name `source`, the field and what is valid.
Result<ConfList> parse_conflist(std::string_view text, std::string_view source);

// One network interface of one sandbox.
struct Attachment {
  std::string container_id;
  std::string netns;  // path
  std::string interface = "eth0";
  std::vector<std::pair<std::string, std::string>> args;  // CNI_ARGS: K8S_POD_NAME, ...
  json::object capabilities;  // portMappings, bandwidth, ...: for the plugins that ask for them
};

// What a plugin printed when it failed; `message()` is what events and logs show.
struct CniFailure {
  std::string plugin;
  unsigned code = 0;  // of the CNI specification; 0: no error object came
  std::string text;
  std::string message() const;
};

class CniRuntime {
 public:
  // `path`: folders with plugins, searched in order. `netns`: where the plugins run (a node's
  // namespace); empty: ours.
  CniRuntime(ConfList list, std::vector<std::string> path, std::string netns);

  // The last plugin's result. When a plugin fails, the plugins are given DEL, in reverse order,
  // before the failure is returned: nothing is left behind.
  tl::expected<json::value, CniFailure> add(const Attachment& attachment) const;
  // All plugins get their DEL even when one fails; the first failure is returned. `result`: of ADD,
  // or null when it is not known.
  tl::expected<void, CniFailure> del(const Attachment& attachment, const json::value& result) const;
  tl::expected<void, CniFailure> check(const Attachment& attachment,
                                       const json::value& result) const;

 private:
  tl::expected<json::value, CniFailure> execute(const json::object& plugin,
                                                std::string_view command,
                                                const Attachment& attachment,
                                                const json::value& previous) const;

  ConfList list_;
  std::vector<std::string> path_;
  std::string netns_;
};

}  // namespace caracal::lab
